"""How a controller that cannot work ends: exit codes and what it says."""

import asyncio
import contextlib
import json
import sys

import pytest
import yaml
from aiohttp import web

from tests.support.web import serving


async def controller(tmp_path, url, *options):
    """Run a controller against a URL until it ends; return its exit code and what it said."""
    config = {
        "apiVersion": "v1", "kind": "Config", "current-context": "c", "users": [{"name": "u", "user": {"token": "t"}}],
        "clusters": [{"name": "c", "cluster": {"server": url}}], "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    }  # fmt: skip
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "controller", "--kubeconfig", str(path), "--metrics-port", "0", "--health-port", "0", *options]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
    try:
        said, _ = await asyncio.wait_for(process.communicate(), 30)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    return process.returncode, said.decode()


def version(minor):
    return web.json_response({"major": "1", "minor": minor, "gitVersion": f"v1.{minor}.0"})


async def test_an_api_server_that_is_too_old_is_named_with_both_versions(tmp_path):
    async def answer(_request):
        return version("30")

    async with serving(answer) as url:
        code, said = await controller(tmp_path, url)
    assert code == 3
    assert "v1.30.0" in said
    assert "1.31 or newer" in said


@pytest.mark.parametrize("kind", ["validatingwebhookconfigurations", "deployments"])
async def test_under_its_identity_metallb_itself_must_be_gone(tmp_path, kind):
    async def answer(request):
        if request.path == "/version":
            return version("37")
        return web.json_response({}, status=200 if f"/{kind}/" in request.path else 404)

    async with serving(answer) as url:
        code, said = await controller(tmp_path, url, "--identity", "metallb")
    assert code == 1
    assert "MetalLB is still installed" in said


async def test_a_kubeconfig_that_cannot_be_read_is_a_usage_error(tmp_path):
    command = [sys.executable, "-m", "controller", "--kubeconfig", str(tmp_path / "none"), "--metrics-port", "0", "--health-port", "0"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    said, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 2
    assert str(tmp_path / "none") in json.loads(said.decode().splitlines()[-1])["error"]
