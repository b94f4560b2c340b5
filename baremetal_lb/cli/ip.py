"""``bmlb ip``: the ledger of IPs, and reservations.

    who IP                  who has it, or for whom it is kept, or why nobody can have it
    list                    all entries of the ledger

What changes either is in ip_change.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from baremetal_lb.api.names import entry_name
from baremetal_lb.cli.ip_change import Address, fetch_gone, parse_ip, release, reserve, unreserve
from baremetal_lb.cli.live import Cluster, Context, IdentityOption, Kubeconfig, Namespace, Object, fetch_all, fetch_object
from baremetal_lb.cli.output import PROBLEM_FOUND, Output, OutputOption, make_table, open_console, print_document, say
from baremetal_lb.ipam.places import Places
from baremetal_lb.kube.resources import ours
from baremetal_lb.model.configuration import Configuration
from baremetal_lb.model.net import IPAddress, parse_address

if TYPE_CHECKING:  # it costs half a second, and only those pay who talk to a cluster
    from baremetal_lb.kube.transport import Transport

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Who has which IP; reservations.")


@dataclass(frozen=True, slots=True)
class EntryRow:
    """One entry of the ledger."""

    ip: str
    pool: str
    services: tuple[str, ...]
    ports: tuple[str, ...]
    """Of each Service, as ``TCP/80,TCP/443``."""
    preferred_announcer: str | None
    held_for: str | None
    held_until: str | None
    sharing_key: str | None
    since: str | None
    owner: str


@dataclass(frozen=True, slots=True)
class Look:
    """What the cluster says of one IP."""

    entry: Object | None
    configuration: list[Object]
    """Pools and reservations."""
    statuses: list[Object]
    """ServiceL2Statuses."""
    gone: tuple[str, ...]
    """Services in the entry that are not there any more, or not the same ones."""


@app.command("list")
def list_entries(
    *,
    pool: Annotated[str, typer.Option("--pool", help="Only IPs of this pool.")] = "",
    service_namespace: Annotated[str, typer.Option("--for-namespace", help="Only IPs of Services of this namespace.")] = "",
    held: Annotated[bool, typer.Option("--held", help="Only IPs that wait for a Service to come back.")] = False,
    output: OutputOption = Output.TABLE,
    kubeconfig: Kubeconfig = "",
    context: Context = "",
    namespace: Namespace = "",
    identity: IdentityOption = "baremetal-lb",
) -> None:
    """List the ledger."""
    cluster = Cluster(kubeconfig, context, namespace, identity)
    entries = cluster.run(lambda transport: fetch_all(transport, ours(cluster.identity, "ipallocations")))
    rows = [
        row
        for row in rows_of(entries)
        if pool in ("", row.pool)
        and (not held or row.held_for)
        and (not service_namespace or any(service.startswith(f"{service_namespace}/") for service in row.services))
    ]
    if output is Output.NAME:
        for row in rows:
            say(f"ipallocation/{entry_name(parse_address(row.ip))}")
    elif output.is_document:
        print_document({"entries": [row_document(row) for row in rows]}, output)
    else:
        print_rows(rows, is_wide=output is Output.WIDE)


@app.command()
def who(
    ip: Address,
    *,
    output: OutputOption = Output.TABLE,
    kubeconfig: Kubeconfig = "",
    context: Context = "",
    namespace: Namespace = "",
    identity: IdentityOption = "baremetal-lb",
) -> None:
    """Tell who has an IP. Exit code 1 when nobody has."""
    address = parse_ip(ip)
    cluster = Cluster(kubeconfig, context, namespace, identity)
    from baremetal_lb.api.compile import compile_objects  # noqa: PLC0415 - the schemas cost time that no help text is to wait for

    look = cluster.run(lambda transport: _look(transport, cluster, address))
    place = place_of(address, compile_objects(look.configuration, identity=cluster.identity, namespace=cluster.home).configuration)
    row = rows_of([look.entry])[0] if look.entry is not None else None
    announced = announcers(look.statuses, row.services) if row is not None else []
    if output.is_document:
        told = None if row is None else {**row_document(row), "gone": list(look.gone)}
        print_document({"ip": str(address), "entry": told, "announced_by": announced, "place": place}, output)
    elif row is None:
        say(f"{address} is nobody's. {place}")
    elif output is Output.NAME:
        for service in row.services:
            say(service)
    else:
        _print_answer(row, place, announced, look.gone)
    if row is None:
        raise typer.Exit(PROBLEM_FOUND)


def _print_answer(row: EntryRow, place: str, announced: list[str], gone: tuple[str, ...]) -> None:
    users = [f"{name} {ports}{' (is gone)' if name in gone else ''}" for name, ports in zip(row.services, row.ports, strict=True)]
    for label, text in (
        ("IP", row.ip),
        ("Services", "; ".join(users) or "none"),
        ("Pool", row.pool or "none: it was adopted from outside every pool"),
        ("Place", place),
        ("Announced by", ", ".join(announced) or "no node on layer 2 (`bmlb peer routes` shows routes)"),
        ("Preferred announcer", row.preferred_announcer or "none"),
        ("Sharing key", row.sharing_key or "none"),
        ("Held for", f"{row.held_for} until {row.held_until}" if row.held_for else "nobody"),
        ("Since", row.since or "unknown"),
        ("Ledger of", row.owner),
    ):
        say(f"{label + ':':<22}{text}")


for command in (reserve, unreserve, release):
    app.command()(command)


async def _look(transport: "Transport", cluster: Cluster, address: IPAddress) -> Look:
    entry, pools, reservations, statuses = await asyncio.gather(
        fetch_object(transport, ours(cluster.identity, "ipallocations"), entry_name(address)),
        fetch_all(transport, ours(cluster.identity, "ipaddresspools"), cluster.home),
        fetch_all(transport, ours(cluster.identity, "ipreservations")),
        fetch_all(transport, ours(cluster.identity, "servicel2statuses"), cluster.home),
    )
    gone = await fetch_gone(transport, entry) if entry is not None else []
    return Look(entry, [*pools, *reservations], statuses, tuple(f"{user['namespace']}/{user['name']}" for user in gone))


def rows_of(entries: Iterable[Object]) -> list[EntryRow]:
    """Return the lines of the ledger, by address."""
    rows = []
    for entry in entries:
        spec = entry.get("spec") or {}
        held = spec.get("heldFor") or {}
        rows.append(
            EntryRow(
                ip=str(spec.get("address")),
                pool=str(spec.get("pool") or ""),
                services=tuple(f"{user.get('namespace')}/{user.get('name')}" for user in spec.get("services") or ()),
                ports=tuple(",".join(user.get("ports") or ()) for user in spec.get("services") or ()),
                preferred_announcer=spec.get("announcer"),
                held_for=f"{held.get('namespace')}/{held.get('name')}" if held else None,
                held_until=held.get("until"),
                sharing_key=spec.get("sharingKey") or None,
                since=spec.get("since"),
                owner=str(spec.get("owner") or ""),
            )
        )
    return sorted(rows, key=lambda row: (":" in row.ip, _order(row.ip)))


def row_document(row: EntryRow) -> Object:
    """Return a line of the ledger as a document has it."""
    return {**asdict(row), "services": list(row.services), "ports": list(row.ports)}


def announcers(statuses: Iterable[Object], services: Iterable[str]) -> list[str]:
    """Return the nodes that say that they announce these Services' IPs."""
    wanted = set(services)
    said = (status.get("status") or {} for status in statuses)
    return sorted({str(s.get("node")) for s in said if f"{s.get('serviceNamespace')}/{s.get('serviceName')}" in wanted})


def place_of(address: IPAddress, configuration: Configuration) -> str:
    """Return where an address stands, in a sentence."""
    reservation = next((each for each in configuration.reservations if any(address in span for span in each.ranges)), None)
    kept = f" It is reserved by {reservation.name} for {reservation.namespace}" if reservation else ""
    kept += f"/{reservation.service_name}." if reservation and reservation.service_name else "." if reservation else ""
    segment = Places(configuration).segment(address)
    if segment is None:
        return f"It is in no pool.{kept}"
    if segment.is_excluded:
        return f"Pool {segment.pool.name} excludes it.{kept}"
    if segment.avoids(address):
        return f"Pool {segment.pool.name} avoids it, since it ends in .0 or .255.{kept}"
    return f"It is in pool {segment.pool.name}.{kept}"


def print_rows(rows: list[EntryRow], *, is_wide: bool) -> None:
    """Print lines of the ledger."""
    table = make_table(
        "IP", "POOL", "SERVICES", "PREFERRED ANNOUNCER", "HELD UNTIL", *(["SHARING KEY", "SINCE", "OWNER"] if is_wide else [])
    )
    for row in rows:
        services = ", ".join(row.services) or (f"(held for {row.held_for})" if row.held_for else "-")
        cells = [row.ip, row.pool or "-", services, row.preferred_announcer or "-", row.held_until or "-"]
        table.add_row(*cells, *([row.sharing_key or "-", row.since or "-", row.owner] if is_wide else []))
    open_console().print(table if rows else "the ledger has no such IP", markup=False)


def _order(text: str) -> int:
    try:
        return int(parse_address(text))
    except ValueError:
        return -1
