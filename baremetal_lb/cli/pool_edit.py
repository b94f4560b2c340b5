"""What changes pools: each command makes the objects as they would be, foresees what comes of them, prints that, and only then asks.

A pool that shrinks, or goes, may take IPs from Services: the allocator would give them others, or none. The commands say which, and refuse
(exit code 4) unless they are told `--renumber`; nobody is renumbered by surprise.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from baremetal_lb.cli.change import Change, DryRun, Yes, carry_out, is_same_wish, preconditions, refuse
from baremetal_lb.cli.editor import edited
from baremetal_lb.cli.judgement import foresee_change, judge
from baremetal_lb.cli.live import Cluster, Context, IdentityOption, Kubeconfig, Namespace, Object
from baremetal_lb.cli.manifest import ref_of, with_object, without_object
from baremetal_lb.cli.output import PROBLEM_FOUND, say
from baremetal_lb.cli.pool_fields import BadOption, PoolOptions, apply_options, difference
from baremetal_lb.cli.snapshot import fetch_all_objects
from baremetal_lb.kube.resources import ours
from baremetal_lb.model.configuration import SharingScope
from baremetal_lb.model.ids import ObjectKey, ObjectRef

Texts = list[str] | None
PoolName = Annotated[str, typer.Argument(help="Name of the IPAddressPool.")]
Renumber = Annotated[bool, typer.Option("--renumber", help="Do it even if Services lose IPs that they have.")]
LbClass = Annotated[
    str | None,
    typer.Option("--lb-class", help="The loadBalancerClass that the install serves. Default: that of the Services in its ledger."),
]
Exclude = Annotated[Texts, typer.Option("--exclude", help="Address, CIDR or range never to give out. Repeatable.")]
AutoAssign = Annotated[bool | None, typer.Option("--auto-assign/--no-auto-assign", help="Give to Services that ask for no pool (default).")]
AvoidBuggy = Annotated[bool | None, typer.Option("--avoid-buggy-ips/--no-avoid-buggy-ips", help="Never give IPv4 that ends in .0 or .255.")]
Priority = Annotated[int | None, typer.Option("--priority", help="Lower is tried first; 0 is last.")]
Namespaces = Annotated[Texts, typer.Option("--for-namespace", help="Only for Services of this namespace. Repeatable.")]
NamespaceLabels = Annotated[str | None, typer.Option("--namespace-selector", help="Only for namespaces with these labels: a=b,c=d.")]
ServiceLabels = Annotated[str | None, typer.Option("--service-selector", help="Only for Services with these labels: a=b,c=d.")]
Quota = Annotated[int | None, typer.Option("--quota", min=0, help="Addresses that each namespace may have of it.")]
RetainFor = Annotated[str | None, typer.Option("--retain-for", help="How long an IP waits for its Service to come back: 24h.")]

Sharing = Annotated[SharingScope | None, typer.Option("--sharing", help="Whether Services of one namespace share an IP, or of all.")]


def create(
    pool: PoolName,
    *,
    addresses: Annotated[Texts, typer.Option("--addresses", "-a", help="CIDR or range; several with commas, or repeated.")] = None,
    exclude: Exclude = None,
    auto_assign: AutoAssign = None,
    avoid_buggy_ips: AvoidBuggy = None,
    priority: Priority = None,
    for_namespace: Namespaces = None,
    namespace_selector: NamespaceLabels = None,
    service_selector: ServiceLabels = None,
    quota: Quota = None,
    retain_for: RetainFor = None,
    sharing: Sharing = None,
    l2: Annotated[bool, typer.Option("--l2", help="Make an L2Advertisement of the same name, too.")] = False,
    bgp: Annotated[bool, typer.Option("--bgp", help="Make a BGPAdvertisement of the same name, too.")] = False,
    lb_class: LbClass = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    kubeconfig: Kubeconfig = "",
    context: Context = "",
    namespace: Namespace = "",
    identity: IdentityOption = "baremetal-lb",
) -> None:
    """Make a pool. Every fault is told before anything is sent."""
    cluster = Cluster(kubeconfig, context, namespace, identity)
    options = PoolOptions(
        add_addresses=_split(addresses), add_excluded=_split(exclude), auto_assign=auto_assign, avoid_buggy_ips=avoid_buggy_ips,
        priority=priority, namespaces=_split(for_namespace), namespace_labels=namespace_selector, service_labels=service_selector,
        quota=quota, retain_for=retain_for, sharing=None if sharing is None else sharing.value,
    )  # fmt: skip
    made = [_manifest(cluster, "IPAddressPool", "ipaddresspools", pool, _spec({}, options))]
    advertised = {"ipAddressPools": [pool]}
    made += [_manifest(cluster, "L2Advertisement", "l2advertisements", pool, advertised)] if l2 else []
    made += [_manifest(cluster, "BGPAdvertisement", "bgpadvertisements", pool, advertised)] if bgp else []
    before = fetch_all_objects(cluster)
    after: Sequence[Mapping[str, Any]] = before
    for item in made:
        after = with_object(after, item)
    there = {ref_of(item) for item in before}
    if ref_of(made[0]) in there:
        raise refuse(f"pool {pool} is there already", f"`bmlb pool edit {pool}` changes it, `bmlb pool show {pool}` shows it.")
    for item in made[1:]:
        if ref_of(item) in there:
            raise refuse(
                f"{item['kind']} {pool} is there already; nothing was done", f"Leave out --{'l2' if item['kind'][0] == 'L' else 'bgp'}."
            )
    say(f"IPAddressPool {pool} will be made: {', '.join(made[0]['spec']['addresses'])}")
    for item in made[1:]:
        say(f"{item['kind']} {pool} will be made: its IPs are announced")
    if not l2 and not bgp:
        say("No advertisement will be made with it; --l2 or --bgp makes one")
    judge(cluster, foresee_change(cluster, lb_class, before, after), made, renumber=True, pool=pool)
    plurals = ("ipaddresspools", *(["l2advertisements"] if l2 else []), *(["bgpadvertisements"] if bgp else []))
    changes = [
        Change("created", ours(cluster.identity, plural), pool, cluster.home, item) for plural, item in zip(plurals, made, strict=True)
    ]
    carry_out(cluster, changes, dry_run=dry_run, yes=yes)


def edit(
    pool: PoolName,
    *,
    add_addresses: Annotated[Texts, typer.Option("--add-addresses", help="CIDR or range to add. Repeatable.")] = None,
    remove_addresses: Annotated[Texts, typer.Option("--remove-addresses", help="Addresses, CIDR or range to take out. Repeatable.")] = None,
    exclude: Exclude = None,
    include: Annotated[Texts, typer.Option("--include", help="Address, CIDR or range to exclude no more. Repeatable.")] = None,
    auto_assign: AutoAssign = None,
    avoid_buggy_ips: AvoidBuggy = None,
    priority: Priority = None,
    for_namespace: Namespaces = None,
    namespace_selector: NamespaceLabels = None,
    service_selector: ServiceLabels = None,
    quota: Quota = None,
    retain_for: RetainFor = None,
    sharing: Sharing = None,
    renumber: Renumber = False,
    lb_class: LbClass = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    kubeconfig: Kubeconfig = "",
    context: Context = "",
    namespace: Namespace = "",
    identity: IdentityOption = "baremetal-lb",
) -> None:
    """Change a pool, by options, or in $EDITOR when none is given."""
    cluster = Cluster(kubeconfig, context, namespace, identity)
    options = PoolOptions(
        _split(add_addresses), _split(remove_addresses), _split(exclude), _split(include), auto_assign, avoid_buggy_ips,
        priority=priority, namespaces=_split(for_namespace), namespace_labels=namespace_selector, service_labels=service_selector,
        quota=quota, retain_for=retain_for, sharing=None if sharing is None else sharing.value,
    )  # fmt: skip
    before = fetch_all_objects(cluster)
    found = _pool(before, pool, cluster)
    if not options.is_empty:
        spec = _spec(found["spec"], options)
        _replace(cluster, before, found, spec, lb_class=lb_class, renumber=renumber, dry_run=dry_run, yes=yes)
        return
    with edited(found["spec"], f"pool-{pool}") as spec:
        _replace(cluster, before, found, spec, lb_class=lb_class, renumber=renumber, dry_run=dry_run, yes=yes)


def drain(
    pool: PoolName,
    *,
    lb_class: LbClass = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    kubeconfig: Kubeconfig = "",
    context: Context = "",
    namespace: Namespace = "",
    identity: IdentityOption = "baremetal-lb",
) -> None:
    """Give out nothing new of a pool; who has an IP keeps it."""
    cluster = Cluster(kubeconfig, context, namespace, identity)
    _set_disabled(cluster, pool, disabled=True, lb_class=lb_class, dry_run=dry_run, yes=yes)


def undrain(
    pool: PoolName,
    *,
    lb_class: LbClass = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    kubeconfig: Kubeconfig = "",
    context: Context = "",
    namespace: Namespace = "",
    identity: IdentityOption = "baremetal-lb",
) -> None:
    """Give out IPs of a pool again."""
    cluster = Cluster(kubeconfig, context, namespace, identity)
    _set_disabled(cluster, pool, disabled=False, lb_class=lb_class, dry_run=dry_run, yes=yes)


def delete(
    pool: PoolName,
    *,
    renumber: Renumber = False,
    lb_class: LbClass = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    kubeconfig: Kubeconfig = "",
    context: Context = "",
    namespace: Namespace = "",
    identity: IdentityOption = "baremetal-lb",
) -> None:
    """Delete a pool. Refused while Services have IPs of it, unless they may be renumbered."""
    cluster = Cluster(kubeconfig, context, namespace, identity)
    before = fetch_all_objects(cluster)
    found = _pool(before, pool, cluster)
    say(f"IPAddressPool {pool} will be deleted: {', '.join(found['spec'].get('addresses') or ())}")
    foresight = foresee_change(cluster, lb_class, before, without_object(before, ref_of(found)))
    judge(cluster, foresight, [], renumber=renumber, pool=pool)

    def deletion(item: Object) -> list[Change]:
        return [Change("deleted", ours(cluster.identity, "ipaddresspools"), pool, cluster.home, preconditions(item))]

    def renew() -> list[Change] | None:
        objects = fetch_all_objects(cluster)
        now = _again(objects, found)
        if now is None or not foresight.is_same(foresee_change(cluster, lb_class, objects, without_object(objects, ref_of(now)))):
            return None
        return deletion(now)

    carry_out(cluster, deletion(found), dry_run=dry_run, yes=yes, renew=renew)


def _set_disabled(cluster: Cluster, pool: str, *, disabled: bool, lb_class: str | None, dry_run: bool, yes: bool) -> None:
    before = fetch_all_objects(cluster)
    found = _pool(before, pool, cluster)
    _replace(cluster, before, found, {**found["spec"], "disabled": disabled}, lb_class=lb_class, renumber=False, dry_run=dry_run, yes=yes)


def _replace(
    cluster: Cluster,
    before: Sequence[Object],
    found: Object,
    spec: dict[str, Any],
    *,
    lb_class: str | None,
    renumber: bool,
    dry_run: bool,
    yes: bool,
) -> None:
    name, lines = found["metadata"]["name"], difference(found["spec"], spec)
    if not lines:
        say(f"IPAddressPool {name} is like that already")
        return
    say(f"IPAddressPool {name} will change:")
    for line in lines:
        say(f"  {line}")
    changed = {**found, "spec": spec}
    foresight = foresee_change(cluster, lb_class, before, with_object(before, changed))
    judge(cluster, foresight, [changed], renumber=renumber, pool=name)

    def replacement(item: Object) -> list[Change]:
        return [Change("changed", ours(cluster.identity, "ipaddresspools"), name, cluster.home, {**item, "spec": spec})]

    def renew() -> list[Change] | None:
        objects = fetch_all_objects(cluster)
        now = _again(objects, found)
        if now is None or not foresight.is_same(foresee_change(cluster, lb_class, objects, with_object(objects, {**now, "spec": spec}))):
            return None
        return replacement(now)

    carry_out(cluster, replacement(found), dry_run=dry_run, yes=yes, renew=renew)


def _again(objects: Sequence[Object], read: Object) -> Object | None:
    """Return the object as it is now; None if it is gone, or people have changed it."""
    now = next((item for item in objects if ref_of(item) == ref_of(read)), None)
    return now if now is not None and is_same_wish(read, now) else None


def _pool(objects: Sequence[Object], name: str, cluster: Cluster) -> Object:
    wanted = ObjectRef("IPAddressPool", ObjectKey(cluster.home, name))
    found = next((item for item in objects if ref_of(item) == wanted), None)
    if found is not None:
        return found
    names = ", ".join(sorted(ref_of(item).key.name for item in objects if item.get("kind") == "IPAddressPool")) or "none"
    raise refuse(
        f"there is no IPAddressPool {name!r} in {cluster.home}; there are: {names}", "`bmlb pool list` shows them.", code=PROBLEM_FOUND
    )


def _manifest(cluster: Cluster, kind: str, plural: str, name: str, spec: dict[str, Any]) -> Object:
    resource = ours(cluster.identity, plural)
    return {"apiVersion": resource.api_version, "kind": kind, "metadata": {"name": name, "namespace": cluster.home}, "spec": spec}


def _spec(before: dict[str, Any], options: PoolOptions) -> dict[str, Any]:
    try:
        spec = apply_options(before, options)
    except BadOption as error:
        raise typer.BadParameter(str(error)) from error
    if not spec["addresses"]:
        raise typer.BadParameter("a pool needs addresses; `bmlb pool delete` removes it", param_hint="--addresses")
    return spec


def _split(texts: Texts) -> tuple[str, ...]:
    """Return what was given, each part between commas by itself."""
    return tuple(part.strip() for text in texts or () for part in text.split(",") if part.strip())
