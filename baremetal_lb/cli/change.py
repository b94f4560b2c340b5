"""Changing a running cluster: one plan, one question, one request.

    plan printed -> --dry-run: sent with dryRun=All, so that the API server says no now if it would -> nothing is changed
                 -> --yes, or "y" at a terminal                                                    -> sent
                 -> no terminal and no --yes                                                        -> refused, exit code 2

An update carries the resourceVersion that was read: somebody else's change in between is a conflict (exit code 4), never overwritten. Where
only a status was written in between, and the plan is still what was shown, it is sent again.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from baremetal_lb.cli.live import Cluster, Object, fetch_object
from baremetal_lb.cli.output import complain, confirm, say
from baremetal_lb.kube.errors import ApiError, KubeError
from baremetal_lb.kube.resources import Resource

if TYPE_CHECKING:  # it costs half a second, and only those pay who talk to a cluster
    from baremetal_lb.kube.transport import Transport

USAGE = 2
TRIES = 5
"""A pool's status is written once a second at most, a request takes milliseconds: two in a row are rare already."""
CONFLICT = 4
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the plan and ask the API server whether it would accept; change nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@dataclass(frozen=True, slots=True)
class Change:
    """One object to create, replace or delete."""

    verb: str
    """created, changed or deleted; what is told afterwards."""
    resource: Resource
    name: str
    namespace: str = ""
    body: Object | None = None
    """The object as it shall be; of a delete its `preconditions`."""

    async def send(self, transport: "Transport", *, dry_run: bool) -> bytes:
        """Send it.

        Raises:
            KubeError: the API server said no, or nothing.
        """
        query = [("dryRun", "All")] if dry_run else []
        path = self.resource.path(self.namespace, self.name)
        match self.verb:
            case "created":
                return await transport.request("POST", self.resource.path(self.namespace), query, body=self.body)
            case "changed":
                return await transport.request("PUT", path, query, body=self.body)
        # The API server reads the options of a DELETE from its body, and then from nowhere else: a dryRun beside it would be overlooked.
        options = {**(self.body or {}), **({"dryRun": ["All"]} if dry_run else {})}
        return await transport.request("DELETE", path, body=options)


def refuse(sentence: str, *more: str, code: int = CONFLICT) -> typer.Exit:
    """Print why not, each on a line of its own, and return what ends the program."""
    complain(f"Error: {sentence}", *more)
    return typer.Exit(code)


def carry_out(
    cluster: Cluster, changes: list[Change], *, dry_run: bool, yes: bool, renew: Callable[[], list[Change] | None] | None = None
) -> None:
    """Ask if that is to be asked, and send.

    ``renew`` is asked after a conflict: it looks again, and returns the changes anew if nothing that counts is different, else None.

    Raises:
        typer.Exit: 2 nobody could be asked, 3 the API server, 4 a conflict; the sentence has been printed.
        typer.Abort: the answer was no.
    """
    if not dry_run and not yes:
        if not sys.stdin.isatty():
            raise refuse("nobody is there to ask; add --yes to go on, or --dry-run to see what the API server says", code=USAGE)
        confirm("Go on?")
    for attempt in range(TRIES):
        sending = changes
        conflict = cluster.run(lambda transport: _send_all(transport, sending, dry_run=dry_run))  # noqa: B023 - it runs at once
        if conflict is None:
            return
        renewed = renew() if renew is not None and attempt < TRIES - 1 else None
        if renewed is None:
            raise refuse(*conflict)
        changes = renewed


async def _send_all(transport: "Transport", changes: list[Change], *, dry_run: bool) -> tuple[str, ...] | None:
    """Send changes one after the other until one meets a conflict; return what is to be said of it, None when all is done."""
    done: list[str] = []
    for change in changes:
        try:
            await change.send(transport, dry_run=dry_run)
        except KubeError as error:
            if done and not dry_run:
                complain(f"Only a part was done: {', '.join(done)}; the rest was not.")
            if isinstance(error, ApiError) and (error.status == 409 or (error.is_not_found and change.verb != "created")):
                return _conflict(change, error)
            raise
        done.append(f"{change.resource.plural}/{change.name} {change.verb}")
        say(f"{done[-1]}{' (dry run)' if dry_run else ''}")
    return None


def is_same_wish(read: Object, now: Object) -> bool:
    """Tell whether two states of an object differ in nothing that people write: the controller writes the status of pools all the time."""
    return _wish(read) == _wish(now)


def _wish(item: Object) -> Object:
    metadata = {key: value for key, value in item["metadata"].items() if key not in ("resourceVersion", "managedFields")}
    return {**{key: value for key, value in item.items() if key != "status"}, "metadata": metadata}


def fetch_one(cluster: Cluster, resource: Resource, name: str, *, namespace: str = "") -> Object | None:
    """Return one object; None where there is none.

    Raises:
        typer.Exit: it could not be read, or there is no such kind; the sentence has been printed.
    """
    return cluster.run(lambda transport: fetch_object(transport, resource, name, namespace))


def preconditions(item: Object) -> dict[str, Any]:
    """Return the options of a DELETE that means just this object, as it was read."""
    metadata = item["metadata"]
    given = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
    return {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": given}


def _conflict(change: Change, error: ApiError) -> tuple[str, ...]:
    where, in_namespace = f"{change.resource.plural}/{change.name}", f" -n {change.namespace}" if change.namespace else ""
    if change.verb == "created":
        return f"{where} is there already; it was not made", f"`kubectl get {where}{in_namespace} -o yaml` shows it."
    if error.is_not_found:
        return (f"{where} was deleted by somebody else in between; there is nothing left to change",)
    return f"{where} was changed by somebody else in between; it was left as it is", error.message, "Look at it again, and try again."
