"""The document about one Service as people read it."""

from collections.abc import Iterator
from typing import Any

from rich.console import Console

from baremetal_lb.cli.explain_verdict import ESTABLISHED
from baremetal_lb.cli.output import make_table

Document = dict[str, Any]


def print_explanation(document: Document, console: Console) -> None:
    """Print all sections that have something to say."""

    def say(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    say(f"Service {document['service']}: {document['verdict']}")
    if document["next"]:
        say(document["next"])
    say("")
    say(f"Allocation: {document['allocation']['message']}")
    for line in _particulars(document["allocation"]):
        say(f"  {line}")
    _pools(document["allocation"]["pools"], console)
    _endpoints(document, console)
    for each in document["layer2"]:
        _layer2(each, console)
    _routes(document["bgp"], console)
    if condition := document["condition"]:
        since = f" since {condition['since']}" if condition["since"] else ""
        say("")
        say(f"Condition Satisfied: {condition['status']} ({condition['reason']}){since}. {condition['message']}")
    if document["events"]:
        say("")
        say("Events:")
    for event in document["events"]:
        say(f"  {event['at']}  {event['reason']}: {event['message']}")


def _particulars(allocation: Document) -> Iterator[str]:
    if allocation["since"]:
        yield f"since {allocation['since']}"
    if allocation["shares_with"]:
        yield f"shared with {', '.join(allocation['shares_with'])}"
    if wishes := [f"{name.replace('_', ' ')} {value}" for name, value in (allocation["asked_for"] or {}).items() if value]:
        yield f"asked for: {', '.join(wishes)}"
    if quota := allocation["quota"]:
        yield f"its namespace uses {quota['used']} of {quota['limit']} addresses of the pool"
    if allocation["reservations"]:
        yield f"reserved for it: {', '.join(allocation['reservations'])}"


def _pools(pools: list[Document], console: Console) -> None:
    if not pools:
        return
    table = make_table("  POOL", "VERDICT", "WHY")
    for pool in pools:
        table.add_row(f"  {pool['pool']}", pool["reason"] or "serves it", pool["message"])
    console.print(table, markup=False)


def _endpoints(document: Document, console: Console) -> None:
    counts = [
        f"{each['node']} {each['ready']} ready" + (f", {each['terminating']} terminating" if each["terminating"] else "")
        for each in document["endpoints"]
    ]
    console.print()
    console.print(f"Endpoints (externalTrafficPolicy {document['external_traffic_policy']}): {'; '.join(counts) or 'none'}", markup=False)


def _layer2(each: Document, console: Console) -> None:
    by = ", ".join(map(_announcer, each["announced_by"])) or "nobody"
    console.print()
    console.print(f"Layer 2, {each['ip']}: announced by {by}. {each['message']}".rstrip(), markup=False, soft_wrap=True)
    notes = [f"preferred by the ledger: {each['preferred']}"] if each["preferred"] else []
    notes += [f"L2Advertisements: {', '.join(each['advertisements'])}"] if each["advertisements"] else []
    notes += [f"not announced for: {', '.join(each['left_out'])}"] if each.get("left_out") else []
    if notes:
        console.print(f"  {'; '.join(notes)}", markup=False, soft_wrap=True)
    if all(candidate["reason"] == (each["reason"] or "") for candidate in each["candidates"]):
        return  # nodes have no case of their own where the reason is that of the IP
    table = make_table("  NODE", "CANDIDATE", "READY ENDPOINTS", "WHY NOT")
    for candidate in each["candidates"]:
        state = "elected" if candidate["node"] == each["elected"] else "yes" if candidate["eligible"] else (candidate["reason"] or "no")
        table.add_row(f"  {candidate['node']}", state, str(candidate["ready_endpoints"]), candidate["message"])
    console.print(table, markup=False)


def _announcer(report: Document) -> str:
    interfaces = f" on {', '.join(report['interfaces'])}" if report["interfaces"] else ""
    since = f" since {report['since']}" if report["since"] else ""
    return f"{report['node']}{interfaces}{since}{'' if report['alive'] else ' (its speaker is not alive)'}"


def _routes(routes: list[Document], console: Console) -> None:
    if not routes:
        return
    names = sorted({name for route in routes for name in route["advertisements"]})
    console.print()
    console.print(f"BGP (BGPAdvertisements: {', '.join(names) or 'none'}):", markup=False, soft_wrap=True)
    table = make_table("  IP", "NODE", "PEER", "ADVERTISED", "SESSION", "WHY NOT")
    for route in routes:
        for peer in route["peers"] or [None]:
            told = peer or route
            why = f"{told['reason']}: {told['message']}" if told["reason"] else (peer and peer["error"]) or ""
            table.add_row(f"  {route['ip']}", route["node"], *(_told(peer) if peer else ("-", "no", "-")), why)
    console.print(table, markup=False)


def _told(peer: Document) -> tuple[str, str, str]:
    """Return the peer, whether it has the route, and its session."""
    has_route = peer["advertised"] and peer["state"] == ESTABLISHED
    return peer["peer"], "yes" if has_route else "once it is up" if peer["advertised"] else "no", _session(peer)


def _session(peer: Document) -> str:
    return f"{peer['state']} since {peer['since']}" if peer["since"] else str(peer["state"])
