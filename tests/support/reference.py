"""Writes the generated pages of docs/reference from the code; a test tells when they are stale.

Run it as ``python -m tests.support.reference``, or ``make reference``.
"""

from dataclasses import fields
from pathlib import Path
from typing import Any

from baremetal_lb.api.reasons import ConfigurationReason
from baremetal_lb.api.secrets import SecretReason
from baremetal_lb.bfd.reasons import BfdDrop, BfdReason
from baremetal_lb.bfdd.settings import Settings as BfdSettings
from baremetal_lb.bgp.driver_reasons import DriverReason
from baremetal_lb.bgp.reasons import RouteReason, SessionReason
from baremetal_lb.bgp.unnumbered import UnnumberedReason
from baremetal_lb.cli.offline import InputReason
from baremetal_lb.cli.pool_check import PoolReason
from baremetal_lb.cli.unreached import UnreachedReason
from baremetal_lb.election.reasons import ExclusionReason
from baremetal_lb.engine.hub import HubReason
from baremetal_lb.engine.settings import Settings as EngineSettings
from baremetal_lb.ipam.reasons import AllocationReason
from baremetal_lb.l2.links import LinkReason
from baremetal_lb.l2.reasons import DropReason, YieldReason
from baremetal_lb.membership.reasons import LeaseReason
from baremetal_lb.model.reasons import Reason
from baremetal_lb.options import attribute_docstrings, environment_name
from baremetal_lb.packet.malformed import MalformedReason
from baremetal_lb.telemetry.slots import ConnectionReason
from controller.report import ControllerReason
from controller.settings import Settings as ControllerSettings
from speaker.reasons import SilenceReason
from speaker.settings import Settings as SpeakerSettings
from speaker.state_copies import CopyReason
from tests.support.reference_cli import cli_lines
from tests.support.reference_crds import crds_lines
from tests.support.reference_markdown import NOTE, cell
from tests.support.reference_telemetry import logs_page, metrics_page

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "reference"

REASONS: dict[str, tuple[str, type[Reason]]] = {
    "Why a Service has no IP, or not the one that it asks for": (
        "In the condition `Satisfied` of the Service, in events, in `bmlb svc explain` and `bmlb plan`, in metrics.",
        AllocationReason,
    ),
    "Why a node does not announce an IP": (
        "In `bmlb svc explain`, `bmlb node list` and `bmlb plan`, in the speaker's logs and metrics.",
        ExclusionReason,
    ),
    "Why a speaker is silent about an IP that is its to announce": ("In the speaker's logs and metrics.", SilenceReason),
    "Why a speaker that is cut off leaves an IP to another one, does not, or takes it back": (
        "In the speaker's logs and metrics.",
        YieldReason,
    ),
    "Why nobody reaches a Service for which all is decided": ("In `bmlb svc`.", UnreachedReason),
    "What is wrong with a resource": (
        "In its conditions `Accepted` and `Degraded`, in `bmlb validate` and `bmlb plan`.",
        ConfigurationReason,
    ),
    "What is wrong with another object in a file": ("In `bmlb plan`.", InputReason),
    "What is wrong with a pool": ("In `bmlb pool check`.", PoolReason),
    "What the controller has to say besides": ("In events.", ControllerReason),
    "Why a speaker's Lease does not count": ("In logs.", LeaseReason),
    "Why a copy of the state file is not started from": ("In the speaker's log, metrics and readiness.", CopyReason),
    "Why an interface is not used": ("In the speaker's logs.", LinkReason),
    "Why a frame gets no answer": ("In the speaker's counters.", DropReason),
    "Why a node does not advertise an IP": ("In `bmlb svc explain` and `bmlb plan`, in the speaker's log and metrics.", RouteReason),
    "Why a node has no session with a BGP peer": ("In BGPSessionStatus, in the speaker's log.", SessionReason),
    "Why a Secret gives no password": ("In BGPSessionStatus, in the speaker's log.", SecretReason),
    "What keeps a BGP session or its routes from being as wanted": ("In BGPSessionStatus, in the speaker's log.", DriverReason),
    "Why an unnumbered link has no router": ("In BGPSessionStatus, in the speaker's log.", UnnumberedReason),
    "What the engine does unasked": ("In its log.", HubReason),
    "What keeps BFD from being as wanted": ("In BGPSessionStatus, in logs.", BfdReason),
    "Why a connection to the health or metrics port is closed": ("In metrics of controller and speaker.", ConnectionReason),
    "Why a BFD packet is discarded": ("In the speaker's metrics.", BfdDrop),
    "What is wrong with a malformed frame": ("In the speaker's counters.", MalformedReason),
}


SETTINGS: dict[str, type[Any]] = {
    "Controller": ControllerSettings,
    "Speaker": SpeakerSettings,
    "Engine (`bmlb exabgp`)": EngineSettings,
    "BFD (`bmlb bfd`)": BfdSettings,
}


def settings_page() -> str:
    """Return the reference of the settings of all processes."""
    lines = [
        NOTE,
        "# Settings",
        "",
        "Each is an option and an environment variable of the same name; the option wins. `bmlb controller --help` and",
        "`bmlb speaker --help` print the same.",
    ]
    for title, cls in SETTINGS.items():
        lines += ["", f"## {title}", "", "| option | variable | default | |", "|---|---|---|---|"]
        texts = attribute_docstrings(cls)
        for field in fields(cls):
            default = (
                "empty" if field.default == "" else str(field.default).lower() if isinstance(field.default, bool) else str(field.default)
            )
            option = f"--{field.name.replace('_', '-')}"
            lines.append(f"| `{option}` | `{environment_name(field.name)}` | {default} | {cell(texts[field.name])} |")
    return "\n".join(lines) + "\n"


def reasons_page() -> str:
    """Return the reference of all reasons."""
    lines = [NOTE, "# Reasons", "", 'Every "no" has one of these, and the same one wherever it is told.']
    for title, (where, reasons) in REASONS.items():
        lines += ["", f"## {title}", "", where, "", "| reason | what it says |", "|---|---|"]
        lines += [f"| `{reason.name}` | {cell(reason.sentence)} |" for reason in reasons]
    return "\n".join(lines) + "\n"


def crds_page() -> str:
    """Return the reference of our resources."""
    return "\n".join([NOTE, *crds_lines()]) + "\n"


def cli_page() -> str:
    """Return the reference of the command line."""
    return "\n".join([NOTE, *cli_lines()]) + "\n"


PAGES = {
    "settings.md": settings_page,
    "reasons.md": reasons_page,
    "crds.md": crds_page,
    "cli.md": cli_page,
    "metrics.md": metrics_page,
    "logs.md": logs_page,
}


def main() -> None:
    """Write all pages."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page())


if __name__ == "__main__":
    main()
