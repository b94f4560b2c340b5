"""Arbitrary clusters, for properties: whatever a controller may find when its term begins, and speakers when they start.

Services of ours and of others; a ledger that names Services as they are, as they were before they were made anew, and such as are gone;
IPs that are held, for them and for others, for a while still and for too long; statuses that say what the ledger says, something else, or
something where the ledger says nothing at all (adoption).
"""

from dataclasses import replace

from hypothesis import strategies as st

from baremetal_lb.ipam.sharing import backend_key, entry_service, sharing_key
from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.net import AddressRange, Family, IPAddress
from baremetal_lb.model.time import SECOND
from baremetal_lb.model.views import (
    ConditionView,
    EndpointSliceView,
    EndpointView,
    EntryService,
    FamilyPolicy,
    HeldFor,
    IngressView,
    LedgerEntry,
    ServiceView,
)
from baremetal_lb.settle.cluster import ClusterObjects, SettleOptions
from tests.support import worlds_configuration as around
from tests.support.chance import Chance
from tests.support.ipam_world import service
from tests.support.worlds_configuration import ADDRESSES, NODES

NOW = 10**9 * SECOND
NAMES = tuple(f"{namespace}/s{number}" for namespace in ("default", "other") for number in (1, 2, 3, 4))
KEYS = tuple(ObjectKey(*name.split("/")) for name in NAMES)
WISHES = ("198.51.100.1", "203.0.113.1", "192.0.3.0", "2001:db8:a::1", "198.51.100.0,2001:db8:a::", "198.51.100.0,198.51.100.1", "rubbish")
ODDITIES = (
    *around.ODDITIES,
    *(
        "class",
        "our class",
        "type",
        "wish",
        "field",
        "pool",
        "sharing",
        "local",
        "announcer",
        "external",
        "headless",
        "deleting",
        "families",
    ),
    *(
        "no ledger",
        "foreign entry",
        "other pool",
        "made anew",
        "made anew twice",
        "nobody there",
        "held",
        "no end",
        "other agreement",
        "unsorted",
    ),
    *("other status", "no status", "proxy", "other annotation", "condition", "no endpoints", "not ready", "ignore label", "namespace"),
)
OFTEN = ("sharing", "sharing", "local", "weights", "preemption", "held", "made anew", "retain", "bgp", "bgp", "dead", "other pool")
DUAL_STACK = (FamilyPolicy.REQUIRE_DUAL_STACK, FamilyPolicy.PREFER_DUAL_STACK)
ENDS = (NOW + 5 * SECOND, NOW + 50 * SECOND, NOW + 1, NOW, NOW - 1)


def _service(chance: Chance, name: str, lb_class: str) -> ServiceView:
    """Return what the authors of one Service wrote."""
    families = chance.one("4", "46", "6", "64")
    policy = chance.one(*DUAL_STACK) if len(families) == 2 else chance.odd("families", FamilyPolicy.SINGLE_STACK, *DUAL_STACK)
    view = service(
        name,
        families,
        policy=policy,
        ips=chance.odd("wish", None, *(None,) * 5, *WISHES),
        spec_load_balancer_ip=chance.odd("field", None, *(None,) * 3, *WISHES[:3]),
        wants_pool=chance.odd("pool", None, None, "a", "b", "nowhere"),
        shares=chance.odd("sharing", None, "k", "k", "k", "k", "l", ""),
        ports=chance.one("TCP/80", "TCP/81", "UDP/53 TCP/82"),
        local=chance.odd("local", None, "app=web", ""),
        wanted_announcer=chance.odd("announcer", None, *NODES, "nobody"),
        created_utc=chance.one(1, 2, 3, 0),
        labels=chance.one({}, {"tier": "gold"}),
        external_ips=chance.odd("external", (), ("198.51.100.2",), ("203.0.113.1", "rubbish")),
        load_balancer_class=chance.odd("class", lb_class or None, lb_class or None, "other", None),
        type=chance.odd("type", *("LoadBalancer",) * 3, "ClusterIP"),
        is_deleting=chance.odd("deleting", False, False, True),
    )
    return replace(view, cluster_ips=chance.odd("headless", *(view.cluster_ips,) * 4, ("None",), ()))


def _users(chance: Chance, views: list[ServiceView]) -> dict[str, object]:
    """Return the users of one entry: Services as they are, as they were, and some that are gone; what the first of them agreed to."""
    there = {view.key: view for view in views}
    keys = chance.some(
        [*there, *(KEYS if "nobody there" in chance.on or not there else ())], least=1, most=2 if "sharing" in chance.on else 1
    )
    found = []
    for key in keys:
        is_there = key in there and chance.odd("made anew", True, False)
        found.append(entry_service(there[key]) if is_there else EntryService(key, f"uid-of-old-{key}"))
        if chance.odd("made anew twice", False, True):
            found.append(EntryService(key, f"uid-of-older-{key}"))
    if "unsorted" not in chance.on:
        found.sort(key=lambda user: (user.key, user.uid))
    first = next((there[user.key] for user in found if user.key in there), None)
    agreed = (sharing_key(first), backend_key(first) or "") if first is not None else ("", "")
    sharing, backends = chance.odd("other agreement", agreed, ("k", ""), ("", ""))
    return {"services": tuple(found), "sharing_key": sharing, "backend_key": backends}


def _entry(chance: Chance, address: IPAddress, views: list[ServiceView]) -> LedgerEntry:
    """Return the entry of an address: in use, held, or of another owner."""
    pool = {"198": "a", "203": "b", "192": "c"}.get(str(address)[:3]) or f"{address}:".split(":")[2]
    entry = LedgerEntry(
        address,
        chance.odd("foreign entry", "us", "them"),
        chance.odd("other pool", pool, "b", ""),
        announcer=chance.one(None, *NODES, "nobody"),
        since_utc=chance.one(1, 2, 3),
    )
    if not chance.odd("held", False, True):
        return replace(entry, **_users(chance, views))  # type: ignore[arg-type]  # of an entry's kinds
    held = HeldFor(chance.one(*(view.key for view in views), *KEYS), chance.one(*ENDS))
    return replace(entry, held_for=chance.odd("no end", held, None))


def _with_status(chance: Chance, view: ServiceView, ledger: tuple[LedgerEntry, ...]) -> ServiceView:
    """Return a Service with its status: what the ledger gives it, none, or something else."""
    its_own = tuple(entry for entry in ledger if entry.has_service(view.uid) and entry.owner == "us")
    listed = [entry.address for entry in its_own]
    if chance.on & {"other status", "no ledger"} and chance.one(True, False):
        listed = chance.some(ADDRESSES, most=2)
    if chance.odd("no status", False, True):
        listed = []
    mode = chance.odd("proxy", "VIP", "Proxy", None)
    pool = chance.odd("other annotation", its_own[0].pool if its_own else "a" if listed else None, "a", "b", None)
    condition = chance.odd("condition", None, ConditionView("True", "Satisfied", "As it was."), ConditionView("False", "x", "y"))
    ingress = tuple(IngressView(address, str(address), mode) for address in listed)
    return replace(view, ingress=ingress, allocated_from_pool=pool, condition=condition)


def _slice(chance: Chance, key: ObjectKey, family: Family) -> EndpointSliceView:
    """Return the endpoints of one family."""
    on = [] if chance.odd("no endpoints", False, True) else chance.some((*NODES, None), least=1, most=3)
    states = [chance.odd("not ready", (True, None), (None, None), (False, True), (False, None)) for _ in on]
    endpoints = tuple(EndpointView(node, family, ready=ready, serving=serving) for node, (ready, serving) in zip(on, states, strict=True))
    return EndpointSliceView(ObjectKey(key.namespace, f"{key.name}-{family.value.lower()}"), key, endpoints)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[ClusterObjects, SettleOptions]:
    """Draw a cluster, and as which install and when it is looked at."""
    chance = Chance(draw, (*ODDITIES, *OFTEN))
    lb_class = "ours" if "our class" in chance.on else ""
    views = [_service(chance, name, lb_class) for name in chance.some(NAMES, least=chance.one(0, 3, 5), most=6)]
    taken = [] if "no ledger" in chance.on else chance.some(ADDRESSES, least=chance.one(0, 3, 5), most=7)
    ledger = tuple(_entry(chance, address, views) for address in taken)
    there = around.nodes(chance)
    cluster = ClusterObjects(
        around.configuration(chance),
        tuple(_with_status(chance, view, ledger) for view in views),
        ledger,
        tuple(_slice(chance, view.key, family) for view in views for family in view.families),
        there,
        {"other": {"tier": "gold"}} if "namespace" in chance.on else {},
        (AddressRange.parse("10.96.0.0/16"), AddressRange.parse("fd00::/64")),
        around.roster(chance, there),
    )
    is_ignored = "ignore label" in chance.on
    return cluster, SettleOptions(owner="us", lb_class=lb_class, ignore_exclude_lb=is_ignored, now_utc=NOW)
