"""``python -m speaker``: parse the settings, set up logging, run."""

import asyncio
import os
import sys

from baremetal_lb.options import parse_options
from speaker.settings import CHECKS, CHOICES, Settings

DESCRIPTION = "Make this node answer for the IPs that it is to announce on the local link."


def main(argv: list[str] | None = None) -> int:
    """Run the speaker; return its exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    settings = parse_options(
        Settings,
        arguments,
        os.environ,
        prog="bmlb speaker",
        description=DESCRIPTION,
        choices=CHOICES,
        required=("node_name",),
        checks=CHECKS,
    )
    from baremetal_lb.telemetry.logging import configure_logging  # noqa: PLC0415 - the help must not pay for it
    from speaker.process import run  # noqa: PLC0415 - the help must not pay for the client library

    configure_logging(level=settings.log_level, log_format=settings.log_format, component="speaker", node=settings.node_name)
    return asyncio.run(run(settings))


if __name__ == "__main__":
    sys.exit(main())
