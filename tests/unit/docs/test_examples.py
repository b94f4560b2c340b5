"""Examples in the pages are right: resources validate, commands and options exist, links to pages are there."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from baremetal_lb.cli.main import COMMANDS, app
from tests.support.pages import ROOT, blocks

PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "kind-config" / "README.md"])
FENCED = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
PROCESSES = ("controller", "speaker", "exabgp", "bfd")
WITH_YAML = [page for page in PAGES if FENCED.search(page.read_text())]


@pytest.mark.parametrize("page", WITH_YAML, ids=lambda page: page.name)
def test_resources_in_a_page_have_no_fault(page, tmp_path):
    for number, block in enumerate(FENCED.findall(page.read_text())):
        documents = [item for item in yaml.safe_load_all(block) if item]
        if all(isinstance(item, dict) and "baremetal-lb.io/" in str(item.get("apiVersion")) for item in documents):
            path = tmp_path / f"{number}.yaml"
            path.write_text(block)
            done = CliRunner().invoke(app, ["validate", str(path)])
            assert done.exit_code == 0, f"{block}\n{done.output}"


def commands(page: Path) -> list[str]:
    """Return the commands of ours that stand in a page, without what follows them on their lines."""
    typed = [line for block in blocks(page) for line in block.script.splitlines() if line.startswith("bmlb ")]
    found = [line.partition("#")[0].partition("|")[0].strip() for line in typed]
    return [line for line in found if line.split()[1:2] and line.split()[1] in COMMANDS and "[" not in line]


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=lambda page: f"{page.parent.name}/{page.name}")
def test_commands_in_a_page_exist_with_their_options(page):
    for line in commands(page):
        words = line.split()
        names = [words[1], *(words[2:3] if words[1] in ("pool", "ip", "svc", "node", "peer", "lab") else [])]
        said = help_of(names)
        for option in (word.partition("=")[0] for word in words if word.startswith("--") and word != "--"):
            assert option in said, f"{line}: {option}"


def help_of(names: list[str]) -> str:
    if names[0] in PROCESSES:  # which take the place of the process that was called
        done = subprocess.run([ROOT / ".venv" / "bin" / "bmlb", *names, "--help"], capture_output=True, text=True, check=True)
        return done.stdout
    told = CliRunner().invoke(app, [*names, "--help"], env={"COLUMNS": "200"})
    assert told.exit_code == 0, names
    return told.output
