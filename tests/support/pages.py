"""The commands of the pages of documentation, to be run as a reader would: from top to bottom, in a shell.

A block is what stands indented by four spaces between other text and begins with a program that a reader would type. Configuration of
routers and resources, indented as well, are none.
"""

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WITH_A_CONTROLLER = {
    "README.md": ("On a cluster of your own",),
    "docs/how-to/troubleshooting.md": ("A Service stays `<pending>`", "A BGP session does not come up"),
    "docs/how-to/layer-2.md": ("Move IPs off a node",),
    "docs/bgp.md": ("2. Resources", "5. A password"),
    "docs/explanation/ledger.md": ("The ledger",),
}
"""Headings whose commands tests/integration/cli/test_pages.py types."""
WHOLE = ("docs/tutorial.md", "docs/how-to/pools.md")
"""Pages that are typed from top to bottom: tests/e2e/test_tutorial.py, tests/integration/cli/test_pools_page.py."""
ON_KIND = {
    "docs/how-to/install.md": ("With Helm", "With nothing but kubectl", "Uninstall"),
    "kind-config/README.md": ("By hand", "With a router"),
}
"""Headings whose commands tests/kind types."""
ELSEWHERE = {
    "README.md": ("See it work",),  # CI calls `make test`, and labs of tests are what `make demo` makes
    "docs/how-to/install.md": ("Install",),  # the image that tests/kind loads is built of the same file; nothing is pushed anywhere
    "docs/bgp.md": ("1. Processes",),  # tests/unit/docs/test_examples.py sees that the options exist; every lab runs them
    "docs/reference/explain.md": ("`bmlb svc explain`",),  # a synopsis
    "docs/reference/plan.md": ("`bmlb plan`", "`-o objects`"),  # a synopsis; tests/unit/cli/test_plan_command.py
}
PROGRAMS = ("make", "export", "kubectl", "bmlb", ".venv/bin/bmlb", "helm", "docker", "curl", "sed")
_HEADING = re.compile(r"^#{1,3} (.*)$")


@dataclass(frozen=True, slots=True)
class Block:
    """Commands that stand together."""

    heading: str
    """The one above them."""
    script: str


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page, in their order."""
    found: list[Block] = []
    heading, lines, is_fenced = "", list[str](), False

    def end() -> None:
        script = "\n".join(line[4:] for line in lines).strip()
        if script.startswith(tuple(f"{program} " for program in PROGRAMS)):
            found.append(Block(heading, script))
        lines.clear()

    for line in chain(page.read_text(encoding="utf-8").splitlines(), ["."]):
        if line.startswith("```"):
            is_fenced = not is_fenced
        if not is_fenced and (line.startswith("    ") or (lines and not line)):
            lines.append(line)
        else:
            end()
            if title := _HEADING.match(line):
                heading = title.group(1)
    return found


@dataclass
class Reader:
    """A reader's shell: each block in one of its own, in the same folder, as if with one environment."""

    folder: Path
    environment: Mapping[str, str]
    said: str = ""
    """Everything so far, the commands included, for whoever has to find out what went wrong."""

    def types(self, script: str, *, codes: tuple[int, ...] = (0,)) -> str:
        """Run a script until a command in it fails, and return what it printed; it has to end with one of these codes."""
        command = ["bash", "-o", "pipefail", "-e", "-c", script]
        done = subprocess.run(
            command, cwd=self.folder, env=os.environ | dict(self.environment), capture_output=True, text=True, check=False, timeout=300
        )
        self.said += f"$ {script}\n{done.stdout}{done.stderr}"
        assert done.returncode in codes, f"ended with {done.returncode}\n{self.said}"
        return done.stdout + done.stderr
