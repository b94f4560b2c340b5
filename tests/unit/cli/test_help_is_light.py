"""Help texts wait for nothing that only a command at work needs."""

import subprocess
import sys

import pytest

HEAVY = ("pydantic", "kubernetes", "aiohttp")
SHOW = f"""
import sys
sys.argv[0] = "bmlb"
from baremetal_lb.cli.main import main
try:
    main()
finally:
    print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""


@pytest.mark.parametrize("words", ["", "pool", "ip", "svc", "node", "peer", "lab", "version"])
def test_neither_schemas_nor_the_client_are_loaded_for_a_help_text(words):
    done = subprocess.run([sys.executable, "-c", SHOW, *words.split(), "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.split()[:2] == ["Usage:", "bmlb"]
    assert done.stderr.strip() == "[]"
