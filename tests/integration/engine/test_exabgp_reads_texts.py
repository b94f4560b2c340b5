"""ExaBGP itself takes the nastiest values that the gates let through."""

import os
import stat
import subprocess
import sys
from ipaddress import IPv4Address
from pathlib import Path

from baremetal_lb.bgp.exabgp_config import block_of, render
from baremetal_lb.bgp.session import SessionSpec
from baremetal_lb.model.net import Family
from tests.support.texts import NAMES, PASSWORDS

OWN = IPv4Address("198.51.100.1")


def helper(directory: Path) -> Path:
    """Make what ExaBGP accepts as a helper: a program that is there."""
    program = directory / "relay"
    program.write_text("#!/bin/sh\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


def written(directory: Path) -> tuple[Path, list[SessionSpec]]:
    texts = [(name, None) for name in NAMES] + [("eth0", password) for password in PASSWORDS]
    sessions = [
        SessionSpec(f"p{i}", OWN + 9 + i, 65000, OWN, 65001, interface=name, password=password, families=frozenset({Family.IPV4}))
        for i, (name, password) in enumerate(texts)
    ]
    path = directory / "exabgp.conf"
    path.write_text(render(map(block_of, sessions), str(helper(directory))))
    return path, sessions


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, check=False, env=os.environ | {"exabgp_log_level": "ERROR"}
    )


def test_exabgp_validates_a_file_with_every_text_that_is_taken(tmp_path: Path):
    path, _sessions = written(tmp_path)
    found = run("-m", "exabgp", "validate", str(path))
    assert found.returncode == 0, found.stdout + found.stderr
