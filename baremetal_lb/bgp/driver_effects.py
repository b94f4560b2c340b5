"""What the driver wants done, as values."""

from dataclasses import dataclass, field

from baremetal_lb.bgp.exabgp_text import Phrase


@dataclass(frozen=True, slots=True)
class Send:
    """A command for ExaBGP."""

    command: Phrase


@dataclass(frozen=True, slots=True)
class WriteConfig:
    """Write ExaBGP's configuration, as a whole and for nobody else to read, then call ``config_written``."""

    text: str = field(repr=False)
    is_proven: bool
    """ExaBGP has accepted all of it before; else it is to be tried on the file first."""


Effect = Send | WriteConfig
