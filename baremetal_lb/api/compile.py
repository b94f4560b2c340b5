"""compile_objects(): from the custom resources as they are to one Configuration, with every problem at once.

    objects -> frames -> specs -> drafts (each object by itself) -> decisions (who contradicts whom) -> Configuration + Problems

Laws, each held by a property test
* Total: any JSON gives a result, never an exception.
* The order of the objects does not matter.
* One bad object never changes what another one means, except where the two contradict each other; then age decides (``precedence.py``).
* An object whose spec has a fault means what its ``status.lastAccepted`` says, if that compiles, else nothing. So a mistake undoes
  nothing that works, over restarts and for whoever computes it (``plan`` included).
* Fatal problems speak of the spec as it stands, whether or not an accepted one stands in for it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from baremetal_lb.api.allocation import MalformedEntry, from_manifest
from baremetal_lb.api.base import ApiModel
from baremetal_lb.api.bgp import BGPAdvertisementSpec, CommunitySpec
from baremetal_lb.api.communities import AliasClaims, compile_community
from baremetal_lb.api.compile_layer2 import L2Claims, L2Draft, compile_l2_advertisement
from baremetal_lb.api.compile_peers import BFDDraft, PeerClaims, compile_bfd_profile, compile_peer
from baremetal_lb.api.compile_pools import PoolClaims, ReservationClaims, compile_pool, compile_reservation
from baremetal_lb.api.compile_routes import RouteClaims, RouteDraft, RouteWorld, compile_bgp_advertisement
from baremetal_lb.api.echo import echo_conflicts
from baremetal_lb.api.faults import Fault, is_fatal
from baremetal_lb.api.frame import Frames, Item, read_frames
from baremetal_lb.api.layer2 import L2AdvertisementSpec
from baremetal_lb.api.parse import Reading, read
from baremetal_lb.api.peers import BFDProfileSpec, BGPPeerSpec, BGPPeerV1Beta1, BGPPeerV1Beta1Spec
from baremetal_lb.api.pools import IPAddressPoolSpec, IPReservationSpec
from baremetal_lb.api.precedence import Claimant, Claims, decide
from baremetal_lb.api.reasons import ConfigurationReason as Why
from baremetal_lb.api.secrets import read_secrets
from baremetal_lb.model.configuration import Configuration
from baremetal_lb.model.ids import Identity, ObjectRef
from baremetal_lb.model.problem import Problem
from baremetal_lb.model.views import NodeView

T = TypeVar("T")
S = TypeVar("S", bound=ApiModel)
SECRET_FIELDS = frozenset({"password"})
"""Fields of specs that are never copied into a status."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of one object, for its conditions and its ``status.lastAccepted``."""

    uses_last_accepted: bool
    """The spec has a fault, and the accepted one is in force instead."""
    spec_to_record: dict[str, Any] | None
    """To be written as ``status.lastAccepted.spec``, with ``generation``; None: what is recorded is right, or must stay."""
    generation: int
    """metadata.generation that this speaks of."""
    is_accepted: bool = True
    """The spec as it stands is in force."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """The result: what the objects mean together, what is wrong with them, and what to record."""

    configuration: Configuration
    problems: tuple[Problem, ...]
    """By object, then field."""
    accepted: Mapping[ObjectRef, Accepted]
    """For each configuration object that could be read at all."""
    origins: tuple[int, ...] = ()
    """For each problem, the place of its object among the objects given."""


def compile_objects(
    objects: Iterable[Mapping[str, Any]],
    *,
    identity: Identity,
    namespace: str,
    nodes: Iterable[NodeView] = (),
    last_accepted: bool = True,
    are_secrets_given: bool = True,
) -> Compiled:
    """Compile the custom resources among the objects; other objects are ignored, but for Secrets that BGPPeers name.

    ``nodes`` decide where peers and advertisements meet; with none they are taken to be unknown. ``last_accepted=False`` judges specs
    alone, as if nothing had been accepted before. ``are_secrets_given=False``: say nothing of Secrets, since the caller may not read them.
    """
    given = list(objects)
    compilation = _Compilation(read_frames(given, identity, namespace), sorted(nodes, key=lambda node: node.name), last_accepted)
    secrets = read_secrets(given, namespace) if are_secrets_given else None
    pools = compilation.run("IPAddressPool", IPAddressPoolSpec, partial(compile_pool, identity=identity), PoolClaims())
    in_force = sorted((c.in_force for c in pools if c.in_force is not None), key=lambda pool: pool.name)
    known_pools = {c.item.name: c.item.labels for c in pools}
    l2 = compilation.run("L2Advertisement", L2AdvertisementSpec, compile_l2_advertisement, L2Claims(known_pools))
    reservations = compilation.run("IPReservation", IPReservationSpec, compile_reservation, ReservationClaims())

    aliases = AliasClaims()
    compilation.run("Community", CommunitySpec, compile_community, aliases)
    profiles = compilation.run("BFDProfile", BFDProfileSpec, compile_bfd_profile, _Unopposed[BFDDraft]())
    peer_claims = PeerClaims(frozenset(c.item.name for c in profiles), secrets)
    peers = compilation.run("BGPPeer", BGPPeerSpec, partial(compile_peer, nodes=compilation.nodes), peer_claims)
    world = RouteWorld(in_force, known_pools, frozenset(c.item.name for c in peers), aliases.values)
    route_compiler = partial(compile_bgp_advertisement, nodes=compilation.nodes)
    routes: list[Claimant[RouteDraft]] = compilation.run("BGPAdvertisement", BGPAdvertisementSpec, route_compiler, RouteClaims(world))
    echo_conflicts(pools, profiles, peers, routes)
    compilation.check_ledger(given)

    bfd = {c.item.name: c.in_force.profile for c in profiles if c.in_force is not None}
    configuration = Configuration(
        pools=tuple(in_force),
        l2_advertisements=tuple(sorted(_resolved(l2, in_force), key=lambda advertisement: advertisement.name)),
        reservations=tuple(c.in_force for c in reservations if c.in_force is not None),
        bgp_peers=tuple(sorted((c.in_force.resolved(bfd) for c in peers if c.in_force is not None), key=lambda peer: peer.name)),
        bgp_advertisements=tuple(
            sorted((c.in_force.resolved(in_force, aliases.values) for c in routes if c.in_force is not None), key=lambda ad: ad.name)
        ),
    )
    return compilation.result(configuration)


def _resolved(claimants: Sequence[Claimant[L2Draft]], pools: Sequence[Any]) -> Iterable[Any]:
    return (c.in_force.resolved(pools) for c in claimants if c.in_force is not None)


class _Unopposed(Claims[T]):
    """Claims of a kind whose objects never contradict each other."""

    def faults(self, item: Item, value: T, *, is_incumbent: bool) -> list[Fault]:  # noqa: ARG002  # see precedence.Claims
        return []

    def add(self, item: Item, value: T) -> None:
        pass

    def remove(self, item: Item, value: T) -> None:
        pass


class _Compilation:
    """Collects the claimants of all kinds, and makes the result of them."""

    def __init__(self, frames: Frames, nodes: Sequence[NodeView], uses_last_accepted: bool) -> None:  # noqa: FBT001  # one caller
        self.nodes = tuple(nodes)
        self._frames = frames
        self._uses_last_accepted = uses_last_accepted
        self._claimants: list[Claimant[Any]] = []

    def run(
        self, kind: str, model: type[S], compiler: Callable[[Item, S], tuple[T | None, list[Fault]]], claims: Claims[T]
    ) -> list[Claimant[T]]:
        """Compile all objects of a kind and decide between them; the unnamed ones are judged by themselves only."""
        claimants = [self._claimant(item, model, compiler) for item in self._frames.of(kind)]
        named = [claimant for claimant in claimants if claimant.item.name]
        self._claimants += claimants
        return decide(named, claims)

    def _claimant(self, item: Item, model: type[S], compiler: Callable[[Item, S], tuple[T | None, list[Fault]]]) -> Claimant[T]:
        current, faults = _draft(item, _read_spec(item, model), compiler)
        claimant = Claimant(item, current, faults=faults)
        if self._uses_last_accepted and item.recorded is not None:
            claimant.is_unchanged = _public(item.spec or {}) == item.recorded
            if not claimant.is_unchanged:
                claimant.recorded = _draft(item, read(model, _with_secrets(item)), compiler)[0]
                # the same meaning in other words is no edit: a newer CRD fills in defaults that the record lacks
                claimant.is_unchanged = current is not None and current == claimant.recorded
        return claimant

    def check_ledger(self, objects: Sequence[Mapping[str, Any]]) -> None:
        """Report ledger entries that cannot be read."""
        for item in self._frames.of("IPAllocation"):
            try:
                from_manifest(objects[item.index])
            except MalformedEntry as error:
                self._frames.faults.append((item.index, item.ref, Fault(str(error).partition(":")[0], Why.MalformedEntry, f"{error}.")))

    def result(self, configuration: Configuration) -> Compiled:
        """Return everything, sorted."""
        found = [(fault.of(ref), index) for index, ref, fault in self._frames.faults]
        found += [(fault.of(c.item.ref), c.item.index) for c in self._claimants for fault in c.all_faults]
        found.sort(key=lambda entry: (entry[0].object, entry[0].field, entry[0].reason.name, entry[0].message))
        accepted = {c.item.ref: _accepted(c) for c in self._claimants if c.item.name}
        return Compiled(configuration, tuple(problem for problem, _ in found), accepted, tuple(index for _, index in found))


def _draft(item: Item, reading: Reading[S], compiler: Callable[[Item, S], tuple[T | None, list[Fault]]]) -> tuple[T | None, list[Fault]]:
    if reading.model is None:
        return None, reading.faults
    value, faults = compiler(item, reading.model)
    faults = reading.faults + faults
    return (None if is_fatal(faults) else value), faults


def _read_spec(item: Item, model: type[S]) -> Reading[S]:
    """Read the spec. Only pools and reservations need one; v1beta1 of BGPPeer is read as such first, then as what is stored of it."""
    spec = item.spec
    if spec is None and not any(field.is_required() for field in model.model_fields.values()):
        spec = {}
    if item.version.model is not BGPPeerV1Beta1:
        return read(model, spec)
    first = read(BGPPeerV1Beta1Spec, spec)
    if first.model is None or is_fatal(first.faults):
        return Reading(None, first.faults)
    known = {info.alias for info in BGPPeerV1Beta1Spec.model_fields.values()}
    second = read(model, {key: value for key, value in spec.items() if key in known})
    return Reading(second.model, first.faults + second.faults)


def _public(spec: object) -> object:
    return {key: value for key, value in spec.items() if key not in SECRET_FIELDS} if isinstance(spec, Mapping) else spec


def _with_secrets(item: Item) -> dict[str, Any]:
    """Return the accepted spec with the secrets of the present one, since a status holds none."""
    present = item.spec if isinstance(item.spec, Mapping) else {}
    return {**(item.recorded or {}), **{key: present[key] for key in SECRET_FIELDS if isinstance(present.get(key), str)}}


def _accepted(claimant: Claimant[Any]) -> Accepted:
    item = claimant.item
    spec = dict(_public(item.spec or {})) if claimant.is_accepted else None  # type: ignore[call-overload]  # an accepted spec is an object
    is_recorded = spec == item.recorded and item.recorded_generation == item.generation
    return Accepted(
        uses_last_accepted=claimant.in_force is not None and not claimant.is_accepted,
        spec_to_record=None if spec is None or is_recorded else spec,
        generation=item.generation,
        is_accepted=claimant.is_accepted,
    )
