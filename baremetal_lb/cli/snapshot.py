"""The whole state of a running cluster that decisions follow from, read once, for commands that explain or foresee them.

What comes out is what ``bmlb plan`` reads from files, so ``settle`` answers for both with the functions of the running processes.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from baremetal_lb.cli.live import Cluster, NoSuchKind, Object, fetch_all
from baremetal_lb.kube.errors import ApiError
from baremetal_lb.kube.resources import ENDPOINT_SLICES, LEASES, NAMESPACES, NODES, SERVICES, Resource, ours
from baremetal_lb.membership.lease_roster import RosterOptions, roster_at_a_look
from baremetal_lb.model.time import SECOND
from baremetal_lb.settle.cluster import SettleOptions

if TYPE_CHECKING:  # it costs half a second, and only those pay who talk to a cluster
    from baremetal_lb.cli.offline import OfflineCluster
    from baremetal_lb.kube.transport import Transport

SERVICE_CIDRS = Resource("networking.k8s.io", "v1", "servicecidrs", is_namespaced=False)
CONFIGURATION = ("ipaddresspools", "l2advertisements", "bgpadvertisements", "bgppeers", "bfdprofiles", "communities")
LEDGER = ("ipallocations", "ipreservations")


def fetch_snapshot(cluster: Cluster) -> "OfflineCluster":
    """Read the cluster's state. Other than in files, a node whose speaker has no Lease has no speaker.

    Raises:
        typer.Exit: it could not be read; the sentence has been printed.
    """
    from baremetal_lb.cli.offline import MEMBER_ANNOTATION, read_cluster  # noqa: PLC0415 - the schemas cost time that no help text is to wait for

    offline = read_cluster(fetch_all_objects(cluster), identity=cluster.identity, namespace=cluster.home, owner=cluster.owner)
    options = RosterOptions(node="", annotation=cluster.identity.prefix + MEMBER_ANNOTATION)
    roster = roster_at_a_look(offline.leases, options, now_utc=time.time_ns())
    return replace(offline, cluster=replace(offline.cluster, roster=roster))


def fetch_all_objects(cluster: Cluster) -> list[Object]:
    """Read all objects that decisions follow from.

    Raises:
        typer.Exit: they could not be read; the sentence has been printed.
    """
    return list(cluster.run(lambda transport: fetch_objects(transport, cluster)))


def settle_options(cluster: Cluster, lb_class: str = "", *, ignore_exclude_lb: bool = False) -> SettleOptions:
    """Return the options of ``settle`` for this install, now."""
    now_utc = time.time_ns() // SECOND * SECOND
    return SettleOptions(cluster.identity, cluster.owner, lb_class, ignore_exclude_lb, now_utc)


async def fetch_objects(transport: "Transport", cluster: Cluster) -> Sequence[Object]:
    """Return all objects that decisions follow from. ServiceCIDRs are not served by every API server."""
    wanted = [(SERVICES, ""), (ENDPOINT_SLICES, ""), (NODES, ""), (NAMESPACES, ""), (LEASES, cluster.home)]
    wanted += [(ours(cluster.identity, plural), "") for plural in LEDGER]
    wanted += [(ours(cluster.identity, plural), cluster.home) for plural in CONFIGURATION]
    lists = await asyncio.gather(*(fetch_all(transport, resource, where) for resource, where in wanted))
    try:
        lists.append(await fetch_all(transport, SERVICE_CIDRS))
    except (NoSuchKind, ApiError):
        lists.append([])
    return [item for found in lists for item in found]
