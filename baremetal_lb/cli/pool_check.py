"""What is wrong with pools, or will be soon: judged on a snapshot of the cluster. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from baremetal_lb.cli.offline import OfflineCluster
from baremetal_lb.ipam.ledger import Ledger
from baremetal_lb.ipam.utilization import usage
from baremetal_lb.model.configuration import Pool
from baremetal_lb.model.net import IPAddress, parse_address
from baremetal_lb.model.reasons import Reason
from baremetal_lb.model.views import NodeView

NEARLY_FULL = 0.85
_SHOWN = 3


class PoolReason(Reason):
    """What can be wrong with a pool that is accepted."""

    NotAccepted = "The object has a fault; the last good spec stays in force, if there was one."
    Questionable = "The object is in force, but a part of it is probably not what was meant."
    NotAnnounced = "No L2Advertisement and no BGPAdvertisement speaks of the pool: its IPs lead nowhere."
    Full = "The pool has no free address."
    NearlyFull = "The pool is almost used up."
    ContainsNode = "An IP of a node is in the pool; whoever is given it takes the node's traffic."
    ContainsClusterIP = "The pool overlaps with the IPs of Services inside the cluster."
    Drained = "The pool is drained (disabled) and gives out nothing new."


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing that is wrong with one pool."""

    pool: str
    reason: PoolReason
    message: str


def complaints(snapshot: OfflineCluster, *, owner: str) -> list[Complaint]:
    """Return all complaints, by pool."""
    cluster = snapshot.cluster
    found = [
        Complaint(
            problem.object.key.name,
            PoolReason.NotAccepted if problem.is_fatal else PoolReason.Questionable,
            f"{problem.field}: {problem.message}".removeprefix(": "),
        )
        for problem, _place in snapshot.problems
        if problem.object.kind == "IPAddressPool"
    ]
    counts = usage(Ledger(cluster.configuration, cluster.entries, owner))
    for pool in cluster.configuration.pools:
        found += complaints_of_place(pool, snapshot)
        if pool.disabled:
            found.append(Complaint(pool.name, PoolReason.Drained, PoolReason.Drained.sentence))
        for family, counted in sorted(counts[pool.name].items()):
            taken = counted.capacity - counted.available
            if counted.available == 0:
                found.append(Complaint(pool.name, PoolReason.Full, f"{PoolReason.Full.sentence} {family.value}."))
            elif taken >= NEARLY_FULL * counted.capacity:
                left = f"{family.value}: {counted.available} of {counted.capacity} left."
                found.append(Complaint(pool.name, PoolReason.NearlyFull, f"{PoolReason.NearlyFull.sentence} {left}"))
    return sorted(found, key=lambda complaint: complaint.pool)


def complaints_of_place(pool: Pool, snapshot: OfflineCluster) -> list[Complaint]:
    """Return what is wrong with where a pool is, however full: announced by nobody, or in the way of nodes or of ClusterIPs."""
    return [Complaint(pool.name, reason, f"{reason.sentence} {detail}".rstrip()) for reason, detail in _of_place(pool, snapshot)]


def _of_place(pool: Pool, snapshot: OfflineCluster) -> Iterator[tuple[PoolReason, str]]:
    configuration = snapshot.cluster.configuration
    is_told = any(each.selects_pool(pool.name) for each in configuration.l2_advertisements)
    if not is_told and not any(each.selects_pool(pool.name) for each in configuration.bgp_advertisements):
        yield PoolReason.NotAnnounced, ""
    nodes = [f"{address} of {node.name}" for node in snapshot.cluster.nodes for address in _inside(pool, node)]
    if nodes:
        yield PoolReason.ContainsNode, _few(nodes)
    ranges = [cidr for cidr in snapshot.cluster.service_cidrs if any(cidr.overlaps(span) for span in pool.ranges)]
    services = [str(s.key) for s in snapshot.cluster.services if any(pool.covers(ip) for ip in _cluster_ips(s.cluster_ips))]
    if ranges or services:
        yield PoolReason.ContainsClusterIP, _few([*map(str, ranges), *services])


def _inside(pool: Pool, node: NodeView) -> Iterable[IPAddress]:
    return (ip for ip in node.internal_ips if pool.covers(ip) and not any(ip in hole for hole in pool.excluded))


def _cluster_ips(texts: Iterable[str]) -> Iterator[IPAddress]:
    for text in texts:
        try:
            yield parse_address(text)
        except ValueError:  # "None" of a headless Service
            continue


def _few(items: list[str]) -> str:
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return f"{', '.join(items[:_SHOWN])}{more}."
