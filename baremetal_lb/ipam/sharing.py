"""When Services may have one IP together.

All must ask for it with the same key (annotation ``allow-shared-ip``, not empty), have different ports, and send traffic to compatible
backends: whoever announces the IP gets the traffic of all of them. With externalTrafficPolicy Cluster any node will do, so those are
compatible with each other. With Local the node must have the endpoints, so their selectors must be equal; an empty selector says nothing
about where the endpoints are, hence such a Service never shares. And they must be in one namespace: the same selector means other Pods
in another one. Whether Services of different namespaces may share at all is the pool's choice (``sharing``).

The entry of the ledger holds what its users agreed upon. A Service is compared with the entry, never with another Service: whoever
changes its mind loses, not those who stay with what was agreed. A Service that is alone on an IP may change what it likes. Rules about
namespaces are for those who join: a pool that is given another ``sharing`` parts nobody.

A sharing key is a secret of those who know it. No refusal quotes one, and where namespaces may not share the refusal is the same whether
a key was guessed or not.
"""

from collections.abc import Sequence
from hashlib import sha256

from baremetal_lb.ipam.decision import Refusal
from baremetal_lb.ipam.reasons import AllocationReason
from baremetal_lb.model.configuration import SharingScope
from baremetal_lb.model.views import EntryService, LedgerEntry, ServiceView, TrafficPolicy

SHARERS_MAX = 256
"""Services in one entry of the ledger."""
KEY_MAX = 1024
"""Characters of a sharing key that an entry can hold."""
BACKEND_KEY_MAX = 4096
"""Characters of a selector that an entry holds as they are; of a longer one it holds a digest."""
PORTS_MAX = 1024
"""Ports of one Service that an entry can hold."""


def backend_key(service: ServiceView) -> str | None:
    """Return what must be equal for compatible backends, or None where nothing is compatible."""
    if service.traffic_policy is TrafficPolicy.CLUSTER:
        return ""
    key = ",".join(f"{key}={value}" for key, value in sorted(service.selector))
    return (key if len(key) <= BACKEND_KEY_MAX else f"sha256:{sha256(key.encode()).hexdigest()}") or None


def sharing_key(service: ServiceView) -> str:
    """Return the key under which the Service shares its IP; "" when it does not."""
    is_possible = backend_key(service) is not None and sharing_refusal(service) is None
    return service.sharing_key or "" if is_possible else ""


def sharing_refusal(service: ServiceView) -> Refusal | None:
    """Return why a Service that asks for sharing asks for too much; None if it does not."""
    if not service.sharing_key:
        return None
    if len(service.sharing_key) > KEY_MAX:
        return Refusal(AllocationReason.SharingKeyTooLong, f"It has {len(service.sharing_key)} characters; {KEY_MAX} are possible.")
    if len(set(service.ports)) > PORTS_MAX:
        return Refusal(AllocationReason.TooManyPorts, f"It has {len(set(service.ports))}; {PORTS_MAX} are possible.")
    return None


def entry_service(service: ServiceView) -> EntryService:
    """Return the Service as a user of an entry. Its ports are for those who share with it; one that cannot share may have more than fit."""
    return EntryService(service.key, service.uid, tuple(sorted(set(service.ports)))[:PORTS_MAX])


def namespace_refusal(service: ServiceView, entry: LedgerEntry, scope: SharingScope) -> Refusal | None:
    """Return why the Service cannot join the users of this entry, who are in other namespaces; None if it can, as far as that goes.

    To be asked before ``objection``, which says whether a key is right.
    """
    if not service.sharing_key or all(user.key.namespace == service.key.namespace for user in entry.services):
        return None
    if scope is SharingScope.NAMESPACE:
        return Refusal(AllocationReason.SharingAcrossNamespaces, f"{entry.address} belongs to {_names(entry.services)}.")
    if service.traffic_policy is TrafficPolicy.LOCAL:
        return Refusal(AllocationReason.BackendsIncompatible, f"{entry.address} belongs to {_names(entry.services)}.")
    return None


def objection(service: ServiceView, entry: LedgerEntry) -> Refusal | None:
    """Return why the Service cannot use the IP of this entry beside its other users; None if it can."""
    others = [user for user in entry.services if user.uid != service.uid]
    if not others:
        return None
    names = _names(others)
    if not service.sharing_key or not entry.sharing_key or sharing_refusal(service) is not None:
        return Refusal(AllocationReason.AddressInUse, f"{entry.address} belongs to {names}.")
    if service.sharing_key != entry.sharing_key:
        return Refusal(AllocationReason.SharingKeyDiffers, f"{entry.address} belongs to {names}.")
    if backend_key(service) != entry.backend_key:
        return Refusal(AllocationReason.BackendsIncompatible, f"{entry.address} is shared by {names}.")
    wanted = set(service.ports)
    for user in others:
        clashing = sorted(wanted.intersection(user.ports))
        if clashing:
            return Refusal(AllocationReason.PortsClash, f"{user.key} has {', '.join(map(str, clashing))} on {entry.address}.")
    if len(others) >= SHARERS_MAX:
        return Refusal(AllocationReason.TooManySharers, f"{entry.address} has {len(others)}.")
    return None


def _names(users: Sequence[EntryService]) -> str:
    """Name at most three, and say how many more there are."""
    shown = ", ".join(str(user.key) for user in users[:3])
    return shown if len(users) <= 3 else f"{shown} and {len(users) - 3} more"
