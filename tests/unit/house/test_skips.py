"""A skipped test fails the run of CI, and is named."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
A_SKIP = "import pytest\ndef test_a(): pass\n@pytest.mark.skip(reason='no such tool')\ndef test_b(): pass\n"
A_SKIPPED_FILE = "import pytest\npytest.skip('no such kernel', allow_module_level=True)\n"
NO_SKIP = "def test_a(): pass\n"


def run(folder: Path, text: str, forbid: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\n")
    environment = os.environ | {"BMLB_FORBID_SKIPS": forbid, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-p", "tests.support.skips", "-p", "no:cacheprovider", "test_it.py"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("text", "reason"), [(A_SKIP, "test_b: Skipped: no such tool"), (A_SKIPPED_FILE, "Skipped: no such kernel")], ids=["test", "file"]
)
def test_a_skip_fails_a_run_that_forbids_it_and_is_named(tmp_path, text, reason):
    done = run(tmp_path, text, "1")
    assert done.returncode == 1
    assert reason in done.stdout
    assert "1 skipped" in done.stdout.splitlines()[-1]


@pytest.mark.parametrize(("text", "forbid"), [(NO_SKIP, "1"), (A_SKIP, "")], ids=["no skip", "no rule"])
def test_a_run_without_skips_or_without_the_rule_passes(tmp_path, text, forbid):
    assert run(tmp_path, text, forbid).returncode == 0
