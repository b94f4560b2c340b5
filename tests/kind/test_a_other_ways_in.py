"""What comes after the installation that the other tests share: other ways to install, as the pages tell, and the demo by hand."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from kind_cluster.commands import run
from kind_cluster.places import CHECKOUT
from kind_cluster.router import ROUTER
from tests.kind.conftest import page, remove_leftovers, with_local_image
from tests.support.kind import NAMESPACE, Kind, operator, until_ready
from tests.support.kind_objects import backends, configuration, service
from tests.support.kind_outside import Outside
from tests.support.pages import Reader, blocks
from tests.support.wait import until

README = CHECKOUT / "kind-config" / "README.md"


@pytest.fixture
def empty(bare: Kind, kind: Kind) -> Iterator[Kind]:
    """The cluster without an installation, and without one again at the end."""
    remove_leftovers(bare)  # only where the tests before this one did not run, or failed: they end with an uninstall
    yield bare
    bare.kubectl("delete", "services,deployments", "--all", "-n", "default", "--timeout=60s")


def serve(kind: Kind, client: Outside, name: str) -> None:
    """See a Service reached through an installation."""
    until_ready(kind)
    kind.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    kind.apply(*backends(), *(each for each in configuration(kind, client) if each["metadata"]["name"] == "link"), service(name))
    ip = until(lambda: kind.ips(name), 60)[0]
    until(lambda: not client.ask(f"http://{ip}/").errors, 60)


def test_kustomize_installs_it(empty: Kind, client: Outside, tmp_path: Path):
    lines = re.findall(r"^ {4}((?:resources|images): .*)$", (CHECKOUT / "docs" / "how-to" / "install.md").read_text(), re.MULTILINE)
    (tmp_path / "baremetal-lb").symlink_to(CHECKOUT)
    (tmp_path / "kustomization.yaml").write_text(with_local_image("\n".join(lines)))
    reader = Reader(tmp_path, operator().environment)
    reader.types("kubectl apply -k . --server-side")
    try:
        serve(empty, client, "by-kustomize")
    finally:
        reader.types("kubectl delete -k . --timeout=120s")
    assert empty.get("namespace", NAMESPACE) is None


def test_manifests_install_it(empty: Kind, client: Outside):
    (block,) = page("install.md", "With nothing but kubectl")
    script = with_local_image(block.script)
    operator().types(script)
    try:
        serve(empty, client, "by-manifests")
    finally:
        operator().types(f"{script.partition('|')[0]} | kubectl delete --timeout=120s -f -")
    assert empty.get("namespace", NAMESPACE) is None


def test_the_demo_by_hand(empty: Kind, router: Outside):
    """Each line of the page; one that looks at something is tried again, as a reader would."""
    reader = operator()
    subnet = str(empty.subnets[0][-256])  # 172.18.255.0 of 172.18.0.0/16
    local = {"172.18.255.": subnet.removesuffix("0"), "--l2": "--l2 --yes"}
    said = {}
    try:
        for line in lines_of(README, "By hand", "With a router"):
            if line.startswith("make kind-router"):
                local["172.18.0.6"] = re.findall(r"\d+\.\d+\.\d+\.\d+", reader.types(line))[-1]
                continue
            for given, here in local.items():
                line = line.replace(given, here)  # noqa: PLW2901 - the line as this reader types it
            said[line.split()[0] + line.split()[1]] = until(lambda line=line: reader.types(line), 90)
        assert '"pod"' in said[f"curlhttp://{subnet.removesuffix('0')}1/"]
        until(lambda: established(reader) == set(empty.nodes), 150)
    finally:
        operator().types(page("install.md", "Uninstall")[0].script)
        run("docker", "rm", "-f", ROUTER)


def lines_of(readme: Path, *headings: str) -> list[str]:
    return [line for block in blocks(readme) if block.heading in headings for line in block.script.splitlines()]


def established(reader: Reader) -> set[str]:
    """Return the nodes whose sessions are up."""
    return {line.split()[0] for line in reader.types("bmlb peer list", codes=(0, 1)).splitlines() if "Established" in line}
