"""The inputs: one reflector per kind that this speaker reads, each feeding the world.

    Services (type LoadBalancer) --+
    EndpointSlices ----------------+--> world --> dirty IPs --> wake the loop
    Nodes -------------------------+
    IPAllocations -----------------+
    IPAddressPools, L2Advertisements --> is_config_dirty --> the loop compiles
    Leases of speakers ----------------> LeaseRoster --> world
    ServiceL2Statuses of this node ----> status task
    with an engine: BGPAdvertisements, BGPPeers, BFDProfiles, Communities, IPReservations --> is_config_dirty
                    BGP status objects of this node --------------------------------------> their task
                    Services of other types, once an advertisement speaks of their addresses --> world

Nothing is decided here. What a watch brings is put where it belongs, and the loop is woken.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from itertools import chain
from typing import Any

import structlog

from baremetal_lb.ipam.requests import announced_part, handles_service
from baremetal_lb.kube.backoff import Backoff
from baremetal_lb.kube.records import ENDPOINT_SLICE, IP_ALLOCATION, LEASE, NODE, SERVICE, raw_object
from baremetal_lb.kube.reflector import Reflector
from baremetal_lb.kube.resources import ENDPOINT_SLICES, LEASES, NODES, SERVICES, ours
from baremetal_lb.kube.transport import Transport
from baremetal_lb.membership.lease_roster import LeaseRoster, MemberChange, is_same_for_election, node_of_lease
from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.roster import Member, Roster
from baremetal_lb.model.views import EndpointSliceView, LeaseView, LedgerEntry, NodeView, ServiceView
from speaker.lease import component_selector
from speaker.manifests import entry_manifest, lease_manifest, node_manifest, service_manifest, slice_manifest
from speaker.settings import Settings
from speaker.state_copies import SavedState
from speaker.status import StatusView, status_selector, status_view
from speaker.world import World

log = structlog.get_logger(__name__)
PAGE_LIMIT = 100
"""Objects per page of a list: what is decoded at once is what a speaker's memory peaks at."""
BACKOFF_CAP_S = 5.0
BGP_CONFIGURATION = ("bgpadvertisements", "bgppeers", "bfdprofiles", "communities", "ipreservations")
BGP_STATUSES = ("bgpsessionstatuses", "servicebgpstatuses")
_KIND_OF = dict(zip(BGP_CONFIGURATION, ("BGPAdvertisement", "BGPPeer", "BFDProfile", "Community", "IPReservation"), strict=True))
_NO_INPUTS = frozenset({"servicel2statuses", *BGP_STATUSES})
"""Own status objects: decisions do not read them."""
_KEPT_METADATA = ("name", "namespace", "uid", "labels", "creationTimestamp", "generation")

Manifest = Mapping[str, Any]


def configuration_object(data: bytes) -> Manifest:
    """Return what ``compile_objects`` reads of one of our objects: counters in its status are no news to a speaker."""
    value = raw_object(data)
    metadata = {name: value["metadata"][name] for name in _KEPT_METADATA if name in value["metadata"]}
    kept = {"apiVersion": value.get("apiVersion"), "kind": value.get("kind"), "metadata": metadata, "spec": value.get("spec")}
    status = value.get("status")
    if isinstance(status, dict) and status.get("lastAccepted") is not None:
        kept["status"] = {"lastAccepted": status["lastAccepted"]}
    return kept


def _ignore(_key: ObjectKey, _old: Manifest | None, _new: Manifest | None) -> None:
    """Take a change that somebody looks at later."""


def _state_of(member: Member | None) -> str:
    """Return what a log says of a member."""
    if member is None or not member.is_alive:
        return "unknown" if member is None else "dead"
    carriers = ",".join(facts.name for facts in member.interfaces or () if facts.has_carrier)
    return f"serving on {carriers or 'no interface'}" if member.is_serving else "not serving"


class Inputs:
    """All reflectors of one speaker."""

    def __init__(
        self,
        transport: Transport,
        settings: Settings,
        world: World,
        leases: LeaseRoster,
        *,
        wake: Callable[[], None],
        on_status: Callable[[str], None],
    ) -> None:
        self._world, self._machine, self._wake, self._on_status = world, leases, wake, on_status
        self._lb_class = settings.lb_class
        self._identity = settings.names
        self.is_config_dirty = True
        self.is_changed = False
        """Something that a state file remembers changed; reset by whoever writes it."""
        self.is_leaving = False
        self._is_seeding = False
        identity, home, hold = settings.names, settings.home, settings.list_hold_s

        def reflector(path: str, decode: Callable[[bytes], Any], on_change: Callable[..., None], **options: Any) -> Reflector[Any]:
            options = {"shrink_hold_s": hold} | options
            return Reflector(transport, path, decode, on_change, page_limit=PAGE_LIMIT, backoff=Backoff(cap_s=BACKOFF_CAP_S), **options)

        self.services: Reflector[ServiceView] = reflector(
            SERVICES.path(), SERVICE.decoder(identity), self._on_service, field_selector="spec.type=LoadBalancer"
        )
        self.others: Reflector[ServiceView] = reflector(
            SERVICES.path(), SERVICE.decoder(identity), self._on_service, field_selector="spec.type!=LoadBalancer"
        )
        """Read from the moment on that an advertisement speaks of external or cluster IPs; most clusters never do."""
        self._wants_others = asyncio.Event()
        self.slices: Reflector[EndpointSliceView] = reflector(ENDPOINT_SLICES.path(), ENDPOINT_SLICE.decoder(identity), self._on_slice)
        self.nodes: Reflector[NodeView] = reflector(NODES.path(), NODE.decoder(identity), self._on_node)
        self.entries: Reflector[LedgerEntry] = reflector(
            ours(identity, "ipallocations").path(), IP_ALLOCATION.decoder(identity), self._on_entry
        )
        self.pools: Reflector[Manifest] = reflector(
            ours(identity, "ipaddresspools").path(home), configuration_object, self._on_configuration
        )
        self.advertisements: Reflector[Manifest] = reflector(
            ours(identity, "l2advertisements").path(home), configuration_object, self._on_configuration
        )
        self.leases: Reflector[LeaseView] = reflector(
            LEASES.path(home),
            LEASE.decoder(identity),
            self._on_lease,
            label_selector=component_selector(identity),
            on_relist=self._on_lease_relist,
            shrink_hold_s=0.0,
        )
        self.statuses: Reflector[StatusView] = reflector(
            ours(identity, "servicel2statuses").path(home),
            status_view,
            self._on_status_object,
            label_selector=status_selector(identity, world.node),
        )

        self.bgp_configuration: dict[str, Reflector[Manifest]] = {}
        self.bgp_statuses: dict[str, Reflector[Manifest]] = {}
        if settings.runtime_dir:
            for plural in BGP_CONFIGURATION:
                self.bgp_configuration[plural] = reflector(ours(identity, plural).path(home), configuration_object, self._on_configuration)
            for plural in BGP_STATUSES:
                self.bgp_statuses[plural] = reflector(
                    ours(identity, plural).path(home), raw_object, _ignore, label_selector=status_selector(identity, world.node)
                )

    @property
    def reflectors(self) -> dict[str, Reflector[Any]]:
        """All that is watched, by the plural of its resource."""
        return {
            **self.bgp_configuration,
            **self.bgp_statuses,
            "services": self.services,
            "endpointslices": self.slices,
            "nodes": self.nodes,
            "ipallocations": self.entries,
            "ipaddresspools": self.pools,
            "l2advertisements": self.advertisements,
            "leases": self.leases,
            "servicel2statuses": self.statuses,
        }

    def runs(self) -> list[Coroutine[Any, Any, None]]:
        """Return one endless coroutine per reflector."""
        return [*(reflector.run() for reflector in self.reflectors.values()), self._run_others()]

    async def _run_others(self) -> None:
        await self._wants_others.wait()
        await self.others.run()

    def want_others(self) -> None:
        """Read Services of other types too, from now on."""
        if not self._wants_others.is_set():
            self._wants_others.set()
            for key, view in self.services.store.items():  # those of other classes have such addresses too
                self._on_service(key, None, view)

    @property
    def has_synced_others(self) -> bool:
        """Tell whether Services of other types were listed once, where they are wanted."""
        return not self._wants_others.is_set() or self.others.has_synced.is_set()

    @property
    def has_synced(self) -> bool:
        """Tell whether everything that decisions read has been listed once; our own status objects are no input."""
        return all(reflector.has_synced.is_set() for name, reflector in self.reflectors.items() if name not in _NO_INPUTS)

    async def wait_synced(self) -> None:
        """Wait until ``has_synced``."""
        for name, reflector in self.reflectors.items():
            if name not in _NO_INPUTS:
                await reflector.has_synced.wait()

    def problems(self) -> dict[str, str]:
        """Return what keeps kinds from being up to date, by plural."""
        waiting = {name: "not listed yet" for name, reflector in self.reflectors.items() if not reflector.has_synced.is_set()}
        return waiting | {name: reflector.problem for name, reflector in self.reflectors.items() if reflector.problem is not None}

    @property
    def configuration_objects(self) -> list[Manifest]:
        """Return the objects that a configuration is compiled from."""
        more = (value for reflector in self.bgp_configuration.values() for value in reflector.store.values())
        return [*self.pools.store.values(), *self.advertisements.store.values(), *more]

    def seed(self, state: SavedState) -> None:
        """Start from remembered objects, before the reflectors run; the Leases among them count as fresh."""
        self._is_seeding = True
        self.services.seed(state.of("Service"))
        self.slices.seed(state.of("EndpointSlice"))
        self.nodes.seed(state.of("Node"))
        self.entries.seed(state.of("IPAllocation"))
        self.pools.seed(state.of("IPAddressPool"))
        self.advertisements.seed(state.of("L2Advertisement"))
        for plural, reflector in self.bgp_configuration.items():
            reflector.seed(state.of(_KIND_OF[plural]))
        self.leases.seed(state.of("Lease"))
        self._is_seeding = False

    def remembered(self) -> Iterator[Manifest]:
        """Return what a state file is to have, made one by one from values that do not change: it may be walked in a thread."""
        identity = self._identity
        announced = [view for view in self._world.services.values() if view.status_ips]
        slices = [view for service in announced for view in self._world.slices(service.key)]
        nodes, configuration = list(self._world.nodes.values()), self.configuration_objects
        entries = list(self.entries.store.items())
        alive = {name for name, member in self._machine.roster.members.items() if member.is_alive}
        if self.is_leaving:  # others have taken over: after a start from this file, this node announces nothing before it is told to
            alive.discard(self._world.node)
        leases = [view for key, view in self.leases.store.items() if node_of_lease(key.name) in alive]
        return chain(
            configuration,
            (service_manifest(view, identity) for view in announced),
            (slice_manifest(view) for view in slices),
            (node_manifest(view, identity) for view in nodes),
            (entry_manifest(view, key.name, identity) for key, view in entries),
            (lease_manifest(view) for view in leases),
        )

    def leave(self) -> None:
        """From now on this node does not serve, whatever its Lease says."""
        before = self._machine.roster.members.get(self._world.node)
        self.is_leaving = True
        roster = self._roster()
        self._world.see_roster(roster, [MemberChange(self._world.node, before, roster.members.get(self._world.node))])
        self._wake()

    # -- what watches bring --------------------------------------------------------------------------------------------------------

    def _on_service(self, key: ObjectKey, _old: ServiceView | None, new: ServiceView | None) -> None:
        # A Service whose type changes leaves one watch and enters the other, in any order.
        view = new or self.services.store.get(key) or self.others.store.get(key)
        self._world.see_service(key, self._seen(view) if view is not None else None)
        self._changed()

    def _seen(self, view: ServiceView) -> ServiceView | None:
        """Return what of a Service concerns us: all of ours, and of others the addresses that are not a load balancer's."""
        is_wanted = self._wants_others.is_set() or handles_service(view, self._lb_class)
        return announced_part(view, self._lb_class) if is_wanted else None

    def _on_slice(self, key: ObjectKey, old: EndpointSliceView | None, new: EndpointSliceView | None) -> None:
        self._world.see_slice(key, old, new)
        self._changed()

    def _on_node(self, key: ObjectKey, _old: NodeView | None, new: NodeView | None) -> None:
        self._world.see_node(key.name, new)
        if self.bgp_configuration:  # where peers can meet depends on the nodes' labels
            self.is_config_dirty = True
        self._changed()

    def _on_entry(self, _key: ObjectKey, old: LedgerEntry | None, new: LedgerEntry | None) -> None:
        now = time.monotonic_ns()
        if old is not None and (new is None or new.address != old.address):
            self._world.see_entry(old.address, None, now=now)
        if new is not None:
            self._world.see_entry(new.address, new, now=now)
        self._changed()

    def _on_configuration(self, _key: ObjectKey, _old: Manifest | None, _new: Manifest | None) -> None:
        self.is_config_dirty = True
        self._changed()

    def _on_lease(self, key: ObjectKey, _old: LeaseView | None, new: LeaseView | None) -> None:
        if new is None:
            self._machine.lease_gone(key.name)
            return
        now_utc = new.renewed_utc if self._is_seeding else time.time_ns()
        changes = self._machine.lease_seen(new, now=time.monotonic_ns(), now_utc=now_utc)
        if changes:
            self._world.see_roster(self._roster(), changes)
            self._changed()
        for change in changes:
            if not is_same_for_election(change.before, change.after):
                log.info("member_changed", member=change.node, state=_state_of(change.after), was=_state_of(change.before))

    def _on_lease_relist(self) -> None:
        self._machine.relisted(now=time.monotonic_ns())

    def _on_status_object(self, key: ObjectKey, _old: StatusView | None, _new: StatusView | None) -> None:
        self._on_status(key.name)

    def _changed(self) -> None:
        self.is_changed = True
        self._wake()

    def _roster(self) -> Roster:
        roster = self._machine.roster
        own = roster.members.get(self._world.node)
        if not self.is_leaving or own is None:
            return roster
        leaving = type(own)(own.node, own.is_alive, False, own.incarnation, own.interfaces)
        return Roster({**roster.members, own.node: leaving})
