"""One copy of the state file: its form, and why it is fit to start from or not.

    {"apiVersion":"speaker/2","kind":"StateFile","metadata":{"name":"sha256-..."}}     over all octets of the other lines
    {...}                                                                              one Kubernetes object per line

The header has the form of an object, so that ``bmlb plan -f`` and a speaker of the release before, which know no such kind, pass it by.
A file of that release has no header. It is taken, once, if its first line is an object that a speaker remembers: the upgrade of a speaker
may fall into an outage. So no damage to a header makes a file pass for an old one.
"""

import hashlib
import os
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import msgspec

from baremetal_lb.kube.records import ENDPOINT_SLICE, IP_ALLOCATION, LEASE, NODE, SERVICE, DecodeError, Kind
from baremetal_lb.model.ids import Identity, ObjectKey
from baremetal_lb.model.json_text import LONGEST_OBJECT, NotJSON, decode_json
from baremetal_lb.model.reasons import Reason

MAX_OCTETS = 128 * 1024 * 1024
FUTURE_S = 300.0
"""Seconds that a copy may be ahead of the clock, which may have been set back a little; beyond that its age means nothing."""
_CHUNK = 1 << 20
_HEADER = b'{"apiVersion":"speaker/2","kind":"StateFile","metadata":{"name":"sha256-%b"}}\n'
_HEADER_FORM = re.compile(re.escape(_HEADER % b"DIGEST").replace(b"DIGEST", b"([0-9a-f]{64})"))
_HEADER_OCTETS = len(_HEADER % (b"0" * 64))

_KINDS: Mapping[str, Kind[Any, Any]] = {kind.name: kind for kind in (SERVICE, ENDPOINT_SLICE, NODE, IP_ALLOCATION, LEASE)}
_CONFIGURATION_KINDS = frozenset(
    {"IPAddressPool", "L2Advertisement", "BGPAdvertisement", "BGPPeer", "BFDProfile", "Community", "IPReservation"}
)


class CopyReason(Reason):
    """Why a copy of the state file is not started from."""

    Missing = "There is no such file."
    Unreadable = "The file cannot be read."
    TooLarge = "The file is larger than any that is written."
    Damaged = "The content is not what was written: its checksum is another one, or it has none and is no file of an older release."
    TooOld = "The file is older than `--state-max-age-s`."
    FromTheFuture = "The file is dated later than now, so that its age is not known; the clock was or is wrong."


@dataclass(slots=True)
class SavedState:
    """What a copy had: views by kind and key, and objects of the configuration."""

    views: dict[str, dict[ObjectKey, Any]] = field(default_factory=dict)
    broken_lines: int = 0
    """Lines that are no object that a speaker remembers; each costs that object."""
    age_s: float = 0.0

    def of(self, kind: str) -> dict[ObjectKey, Any]:
        """Return the objects of a kind."""
        return self.views.get(kind, {})


class _Metadata(msgspec.Struct):
    name: str
    namespace: str | None = None


class _Head(msgspec.Struct):
    kind: str
    metadata: _Metadata


def read_copy(path: Path, *, identity: Identity, max_age_s: float) -> SavedState | CopyReason:
    """Return what a copy has, or why it is not fit to start from."""
    try:
        with path.open("rb") as file:
            age_s = time.time() - os.fstat(file.fileno()).st_mtime
            first, rest = file.readline(LONGEST_OBJECT), file.read(MAX_OCTETS + 1)
    except FileNotFoundError:
        return CopyReason.Missing
    except OSError:
        return CopyReason.Unreadable
    if len(rest) > MAX_OCTETS:
        return CopyReason.TooLarge
    if age_s > max_age_s:
        return CopyReason.TooOld
    if age_s < -FUTURE_S:
        return CopyReason.FromTheFuture
    state = SavedState(age_s=age_s)
    header = _HEADER_FORM.fullmatch(first)
    if header is None and not _is_remembered(first):
        return CopyReason.Damaged
    if header is not None and hashlib.sha256(rest).hexdigest().encode() != header[1]:
        return CopyReason.Damaged
    for line in (first + rest if header is None else rest).splitlines():
        _take(line, state, identity)
    return state


def is_intact(path: Path) -> bool:
    """Tell whether a copy is what was written, so that it is worth being kept as the previous one; read in pieces."""
    try:
        with path.open("rb") as file:
            first = file.readline(LONGEST_OBJECT)
            header = _HEADER_FORM.fullmatch(first)
            if header is None:
                return _is_remembered(first)
            digest = hashlib.sha256()
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError:
        return False
    return digest.hexdigest().encode() == header[1]


def write_copy(file: IO[bytes], lines: Iterable[bytes]) -> None:
    """Write a copy to a file that can be wound back.

    Raises:
        OSError: it is larger than MAX_OCTETS, or cannot be written.
    """
    digest = hashlib.sha256()
    file.write(_HEADER % (b"0" * 64))
    for line in lines:
        digest.update(line)
        file.write(line)
        if file.tell() > MAX_OCTETS + _HEADER_OCTETS:
            raise OSError(f"more than {MAX_OCTETS} octets")
    file.seek(0)
    file.write(_HEADER % digest.hexdigest().encode())


def _head(line: bytes) -> _Head | None:
    try:
        head: _Head = decode_json(line, longest=LONGEST_OBJECT, type=_Head)
    except NotJSON:
        return None
    return head if head.metadata.name else None


def _is_remembered(line: bytes) -> bool:
    head = _head(line)
    return head is not None and (head.kind in _KINDS or head.kind in _CONFIGURATION_KINDS)


def _take(line: bytes, state: SavedState, identity: Identity) -> None:
    head = _head(line)
    if head is None:
        state.broken_lines += 1
        return
    if head.kind not in _KINDS and head.kind not in _CONFIGURATION_KINDS:
        return  # what a newer release remembers
    try:
        value = decode_json(line, longest=LONGEST_OBJECT, type=dict[str, Any])
        view: Any = value if head.kind in _CONFIGURATION_KINDS else _KINDS[head.kind].from_manifest(value, identity)
    except (NotJSON, DecodeError):
        state.broken_lines += 1
        return
    state.views.setdefault(head.kind, {})[ObjectKey(head.metadata.namespace or "", head.metadata.name)] = view
