"""Status objects that nobody looks after any more: of nodes or speakers that are gone, or of Services that are.

A speaker removes its own ServiceL2Status, ServiceBGPStatus and BGPSessionStatus; this is for those that cannot any more. An object is
removed only after its node or Service has been gone for a while (the speaker's turn), and only if a live GET of it says so too; that of a
dead speaker when its Lease is still expired then. What is said of BGP stays while the node is there: its engine keeps sessions and routes
without a speaker. Pure, but for the decoder.
"""

from dataclasses import dataclass
from typing import TypeVar

import msgspec

from baremetal_lb.kube.records import DecodeError
from baremetal_lb.kube.structs import BaseRecord, Metadata
from baremetal_lb.model.ids import ObjectKey, ObjectRef
from baremetal_lb.model.json_text import UNDECODABLE
from baremetal_lb.model.time import SECOND

DEAD_SPEAKER_GRACE = 2 * SECOND
LINK_STATUSES = "servicel2statuses"
PLURALS = (LINK_STATUSES, "servicebgpstatuses", "bgpsessionstatuses")
NO_SERVICE = ObjectKey("", "")
Place = tuple[str, ObjectKey]
Owner = TypeVar("Owner", str, ObjectKey)


class _Status(BaseRecord):
    node: str = ""
    service_name: str = ""
    service_namespace: str = ""


class _Record(BaseRecord):
    metadata: Metadata
    status: _Status | None = None


_decode = msgspec.json.Decoder(_Record).decode


@dataclass(frozen=True, slots=True)
class StatusRecord:
    """One status object: whose it is, and of what."""

    key: ObjectKey
    uid: str
    node: str
    service: ObjectKey
    """Empty for the status of a session."""
    plural: str = LINK_STATUSES

    @property
    def place(self) -> Place:
        """What no other status object has."""
        return self.plural, self.key


def status_record(data: bytes, plural: str = LINK_STATUSES) -> StatusRecord:
    """Read a status object of a kind.

    Raises:
        DecodeError: it is none.
    """
    try:
        record = _decode(data)
    except UNDECODABLE as error:
        raise DecodeError(ObjectRef(plural, NO_SERVICE), "", str(error)) from None
    status = record.status or _Status()
    service = ObjectKey(status.service_namespace, status.service_name)
    return StatusRecord(record.metadata.key, record.metadata.uid or "", status.node, service, plural)


class Garbage:
    """Which status objects to look at, and when; ``grace`` and ``now`` (monotonic) are in ns."""

    def __init__(self, grace: int) -> None:
        self._grace = grace
        self._all: dict[Place, StatusRecord] = {}
        self._by_node: dict[str, set[Place]] = {}
        self._by_service: dict[ObjectKey, set[Place]] = {}
        self._new: dict[Place, int] = {}
        self._due: dict[Place, int] = {}

    def status_changed(self, old: StatusRecord | None, new: StatusRecord | None) -> None:
        """Take a status object as observed."""
        if old is not None:
            self._all.pop(old.place, None)
            self._due.pop(old.place, None)
            self._new.pop(old.place, None)
            _remove(self._by_node, old.node, old.place)
            _remove(self._by_service, old.service, old.place)
        if new is not None:
            self._all[new.place] = new
            self._new[new.place] = self._grace
            self._by_node.setdefault(new.node, set()).add(new.place)
            self._by_service.setdefault(new.service, set()).add(new.place)

    def node_gone(self, name: str) -> None:
        """Look at what a node left behind."""
        self._new.update(dict.fromkeys(self._by_node.get(name, ()), self._grace))

    def speaker_changed(self, name: str) -> None:
        """Look soon at what the speaker of a node left behind, if it is dead: others announce by then, and two objects would say so."""
        self._new.update(dict.fromkeys(self._by_node.get(name, ()), min(self._grace, DEAD_SPEAKER_GRACE)))

    def service_gone(self, key: ObjectKey) -> None:
        """Look at what a Service left behind."""
        self._new.update(dict.fromkeys(self._by_service.get(key, ()), self._grace))

    def due(self, *, now: int) -> tuple[StatusRecord, ...]:
        """Return the objects that nobody has looked after for long enough; each is returned until it was ``looked_at``."""
        for key, grace in self._new.items():
            self._due[key] = min(now + grace, self._due.get(key, now + grace))
        self._new.clear()
        ready = sorted(key for key, when in self._due.items() if when <= now)
        return tuple(self._all[key] for key in ready if key in self._all)

    def looked_at(self, record: StatusRecord) -> None:
        """Take that an object which was due is done with, until something happens to what it tells of."""
        self._due.pop(record.place, None)


def _remove(index: dict[Owner, set[Place]], owner: Owner, place: Place) -> None:
    members = index.get(owner)
    if members is not None:
        members.discard(place)
        if not members:
            del index[owner]
