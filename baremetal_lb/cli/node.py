"""``bmlb node``: the nodes as speakers see them: who serves, what each carries, and who is left out, with the reason."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from baremetal_lb.cli.live import Cluster, Context, IdentityOption, Kubeconfig, Namespace, Object, fetch_all
from baremetal_lb.cli.output import PROBLEM_FOUND, Output, OutputOption, make_table, open_console, print_document, say
from baremetal_lb.cli.snapshot import fetch_snapshot
from baremetal_lb.election.eligibility import verdict_on_node
from baremetal_lb.kube.resources import ours
from baremetal_lb.membership.lease_roster import node_of_lease
from baremetal_lb.model.net import IPAddress
from baremetal_lb.model.rfc3339 import format_microtime, parse_time
from baremetal_lb.model.roster import Member
from baremetal_lb.model.time import SECOND
from baremetal_lb.model.views import NodeView

if TYPE_CHECKING:  # it costs half a second, and only those pay who talk to a cluster
    from baremetal_lb.cli.offline import OfflineCluster
    from baremetal_lb.kube.transport import Transport

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Nodes and their speakers.")
ESTABLISHED = "Established"
SERVING, DRAINING = "serving", "draining"


@dataclass(frozen=True, slots=True)
class NodeRow:
    """One node."""

    node: str
    speaker: str
    """serving, draining, not serving, dead or never seen."""
    lease_renewed: str | None
    """When its Lease was renewed last, by the node's clock."""
    interfaces: tuple[str, ...]
    announces: int
    """IPs of the Services that it announces on layer 2, a shared one once."""
    sessions_up: int
    sessions: int
    reason: str | None
    """Why it takes no part."""
    message: str | None


@app.callback()
def root() -> None:
    """Nodes and their speakers."""


@app.command("list")
def list_nodes(
    *,
    output: OutputOption = Output.TABLE,
    ignore_exclude_lb: Annotated[
        bool, typer.Option("--ignore-exclude-lb", help="Do not mind node.kubernetes.io/exclude-from-external-load-balancers.")
    ] = False,
    kubeconfig: Kubeconfig = "",
    context: Context = "",
    namespace: Namespace = "",
    identity: IdentityOption = "baremetal-lb",
) -> None:
    """List nodes with their speakers. Exit code 1 when one of them has none that serves."""
    cluster = Cluster(kubeconfig, context, namespace, identity)
    snapshot = fetch_snapshot(cluster)
    l2, sessions = cluster.run(lambda transport: _fetch(transport, cluster))
    rows = rows_of(snapshot, l2, sessions, ignore_exclude_lb=ignore_exclude_lb)
    if output is Output.NAME:
        for row in rows:
            say(f"node/{row.node}")
    elif output.is_document:
        print_document({"nodes": [{**asdict(row), "interfaces": list(row.interfaces)} for row in rows]}, output)
    else:
        _print_rows(rows)
    if any(row.speaker not in (SERVING, DRAINING) for row in rows):
        raise typer.Exit(PROBLEM_FOUND)


def rows_of(
    snapshot: "OfflineCluster", l2: Iterable[Object], sessions: Iterable[Object], *, ignore_exclude_lb: bool = False
) -> list[NodeRow]:
    """Return the lines of the list, by name."""
    members = snapshot.cluster.roster.members if snapshot.cluster.roster is not None else {}
    renewed = {node_of_lease(lease.key.name): lease.renewed_utc for lease in snapshot.leases}
    announced = _announced(snapshot, l2)
    states = [item.get("status") or {} for item in sessions]
    rows = []
    for node in sorted(snapshot.cluster.nodes, key=lambda each: each.name):
        member = members.get(node.name)
        verdict = verdict_on_node(node, member, ignore_exclude_lb=ignore_exclude_lb)
        own = [state for state in states if state.get("node") == node.name]
        rows.append(
            NodeRow(
                node.name,
                _speaker(node, member),
                format_microtime(renewed[node.name]) if renewed.get(node.name) else None,
                tuple(facts.name for facts in member.interfaces or ()) if member is not None else (),
                len(announced[node.name]),
                sum(state.get("state") == ESTABLISHED for state in own),
                len(own),
                None if verdict.reason is None else verdict.reason.name,
                None if verdict.reason is None else verdict.reason.sentence,
            )
        )
    return rows


def _announced(snapshot: "OfflineCluster", l2: Iterable[Object]) -> defaultdict[str, set[IPAddress]]:
    """Return the IPs of the Services that each node reports to announce."""
    ips = {(service.key.namespace, service.key.name): service.status_ips for service in snapshot.cluster.services}
    found: defaultdict[str, set[IPAddress]] = defaultdict(set)
    for item in l2:
        status = item.get("status") or {}
        found[str(status.get("node"))].update(ips.get((str(status.get("serviceNamespace")), str(status.get("serviceName"))), ()))
    return found


def _speaker(node: NodeView, member: Member | None) -> str:
    if member is None:
        return "never seen"
    if not member.is_alive:
        return "dead"
    if not member.is_serving:
        return "not serving"
    return DRAINING if node.is_draining else SERVING


async def _fetch(transport: "Transport", cluster: Cluster) -> tuple[list[Object], list[Object]]:
    l2, sessions = await asyncio.gather(
        fetch_all(transport, ours(cluster.identity, "servicel2statuses"), cluster.home),
        fetch_all(transport, ours(cluster.identity, "bgpsessionstatuses"), cluster.home),
    )
    return l2, sessions


def lease_age(renewed: str, *, now_utc: int) -> str:
    """Return how long ago a Lease was renewed, as kubectl writes ages: ``1s``, ``5m``, ``3h``; never less than 0s, clocks may differ."""
    seconds = max(0, now_utc - parse_time(renewed)) // SECOND
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _print_rows(rows: list[NodeRow]) -> None:
    table = make_table("NODE", "SPEAKER", "LEASE AGE", "INTERFACES", "ANNOUNCES", "SESSIONS", "EXCLUDED")
    for row in rows:
        age = "-" if row.lease_renewed is None else lease_age(row.lease_renewed, now_utc=time.time_ns())
        sessions = f"{row.sessions_up}/{row.sessions}" if row.sessions else "-"
        table.add_row(row.node, row.speaker, age, ", ".join(row.interfaces) or "-", str(row.announces), sessions, row.reason or "")
    console = open_console()
    console.print(table if rows else "the cluster has no nodes", markup=False)
    for row in rows:
        if row.message:
            console.print(f"{row.node}: {row.message}", markup=False, soft_wrap=True)
