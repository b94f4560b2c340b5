"""What changes who may have which IP: reservations, and the release of an IP that nobody uses.

The ledger belongs to the controller: an IP that a Service has is given back by changing the Service. `release` is for what is left: an IP
that waits for a Service to come back, or of one that is gone. It is written by the person, who needs the verb govern on ipallocations.
"""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from baremetal_lb.api.names import entry_name
from baremetal_lb.cli.change import Change, DryRun, Yes, carry_out, fetch_one, is_same_wish, preconditions, refuse
from baremetal_lb.cli.judgement import foresee_change, judge
from baremetal_lb.cli.live import Cluster, Context, IdentityOption, Kubeconfig, Namespace, Object, fetch_object
from baremetal_lb.cli.manifest import ref_of, with_object
from baremetal_lb.cli.output import PROBLEM_FOUND, say
from baremetal_lb.cli.snapshot import fetch_all_objects
from baremetal_lb.kube.resources import SERVICES, ours
from baremetal_lb.model.ids import ObjectKey, ObjectRef
from baremetal_lb.model.net import AddressRange, IPAddress, RangeError, parse_address

if TYPE_CHECKING:  # it costs half a second, and only those pay who talk to a cluster
    from baremetal_lb.kube.transport import Transport

Address = Annotated[str, typer.Argument(metavar="IP", help="An IPv4 or IPv6 address.")]


def reserve(
    addresses: Annotated[list[str], typer.Argument(help="Addresses, CIDRs or ranges.")],
    *,
    for_namespace: Annotated[str, typer.Option("--for-namespace", help="Namespace whose Services may have them.")],
    service: Annotated[str, typer.Option("--service", help="Only the Service of this name.")] = "",
    reason: Annotated[str, typer.Option("--reason", help="Why, for people.")] = "",
    name: Annotated[str, typer.Option("--name", help="Name of the IPReservation. Default: made from namespace, Service and address.")] = "",
    dry_run: DryRun = False,
    yes: Yes = False,
    kubeconfig: Kubeconfig = "",
    context: Context = "",
    namespace: Namespace = "",
    identity: IdentityOption = "baremetal-lb",
) -> None:
    """Keep addresses for the Services of a namespace, or for one Service. Who has one of them now keeps it."""
    try:
        ranges = [AddressRange.parse(text, allow_single=True) for text in addresses]
    except RangeError as error:
        raise typer.BadParameter(str(error)) from error
    cluster = Cluster(kubeconfig, context, namespace, identity)
    resource = ours(cluster.identity, "ipreservations")
    before = fetch_all_objects(cluster)
    made_name = name or _reservation_name(for_namespace, service, addresses[0])
    whom = f"Service {for_namespace}/{service}" if service else f"Services of namespace {for_namespace}"
    say(f"IPReservation {made_name} will keep {', '.join(addresses)} for {whom}")
    spec: dict[str, Any] = {"addresses": list(addresses), "namespace": for_namespace}
    spec |= {"serviceName": service} if service else {}
    spec |= {"reason": reason} if reason else {}
    body = {"apiVersion": resource.api_version, "kind": "IPReservation", "metadata": {"name": made_name}, "spec": spec}
    if any(ref_of(item) == ref_of(body) for item in before):
        raise refuse(f"IPReservation {made_name} is there already", f"--name gives another name, `bmlb ip unreserve {made_name}` ends it.")
    foresight = foresee_change(cluster, None, before, with_object(before, body))
    for entry in foresight.before.cluster.entries:
        if any(entry.address in each for each in ranges):
            users = ", ".join(str(user.key) for user in entry.services)
            others = [user for user in entry.services if user.key.namespace != for_namespace or service not in ("", user.key.name)]
            say(f"  {entry.address} is used by {users or 'nobody, but held'}{', who keeps it' if others else ''}")
    if not any(each.overlaps(span) for each in ranges for pool in foresight.before.cluster.configuration.pools for span in pool.ranges):
        say("  none of it is in a pool: only external IPs of Services are admitted by it")
    if not any(ref_of(item) == ObjectRef("Namespace", ObjectKey("", for_namespace)) for item in before):
        say(f"  there is no namespace {for_namespace!r} yet")
    judge(cluster, foresight, [body], renumber=True)
    carry_out(cluster, [Change("created", resource, made_name, body=body)], dry_run=dry_run, yes=yes)


def unreserve(
    name: Annotated[str, typer.Argument(help="Name of an IPReservation.")],
    *,
    dry_run: DryRun = False,
    yes: Yes = False,
    kubeconfig: Kubeconfig = "",
    context: Context = "",
    namespace: Namespace = "",
    identity: IdentityOption = "baremetal-lb",
) -> None:
    """Keep addresses no more. Who has one of them keeps it."""
    cluster = Cluster(kubeconfig, context, namespace, identity)
    resource = ours(cluster.identity, "ipreservations")
    found = fetch_one(cluster, resource, name)
    if found is None:
        raise refuse(f"there is no IPReservation {name!r}", "`kubectl get ipreservations` shows them.", code=PROBLEM_FOUND)
    say(f"IPReservation {name} will be deleted: {', '.join(found['spec']['addresses'])} for {found['spec']['namespace']}")

    def renew() -> list[Change] | None:
        now = fetch_one(cluster, resource, name)
        return [Change("deleted", resource, name, body=preconditions(now))] if now is not None and is_same_wish(found, now) else None

    change = Change("deleted", resource, name, body=preconditions(found))
    carry_out(cluster, [change], dry_run=dry_run, yes=yes, renew=renew)


def release(
    ip: Address,
    *,
    dry_run: DryRun = False,
    yes: Yes = False,
    kubeconfig: Kubeconfig = "",
    context: Context = "",
    namespace: Namespace = "",
    identity: IdentityOption = "baremetal-lb",
) -> None:
    """Give an IP back that no Service uses: one that is held, or that was left over. Needs the verb govern on ipallocations."""
    address = parse_ip(ip)
    cluster = Cluster(kubeconfig, context, namespace, identity)
    resource = ours(cluster.identity, "ipallocations")
    entry = fetch_one(cluster, resource, entry_name(address))
    if entry is None:
        raise refuse(f"{address} is not in the ledger", f"`bmlb ip who {address}` tells where it stands.", code=PROBLEM_FOUND)
    owner = entry["spec"].get("owner")
    if owner != cluster.owner:
        raise refuse(
            f"{address} is in the ledger of install {owner}, not of {cluster.owner}",
            "--namespace and --identity say which install is meant; each gives back its own.",
        )
    gone = cluster.run(lambda transport: fetch_gone(transport, entry))
    for user in entry["spec"].get("services") or ():
        key = f"{user['namespace']}/{user['name']}"
        if user not in gone:
            raise refuse(
                f"Service {key} uses {address}; it gives it back when it is deleted, or asks for another one",
                f"`kubectl delete service -n {user['namespace']} {user['name']}`, or `kubectl annotate service -n {user['namespace']} "
                f"{user['name']} {cluster.identity.prefix}loadBalancerIPs=OTHER_IP`",
            )
        say(f"Service {key} is in the entry and is gone")
    held = entry["spec"].get("heldFor")
    held_for = f", held for {held['namespace']}/{held['name']} until {held['until']}" if held else ""
    say(f"{address} of pool {entry['spec'].get('pool') or 'none'}{held_for} will be given back")
    carry_out(cluster, [Change("deleted", resource, entry_name(address), body=preconditions(entry))], dry_run=dry_run, yes=yes)


async def fetch_gone(transport: "Transport", entry: Object) -> list[Object]:
    """Return the users of an entry that are not there any more: by uid, since a Service made anew is another one."""
    users = entry["spec"].get("services") or ()
    services = await asyncio.gather(*(fetch_object(transport, SERVICES, user["name"], user["namespace"]) for user in users))
    there = {service["metadata"]["uid"] for service in services if service is not None}
    return [user for user in users if user.get("uid") not in there]


def parse_ip(text: str) -> IPAddress:
    """Return the address that an argument means.

    Raises:
        typer.BadParameter: it means none.
    """
    try:
        return parse_address(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="IP") from error


def _reservation_name(namespace: str, service: str, address: str) -> str:
    parts = [namespace, *([service] if service else []), address]
    return "-".join(parts).replace(":", "-").replace("/", "-").replace("--", "-").lower()[:63].strip("-.")
