"""What the speaker and the BFD process of a node say to each other: lines of JSON over a socket of their own.

    speaker -> bfd    {"want": [session, ...]}                   all sessions that are to be, each time
    bfd -> speaker    {"sessions": [status, ...], "drops": {reason: n}, "problems": [reason, ...]}
                                                                  all of it, at first and after each change

What one side does not know is ignored, so that each may be newer than the other.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Annotated

import msgspec

from baremetal_lb.bfd.spec import BfdSpec, BfdStatus
from baremetal_lb.model.json_text import NotJSON, decode_json
from baremetal_lb.model.net import parse_address
from baremetal_lb.model.text import INTERFACE_NAME

LONGEST_LINE = 1 << 20
Interval = Annotated[int, msgspec.Meta(ge=1_000_000, le=60_000_000_000)]
"""1 ms to 1 minute, in ns."""


class MalformedLine(ValueError):
    """The other side's line is not what it claims to be."""


class Report(msgspec.Struct, frozen=True):
    """What the BFD process says."""

    sessions: tuple[BfdStatus, ...] = ()
    drops: Mapping[str, int] = {}
    problems: tuple[str, ...] = ()
    """Names of BfdReason."""


class _Session(msgspec.Struct):
    """A BfdSpec with its addresses as text."""

    peer: str
    remote: str
    local: str
    desired_min_tx: Interval
    required_min_rx: Interval
    detect_mult: Annotated[int, msgspec.Meta(ge=1, le=255)]
    minimum_ttl: Annotated[int, msgspec.Meta(ge=1, le=255)]
    interface: str | None = None
    is_multihop: bool = False
    is_passive: bool = False


class _Want(msgspec.Struct):
    want: list[_Session]


def encode_want(specs: Iterable[BfdSpec]) -> bytes:
    """Return the line with which sessions are asked for."""
    return msgspec.json.encode({"want": [_document(spec) for spec in specs]}) + b"\n"


def decode_want(line: bytes) -> list[BfdSpec]:
    """Return the sessions that a line asks for.

    Raises:
        MalformedLine: it does not.
    """
    try:
        return [_spec(session) for session in decode_json(line, longest=LONGEST_LINE, type=_Want).want]
    except ValueError as error:  # an address, or NotJSON
        raise MalformedLine(str(error)) from None


def encode_report(report: Report) -> bytes:
    """Return the line that says how things stand."""
    return msgspec.json.encode(report) + b"\n"


def decode_report(line: bytes) -> Report:
    """Return what a line says of how things stand.

    Raises:
        MalformedLine: nothing.
    """
    try:
        report: Report = decode_json(line, longest=LONGEST_LINE, type=Report)
    except NotJSON as error:
        raise MalformedLine(str(error)) from None
    return report


def _document(spec: BfdSpec) -> dict[str, object]:
    return asdict(spec) | {"remote": str(spec.remote), "local": str(spec.local)}


def _spec(session: _Session) -> BfdSpec:
    if session.interface is not None and not INTERFACE_NAME.admits(session.interface):  # the kernel would cut a longer one off
        raise MalformedLine(f"the interface of {session.peer} has no such name")
    addresses = {"remote": parse_address(session.remote), "local": parse_address(session.local)}
    return BfdSpec(**(msgspec.structs.asdict(session) | addresses))
