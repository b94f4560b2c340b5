"""``bmlb svc``: Services of type LoadBalancer, as users see them: what IP, announced where, and why not.

    list       one line for each Service: IPs, pool, who announces, who advertises, or the reason
    explain    everything about one of them

`-n` is the namespace of the Services here, as in kubectl; that of the install is `--install-namespace`, a name that every command takes.
"""

import asyncio
import difflib
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated

import typer

from baremetal_lb.cli.change import refuse
from baremetal_lb.cli.kubeconfig import context_namespace
from baremetal_lb.cli.live import Cluster, Context, IdentityOption, Kubeconfig, NoSuchKind, Object, fetch_all
from baremetal_lb.cli.output import PROBLEM_FOUND, Output, OutputOption, make_table, open_console, print_document, say
from baremetal_lb.cli.service_rows import ServiceRow, rows_of
from baremetal_lb.kube.errors import ApiError
from baremetal_lb.kube.resources import EVENTS, SERVICES, ours
from baremetal_lb.model.ids import ObjectKey

if TYPE_CHECKING:  # it costs half a second, and only those pay who talk to a cluster
    from baremetal_lb.kube.transport import Transport

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Services: their IPs, who reaches them, and why not.")
InNamespace = Annotated[str, typer.Option("--namespace", "-n", help="Namespace of the Services. Default: the one of the kubeconfig.")]
AllNamespaces = Annotated[bool, typer.Option("--all-namespaces", "-A", help="Services of all namespaces.")]
Home = Annotated[str, typer.Option("--install-namespace", help="Namespace of the install. Default: the one of the identity.")]
LbClass = Annotated[str, typer.Option("--lb-class", help="The loadBalancerClass that the install serves; empty: Services without one.")]
NAMES_SHOWN = 3
EVENTS_SHOWN = 5


@app.command("list")
def list_services(
    *,
    namespace: InNamespace = "",
    all_namespaces: AllNamespaces = False,
    problems: Annotated[bool, typer.Option("--problems", help="Only those that nobody reaches, or whose wishes are not honoured.")] = False,
    output: OutputOption = Output.TABLE,
    lb_class: LbClass = "",
    kubeconfig: Kubeconfig = "",
    context: Context = "",
    install_namespace: Home = "",
    identity: IdentityOption = "baremetal-lb",
) -> None:
    """List Services of type LoadBalancer. Exit code 1 when nobody reaches one of them."""
    cluster = Cluster(kubeconfig, context, install_namespace, identity)
    where = "" if all_namespaces else namespace or context_namespace(kubeconfig, context)
    services, l2, bgp = cluster.run(lambda transport: _fetch(transport, cluster, where))
    rows = rows_of(services, l2, bgp, cluster.identity, lb_class)
    if any(row.is_silent for row in rows):
        rows = _with_reasons(rows, cluster, lb_class)
    rows = [row for row in rows if not (problems and row.reason is None)]
    if output is Output.NAME:
        for row in rows:
            say(f"service/{row.name}")
    elif output.is_document:
        lists = ("ips", "announced_by", "advertised_by")
        print_document({"services": [{**asdict(row), **{name: list(getattr(row, name)) for name in lists}} for row in rows]}, output)
    else:
        _print_rows(rows, has_namespaces=all_namespaces, is_wide=output is Output.WIDE)
    if any(not row.ips or row.is_silent for row in rows):
        raise typer.Exit(PROBLEM_FOUND)


@app.command("explain")
def explain_service(
    service: Annotated[str, typer.Argument(metavar="[NAMESPACE/]NAME", help="A Service.")],
    *,
    namespace: InNamespace = "",
    output: OutputOption = Output.TABLE,
    lb_class: LbClass = "",
    ignore_exclude_lb: Annotated[
        bool, typer.Option("--ignore-exclude-lb", help="Do not mind node.kubernetes.io/exclude-from-external-load-balancers.")
    ] = False,
    kubeconfig: Kubeconfig = "",
    context: Context = "",
    install_namespace: Home = "",
    identity: IdentityOption = "baremetal-lb",
) -> None:
    """Tell which IP a Service has and why, who announces it to whom, and every reason why not. Exit code 1 when nobody reaches it."""
    from baremetal_lb.cli.explain import Reports, Scene, explain  # noqa: PLC0415 - the list must not pay for it
    from baremetal_lb.cli.explain_print import print_explanation  # noqa: PLC0415 - the same
    from baremetal_lb.cli.snapshot import fetch_snapshot, settle_options  # noqa: PLC0415 - the same

    cluster = Cluster(kubeconfig, context, install_namespace, identity)
    given, _, name = service.rpartition("/")
    key = ObjectKey(given or namespace or context_namespace(kubeconfig, context), name)
    snapshot = fetch_snapshot(cluster)
    l2, sessions, events = cluster.run(lambda transport: _fetch_reports(transport, cluster, key))
    options = settle_options(cluster, lb_class, ignore_exclude_lb=ignore_exclude_lb)
    document = explain(key, Scene.of(snapshot.cluster, options), Reports(l2, sessions))
    if document is None:
        raise refuse(*_no_such_service(key, [each.key for each in snapshot.cluster.services]), code=PROBLEM_FOUND)
    uid = next(each.uid for each in snapshot.cluster.services if each.key == key)
    own = [event for event in events if event.get("regarding", {}).get("uid", uid) == uid]  # not those of one that had the name before
    document["events"] = [_event(event) for event in own[-EVENTS_SHOWN:]]
    if output.is_document:
        print_document(document, output)
    else:
        print_explanation(document, open_console())
    if not document["reached"]:
        raise typer.Exit(PROBLEM_FOUND)


def _with_reasons(rows: list[ServiceRow], cluster: Cluster, lb_class: str) -> list[ServiceRow]:
    """Return the lines with the reasons of those that nobody reaches. The whole state is read for that, so only if there are some."""
    from baremetal_lb.cli.explain import Reports, Scene, explain  # noqa: PLC0415 - a list without such lines must not pay for it
    from baremetal_lb.cli.snapshot import fetch_snapshot, settle_options  # noqa: PLC0415 - the same

    try:
        snapshot = fetch_snapshot(cluster)
        sessions = cluster.run(lambda transport: fetch_all(transport, ours(cluster.identity, "bgpsessionstatuses"), cluster.home))
    except typer.Exit:  # whoever may not see all that may see the lines
        return rows
    scene = Scene.of(snapshot.cluster, settle_options(cluster, lb_class))
    reports = Reports(sessions=tuple(each.get("status") or {} for each in sessions))
    found = []
    for row in rows:
        told = explain(ObjectKey(row.namespace, row.name), scene, reports) if row.is_silent else None
        found.append(row if told is None else replace(row, reason=told["reason"], message=told["verdict"]))
    return found


async def _fetch(transport: "Transport", cluster: Cluster, namespace: str) -> tuple[list[Object], list[Object], list[Object]]:
    """Return the Services and what speakers report of them. Services of other types do not even leave the API server."""
    services, l2, bgp = await asyncio.gather(
        fetch_all(transport, SERVICES, namespace, field_selector="spec.type=LoadBalancer"),
        fetch_all(transport, ours(cluster.identity, "servicel2statuses"), cluster.home),
        fetch_all(transport, ours(cluster.identity, "servicebgpstatuses"), cluster.home),
    )
    return services, l2, bgp


async def _fetch_reports(
    transport: "Transport", cluster: Cluster, key: ObjectKey
) -> tuple[tuple[Object, ...], tuple[Object, ...], tuple[Object, ...]]:
    """Return the statuses that speakers report, and the events of a Service, oldest first; whoever may not see events sees none."""
    l2, sessions = await asyncio.gather(
        fetch_all(transport, ours(cluster.identity, "servicel2statuses"), cluster.home),
        fetch_all(transport, ours(cluster.identity, "bgpsessionstatuses"), cluster.home),
    )
    try:
        selector = f"regarding.kind=Service,regarding.name={key.name}"
        events = await fetch_all(transport, EVENTS, key.namespace, field_selector=selector)
    except (NoSuchKind, ApiError):
        events = []
    announced = tuple({**(e.get("status") or {}), "since": e["metadata"].get("creationTimestamp")} for e in l2)
    return announced, tuple(e.get("status") or {} for e in sessions), tuple(sorted(events, key=_event_time))


def _event_time(event: Object) -> str:
    return str(event.get("eventTime") or event.get("deprecatedLastTimestamp") or event["metadata"].get("creationTimestamp") or "")


def _event(event: Object) -> dict[str, str]:
    return {"at": _event_time(event), "reason": str(event.get("reason")), "message": str(event.get("note") or "")}


def _no_such_service(key: ObjectKey, there: list[ObjectKey]) -> tuple[str, str]:
    near = difflib.get_close_matches(str(key), [str(each) for each in there], n=NAMES_SHOWN, cutoff=0.5)
    hint = f"; near to it: {', '.join(near)}" if near else ""
    return f"there is no Service {key}{hint}", "`bmlb svc list -A` shows them."


def _print_rows(rows: list[ServiceRow], *, has_namespaces: bool, is_wide: bool) -> None:
    headings = [*(["NAMESPACE"] if has_namespaces else []), "NAME", "POLICY", "IP", "POOL", "ANNOUNCED BY", "ADVERTISED BY", "WHY NOT"]
    table = make_table(*headings)
    for row in rows:
        cells = [*([row.namespace] if has_namespaces else []), row.name, row.policy, ", ".join(row.ips) or "none", row.pool or "-"]
        cells += [", ".join(row.announced_by) or "-", _few(row.advertised_by, is_wide=is_wide), row.reason or ""]
        table.add_row(*cells)
    console = open_console()
    console.print(table if rows else "no Services of type LoadBalancer here; -A looks in all namespaces", markup=False)
    for row in rows:
        if row.message:
            console.print(f"{row.namespace}/{row.name}: {row.message}", markup=False, soft_wrap=True)


def _few(nodes: tuple[str, ...], *, is_wide: bool) -> str:
    if len(nodes) <= NAMES_SHOWN or is_wide:
        return ", ".join(nodes) or "-"
    return f"{', '.join(nodes[:NAMES_SHOWN])} and {len(nodes) - NAMES_SHOWN} more"
