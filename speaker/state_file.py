"""The state file: the last good inputs, from which a speaker starts when the API server is away.

One JSON object per line, each a Kubernetes object (``manifests``), so a broken line costs one object. Mode 0600, written beside and
renamed, at most ``MAX_OCTETS``. It is written on change, never more often than every ``state_interval_s`` and never for more than a
fiftieth of the time; while nothing changes its modification time is moved on, which tells its age.
"""

import contextlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import msgspec
import structlog

from baremetal_lb.kube.records import ENDPOINT_SLICE, IP_ALLOCATION, LEASE, NODE, SERVICE, DecodeError, Kind
from baremetal_lb.model.ids import Identity, ObjectKey

log = structlog.get_logger(__name__)
MAX_OCTETS = 128 * 1024 * 1024
TOUCH_S = 30.0

_KINDS: Mapping[str, Kind[Any, Any]] = {kind.name: kind for kind in (SERVICE, ENDPOINT_SLICE, NODE, IP_ALLOCATION, LEASE)}
_CONFIGURATION_KINDS = frozenset(
    {"IPAddressPool", "L2Advertisement", "BGPAdvertisement", "BGPPeer", "BFDProfile", "Community", "IPReservation"}
)


@dataclass(slots=True)
class SavedState:
    """What a file had: views by kind and key, and objects of the configuration."""

    views: dict[str, dict[ObjectKey, Any]] = field(default_factory=dict)
    broken_lines: int = 0

    def of(self, kind: str) -> dict[ObjectKey, Any]:
        """Return the objects of a kind."""
        return self.views.get(kind, {})


class StateFile:
    """One file; ``path`` "" is none, and everything here does nothing."""

    def __init__(self, path: str, *, identity: Identity, interval_s: float, max_age_s: float) -> None:
        self._path = Path(path) if path else None
        self._identity = identity
        self._interval_s, self._max_age_s = interval_s, max_age_s
        self._next_write_s = 0.0
        self._next_touch_s = 0.0
        self.problem: str | None = None
        """Why the last write failed."""

    def load(self) -> SavedState | None:
        """Return what the file has; None where there is none that is fit to start from."""
        if self._path is None:
            return None
        try:
            with self._path.open("rb") as file:
                age_s = time.time() - os.fstat(file.fileno()).st_mtime
                if age_s > self._max_age_s:
                    log.warning("state_file_too_old", path=self._path, age_s=round(age_s))
                    return None
                data = file.read(MAX_OCTETS)
        except FileNotFoundError:
            return None
        except OSError as error:
            log.warning("state_file_not_read", path=self._path, error=str(error))
            return None
        state = SavedState()
        for line in data.splitlines():
            self._take(line, state)
        log.info("state_file_read", path=self._path, age_s=round(age_s), objects=sum(map(len, state.views.values())))
        return state

    def _take(self, line: bytes, state: SavedState) -> None:
        try:
            value = msgspec.json.decode(line, type=dict[str, Any])
            kind, metadata = str(value.get("kind")), value["metadata"]
            key = ObjectKey(metadata.get("namespace", ""), metadata["name"])
            if kind in _CONFIGURATION_KINDS:
                view: Any = value
            elif kind in _KINDS:
                view = _KINDS[kind].from_manifest(value, self._identity)
            else:
                return
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, DecodeError, AttributeError, KeyError, TypeError):
            state.broken_lines += 1
            return
        state.views.setdefault(kind, {})[key] = view

    def is_due(self, *, now_s: float) -> bool:
        """Tell whether a change may be written at ``now_s`` (monotonic)."""
        return self._path is not None and now_s >= self._next_write_s

    def save(self, objects: Iterable[Mapping[str, Any]]) -> bool:
        """Write these objects; tell whether that worked. May take long: call it in a thread."""
        if self._path is None:
            return True
        started = time.monotonic()
        try:
            self._replace(self._path, _lines(objects))
        except OSError as error:
            if self.problem is None:
                log.warning("state_file_not_written", path=self._path, error=str(error))
            self.problem = str(error)
        else:
            self.problem = None
        ended = time.monotonic()
        self._next_write_s = ended + max(self._interval_s, 50 * (ended - started))
        self._next_touch_s = ended + TOUCH_S
        return self.problem is None

    def touch(self) -> None:
        """Say that the file is still what the API server has."""
        if self._path is not None and time.monotonic() >= self._next_touch_s:
            self._next_touch_s = time.monotonic() + TOUCH_S
            with contextlib.suppress(OSError):
                os.utime(self._path)

    def _replace(self, path: Path, lines: Iterator[bytes]) -> None:
        beside = path.with_name(path.name + ".new")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(file.fileno(), 0o600)
                _write_bounded(file, lines)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except OSError:
            beside.unlink(missing_ok=True)
            raise


def _write_bounded(file: IO[bytes], lines: Iterator[bytes]) -> None:
    for line in lines:
        file.write(line)
        if file.tell() > MAX_OCTETS:
            raise OSError(f"more than {MAX_OCTETS} octets")


def _lines(objects: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    encode = msgspec.json.Encoder().encode
    for value in objects:
        yield encode(value) + b"\n"
