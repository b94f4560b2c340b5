"""What can be set of the BFD process: one dataclass, from which options, environment variables and their reference are made."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one BFD process; immutable while it runs."""

    runtime_dir: str = "/run/baremetal-lb"
    """Directory that this process shares with the speaker of its node, and nobody else. It is made with mode 0700 if it is not there."""
    realtime_priority: int = 10
    """Priority of SCHED_FIFO, 1 to 99, so that no load of the node makes packets late; needs the capability SYS_NICE, and is done without
    where that is not there. 0: as every process."""
    log_level: str = "info"
    """debug, info, warning or error."""
    log_format: str = "json"
    """json for machines, console for people."""


CHOICES = {"log_level": ("debug", "info", "warning", "error"), "log_format": ("json", "console")}
"""Fields that take one of a few words."""
