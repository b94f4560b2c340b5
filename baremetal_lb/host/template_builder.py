"""Starts the child process that builds the templates with scapy, and reads them from it."""

import asyncio
import json
import os
import sys
from pathlib import Path

import baremetal_lb
from baremetal_lb.host.errors import TemplateBuildFailed
from baremetal_lb.l2.templates import Templates, UnfitTemplate

BUILD_TIMEOUT_S = 60.0
"""On a machine whose disk and processors are busy, scapy alone may take some seconds to import."""


async def build_templates(timeout_s: float = BUILD_TIMEOUT_S, *, module: str = "baremetal_lb.frames") -> Templates:
    """Return the templates; they hold no hardware address, so once in a process's life is enough.

    Raises:
        TemplateBuildFailed: the child did not start, failed, took too long, or built something else.
    """
    root = str(Path(baremetal_lb.__file__).parent.parent)
    search = os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH", "")) if part)
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": search},
    )
    try:
        async with asyncio.timeout(timeout_s):
            output, errors = await child.communicate()
    except TimeoutError:
        raise TemplateBuildFailed(f"building the reply templates with scapy took more than {timeout_s:g} s") from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode != 0:
        last = errors.decode(errors="replace").strip().rpartition("\n")[2]
        raise TemplateBuildFailed(f"the child process that builds the reply templates with scapy failed: {last or child.returncode}")
    try:
        return Templates.of({form: bytes.fromhex(frame) for form, frame in json.loads(output).items()})
    except (UnfitTemplate, ValueError, TypeError, AttributeError) as error:
        raise TemplateBuildFailed(f"scapy built other templates than this program sends: {error}") from error
