"""How the process fails when it cannot do its work: with a sentence and an exit code."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from aiohttp import web

from tests.support.wait import until

ENVIRONMENT = {"PATH": os.environ["PATH"], "PYTHONPATH": os.getcwd()}  # noqa: PTH109 - the checkout


def speaker(*options: str) -> tuple[int, list[dict[str, object]]]:
    command = [sys.executable, "-m", "speaker", "--node-name", "n1", "--health-port", "0", "--metrics-port", "0", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=ENVIRONMENT, check=False)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def test_without_credentials_it_says_so(tmp_path: Path) -> None:
    code, lines = speaker("--kubeconfig", str(tmp_path / "none"))
    assert code == 1
    assert lines[-1]["event"] == "speaker_failed"
    assert "cannot use kubeconfig" in str(lines[-1]["error"])


@pytest.fixture
async def old_server(tmp_path: Path):
    async def version(_request: web.Request) -> web.Response:
        return web.json_response({"major": "1", "minor": "30", "gitVersion": "v1.30.9"})

    app = web.Application()
    app.router.add_get("/version", version)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    path = tmp_path / "kubeconfig"
    clusters = [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{runner.addresses[0][1]}"}}]
    contexts = [{"name": "c", "context": {"cluster": "c", "user": "u"}}]
    path.write_text(json.dumps({"clusters": clusters, "contexts": contexts, "current-context": "c", "users": [{"name": "u", "user": {}}]}))
    yield path
    await runner.cleanup()


async def test_an_api_server_that_is_too_old_is_refused(old_server: Path) -> None:
    code, lines = await asyncio.to_thread(speaker, "--kubeconfig", str(old_server))
    assert code == 1
    assert "baremetal-lb needs 1.31 or newer" in str(lines[-1]["error"])


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    clusters = [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}]
    contexts = [{"name": "c", "context": {"cluster": "c", "user": "u"}}]
    kubeconfig.write_text(
        json.dumps({"clusters": clusters, "contexts": contexts, "current-context": "c", "users": [{"name": "u", "user": {}}]})
    )
    with subprocess.Popen(
        [sys.executable, "-c", "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        port = until(holder.stdout.readline).strip()
        code, lines = speaker("--kubeconfig", str(kubeconfig), "--health-port", port)
        holder.kill()
    assert code == 1
    assert port in str(lines[-1]["error"])
