"""``python -m baremetal_lb.engine``: parse the settings, set up logging, run."""

import asyncio
import os
import sys

from baremetal_lb.engine.settings import CHOICES, Settings
from baremetal_lb.options import parse_options

DESCRIPTION = "Keep this node's BGP sessions: ExaBGP, which outlives the speaker, and the hub that watches over both."


def main(argv: list[str] | None = None) -> int:
    """Run the engine; return its exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    settings = parse_options(Settings, arguments, os.environ, prog="bmlb exabgp", description=DESCRIPTION, choices=CHOICES)
    from baremetal_lb.engine.process import run  # noqa: PLC0415 - the help must not pay for it
    from baremetal_lb.telemetry.logging import configure_logging  # noqa: PLC0415 - the same

    configure_logging(level=settings.log_level, log_format=settings.log_format, component="exabgp")
    return asyncio.run(run(settings))


if __name__ == "__main__":
    sys.exit(main())
