"""What the other pages show is typed here, with a controller at work: resources are applied, commands of ours and of kubectl run.

What a page shows of a whole cluster is typed elsewhere: the tutorials in a lab, the pages on installing on a kind cluster.
"""

import re

import pytest

from baremetal_lb.lab.build import find_or_build
from tests.support.pages import ROOT, WITH_A_CONTROLLER, Reader, blocks
from tests.unit.docs.test_examples import FENCED

HOME = "baremetal-lb-system"
ELSEWHERE = ("make", "docker", "helm", "bmlb speaker", "bmlb exabgp", "bmlb bfd", "bmlb manifests")
"""Beginnings of lines of these pages that are not typed here."""
PAGES = [pytest.param(ROOT / page, headings, id=page) for page, headings in WITH_A_CONTROLLER.items()]


def own_lines(script: str) -> list[str]:
    """Return a block's commands, each with the lines that it goes on in, but for those that belong elsewhere."""
    lines = [line for line in re.split(r"(?<!\\)\n", script) if line.strip()]
    return [line for line in lines if not line.startswith(ELSEWHERE)]


@pytest.mark.kube
@pytest.mark.parametrize(("page", "headings"), PAGES)
def test_what_a_page_shows_can_be_typed(install, tmp_path, page, headings):
    install.start()
    if page.name == "troubleshooting.md":  # which begins where something is there already
        install.service("web")
        install.peer("tor", myASN=64512, peerASN=64513, peerAddress="198.51.100.254")
    if page.name == "layer-2.md":
        install.server.create("/api/v1/nodes", {"metadata": {"name": "node2"}})
    kubeconfig = install.server.kubeconfig("admin")
    programs = f"{ROOT / '.venv' / 'bin'}:{find_or_build(print)}:/usr/bin:/bin"
    reader = Reader(tmp_path, {"KUBECONFIG": str(kubeconfig), "PATH": programs, "HOME": str(tmp_path)})

    def here(text: str) -> str:
        """Return what would be typed at this install, which is not in the namespace of the pages."""
        return re.sub(r"\bshop\b", install.namespace, text.replace(HOME, install.system))

    try:
        for resources in FENCED.findall(page.read_text()):
            reader.types(f"kubectl apply -f - <<'EOF'\n{here(resources)}EOF")
        typed = [here(line) for block in blocks(page) if block.heading in headings for line in own_lines(block.script)]
        assert typed
        for line in typed:
            if line.startswith("bmlb pool create"):
                install.service("web")
            reader.types(with_install(line, install), codes=codes_of(line))
    finally:
        if page.name == "layer-2.md":
            install.server.delete("/api/v1/nodes/node2")


def with_install(line: str, install) -> str:
    """Name the install to a command of ours, and answer yes."""
    if not line.startswith("bmlb"):
        return line
    home = f"--install-namespace {install.system} --lb-class {install.lb_class}" if " svc " in line else f"--namespace {install.system}"
    more = " --yes" if " pool create" in line else ""
    return f"{line.partition('#')[0].rstrip()} {home}{more}"


def codes_of(line: str) -> tuple[int, ...]:
    """Return how a command may end: there are no speakers here, so that nobody reaches a Service and no session is up."""
    return (1,) if re.match(r"bmlb (svc|peer)", line) else (0,)
