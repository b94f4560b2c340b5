r"""Our own configuration objects: what they mean together, and what their status should say.

    reflectors -> objects (raw) --compile()--> Configuration -> Dirty
                                 \--> problems, accepted -----> conditions, lastAccepted -+-> one merge patch per object, if anything
                     ledger --> utilization ------------------> counters of a pool -------+

Objects are compiled again when what they ask for changed, not when we wrote into their status; several changes at a time are compiled
together. Nothing here waits or sends: ``patch_for`` says what is to be written.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from baremetal_lb.api.compile import Compiled, compile_objects
from baremetal_lb.api.kinds import KINDS, Kind
from baremetal_lb.ipam.utilization import FamilyUsage, usage
from baremetal_lb.kube.resources import ours
from baremetal_lb.model.ids import Identity, ObjectKey, ObjectRef
from baremetal_lb.model.problem import Problem
from baremetal_lb.model.views import NodeView
from controller.plan import Manifest, conditions_of, pool_counters, status_patch
from controller.world import World, is_newer

CONFIGURATION_KINDS: tuple[Kind, ...] = tuple(kind for kind in KINDS if kind.is_configuration)
POOL = "IPAddressPool"
_BY_NAME = {kind.name: kind for kind in CONFIGURATION_KINDS}


def path_of(ref: ObjectRef, identity: Identity) -> str:
    """Return the path of one of our objects."""
    return ours(identity, _BY_NAME[ref.kind].plural).path(ref.key.namespace, ref.key.name)


class Resources:
    """The configuration objects of one install."""

    def __init__(self, identity: Identity, namespace: str) -> None:
        self._identity = identity
        self._namespace = namespace
        self._objects: dict[ObjectRef, Manifest] = {}
        self._problems: dict[ObjectRef, tuple[Problem, ...]] = {}
        self._compiled: Compiled | None = None
        self.to_report: set[ObjectRef] = set()
        """Objects whose status may have to be written."""
        self.is_stale = True
        """Something changed since ``compile``."""

    def changed(self, kind: str, key: ObjectKey, new: Manifest | None) -> None:
        """Take an object as observed, or as a response to our own write."""
        ref = ObjectRef(kind, key)
        old = self._objects.get(ref)
        if new is None:
            self._objects.pop(ref, None)
            self.to_report.discard(ref)
        else:
            if old is not None and _uid(old) == _uid(new) and not is_newer(_version(new), _version(old)):
                return
            self._objects[ref] = new
            self.to_report.add(ref)
        if old is None or new is None or _meaning(old) != _meaning(new):
            self.is_stale = True

    def compile(self, nodes: Iterable[NodeView]) -> Compiled:
        """Compile all objects; every status is looked at again where its problems changed."""
        self.is_stale = False
        compiled = compile_objects(
            self._objects.values(), identity=self._identity, namespace=self._namespace, nodes=nodes, are_secrets_given=False
        )
        problems: dict[ObjectRef, list[Problem]] = {}
        for problem in compiled.problems:
            problems.setdefault(problem.object, []).append(problem)
        self._problems = {ref: tuple(listed) for ref, listed in problems.items()}
        self._compiled = compiled
        self.to_report.update(self._objects)
        return compiled

    @property
    def is_compiled(self) -> bool:
        """Whether there is a Configuration."""
        return self._compiled is not None

    @property
    def uses_last_accepted(self) -> bool:
        """Whether an object means what it meant before, since what it says now is wrong."""
        return self._compiled is not None and any(accepted.uses_last_accepted for accepted in self._compiled.accepted.values())

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All that is wrong with the objects."""
        return self._compiled.problems if self._compiled is not None else ()

    def pool_ref(self, name: str) -> ObjectRef | None:
        """Return the object of a pool, if there is one."""
        ref = ObjectRef(POOL, ObjectKey(self._namespace, name))
        return ref if ref in self._objects else None

    def uid_of(self, ref: ObjectRef) -> str:
        """Return the uid of an object, "" when there is none."""
        return _uid(self._objects.get(ref, {}))

    def problems_of(self, ref: ObjectRef) -> tuple[Problem, ...]:
        """Return what is wrong with an object."""
        return self._problems.get(ref, ())

    def patch_for(self, ref: ObjectRef, world: World, *, now_utc: int) -> dict[str, Any]:
        """Return the status to merge into an object's; {} when it says all that already."""
        manifest = self._objects.get(ref)
        if manifest is None or self._compiled is None:
            return {}
        if ref.kind != "IPReservation" and ref.key.namespace != self._namespace:
            return {}  # of another install, or of none: only those in our namespace count
        accepted = self._compiled.accepted.get(ref)
        generation = manifest.get("metadata", {}).get("generation") or 0
        conditions = conditions_of(
            self.problems_of(ref), generation=generation, uses_last_accepted=accepted is not None and accepted.uses_last_accepted
        )
        record = None
        if accepted is not None and accepted.spec_to_record is not None:
            record = {"generation": accepted.generation, "spec": accepted.spec_to_record}
        counters = self._counters(ref.key.name, world) if ref.kind == POOL else None
        return status_patch(manifest, conditions, last_accepted=record, counters=counters, now_utc=now_utc)

    def _counters(self, pool: str, world: World) -> dict[str, Any] | None:
        counted = usage(world.ledger).get(pool)
        if counted is None:
            return None
        return pool_counters({family: _numbers(numbers) for family, numbers in counted.items()})


def _numbers(counted: FamilyUsage) -> Mapping[str, int]:
    numbers = asdict(counted)
    return {name: numbers[name] for name in ("capacity", "allocated", "held", "reserved", "available")}


def _uid(manifest: Manifest) -> str:
    return str(manifest.get("metadata", {}).get("uid") or "")


def _version(manifest: Manifest) -> str:
    return str(manifest.get("metadata", {}).get("resourceVersion") or "")


def _meaning(manifest: Manifest) -> tuple[Any, ...]:
    """Return what compile() reads of an object."""
    metadata, status = manifest.get("metadata", {}), manifest.get("status")
    last = status.get("lastAccepted") if isinstance(status, Mapping) else None
    return (
        manifest.get("spec"),
        metadata.get("uid"),
        metadata.get("generation"),
        metadata.get("labels"),
        metadata.get("creationTimestamp"),
        last,
    )
