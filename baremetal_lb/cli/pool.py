"""``bmlb pool``: the pools of a running cluster: what they have, who has what of them, what is wrong with them.

    list      one line for each pool and family, with a bar
    show      everything about one pool, and who has which IP of it
    check     what is wrong, or will be soon; exit code 1 if anything is

Numbers are those that the controller writes into the status; who has what is the ledger. What changes pools is in pool_edit.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from baremetal_lb.cli.change import refuse
from baremetal_lb.cli.live import Cluster, Context, IdentityOption, Kubeconfig, Namespace, Object, fetch_all
from baremetal_lb.cli.output import PROBLEM_FOUND, Output, OutputOption, make_table, open_console, print_document, say
from baremetal_lb.cli.pool_edit import create, delete, drain, edit, undrain
from baremetal_lb.cli.snapshot import fetch_snapshot
from baremetal_lb.kube.resources import ours
from baremetal_lb.model.net import AddressRange, Family, RangeError, parse_address

if TYPE_CHECKING:  # it costs half a second, and only those pay who talk to a cluster
    from baremetal_lb.kube.transport import Transport

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Pools of IPs: see, make, change, drain and check them.")
BAR = 20


@dataclass(frozen=True, slots=True)
class PoolRow:
    """One family of one pool; ``None`` where the controller has not counted yet."""

    pool: str
    family: str
    capacity: int | None
    allocated: int | None
    held: int | None
    reserved: int | None
    available: int | None
    auto_assign: bool
    disabled: bool
    accepted: str
    """True, False with its reason, or "-" where no controller has looked at it yet."""
    addresses: tuple[str, ...]


@app.command("list")
def list_pools(
    *,
    output: OutputOption = Output.TABLE,
    kubeconfig: Kubeconfig = "",
    context: Context = "",
    namespace: Namespace = "",
    identity: IdentityOption = "baremetal-lb",
) -> None:
    """List the pools with what is used of them."""
    cluster = Cluster(kubeconfig, context, namespace, identity)
    resource = ours(cluster.identity, "ipaddresspools")
    pools = cluster.run(lambda transport: fetch_all(transport, resource, cluster.home))
    rows = rows_of(pools)
    if output is Output.NAME:
        for name in dict.fromkeys(row.pool for row in rows):
            say(f"ipaddresspool/{name}")
    elif output.is_document:
        print_document({"pools": [{**asdict(row), "addresses": list(row.addresses)} for row in rows]}, output)
    else:
        _print_rows(rows, is_wide=output is Output.WIDE)


@app.command()
def show(
    pool: Annotated[str, typer.Argument(help="Name of an IPAddressPool.")],
    *,
    output: OutputOption = Output.TABLE,
    kubeconfig: Kubeconfig = "",
    context: Context = "",
    namespace: Namespace = "",
    identity: IdentityOption = "baremetal-lb",
) -> None:
    """Show one pool: its spec and conditions, what is used of it, and who has which IP."""
    cluster = Cluster(kubeconfig, context, namespace, identity)
    pools, entries = cluster.run(lambda transport: _fetch(transport, cluster))
    found = find_pool(pools, pool, cluster)
    from baremetal_lb.cli import ip  # noqa: PLC0415 - the schemas cost time that no help text is to wait for

    users = ip.rows_of(entries_of(found, entries))
    if output.is_document:
        print_document({"pool": found, "entries": [ip.row_document(row) for row in users]}, output)
        return
    if output is Output.NAME:
        say(f"ipaddresspool/{pool}")
        return
    console = open_console()
    for label, text in _definition(found):
        console.print(f"{label + ':':<22}{text}", markup=False, soft_wrap=True)
    console.print()
    _print_rows(rows_of([found]), is_wide=output is Output.WIDE)
    if users:
        console.print()
        ip.print_rows(users, is_wide=output is Output.WIDE)


@app.command()
def check(
    pool: Annotated[str, typer.Argument(help="Only this IPAddressPool.")] = "",
    *,
    output: OutputOption = Output.TABLE,
    kubeconfig: Kubeconfig = "",
    context: Context = "",
    namespace: Namespace = "",
    identity: IdentityOption = "baremetal-lb",
) -> None:
    """Tell what is wrong with pools: not accepted, not announced, full, or in the way of something. Exit code 1 if anything is."""
    cluster = Cluster(kubeconfig, context, namespace, identity)
    from baremetal_lb.cli.pool_check import complaints  # noqa: PLC0415 - the schemas cost time that no help text is to wait for

    snapshot = fetch_snapshot(cluster)
    if pool and snapshot.cluster.configuration.pool(pool) is None:
        pools = cluster.run(lambda transport: fetch_all(transport, ours(cluster.identity, "ipaddresspools"), cluster.home))
        find_pool(pools, pool, cluster)
    found = [complaint for complaint in complaints(snapshot, owner=cluster.owner) if pool in ("", complaint.pool)]
    if output is Output.NAME:
        for name in dict.fromkeys(complaint.pool for complaint in found):
            say(f"ipaddresspool/{name}")
    elif output.is_document:
        rows = [{"pool": each.pool, "reason": each.reason.name, "message": each.message} for each in found]
        print_document({"complaints": rows}, output)
    else:
        for complaint in found:
            say(f"{complaint.pool}: {complaint.reason.name}: {complaint.message}")
        if not found:
            say("nothing is wrong")
    if found:
        raise typer.Exit(PROBLEM_FOUND)


for command in (create, edit, delete, drain, undrain):
    app.command()(command)


async def _fetch(transport: "Transport", cluster: Cluster) -> tuple[list[Object], list[Object]]:
    pools = await fetch_all(transport, ours(cluster.identity, "ipaddresspools"), cluster.home)
    return pools, await fetch_all(transport, ours(cluster.identity, "ipallocations"))


def find_pool(pools: Iterable[Object], name: str, cluster: Cluster) -> Object:
    """Return the pool of this name.

    Raises:
        typer.Exit: there is none; the sentence has been printed.
    """
    names = []
    for candidate in pools:
        if candidate["metadata"]["name"] == name:
            return candidate
        names.append(candidate["metadata"]["name"])
    there = ", ".join(sorted(names)) or "none"
    raise refuse(
        f"there is no IPAddressPool {name!r} in {cluster.home}; there are: {there}", "`bmlb pool list` shows them.", code=PROBLEM_FOUND
    )


def rows_of(pools: Iterable[Object]) -> list[PoolRow]:
    """Return the lines of the list: one for each family that a pool has addresses of."""
    rows = []
    for pool in sorted(pools, key=lambda each: str(each["metadata"]["name"])):
        spec, status = pool.get("spec") or {}, pool.get("status") or {}
        texts = tuple(map(str, spec.get("addresses") or ()))
        for family in Family:
            own = tuple(text for text in texts if (":" in text) == (family is Family.IPV6))
            counted = status.get(family.value.lower()) or {}
            if not own and not counted:
                continue
            counts = {field: _number(counted.get(field)) for field in ("capacity", "allocated", "held", "reserved", "available")}
            rows.append(
                PoolRow(
                    str(pool["metadata"]["name"]),
                    family.value,
                    **counts,
                    auto_assign=spec.get("autoAssign") is not False,
                    disabled=spec.get("disabled") is True,
                    accepted=_accepted(status),
                    addresses=own,
                )
            )
    return rows


def entries_of(pool: Object, entries: Iterable[Object]) -> list[Object]:
    """Return the ledger's entries whose IPs are in a pool, or came from it: one that shrinks has users outside it."""
    ranges = []
    for text in (pool.get("spec") or {}).get("addresses") or ():
        with suppress(RangeError):  # its condition says so
            ranges.append(AddressRange.parse(str(text)))
    name = pool["metadata"]["name"]
    return [
        entry
        for entry in entries
        if entry["spec"].get("pool") == name or any(parse_address(entry["spec"]["address"]) in each for each in ranges)
    ]


def bar(allocated: int | None, capacity: int | None) -> str:
    """Return how full a pool is, as a bar and a number."""
    if allocated is None or not capacity:
        return "-"
    filled = min(BAR, -(-BAR * allocated // capacity))
    return f"{'#' * filled}{'.' * (BAR - filled)} {100 * allocated / capacity:.0f}%"


def _number(value: Any) -> int | None:
    """Return a counter; integers too large for JSON's readers are texts of digits."""
    return int(value) if isinstance(value, int) or (isinstance(value, str) and value.isdecimal()) else None


def _accepted(status: Object) -> str:
    condition = next((each for each in status.get("conditions") or () if each.get("type") == "Accepted"), None)
    if condition is None:
        return "-"
    return "True" if condition.get("status") == "True" else f"False ({condition.get('reason')})"


def _print_rows(rows: list[PoolRow], *, is_wide: bool) -> None:
    headings = ["POOL", "FAMILY", "USED", "ALLOCATED", "HELD", "RESERVED", "AVAILABLE", "STATE"]
    table = make_table(*headings, *(["CAPACITY", "ADDRESSES"] if is_wide else []))
    for row in rows:
        numbers = ["-" if number is None else str(number) for number in (row.allocated, row.held, row.reserved, row.available)]
        cells = [row.pool, row.family, bar(row.allocated, row.capacity), *numbers, _state(row)]
        cells += ["-" if row.capacity is None else str(row.capacity), ", ".join(row.addresses)] if is_wide else []
        table.add_row(*cells)
    nothing = "no pools; `bmlb pool create NAME --addresses 198.51.100.200-198.51.100.240 --l2` makes one"
    open_console().print(table if rows else nothing, markup=False, soft_wrap=not rows)


def _state(row: PoolRow) -> str:
    words = []
    if row.accepted.startswith("False"):
        words.append(f"not accepted{row.accepted.removeprefix('False')}")
    if row.disabled:
        words.append("drained")
    if not row.auto_assign:
        words.append("on request only")
    return ", ".join(words) or ("ok" if row.accepted == "True" else "no controller has seen it")


def _definition(pool: Object) -> list[tuple[str, str]]:
    lines = [("Name", str(pool["metadata"]["name"]))]
    for field, value in (pool.get("spec") or {}).items():
        lines.append((field, ", ".join(value) if isinstance(value, list) and all(isinstance(v, str) for v in value) else str(value)))
    conditions = (pool.get("status") or {}).get("conditions") or ()
    return [*lines, *((str(c.get("type")), f"{c.get('status')} ({c.get('reason')}) {c.get('message', '')}") for c in conditions)]
