"""The lines of ``bmlb svc list``, from Services and what speakers report of them. Pure."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from baremetal_lb.cli.unreached import UnreachedReason
from baremetal_lb.ipam.requests import handles
from baremetal_lb.model.ids import Identity

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """One Service of type LoadBalancer."""

    namespace: str
    name: str
    policy: str
    ips: tuple[str, ...]
    pool: str | None
    announced_by: tuple[str, ...]
    advertised_by: tuple[str, ...]
    satisfied: bool
    reason: str | None
    """Why it has no IP, or not the one it asks for, or why nobody reaches it."""
    message: str | None

    @property
    def is_silent(self) -> bool:
        """Tell whether it has an IP that no node announces or advertises."""
        return bool(self.ips) and not self.announced_by and not self.advertised_by


def rows_of(
    services: Iterable[Object], l2: Iterable[Object], bgp: Iterable[Object], identity: Identity, lb_class: str = ""
) -> list[ServiceRow]:
    """Return the lines of the list, by namespace and name."""
    announced, advertised = _nodes_by_service(l2), _nodes_by_service(bgp)
    rows = []
    for service in services:
        metadata, spec, status = service["metadata"], service.get("spec") or {}, service.get("status") or {}
        if not handles(spec.get("type"), spec.get("loadBalancerClass"), lb_class):
            continue
        key = (metadata.get("namespace", ""), metadata["name"])
        condition: Object = next((c for c in status.get("conditions") or () if c.get("type") == f"{identity.prefix}Satisfied"), {})
        is_satisfied = condition.get("status") == "True"
        rows.append(
            ServiceRow(
                *key,
                policy=str(spec.get("externalTrafficPolicy") or "Cluster"),
                ips=tuple(str(e["ip"]) for e in (status.get("loadBalancer") or {}).get("ingress") or () if e.get("ip")),
                pool=(metadata.get("annotations") or {}).get(f"{identity.prefix}ip-allocated-from-pool"),
                announced_by=announced[key],
                advertised_by=advertised[key],
                satisfied=is_satisfied,
                reason=None if is_satisfied else str(condition.get("reason") or UnreachedReason.NotLookedAt.name),
                message=None if is_satisfied else str(condition.get("message") or UnreachedReason.NotLookedAt.sentence),
            )
        )
    return sorted(rows, key=lambda row: (row.namespace, row.name))


def _nodes_by_service(statuses: Iterable[Object]) -> dict[tuple[str, str], tuple[str, ...]]:
    found: defaultdict[tuple[str, str], tuple[str, ...]] = defaultdict(tuple)
    for item in statuses:
        status = item.get("status") or {}
        if node := status.get("node"):
            key = (str(status.get("serviceNamespace")), str(status.get("serviceName")))
            found[key] = tuple(sorted({*found[key], str(node)}))
    return found
