"""``bmlb plan``: what a cluster would settle to, offline.

Manifests in; out comes who would have which IP and why not, who would announce it and why not the others, which routes each node would
advertise to whom, and what is wrong with the objects. The decisions are those of the running processes (``settle``).

Exit code 0: every Service of ours has an IP and every object is sound. 1: not so. 2: the command was not understood.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from enum import Enum
from typing import Annotated

import typer
from rich.table import Table

from baremetal_lb.api.reasons import ConfigurationReason
from baremetal_lb.api.source import load
from baremetal_lb.api.texts import SourceError
from baremetal_lb.cli.afterwards import objects_afterwards
from baremetal_lb.cli.offline import read_cluster
from baremetal_lb.cli.output import complain, open_console, print_json, print_yaml
from baremetal_lb.cli.plan_document import document, route_document
from baremetal_lb.cli.validate import is_error
from baremetal_lb.election.elect import Election
from baremetal_lb.ipam.reasons import AllocationReason
from baremetal_lb.ipam.requests import handles_service
from baremetal_lb.model.ids import IDENTITIES, ObjectKey
from baremetal_lb.model.problem import Problem
from baremetal_lb.model.time import SECOND
from baremetal_lb.settle.cluster import SettleOptions
from baremetal_lb.settle.routes import SettledRoute
from baremetal_lb.settle.settle import SettledState, settle

app = typer.Typer(add_completion=False)
NODES_SHOWN = 3
"""Nodes that the table names for each reason; ``-o json`` has them all."""


class IdentityName(Enum):
    """Whose custom resources are read."""

    BAREMETAL_LB = "baremetal-lb"
    METALLB = "metallb"


class Output(Enum):
    """Forms of output."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    OBJECTS = "objects"


@app.command()
def plan(
    more: Annotated[list[str] | None, typer.Argument(metavar="[FILES]...", help="More files, directories, or - for stdin.")] = None,
    *,
    filename: Annotated[list[str] | None, typer.Option("--filename", "-f", metavar="FILE", help="File, directory, or - for stdin.")] = None,
    output: Annotated[Output, typer.Option("--output", "-o", help="objects: all objects as they would be afterwards.")] = Output.TABLE,
    identity: Annotated[IdentityName, typer.Option(help="Whose API group and annotations are read.")] = IdentityName.BAREMETAL_LB,
    namespace: Annotated[str | None, typer.Option("--namespace", "-n", help="Namespace of the install, whose resources count.")] = None,
    lb_class: Annotated[str, typer.Option(help="Only Services of exactly this loadBalancerClass; empty: those without.")] = "",
    ignore_exclude_lb: Annotated[
        bool, typer.Option("--ignore-exclude-lb", help="Do not mind node.kubernetes.io/exclude-from-external-load-balancers.")
    ] = False,
    owner: Annotated[str | None, typer.Option(help="Install id in the ledger, if not <identity>/<namespace>.")] = None,
) -> None:
    """Show what a cluster would settle to: IPs, announcers and reasons. Offline."""
    paths = [*(filename or ()), *(more or ())]
    if not paths:
        raise typer.BadParameter("name at least one file or directory, or - for stdin", param_hint="-f")
    problems: list[Problem] = []
    try:
        sourced = load(paths, problems)
    except SourceError as error:
        complain(f"Error: {error}")
        raise typer.Exit(2) from None
    names = IDENTITIES[identity.value]
    where = namespace or names.default_namespace
    install, now_utc = owner or f"{names.name}/{where}", time.time_ns() // SECOND * SECOND
    objects = [item.object for item in sourced]
    offline = read_cluster(objects, identity=names, namespace=where, owner=install)
    problems += (replace(problem, source=sourced[place].place(problem.field)) for problem, place in offline.problems)
    options = SettleOptions(names, install, lb_class, ignore_exclude_lb, now_utc)
    state = settle(offline.cluster, options=options)
    if output is Output.TABLE:
        _print_tables(state, problems, lb_class)
    elif output is Output.OBJECTS:
        after = objects_afterwards(objects, offline, state, identity=names, now_utc=now_utc)
        print_yaml(after)
    elif output is Output.JSON:
        print_json(document(state, problems))
    else:
        print_yaml([document(state, problems)])
    if _unserved(state, lb_class) or any(_is_wrong(problem) for problem in problems):
        raise typer.Exit(1)


def _is_wrong(problem: Problem) -> bool:
    """Tell whether a problem is an error. Files for ``validate`` may lack Secrets; here the input is the cluster, and lacks a session."""
    return is_error(problem) or problem.reason is ConfigurationReason.UnknownSecret


def _unserved(state: SettledState, lb_class: str) -> bool:
    """Tell whether a Service that is ours stays without IP."""
    return any(
        handles_service(outcome.service, lb_class)
        and not outcome.service.status_ips
        and outcome.decision.reason is not AllocationReason.BeingDeleted
        for outcome in state.services
    )


def _print_tables(state: SettledState, problems: list[Problem], lb_class: str) -> None:
    """Print what people ask first: the Services of ours, who announces what, and what is wrong."""
    console = open_console()
    services = Table("SERVICE", "IPS", "POOL", "REASON", "MESSAGE", box=None, header_style=None)
    for outcome in state.services:
        if handles_service(outcome.service, lb_class):
            decision = outcome.decision
            ips = ", ".join(str(address) for address in outcome.service.status_ips)
            reason = "" if decision.reason is None else decision.reason.name
            services.add_row(str(outcome.service.key), ips or "-", decision.pool or "-", reason, decision.message)
    console.print(services)
    announcements = Table("IP", "ANNOUNCER", "SERVICES", "EXCLUDED", box=None, header_style=None)
    for announcement in state.announcements:
        election = announcement.election
        nobody = f"(nobody: {election.reason.name})" if election.reason is not None else "(nobody)"
        keys = ", ".join(_sharer(service.key, election) for service in announcement.services)
        announcements.add_row(str(announcement.address), election.announcer or nobody, keys, _excluded(election))
    if state.announcements:
        console.print()
        console.print(announcements)
    if state.routes:
        console.print()
        console.print(routes_table(state.routes))
    if problems:
        console.print()
    for problem in problems:
        severity = "error" if _is_wrong(problem) else "warning"
        where = f"{problem.object} {problem.field}".rstrip()
        text = f"{problem.source or ''}: {severity}: {where}: {problem.message}".removeprefix(": ")
        console.print(text, highlight=False, markup=False, soft_wrap=True)


def routes_table(routes: Sequence[SettledRoute]) -> Table:
    """Return the routes as people read them."""
    table = Table(
        "NODE", "PEER", "PREFIX", "NEXT HOP", "LOCAL PREF", "MED", "PREPEND", "COMMUNITIES", "SERVICES", box=None, header_style=None
    )
    for route in routes:
        told = route_document(route)
        communities = [*told["communities"], *(f"large:{each}" for each in told["large_communities"])]
        numbers = ["-" if told[name] is None else str(told[name]) for name in ("local_pref", "med")]
        services = ", ".join(told["services"])
        table.add_row(
            route.node,
            route.peer,
            told["prefix"],
            route.next_hop,
            *numbers,
            str(told["as_path_prepend"]),
            " ".join(communities) or "-",
            services,
        )
    return table


def _sharer(service: ObjectKey, election: Election) -> str:
    """Return the Service's name, with the reason where the IP is not announced for it."""
    reason = election.left_out.get(service) if election.reason is None else None
    return str(service) if reason is None else f"{service} ({reason.name})"


def _excluded(election: Election) -> str:
    """Return the excluded nodes by reason, a few names of each; nothing where the reason is that of the IP and said already."""
    by_reason: dict[str, list[str]] = {}
    for candidate in election.candidates:
        if candidate.reason is not None and candidate.reason is not election.reason:
            by_reason.setdefault(candidate.reason.name, []).append(candidate.node)
    return "; ".join(f"{reason}: {_few(nodes)}" for reason, nodes in by_reason.items())


def _few(nodes: list[str]) -> str:
    shown = ", ".join(nodes[:NODES_SHOWN])
    return shown if len(nodes) <= NODES_SHOWN else f"{shown} and {len(nodes) - NODES_SHOWN} more"
