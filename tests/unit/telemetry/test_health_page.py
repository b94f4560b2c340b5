"""docs/reference/health.md names the checks that there are."""

import re
from pathlib import Path

from baremetal_lb.kube.transport import Transport
from speaker.process import Speaker
from speaker.settings import Settings

PAGE = (Path(__file__).parents[3] / "docs/reference/health.md").read_text()


def rows(process: str) -> dict[str, set[str]]:
    """Return the checks of a section's table, by the path that they are of."""
    section = PAGE.partition(f"## {process}\n")[2].partition("\n## ")[0]
    found: dict[str, set[str]] = {"/healthz": set(), "/readyz": set()}
    for check, path in re.findall(r"^\| `(\w+)` \| `(/\w+)` \|", section, re.MULTILINE):
        found[path].add(check)
    return found


def test_the_page_names_the_checks_of_the_speaker(tmp_path):
    one = Speaker(Settings(node_name="node1", runtime_dir=str(tmp_path)), Transport(url="http://127.0.0.1:1")).health()
    assert rows("Speaker") == {"/healthz": set(one.liveness), "/readyz": set(one.readiness)}


def test_the_page_names_the_checks_of_the_controller():
    source = (Path(__file__).parents[3] / "controller/process.py").read_text()
    named = {kind: set(re.findall(rf'health\.{kind}\["(\w+)"\]', source)) for kind in ("liveness", "readiness")}
    assert rows("Controller") == {"/healthz": named["liveness"], "/readyz": named["readiness"]}
