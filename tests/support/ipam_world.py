"""A small world for tables about addresses: Services come, change and go; each time everything settles."""

from collections.abc import Mapping
from dataclasses import replace

from baremetal_lb.model.configuration import Configuration, Pool, Reservation, ServiceAllocation
from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.net import AddressRange, family_of, parse_address
from baremetal_lb.model.views import FamilyPolicy, IngressView, LedgerEntry, Port, ServiceView, TrafficPolicy
from baremetal_lb.settle.addresses import ServiceOutcome, settle_addresses
from baremetal_lb.settle.cluster import ClusterObjects, SettleOptions

CLUSTER_IPS = {"4": ("10.96.0.1",), "6": ("fd00::1",), "46": ("10.96.0.1", "fd00::1"), "64": ("fd00::1", "10.96.0.1"), "": ()}


def ranges(*texts: str) -> tuple[AddressRange, ...]:
    return tuple(AddressRange.parse(text, allow_single=True) for text in texts)


def pool(name: str, *addresses: str, **options: object) -> Pool:
    excluded = options.pop("excluded", ())
    return Pool(name, ranges(*addresses), excluded=ranges(*excluded), **options)  # type: ignore[arg-type, misc]  # tables are loose


def allocation(**options: object) -> ServiceAllocation:
    return ServiceAllocation(**options)  # type: ignore[arg-type]  # tables are loose


def reservation(name: str, *addresses: str, namespace: str = "default", service: str | None = None) -> Reservation:
    return Reservation(name, ranges(*addresses), namespace, service)


def service(
    name: str,
    families: str = "4",
    *,
    ips: str | None = None,
    wants_pool: str | None = None,
    shares: str | None = None,
    ports: str | tuple[Port, ...] = "",
    local: str | None = None,
    policy: FamilyPolicy | None = None,
    status: str = "",
    **more: object,
) -> ServiceView:
    """Return a Service: ``families`` "4", "6", "46", "64" (clusterIPs); ``ports`` "TCP/80 UDP/53"; ``local`` a selector "a=b"."""
    namespace, _, short = name.rpartition("/")
    key = ObjectKey(namespace or "default", short)
    if policy is None:
        policy = FamilyPolicy.REQUIRE_DUAL_STACK if len(families) == 2 else FamilyPolicy.SINGLE_STACK
    view = ServiceView(
        key,
        uid=f"uid-{key}",
        cluster_ips=CLUSTER_IPS[families],
        families=tuple(family_of(parse_address(text)) for text in CLUSTER_IPS[families]),
        family_policy=policy,
        ports=ports if isinstance(ports, tuple) else tuple(Port(p, int(n)) for p, _, n in (text.partition("/") for text in ports.split())),
        traffic_policy=TrafficPolicy.CLUSTER if local is None else TrafficPolicy.LOCAL,
        selector=tuple(sorted((k, v) for k, _, v in (text.partition("=") for text in (local or "").split(",") if text))),
        requested_ips=ips,
        requested_pool=wants_pool,
        sharing_key=shares,
        ingress=tuple(IngressView(parse_address(text), text) for text in status.split()),
    )
    return replace(view, **more)  # type: ignore[arg-type]  # tables are loose


class World:
    """Services and pools that settle after every change."""

    def __init__(self, *pools: Pool, reservations: tuple[Reservation, ...] = (), namespaces: Mapping[str, Mapping[str, str]] | None = None):
        self.configuration = Configuration(tuple(sorted(pools, key=lambda p: p.name)), (), reservations)
        self.namespaces = dict(namespaces or {})
        self.services: dict[ObjectKey, ServiceView] = {}
        self.entries: tuple[LedgerEntry, ...] = ()
        self.outcomes: dict[ObjectKey, ServiceOutcome] = {}
        self.now = 1_000_000_000
        self._clock = 0

    def put(self, *views: ServiceView) -> "World":
        """Create Services or change what their authors wrote in them; status and age stay."""
        for view in views:
            old = self.services.get(view.key)
            self._clock += 1
            if old is not None and old.uid == view.uid:
                view = replace(  # noqa: PLW2901 - the author's part of the new one, our part of the old one
                    view,
                    ingress=old.ingress,
                    allocated_from_pool=old.allocated_from_pool,
                    condition=old.condition,
                    created_utc=old.created_utc,
                )
            elif not view.created_utc:
                view = replace(view, created_utc=self._clock)  # noqa: PLW2901 - as above
            self.services[view.key] = view
        return self.settle()

    def delete(self, name: str) -> "World":
        del self.services[key_of(name)]
        return self.settle()

    def configure(self, *pools: Pool, reservations: tuple[Reservation, ...] = ()) -> "World":
        self.configuration = Configuration(tuple(sorted(pools, key=lambda p: p.name)), (), reservations)
        return self.settle()

    def settle(self) -> "World":
        cluster = ClusterObjects(self.configuration, tuple(self.services.values()), self.entries, namespaces=self.namespaces)
        outcomes, state = settle_addresses(cluster, SettleOptions(owner="us", now_utc=self.now))
        self.entries = state.ledger.entries()
        self.outcomes = {outcome.service.key: outcome for outcome in outcomes}
        self.services = {key: outcome.service for key, outcome in self.outcomes.items()}
        return self

    def ips(self, name: str) -> str:
        """Return the IPs in a Service's status, with a space between."""
        return " ".join(str(ip) for ip in self.services[key_of(name)].status_ips)

    def reason(self, name: str) -> str | None:
        reason = self.outcomes[key_of(name)].decision.reason
        return None if reason is None else reason.name


def key_of(name: str) -> ObjectKey:
    namespace, _, short = name.rpartition("/")
    return ObjectKey(namespace or "default", short)
