"""A cluster read from manifests, for commands that need no API server.

Manifests may be what ``kubectl get -o yaml`` prints or what a person wrote by hand, so what an API server would have filled in is
filled in here: the namespace ``default`` (for our own resources that of the install), a uid (the same for the same name, so that
plans chain), the users' uids in ledger entries that name a Service without one, the addressType of a slice and (in its old version) the
nodes of its endpoints, the label of a namespace with its name. An object that cannot be read is a Problem, and the others go on.

An entry of the ledger without owner is ours, and so is one of an owner that we do not know when it names a Service of the input: a
hand-written entry need not know our install id.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from baremetal_lb.api.base import LABEL_MAX, NAME_MAX
from baremetal_lb.api.compile import Compiled, compile_objects
from baremetal_lb.api.kinds import KIND_BY_NAME
from baremetal_lb.kube.records import ENDPOINT_SLICE, IP_ALLOCATION, LEASE, NAMESPACE, NODE, SERVICE, DecodeError, Kind
from baremetal_lb.membership.facts import MalformedFacts, parse
from baremetal_lb.membership.lease_roster import node_of_lease
from baremetal_lb.model.ids import Identity, ObjectKey, ObjectRef
from baremetal_lb.model.net import AddressRange, Family, RangeError, family_of, parse_address
from baremetal_lb.model.problem import Problem
from baremetal_lb.model.reasons import Reason
from baremetal_lb.model.roster import Member, Roster
from baremetal_lb.model.views import EntryService, LeaseView, LedgerEntry, ServiceView
from baremetal_lb.settle.cluster import ClusterObjects

GROUPS: Mapping[str, tuple[str, ...]] = {
    "Service": ("v1",),
    "Node": ("v1",),
    "Namespace": ("v1",),
    "EndpointSlice": ("discovery.k8s.io/v1", "discovery.k8s.io/v1beta1"),
    "Lease": ("coordination.k8s.io/v1", "coordination.k8s.io/v1beta1"),
    "ServiceCIDR": ("networking.k8s.io/v1", "networking.k8s.io/v1beta1"),
}
"""Kinds of Kubernetes that are read, in these versions."""
CLUSTER_SCOPED = frozenset({"Node", "Namespace", "ServiceCIDR"})
MEMBER_ANNOTATION = "member"
UID_MAX = 64
PROTOCOLS = frozenset({"TCP", "UDP", "SCTP"})
NAME_LABEL = "kubernetes.io/metadata.name"
HOSTNAME_LABEL = "kubernetes.io/hostname"

V = TypeVar("V")


class InputReason(Reason):
    """What can be wrong with objects that are not ours."""

    Unreadable = "The object cannot be read."
    Impossible = "No API server would take this value."
    DuplicateObject = "Another object of the input has the same kind and name; this one is not used."
    MalformedFacts = "The speaker's facts in the Lease cannot be read; the node counts as serving with all interfaces."


@dataclass(frozen=True, slots=True)
class OfflineCluster:
    """What the manifests say."""

    cluster: ClusterObjects
    compiled: Compiled
    problems: tuple[tuple[Problem, int], ...]
    """Each with the place of its object in the input; by object and field."""
    keys: Mapping[int, ObjectRef]
    """Kind and name of the objects that were read, by their place in the input."""
    leases: tuple[LeaseView, ...] = ()
    """Of the namespace of the install: those of speakers, and the one that controllers elect by."""


def fallback_uid(key: ObjectKey) -> str:
    """Return the uid of a Service whose manifest has none."""
    return f"offline-{hashlib.sha256(str(key).encode()).hexdigest()[:32]}"


def read_cluster(
    objects: Sequence[Mapping[str, Any]], *, identity: Identity, namespace: str, owner: str, is_owner_known: bool = False
) -> OfflineCluster:
    """Read all objects; those of other kinds are ignored.

    ``is_owner_known``: the objects are a running cluster's, whose entries say truly which install's they are.
    """
    reader = _Reader([dict(manifest) if isinstance(manifest, Mapping) else {} for manifest in objects], identity, namespace)
    nodes = tuple(reader.views("Node", NODE).values())
    services = {key: replace(view, uid=view.uid or fallback_uid(key)) for key, view in reader.services().items()}
    judged = [_with_ids(manifest, owner) for manifest in reader.manifests]
    compiled = compile_objects(judged, identity=identity, namespace=namespace, nodes=nodes)
    reader.problems += zip(compiled.problems, compiled.origins, strict=True)
    entries = {entry.address: entry for entry in reader.views("IPAllocation", IP_ALLOCATION).values()}
    cluster = ClusterObjects(
        configuration=compiled.configuration,
        services=tuple(services.values()),
        entries=tuple(entries.values() if is_owner_known else (_our_entry(entry, services, owner) for entry in entries.values())),
        slices=tuple(reader.views("EndpointSlice", ENDPOINT_SLICE).values()),
        nodes=nodes,
        namespaces=reader.namespaces({key.namespace for key in services}),
        service_cidrs=tuple(reader.service_cidrs()),
        roster=reader.roster([node.name for node in nodes]),
    )
    problems = sorted(reader.problems, key=lambda found: (found[0].object, found[0].field, found[0].reason.name, found[1]))
    return OfflineCluster(cluster, compiled, tuple(problems), reader.keys, tuple(reader.leases))


class _Reader:
    """Turns manifests into views, and collects problems."""

    def __init__(self, manifests: list[dict[str, Any]], identity: Identity, namespace: str) -> None:
        self.manifests = manifests
        self.problems: list[tuple[Problem, int]] = []
        self.keys: dict[int, ObjectRef] = {}
        self._identity, self._namespace = identity, namespace
        self.leases: list[LeaseView] = []

    def views(self, name: str, kind: Kind[Any, V]) -> dict[ObjectKey, V]:
        """Return the views of all objects of a kind that can be read, by key."""
        found: dict[ObjectKey, V] = {}
        for place, manifest in enumerate(self.manifests):
            if manifest.get("kind") != name or not self._is_meant(name, manifest):
                continue
            manifest = self._completed(name, manifest)  # noqa: PLW2901 - the same object with its defaults
            try:
                view = kind.from_manifest(manifest, self._identity)
            except DecodeError as error:
                # The ledger's own kind is judged by compile(), which says more.
                if name != "IPAllocation":
                    self._report(place, error.ref, error.field, InputReason.Unreadable, error.message)
                continue
            metadata = manifest["metadata"]
            key = ObjectKey(metadata.get("namespace") or "", metadata["name"])
            ref = ObjectRef(name, key)
            if not key.name:
                self._report(place, ref, "metadata.name", InputReason.Unreadable, "It has no name.")
            elif key in found:
                self._report(place, ref, "metadata.name", InputReason.DuplicateObject)
            else:
                found[key], self.keys[place] = view, ref
        return found

    def services(self) -> dict[ObjectKey, ServiceView]:
        """Return the Services that an API server would have taken."""
        found = self.views("Service", SERVICE)
        places = {ref.key: place for place, ref in self.keys.items() if ref.kind == "Service"}
        for key, view in list(found.items()):
            field = _impossible_field(view)
            if field is not None:
                self._report(places[key], ObjectRef("Service", key), field, InputReason.Impossible)
                del found[key], self.keys[places[key]]
        return found

    def namespaces(self, used: Iterable[str]) -> dict[str, dict[str, str]]:
        """Return the labels of all namespaces, given or used, with the one that the API server gives to each."""
        labels: dict[str, Mapping[str, str]] = {name: {} for name in used}
        labels.update({view.name: view.labels for view in self.views("Namespace", NAMESPACE).values()})
        return {name: {NAME_LABEL: name, **given} for name, given in labels.items()}

    def service_cidrs(self) -> Iterable[AddressRange]:
        """Return the CIDRs of all ServiceCIDRs; a text that is none is told."""
        for place, manifest in enumerate(self.manifests):
            if manifest.get("kind") != "ServiceCIDR" or not self._is_meant("ServiceCIDR", manifest):
                continue
            spec = manifest.get("spec")
            texts = spec.get("cidrs") if isinstance(spec, Mapping) else None
            metadata = manifest.get("metadata")
            name = metadata.get("name") if isinstance(metadata, Mapping) else None
            for index, text in enumerate(texts if isinstance(texts, list) else ()):
                try:
                    yield AddressRange.parse(str(text))
                except RangeError as error:
                    ref = ObjectRef("ServiceCIDR", ObjectKey("", str(name)))
                    self._report(place, ref, f"spec.cidrs[{index}]", InputReason.Unreadable, str(error))

    def roster(self, nodes: Iterable[str]) -> Roster:
        """Return the roster: every node serves with all interfaces, unless the Lease of its speaker says otherwise."""
        members = dict(Roster.of_nodes(nodes).members)
        leases = self.views("Lease", LEASE)
        places = {ref.key: place for place, ref in self.keys.items() if ref.kind == "Lease"}
        for key, lease in leases.items():
            if key.namespace != self._namespace:
                continue
            self.leases.append(lease)
            node = node_of_lease(key.name)
            if node is not None:
                members[node] = self._member(node, lease, places[key])
        return Roster(members)

    def _member(self, node: str, lease: LeaseView, place: int) -> Member:
        if not lease.holder:
            return Member(node, is_alive=False, is_serving=False)
        text = lease.annotations.get(self._identity.prefix + MEMBER_ANNOTATION)
        if text is None:
            return Member(node)
        try:
            facts = parse(text)
        except MalformedFacts as error:
            ref = ObjectRef("Lease", lease.key)
            field = f"metadata.annotations[{self._identity.prefix}{MEMBER_ANNOTATION}]"
            self._report(place, ref, field, InputReason.MalformedFacts, str(error), is_fatal=False)
            return Member(node)
        return Member(node, is_serving=facts.is_serving, incarnation=facts.incarnation, interfaces=facts.interfaces)

    def _is_meant(self, name: str, manifest: Mapping[str, Any]) -> bool:
        """Tell whether the object is of the group that we mean; an absent apiVersion is taken as meant."""
        version = manifest.get("apiVersion")
        if name in GROUPS:
            return version is None or version in GROUPS[name]
        return isinstance(version, str) and version.startswith(f"{KIND_BY_NAME[name].group(self._identity)}/")

    def _completed(self, name: str, manifest: dict[str, Any]) -> dict[str, Any]:
        """Return the manifest with what an API server would have filled in, as far as reading needs it."""
        metadata = manifest.get("metadata")
        metadata = dict(metadata) if isinstance(metadata, Mapping) else {}
        metadata.setdefault("name", "")
        if name in GROUPS and name not in CLUSTER_SCOPED:
            metadata["namespace"] = metadata.get("namespace") or (self._namespace if name == "Lease" else "default")
        completed = {**manifest, "metadata": metadata}
        if name == "EndpointSlice":
            completed["addressType"] = manifest.get("addressType") or _address_type(manifest)
            if manifest.get("apiVersion") == "discovery.k8s.io/v1beta1":
                completed["endpoints"] = _with_nodes(manifest.get("endpoints"))
        return completed

    def _report(self, place: int, ref: ObjectRef, field: str, reason: InputReason, detail: str = "", *, is_fatal: bool = True) -> None:
        self.problems.append((Problem(ref, field, reason, f"{reason.sentence} {detail}".rstrip(), is_fatal), place))


def _with_ids(manifest: dict[str, Any], owner: str) -> dict[str, Any]:
    """Return a ledger entry with the ids that whoever writes one by hand need not know: owner, and the users' uids."""
    spec = manifest.get("spec")
    if manifest.get("kind") != "IPAllocation" or not isinstance(spec, Mapping):
        return manifest
    users = spec.get("services")
    if isinstance(users, list):
        users = [{"uid": "", **user} if isinstance(user, Mapping) else user for user in users]
    return {**manifest, "spec": {**spec, "owner": spec.get("owner") or owner, **({"services": users} if users else {})}}


def _our_entry(entry: LedgerEntry, services: Mapping[ObjectKey, ServiceView], owner: str) -> LedgerEntry:
    """Return the entry with our owner if it is ours, and with the uids of the Services that it can only mean by name."""
    is_ours = entry.owner in ("", owner) or any(user.key in services for user in entry.services)
    users = tuple(_our_user(user, services) for user in entry.services)
    return replace(entry, services=users, owner=owner if is_ours else entry.owner)


def _our_user(user: EntryService, services: Mapping[ObjectKey, ServiceView]) -> EntryService:
    service = services.get(user.key)
    if service is None:
        return user if user.uid else replace(user, uid=fallback_uid(user.key))
    return replace(user, uid=service.uid) if not user.uid or service.uid == fallback_uid(user.key) else user


def _with_nodes(endpoints: object) -> object:
    """Return endpoints with the nodeName that v1beta1 may say as a topology label only."""
    if not isinstance(endpoints, list):
        return endpoints
    named: list[object] = []
    for endpoint in endpoints:
        topology = endpoint.get("topology") if isinstance(endpoint, Mapping) else None
        hostname = topology.get(HOSTNAME_LABEL) if isinstance(topology, Mapping) else None
        named.append(endpoint if hostname is None or endpoint.get("nodeName") else {**endpoint, "nodeName": hostname})
    return named


def _address_type(endpoint_slice: Mapping[str, Any]) -> str:
    """Return the family of the first address of a slice that does not say it."""
    try:
        address = parse_address(endpoint_slice["endpoints"][0]["addresses"][0])
    except (KeyError, IndexError, TypeError, ValueError):
        return Family.IPV4.value
    return family_of(address).value


def _impossible_field(service: ServiceView) -> str | None:
    """Return the field of a Service that has a value which the ledger cannot record, since no API server would have taken it."""
    for field, text, length in (
        ("metadata.name", service.key.name, NAME_MAX),
        ("metadata.namespace", service.key.namespace, LABEL_MAX),
        ("metadata.uid", service.uid, UID_MAX),
    ):
        if len(text) > length:
            return field
    for index, port in enumerate(service.ports):
        if not 0 < port.number < 65536:
            return f"spec.ports[{index}].port"
        if port.protocol not in PROTOCOLS:
            return f"spec.ports[{index}].protocol"
    return None
