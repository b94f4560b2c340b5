"""What can be set of the engine: one dataclass, from which options, environment variables and their reference are made."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one engine process; immutable while it runs."""

    runtime_dir: str = "/run/baremetal-lb"
    """Directory that the engine shares with the speaker of its node, and nobody else: sockets and ExaBGP's configuration, which has
    passwords. It is made with mode 0700 if it is not there, and must belong to the user of both."""
    speaker_loss_limit_s: float = 120.0
    """Seconds without a heartbeat of the speaker's decision loop after which all routes are withdrawn. Long enough for restarts and
    upgrades; a speaker that is gone for good must not attract traffic for ever."""
    stall_limit_s: float = 20.0
    """Seconds without an answer after which ExaBGP counts as hung, and is killed and started again."""
    reactor_speed: float = 0.1
    """ExaBGP's own pace, 0.01 to 1: a tenth takes thousands of routes twice as fast, for about 2.5 % more of a core when idle."""
    log_level: str = "info"
    """debug, info, warning or error."""
    log_format: str = "json"
    """json for machines, console for people."""


CHOICES = {"log_level": ("debug", "info", "warning", "error"), "log_format": ("json", "console")}
"""Fields that take one of a few words."""
