"""An OCI runtime for machines that keep CAP_SYS_RESOURCE from everybody: asks for one capability less, then is runc.

The bundle's config.json says the capabilities of a container's first process (OCI runtime specification, "Linux process"); a file named
by --process says those of one that joins later. Standard library only: it is started for every container.
"""

import json
import os
import sys
from pathlib import Path

KEPT_FROM_ALL = "CAP_SYS_RESOURCE"
RUNC = ("/usr/sbin/runc", "/usr/bin/runc", "/usr/local/sbin/runc", "/usr/local/bin/runc")


def main(arguments: list[str]) -> None:
    """Become runc."""
    command = next((word for word in arguments if word in ("create", "run", "exec")), None)
    if command in ("create", "run"):
        _ask_for_less(Path(_option(arguments, "--bundle", "-b") or ".") / "config.json")
    elif command == "exec" and (process := _option(arguments, "--process", "-p")):
        _ask_for_less(Path(process))
    runc = next(path for path in RUNC if os.access(path, os.X_OK))
    os.execv(runc, [runc, *arguments])  # noqa: S606 - no shell is wanted


def _option(arguments: list[str], *names: str) -> str | None:
    for word, following in zip(arguments, [*arguments[1:], ""], strict=True):
        if word in names:
            return following
        for name in names:
            if word.startswith(f"{name}="):
                return word.partition("=")[2]
    return None


def _ask_for_less(path: Path) -> None:
    document = json.loads(path.read_bytes())
    process = document.get("process", document)
    for names in (process.get("capabilities") or {}).values():
        if KEPT_FROM_ALL in names:
            names.remove(KEPT_FROM_ALL)
    path.write_text(json.dumps(document), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
