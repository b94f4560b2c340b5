"""The state file: the last good inputs, from which a speaker starts when the API server is away.

Kubernetes objects (``manifests``) under a checksum (``state_copies``). Mode 0600, written beside and renamed, at most ``MAX_OCTETS``. The
file before stays as ``.previous`` if it is intact, and is started from where the current one is not fit to; each refusal is said.

It is written on change, never more often than every ``state_interval_s`` and never for more than a fiftieth of the time; while nothing
changes its modification time is moved on, which tells its age.
"""

import contextlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec
import structlog

from baremetal_lb.model.ids import Identity
from speaker.state_copies import CopyReason, SavedState, is_intact, read_copy, write_copy

log = structlog.get_logger(__name__)
TOUCH_S = 30.0


class Copy(Enum):
    """The two copies, in the order in which they are tried."""

    CURRENT = "current"
    PREVIOUS = "previous"


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
        self.used: Copy | None = None
        """The copy that was started from."""
        self.refused: dict[Copy, CopyReason] = {}
        """Why copies were not; what was not looked at is in neither."""

    def load(self) -> SavedState | None:
        """Return what the first copy has that is fit to start from; None where none is."""
        if self._path is None:
            return None
        self.used, self.refused = None, {}
        for copy in Copy:
            found = read_copy(self._place(copy), identity=self._identity, max_age_s=self._max_age_s)
            if isinstance(found, SavedState):
                self.used = copy
                objects = sum(map(len, found.views.values()))
                log.info(
                    "state_file_read", path=self._place(copy), age_s=round(found.age_s), objects=objects, broken_lines=found.broken_lines
                )
                return found
            self.refused[copy] = found
            log.warning("state_file_refused", path=self._place(copy), reason=found.name, message=found.sentence)
        return None

    @property
    def complaint(self) -> str | None:
        """Say what is wrong with what was started from; None before a load, or where the current copy was fit."""
        if not self.refused:
            return None
        begun = "started with nothing" if self.used is None else f"started from the {self.used.value} copy of the state file"
        return begun + "; " + "; ".join(f"{copy.value}: {reason.sentence}" for copy, reason in self.refused.items())

    def _place(self, copy: Copy) -> Path:
        path = self._path or Path()
        return path if copy is Copy.CURRENT else path.with_name(path.name + ".previous")

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
                _date(self._path)

    def _replace(self, path: Path, lines: Iterator[bytes]) -> None:
        beside = path.with_name(path.name + ".new")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(file.fileno(), 0o600)
                write_copy(file, lines)
                file.flush()
                _date(file.fileno())
                os.fsync(file.fileno())
            if is_intact(path):
                path.replace(self._place(Copy.PREVIOUS))
            beside.replace(path)
            _sync_directory(path.parent)
        except OSError:
            beside.unlink(missing_ok=True)
            raise


def _date(file: Path | int) -> None:
    """Date a file by the clock that its age will be told by, which a file system on another machine does not have."""
    now = time.time_ns()
    os.utime(file, ns=(now, now))


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lines(objects: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    encode = msgspec.json.Encoder().encode
    for value in objects:
        yield encode(value) + b"\n"
