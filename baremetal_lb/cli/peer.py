"""``bmlb peer``: BGP sessions and routes of a running cluster, in the columns that network engineers know from their routers.

    list      one line for each session of a node with a peer, and for each BGPPeer that no node has a session with
    show      everything about one peer: its definition, its conditions, each of its sessions
    routes    what each node advertises to each peer, with attributes: the decisions of the speakers (``settle``) on live objects

States and errors are what the speakers report (BGPSessionStatus); nothing is measured here.
"""

import json
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from baremetal_lb.cli.live import Cluster, Context, IdentityOption, Kubeconfig, Namespace, Object, fetch_all
from baremetal_lb.cli.output import PROBLEM_FOUND, Output, OutputOption, complain, make_table, open_console, print_document, say
from baremetal_lb.cli.snapshot import fetch_snapshot, settle_options
from baremetal_lb.kube.resources import ours
from baremetal_lb.model.rfc3339 import parse_time
from baremetal_lb.model.time import SECOND

if TYPE_CHECKING:  # it costs half a second, and only those pay who talk to a cluster
    from baremetal_lb.kube.transport import Transport

app = typer.Typer(add_completion=False, no_args_is_help=True, help="BGP peers, sessions and routes.")
ESTABLISHED = "Established"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the list: a session, or a peer without any."""

    node: str | None
    peer: str
    neighbor: str
    asn: str
    state: str
    since: str | None
    prefixes: int | None
    bfd: str | None
    error: str | None


@app.command("list")
def list_peers(
    *,
    output: OutputOption = Output.TABLE,
    kubeconfig: Kubeconfig = "",
    context: Context = "",
    namespace: Namespace = "",
    identity: IdentityOption = "baremetal-lb",
) -> None:
    """List the sessions of all nodes. Exit code 1 when one is not established."""
    cluster = Cluster(kubeconfig, context, namespace, identity)
    peers, sessions = cluster.run(lambda transport: _fetch(transport, cluster))
    rows = rows_of(peers, sessions)
    if output is Output.NAME:
        for name in sorted({row.peer for row in rows}):
            say(f"bgppeer/{name}")
    elif output.is_document:
        print_document({"sessions": [asdict(row) for row in rows]}, output)
    else:
        _print_rows(rows, is_wide=output is Output.WIDE)
    if any(row.state != ESTABLISHED for row in rows):
        raise typer.Exit(PROBLEM_FOUND)


@app.command()
def show(
    peer: Annotated[str, typer.Argument(help="Name of a BGPPeer.")],
    *,
    output: OutputOption = Output.TABLE,
    kubeconfig: Kubeconfig = "",
    context: Context = "",
    namespace: Namespace = "",
    identity: IdentityOption = "baremetal-lb",
) -> None:
    """Show one peer with its conditions and sessions. Exit code 1 when one is not established."""
    cluster = Cluster(kubeconfig, context, namespace, identity)
    peers, sessions = cluster.run(lambda transport: _fetch(transport, cluster))
    found = next((candidate for candidate in peers if candidate["metadata"]["name"] == peer), None)
    if found is None:
        names = ", ".join(sorted(candidate["metadata"]["name"] for candidate in peers)) or "none"
        complain(f"Error: there is no BGPPeer {peer!r} in {cluster.home}; there are: {names}", "`bmlb peer list` shows them.")
        raise typer.Exit(PROBLEM_FOUND)
    rows = rows_of([found], [session for session in sessions if session.get("status", {}).get("peer") == peer])
    if output is Output.NAME:
        say(f"bgppeer/{peer}")
    elif output.is_document:
        conditions = found.get("status", {}).get("conditions") or []
        print_document({"peer": peer, "spec": spec_of(found), "conditions": conditions, "sessions": [asdict(row) for row in rows]}, output)
    else:
        _print_definition(found)
        _print_rows(rows, is_wide=True)
    if any(row.state != ESTABLISHED for row in rows):
        raise typer.Exit(PROBLEM_FOUND)


@app.command()
def routes(
    peer: Annotated[str, typer.Argument(help="Only routes to this BGPPeer.")] = "",
    *,
    node: Annotated[str, typer.Option("--node", help="Only routes of this node.")] = "",
    output: OutputOption = Output.TABLE,
    lb_class: Annotated[
        str, typer.Option("--lb-class", help="Only Services of exactly this loadBalancerClass; empty: those without.")
    ] = "",
    kubeconfig: Kubeconfig = "",
    context: Context = "",
    namespace: Namespace = "",
    identity: IdentityOption = "baremetal-lb",
) -> None:
    """Show what each node advertises to each peer, decided on the objects as they are. Exit code 1 when there is nothing."""
    from baremetal_lb.cli.plan import routes_table  # noqa: PLC0415 - the schemas cost time that no help text is to wait for
    from baremetal_lb.cli.plan_document import route_document  # noqa: PLC0415 - the same
    from baremetal_lb.settle.settle import settle  # noqa: PLC0415 - the same

    cluster = Cluster(kubeconfig, context, namespace, identity)
    snapshot = fetch_snapshot(cluster)
    settled = settle(snapshot.cluster, options=settle_options(cluster, lb_class))
    found = [route for route in settled.routes if peer in ("", route.peer) and node in ("", route.node)]
    if output.is_document:
        print_document({"routes": [route_document(route) for route in found]}, output)
    elif output is Output.NAME:
        for prefix in dict.fromkeys(str(route.prefix) for route in found):
            say(prefix)
    elif found:
        open_console().print(routes_table(found))
    if not found:
        complain("no routes; `bmlb peer list` shows the sessions")
        raise typer.Exit(PROBLEM_FOUND)


async def _fetch(transport: "Transport", cluster: Cluster) -> tuple[list[Object], list[Object]]:
    peers = await fetch_all(transport, ours(cluster.identity, "bgppeers"), cluster.home)
    return peers, await fetch_all(transport, ours(cluster.identity, "bgpsessionstatuses"), cluster.home)


def rows_of(peers: list[Object], sessions: list[Object]) -> list[Row]:
    """Return the lines of the list, by peer and node; a peer without session has one line, with the reason where its conditions say it."""
    specs = {peer["metadata"]["name"]: peer.get("spec") or {} for peer in peers}
    rows = [_session_row(session["status"], specs) for session in sessions if session.get("status", {}).get("peer")]
    seen = {row.peer for row in rows}
    rows += [_lonely_row(peer) for peer in peers if peer["metadata"]["name"] not in seen]
    return sorted(rows, key=lambda row: (row.peer, row.node or ""))


def _session_row(status: Object, specs: dict[str, Object]) -> Row:
    spec = specs.get(status["peer"], {})
    error = (status.get("lastError") or {}).get("message")
    complaint = status.get("message") if status.get("reason") else None
    is_up = status.get("state") == ESTABLISHED
    return Row(
        node=status.get("node"),
        peer=status["peer"],
        neighbor=str(status.get("remoteAddress") or _neighbor(spec)),
        asn=str(status.get("remoteASN") or _asn(spec)),
        state=str(status.get("state", "Idle")),
        since=status.get("since"),
        prefixes=status.get("routesAdvertised") if is_up else None,
        bfd=status.get("bfdState"),
        error=complaint or (None if is_up and not error else error),
    )


def _lonely_row(peer: Object) -> Row:
    spec = peer.get("spec") or {}
    conditions = peer.get("status", {}).get("conditions") or ()
    accepted = next((condition for condition in conditions if condition.get("type") == "Accepted"), None)
    if accepted is not None and accepted.get("status") == "False":
        error = f"not accepted: {accepted.get('message', '')}"
    else:
        error = "no node reports a session: no speaker runs, or nodeSelectors select no node"
    return Row(None, peer["metadata"]["name"], _neighbor(spec), _asn(spec), "-", None, None, None, error)


def _neighbor(spec: Object) -> str:
    return str(spec.get("peerAddress") or spec.get("interface") or "-")


def _asn(spec: Object) -> str:
    return str(spec.get("peerASN") or spec.get("dynamicASN") or "-")


def spec_of(peer: Object) -> Object:
    """Return what a peer is, without what is nobody's business."""
    return {key: value for key, value in sorted((peer.get("spec") or {}).items()) if key != "password"}


def _print_definition(peer: Object) -> None:
    lines = [("Name", str(peer["metadata"]["name"]))]
    lines += [(key, value if isinstance(value, str) else json.dumps(value)) for key, value in spec_of(peer).items()]
    for condition in peer.get("status", {}).get("conditions") or ():
        lines.append((str(condition.get("type")), f"{condition.get('status')} ({condition.get('reason')}) {condition.get('message', '')}"))
    console = open_console()
    width = max(len(label) for label, _ in lines) + 3
    for label, text in lines:
        console.print(f"{label + ':':<{width}}{text}", markup=False, soft_wrap=True)
    console.print()


def up_down(since: str | None, *, now_utc: int) -> str:
    """Return the time in a state as routers write it: ``00:12:05``, ``3d04h``, ``2w3d``; ``never`` for none."""
    if since is None:
        return "never"
    try:
        seconds = max(0, now_utc - parse_time(since)) // SECOND
    except ValueError:
        return "-"
    days, rest = divmod(seconds, 86400)
    if days >= 7:
        return f"{days // 7}w{days % 7}d"
    if days:
        return f"{days}d{rest // 3600:02}h"
    return f"{rest // 3600:02}:{rest % 3600 // 60:02}:{rest % 60:02}"


def _print_rows(rows: list[Row], *, is_wide: bool) -> None:
    headings = ["NODE", "PEER", "NEIGHBOR", "AS", "STATE", "UP/DOWN", "PREFIXES", "BFD"]
    table = make_table(*headings, *(["LAST ERROR"] if is_wide else []))
    now_utc = time.time_ns()
    for row in rows:
        cells = [row.node or "-", row.peer, row.neighbor, row.asn, row.state, up_down(row.since, now_utc=now_utc)]
        cells += ["-" if row.prefixes is None else str(row.prefixes), row.bfd or "-"]
        table.add_row(*cells, *([row.error or "-"] if is_wide else []))
    console = open_console()
    console.print(table if rows else "no BGPPeers; docs/ says how to make one", markup=False)
    if not is_wide:
        for row in rows:
            if row.error is not None and row.state != ESTABLISHED:
                console.print(f"{row.peer} on {row.node or 'no node'}: {row.error}", markup=False, soft_wrap=True)
