"""BGPAdvertisement: from specs to ``model.bgp.BGPAdvertisement``.

Two advertisements contradict each other where they could give one route two local preferences: on a pool in common, to a peer in common,
from a node in common, with the same prefix length in a family that the pool has. With service selectors this is known per Service
only and judged there. Pools are grouped by their families in bit sets, so a pair of advertisements costs a few ANDs, however many pools.

An advertisement that was accepted stays in force when a pool appears that it cannot aggregate; it then does not speak of that pool.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from baremetal_lb.api.bgp import BGPAdvertisementSpec
from baremetal_lb.api.communities import BGPCommunity, InvalidForm, parse_community
from baremetal_lb.api.compile_layer2 import PoolChoice, pool_choice
from baremetal_lb.api.faults import Fault
from baremetal_lb.api.frame import Item
from baremetal_lb.api.node_sets import NodeChoice, node_choice
from baremetal_lb.api.ranges import range_text, widest_prefix_length
from baremetal_lb.api.reasons import ConfigurationReason as Why
from baremetal_lb.api.selectors import compile_selectors, duplicates
from baremetal_lb.model.bgp import BGPAdvertisement, Community, LargeCommunity, ServiceAddresses
from baremetal_lb.model.configuration import Pool
from baremetal_lb.model.net import Family
from baremetal_lb.model.views import NodeView


@dataclass(frozen=True, slots=True)
class RouteDraft:
    """What decides whether advertisements contradict each other."""

    choice: PoolChoice
    nodes: NodeChoice
    peers: tuple[str, ...]
    communities: tuple[str, ...]
    local_pref: int
    lengths: tuple[int, int]
    """Aggregation length for IPv4 and for IPv6."""
    has_service_selectors: bool
    advertisement: BGPAdvertisement
    """Without its pools and communities, which are looked up later."""

    def resolved(self, pools: Sequence[Pool], aliases: Mapping[str, BGPCommunity]) -> BGPAdvertisement:
        """Return the advertisement with the pools that are in force and the communities that the aliases stand for."""
        values = [aliases[text] if text in aliases else parse_community(text) for text in self.communities]
        return replace(
            self.advertisement,
            pools=self.choice.of(pools),
            communities=tuple(sorted({Community(*value) for value in values if len(value) == 2})),
            large_communities=tuple(sorted({LargeCommunity(*value) for value in values if len(value) == 3})),
        )

    def length(self, family: Family) -> int:
        """Return the prefix length of routes of a family."""
        return self.lengths[0 if family is Family.IPV4 else 1]


def compile_bgp_advertisement(
    item: Item,
    spec: BGPAdvertisementSpec,
    nodes: Sequence[NodeView],
) -> tuple[RouteDraft, list[Fault]]:
    """Compile one advertisement by itself."""
    choice, faults = pool_choice(spec.ip_address_pools, spec.ip_address_pool_selectors)
    node_selectors, found = compile_selectors(spec.node_selectors, "spec.nodeSelectors")
    faults += found
    service_selectors, found = compile_selectors(spec.service_selectors, "spec.serviceSelectors")
    faults += found
    faults += duplicates(spec.communities, "spec.communities")
    faults += duplicates(spec.peers, "spec.peers")
    faults += duplicates(list(spec.service_addresses), "spec.serviceAddresses")
    if service_selectors:
        aggregates = {"aggregationLength": spec.aggregation_length != 32, "aggregationLengthV6": spec.aggregation_length_v6 != 128}
        faults += [
            Fault(f"spec.{name}", Why.AggregationWithServiceSelectors, f"serviceSelectors and {name} are mutually exclusive.")
            for name, is_given in aggregates.items()
            if is_given
        ]
    advertisement = BGPAdvertisement(
        name=item.name,
        node_selectors=node_selectors,
        service_selectors=service_selectors,
        peers=frozenset(spec.peers or ()),
        aggregation_length=spec.aggregation_length,
        aggregation_length_v6=spec.aggregation_length_v6,
        local_pref=spec.local_pref,
        med=spec.med,
        as_path_prepend=spec.as_path_prepend,
        weight_by_endpoints=spec.weight_by_endpoints,
        service_addresses=frozenset(map(ServiceAddresses, spec.service_addresses)),
    )
    draft = RouteDraft(
        choice=choice,
        nodes=node_choice(node_selectors, nodes),
        peers=tuple(spec.peers or ()),
        communities=tuple(spec.communities or ()),
        local_pref=spec.local_pref,
        lengths=(spec.aggregation_length, spec.aggregation_length_v6),
        has_service_selectors=bool(service_selectors),
        advertisement=advertisement,
    )
    return draft, faults


@dataclass(frozen=True, slots=True)
class RouteWorld:
    """What advertisements refer to."""

    pools: Sequence[Pool]
    """In force, by name."""
    known_pools: Mapping[str, Mapping[str, str]]
    """Labels of all pools that exist."""
    known_peers: frozenset[str]
    aliases: Mapping[str, BGPCommunity]


class RouteClaims:
    """Advertisements that are in force."""

    def __init__(self, world: RouteWorld) -> None:
        self._world = world
        self._members = _PoolSets.of(world.pools)
        self._placed: dict[str, tuple[RouteDraft, int]] = {}

    def faults(self, item: Item, value: RouteDraft, *, is_incumbent: bool) -> list[Fault]:
        """Return what contradicts other advertisements or pools, and references that lead nowhere."""
        faults = value.choice.faults(self._world.known_pools)
        faults += [
            Fault(f"spec.peers[{index}]", Why.UnknownPeer, f"{name!r} is ignored.", is_fatal=False)
            for index, name in enumerate(value.peers)
            if name not in self._world.known_peers
        ]
        for index, text in enumerate(value.communities):
            faults += _community_faults(text, f"spec.communities[{index}]", self._world.aliases)
        faults += self._aggregation_faults(value, is_incumbent=is_incumbent)
        return faults + self._local_pref_faults(item, value)

    def pools_of(self, value: RouteDraft) -> int:
        """Return the pools that a draft speaks of, as a bit set over ``world.pools``."""
        chosen = value.choice.of(self._world.pools)
        return self._members.of_names(chosen) if chosen is not None else self._members.every

    def _aggregation_faults(self, value: RouteDraft, *, is_incumbent: bool) -> list[Fault]:
        if value.lengths == (32, 128):
            return []
        chosen = value.choice.of(self._world.pools)
        faults: list[Fault] = []
        for pool in self._world.pools:
            if chosen is not None and pool.name not in chosen:
                continue
            for found in pool.ranges:
                length, widest = value.length(found.family), widest_prefix_length(found)
                if length < widest:
                    field = "spec.aggregationLength" if found.family is Family.IPV4 else "spec.aggregationLengthV6"
                    detail = (
                        f"invalid aggregation length {length}: prefix {widest} in this pool is more specific than the aggregation length "
                        f"for addresses {range_text(found)} (pool {pool.name})."
                    )
                    faults.append(Fault(field, Why.AggregationTooShort, detail, is_fatal=not is_incumbent))
        return faults

    def _local_pref_faults(self, item: Item, value: RouteDraft) -> list[Fault]:
        if value.has_service_selectors:
            return []
        pools = self.pools_of(value)
        return [
            Fault("spec.localPref", Why.LocalPrefConflict, f"{value.local_pref} here, {other.local_pref} in advertisement {name}.")
            for name, (other, others_pools) in sorted(self._placed.items(), key=lambda placed: placed[0])
            if name != item.name
            and other.local_pref != value.local_pref
            and self._members.share_a_route(pools & others_pools, value, other)
            and (not value.peers or not other.peers or not set(value.peers).isdisjoint(other.peers))
            and value.nodes.surely_meets(other.nodes)
        ]

    def add(self, item: Item, value: RouteDraft) -> None:
        """Put an advertisement in force."""
        if not value.has_service_selectors:
            self._placed[item.name] = (value, self.pools_of(value))

    def remove(self, item: Item, value: RouteDraft) -> None:  # noqa: ARG002  # see precedence.Claims
        """Take it out of force."""
        self._placed.pop(item.name, None)


@dataclass(frozen=True, slots=True)
class _PoolSets:
    """Pools as bits, and which of them have which families."""

    position: Mapping[str, int]
    only_ipv4: int
    only_ipv6: int
    both: int

    @classmethod
    def of(cls, pools: Sequence[Pool]) -> "_PoolSets":
        families = [pool.families for pool in pools]
        bits = {members: sum(1 << i for i, f in enumerate(families) if f == members) for members in set(families)}
        ipv4, ipv6 = frozenset({Family.IPV4}), frozenset({Family.IPV6})
        return cls({pool.name: i for i, pool in enumerate(pools)}, bits.get(ipv4, 0), bits.get(ipv6, 0), bits.get(ipv4 | ipv6, 0))

    @property
    def every(self) -> int:
        return (1 << len(self.position)) - 1

    def of_names(self, names: frozenset[str]) -> int:
        return sum(1 << self.position[name] for name in names)

    def share_a_route(self, pools: int, one: RouteDraft, other: RouteDraft) -> bool:
        """Tell whether on one of the pools both make routes of one length: in its family, or in either of its two."""
        same_ipv4 = one.lengths[0] == other.lengths[0]
        same_ipv6 = one.lengths[1] == other.lengths[1]
        of_interest = (self.only_ipv4 if same_ipv4 else 0) | (self.only_ipv6 if same_ipv6 else 0)
        return pools & (of_interest | (self.both if same_ipv4 or same_ipv6 else 0)) != 0


def _community_faults(text: str, field: str, aliases: Mapping[str, BGPCommunity]) -> list[Fault]:
    if text in aliases:
        return []
    try:
        parse_community(text)
    except InvalidForm:
        return [Fault(field, Why.UnknownCommunity, f"{text!r} is unknown.")]
    except ValueError as error:
        return [Fault(field, Why.InvalidCommunity, f"{error}.")]
    return []
