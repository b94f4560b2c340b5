"""``python -m controller``: parse the settings, set up logging, run."""

import asyncio
import os
import sys

from baremetal_lb.options import parse_options
from baremetal_lb.telemetry.logging import configure_logging
from controller.settings import CHECKS, CHOICES, Settings

DESCRIPTION = "Give Services of type LoadBalancer their IPs from pools, and keep the ledger of who has which."


def main(argv: list[str] | None = None) -> int:
    """Run the controller; return its exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    settings = parse_options(
        Settings, arguments, os.environ, prog="bmlb controller", description=DESCRIPTION, choices=CHOICES, checks=CHECKS
    )
    configure_logging(level=settings.log_level, log_format=settings.log_format, component="controller")
    from controller.process import run  # noqa: PLC0415  # the help must not pay for the client library

    return asyncio.run(run(settings))


if __name__ == "__main__":
    sys.exit(main())
