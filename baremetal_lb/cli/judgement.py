"""What comes of a change, printed before it is made; and no, where it would cost somebody an IP that was not asked for.

    Service shop/web: 198.51.100.3 -> 198.51.100.0. ...       who would lose, change or get an IP
    198.51.100.7 is held for shop/api until ...               what else is in the addresses that go
    warning: ... error: ...                                   what is wrong with the objects as they would be

Refused are faults of the changed objects (exit code 1), and, unless it is asked for, whatever takes an IP from a Service or takes addresses
away that another install has in the ledger (4).
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from baremetal_lb.cli.change import USAGE, refuse
from baremetal_lb.cli.live import Cluster, Object
from baremetal_lb.cli.manifest import ref_of
from baremetal_lb.cli.output import PROBLEM_FOUND, open_console
from baremetal_lb.cli.snapshot import settle_options

if TYPE_CHECKING:  # the schemas cost time that no help text is to wait for
    from baremetal_lb.cli.foresight import Foresight
    from baremetal_lb.model.views import LedgerEntry


def foresee_change(cluster: Cluster, lb_class: str | None, before: Sequence[Object], after: Sequence[Mapping[str, Any]]) -> "Foresight":
    """Foresee what comes of a change to the install's objects; ``lb_class`` None: the one of the Services in its ledger.

    Raises:
        typer.Exit: the class is not the one that the install serves, so nothing could be foreseen; the sentence has been printed.
    """
    from baremetal_lb.cli.foresight import foresee, served_classes  # noqa: PLC0415 - see above

    served = served_classes(before, cluster.owner)
    if lb_class is None and len(served) > 1:
        raise refuse(f"the ledger has Services of several classes, {_named(served)}; say with --lb-class which is served", code=USAGE)
    if lb_class is not None and served and lb_class not in served:
        raise refuse(f"the ledger has Services of class {_named(served)}, not of {lb_class!r}; leave out --lb-class", code=USAGE)
    chosen = lb_class if lb_class is not None else served[0] if served else ""
    return foresee(before, after, namespace=cluster.home, options=settle_options(cluster, chosen))


def judge(cluster: Cluster, foresight: "Foresight", changed: Sequence[Object], *, renumber: bool, pool: str = "") -> None:
    """Print what comes of a change, of a pool if one is named.

    Raises:
        typer.Exit: 1 the changed objects have faults, 4 IPs would be lost and that was not asked for.
    """
    console = open_console()
    for move in foresight.moves:
        before, after = (" and ".join(map(str, ips)) or "none" for ips in (move.before, move.after))
        console.print(f"Service {move.service}: {before} -> {after}. {move.message}", markup=False, soft_wrap=True)
    for entry in foresight.stranded:
        console.print(_told(entry, cluster.owner), markup=False, soft_wrap=True)
    refs = {ref_of(item) for item in changed}
    faults = [problem for problem in foresight.problems if problem.is_fatal and problem.object in refs]
    for problem in foresight.problems:
        severity = "error" if problem in faults else "warning"
        console.print(f"{severity}: {problem.object} {problem.field}: {problem.message}", markup=False, soft_wrap=True)
    for message in _new_complaints(foresight, pool):
        console.print(f"warning: {message}", markup=False, soft_wrap=True)
    if faults:
        raise refuse("nothing was sent: the object has faults", code=PROBLEM_FOUND)
    foreign = sum(entry.owner != cluster.owner for entry in foresight.stranded)
    lost = [_counted(len(foresight.losses), "Service would lose IPs", "Services would lose IPs")] if foresight.losses else []
    lost += [_counted(foreign, "IP is another install's", "IPs are another install's")] if foreign else []
    if lost and not renumber:
        raise refuse(
            f"{' and '.join(lost)}, see above; nothing was done",
            f"`bmlb pool drain {pool}` gives out nothing new while they keep theirs; --renumber does it all the same.",
        )


def _new_complaints(foresight: "Foresight", pool: str) -> list[str]:
    """Return what is wrong with where the pool would be, and is not wrong now."""
    from baremetal_lb.cli.pool_check import complaints_of_place  # noqa: PLC0415 - see above

    old, new = (snapshot.cluster.configuration.pool(pool) for snapshot in (foresight.before, foresight.after))
    known = {each.message for each in complaints_of_place(old, foresight.before)} if old is not None else set()
    said = [each.message for each in complaints_of_place(new, foresight.after)] if new is not None else []
    return [message for message in said if message not in known]


def _told(entry: "LedgerEntry", owner: str) -> str:
    from baremetal_lb.model.rfc3339 import format_exact  # noqa: PLC0415 - see above

    users = ", ".join(str(user.key) for user in entry.services)
    if entry.owner != owner:
        return f"{entry.address} is in the ledger of install {entry.owner}, {f'used by {users}' if users else 'held'}."
    if entry.held_for is None:
        return f"{entry.address} is in the ledger without a user."
    return f"{entry.address} is held for {entry.held_for.key} until {format_exact(entry.held_for.until_utc)}, which would not get it back."


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _named(classes: Sequence[str]) -> str:
    return " and ".join(repr(each) for each in classes)
