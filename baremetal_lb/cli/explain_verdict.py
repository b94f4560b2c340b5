"""The verdict on one Service: how it stands in one sentence, and the command to try next when something is wrong. Pure.

    no IP                                     -> the allocator's reason
    an IP that nobody leads to                -> the first that would have to change: election, session, route
    every IP is reached                       -> by which ways; and the wish that is not honoured, if there is one

An IP is reached when a living node announces it and somebody is elected for it, or when it is advertised over a session that is up.
"""

from dataclasses import dataclass
from typing import Any

from baremetal_lb.cli.unreached import UnreachedReason
from baremetal_lb.ipam.decision import Decision
from baremetal_lb.ipam.reasons import AllocationReason as Why
from baremetal_lb.model.views import ServiceView

Document = dict[str, Any]
ESTABLISHED = "Established"
NODES_SHOWN = 3
_ADDRESSES = frozenset(
    {Why.AddressInUse, Why.AddressReserved, Why.AddressHeld, Why.AddressForeign, Why.SharingKeyDiffers, Why.PortsClash, Why.AddressExcluded}
)
"""Reasons that lie with who else has or may have the requested IP."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a Service stands."""

    sentence: str
    reason: str | None = None
    """The token of the reason, where something is wrong."""
    command: str | None = None
    """What to try next, where something is wrong."""
    is_reached: bool = False
    """It has an IP, and somebody leads to each that it has."""


def verdict(service: ServiceView, decision: Decision | None, document: Document) -> Verdict:
    """Return how a Service stands, by the rest of its document."""
    told = document["allocation"]
    if decision is None:
        what = f"-n {service.key.namespace} {service.key.name}"
        return Verdict(told["message"], told["reason"], f"`kubectl get service {what} -o yaml` shows its type and class.")
    if not service.status_ips:
        if decision.addresses:
            which = " and ".join(map(str, decision.addresses))
            return Verdict(f"It is to have {which}, and no controller has written it yet.", UnreachedReason.NotWritten.name, _controllers())
        return Verdict(f"It has no IP: {decision.message}", told["reason"], _next_for(decision, service))
    reached = {each["ip"]: _ways(each, document["bgp"]) for each in document["layer2"]}
    lost = [ip for ip, ways in reached.items() if not ways]
    has = f"It has {' and '.join(document['ips'])}"
    if not lost:
        ways = " and ".join(sorted({way for found in reached.values() for way in found}, reverse=True))
        wish = "" if decision.is_satisfied else f" One wish is not honoured: {decision.message}"
        command = None if decision.is_satisfied else _next_for(decision, service)
        return Verdict(f"{has}, reachable by {ways}.{wish}", told["reason"], command, is_reached=True)
    why = _why_lost(lost[0], service, document)
    which = " and ".join(lost) if len(lost) < len(reached) else "it" if len(reached) == 1 else "them"
    return Verdict(f"{has}, and nobody reaches {which}: {why.sentence}", why.reason, why.command)


def _ways(layer2: Document, routes: list[Document]) -> tuple[str, ...]:
    """Return the ways by which an IP is reached."""
    is_announced = layer2["elected"] is not None and any(each["alive"] for each in layer2["announced_by"])
    is_advertised = any(
        peer["advertised"] and peer["state"] == ESTABLISHED for each in routes if each["ip"] == layer2["ip"] for peer in each["peers"]
    )
    return (*(("layer 2",) if is_announced else ()), *(("BGP",) if is_advertised else ()))


def _why_lost(ip: str, service: ServiceView, document: Document) -> Verdict:
    """Return why nobody reaches an IP."""
    layer2 = next(each for each in document["layer2"] if each["ip"] == ip)
    routes = [each for each in document["bgp"] if each["ip"] == ip]
    if layer2["elected"] is not None:
        dead = [each["node"] for each in layer2["announced_by"] if not each["alive"]]
        instead = f"; {', '.join(dead)} did, and its speaker is not alive" if dead else ""
        return Verdict(
            f"{layer2['elected']} is elected, and does not report yet that it announces it{instead}.",
            UnreachedReason.NotReported.name,
            "`bmlb node list` shows whether it serves.",
        )
    down = [(each["node"], peer) for each in routes for peer in each["peers"] if peer["advertised"]]
    if down:
        node, peer = down[0]
        error = f" ({peer['error'].rstrip('.')})" if peer["error"] else ""
        return Verdict(
            f"the session of {node} with {peer['peer']} is not up: {peer['state']}{error}.",
            UnreachedReason.SessionDown.name,
            "`bmlb peer list` shows all sessions.",
        )
    told = layer2 if layer2["reason"] not in (None, "NoAdvertisement") or not routes else routes[0]
    return Verdict(_sentence(told, layer2), told["reason"], _command(told["reason"], ip, service))


def _sentence(told: Document, layer2: Document) -> str:
    """Return a reason's sentence; where every node is excluded, with the first of them and their reasons."""
    if told["reason"] != "NoCandidate":
        return str(told["message"])
    excluded = [f"{each['node']} ({each['reason']})" for each in layer2["candidates"]]
    more = f" and {len(excluded) - NODES_SHOWN} more" if len(excluded) > NODES_SHOWN else ""
    return f"every node is excluded: {', '.join(excluded[:NODES_SHOWN])}{more}." if excluded else "the cluster has no nodes."


def _command(reason: str | None, ip: str, service: ServiceView) -> str:
    match reason:
        case "NoAdvertisement" | "NotSelectedByAdvertisement" | "SharedIPWithServiceSelectors" | "NoPool":
            return "`bmlb pool check` shows pools that lead nowhere."
        case "NoUsableEndpoint" | "NoLocalEndpoint" | "LeftOutOfSharedIP":
            where = f"-n {service.key.namespace} -l kubernetes.io/service-name={service.key.name}"
            return f"`kubectl get endpointslices {where}` shows its endpoints."
        case "NotInLedger":
            return _controllers()
        case "LedgerNamesAnother":
            return f"`bmlb ip who {ip}` shows whose it is."
    return "`bmlb node list` shows who could."


def _controllers() -> str:
    return "`kubectl get leases -A` shows whether a controller leads; its log says what it does."


def _next_for(decision: Decision, service: ServiceView) -> str:
    """Return the next command for a wish that is not honoured."""
    asked = (service.requested_ips or service.spec_load_balancer_ip or "").split(",")[0].strip()
    if decision.reason in _ADDRESSES and asked:
        return f"`bmlb ip who {asked}` shows whose it is."
    match decision.reason:
        case Why.NoPools:
            return "`bmlb pool create NAME --addresses CIDR --l2` makes one."
        case Why.PoolExhausted:
            return "`bmlb pool list` shows what is free; `bmlb pool edit NAME --add-addresses CIDR` enlarges a pool."
        case (
            Why.Headless
            | Why.ClusterIPMissing
            | Why.ClusterIPsMalformed
            | Why.NotEnoughClusterIPs
            | Why.RequestMalformed
            | Why.RequestedTwice
        ):
            return f"`kubectl get service -n {service.key.namespace} {service.key.name} -o yaml` shows what it asks for."
    return "`bmlb pool list` shows the pools, `bmlb pool check` what is wrong with them."
