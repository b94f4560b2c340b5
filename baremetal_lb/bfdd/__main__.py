"""``python -m baremetal_lb.bfdd``: parse the settings, set up logging, run."""

import asyncio
import os
import sys

from baremetal_lb.bfdd.settings import CHOICES, Settings
from baremetal_lb.options import parse_options

DESCRIPTION = "Watch the paths to this node's BGP peers with BFD (RFC 5880), for its speaker."


def main(argv: list[str] | None = None) -> int:
    """Run the BFD process; return its exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    settings = parse_options(Settings, arguments, os.environ, prog="bmlb bfd", description=DESCRIPTION, choices=CHOICES)
    from baremetal_lb.bfdd.process import run  # noqa: PLC0415 - the help must not pay for it
    from baremetal_lb.telemetry.logging import configure_logging  # noqa: PLC0415 - the same

    configure_logging(level=settings.log_level, log_format=settings.log_format, component="bfd")
    return asyncio.run(run(settings))


if __name__ == "__main__":
    sys.exit(main())
