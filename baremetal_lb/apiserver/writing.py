"""CREATE, UPDATE, PATCH and APPLY: the rules that hold for every kind.

create   name or generateName, uid, time, generation 1; a status is dropped where the kind has the subresource
update   resourceVersion and uid, when given, must be the present ones; identity and deletion marks are the server's
status   the subresource changes the status alone, of Kubernetes' own kinds labels and annotations too; the main resource never does
no-op    what changes nothing is not written: no revision, no event
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

import msgspec

from baremetal_lb.apiserver import errors, patches
from baremetal_lb.apiserver.deleting import DEFINITIONS, NAMESPACES, Deleting
from baremetal_lb.apiserver.errors import Cause
from baremetal_lb.apiserver.kinds import prepare, problems, shown, stored
from baremetal_lb.apiserver.messages import Request, Response
from baremetal_lb.apiserver.ownership import Applied, Writer, after_update, apply
from baremetal_lb.apiserver.resources import Object
from baremetal_lb.apiserver.schema import defaulted, pruned
from baremetal_lb.apiserver.services import ServiceNetworks
from baremetal_lb.apiserver.store import Storage, Store
from baremetal_lb.apiserver.targets import Target, answer, body_of, checked
from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.rfc3339 import format_time

MAXIMUM_OBJECT = 1_500_000
"""Bytes of one object as JSON; etcd's limit."""
MAXIMUM_EVENTS = 5_000
"""Events kept; the oldest goes (the real server drops them after an hour)."""
_APPLY = "application/apply-patch+yaml"
_STRATEGIC = "application/strategic-merge-patch+json"
_PATCHES = ("application/json-patch+json", "application/merge-patch+json", _APPLY)
_MAPS = ("data", "binaryData")
"""Not shown when empty, as Go writes them."""
_SERVERS_OWN = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "managedFields",
    "name",
    "namespace",
)


class Writing:
    """All that changes objects."""

    def __init__(
        self,
        store: Store,
        deleting: Deleting,
        *,
        new_uid: Callable[[], str],
        networks: ServiceNetworks,
        on_definition: Callable[[str, Object | None], None],
    ) -> None:
        self._store, self._deleting = store, deleting
        self._new_uid, self._networks, self._on_definition = new_uid, networks, on_definition

    def post(self, target: Target, request: Request, *, now: int) -> Response:
        """Create."""
        value = self.create(target, body_of(request, target.resource), request, now=now)
        return answer(target, request, value, 201, now=now)

    def create(self, target: Target, body: Object, request: Request, *, now: int, applied: Applied | None = None) -> Object:
        """Create an object from a body and return it as stored."""
        resource = target.resource
        new = checked(body, target)
        metadata = {name: item for name, item in new["metadata"].items() if name not in _SERVERS_OWN}
        if metadata.pop("resourceVersion", None):
            raise errors.Refusal(500, "", "resourceVersion should not be set on objects to be created")
        if resource.is_namespaced and not target.namespace:
            raise errors.method_not_allowed("the server does not allow this method on the requested resource: name a namespace")
        uid = self._new_uid()
        name = new["metadata"].get("name") or (f"{metadata['generateName']}{uid[:5]}" if metadata.get("generateName") else "")
        if not name:
            raise target.invalid([Cause("metadata.name", "Required value: name or generateName is required", "FieldValueRequired")])
        target = replace(target, name=name)
        self._check_namespace(target)
        if self._store.get(resource.storage, target.key) is not None:
            raise errors.already_exists(resource.group, resource.plural, name)
        metadata |= {"name": name, "uid": uid, "creationTimestamp": format_time(now)}
        if resource.is_namespaced:
            metadata["namespace"] = target.namespace
        if resource.has_generation:
            metadata["generation"] = 1
        new = {**new, "metadata": metadata}
        if resource.has_status and resource.is_status_dropped_at_create:
            new.pop("status", None)
        return self._commit(target, request, None, new, applied, now=now)

    def _check_namespace(self, target: Target) -> None:
        if not target.resource.is_namespaced:
            return
        namespace = self._store.get(NAMESPACES, ObjectKey("", target.namespace))
        if namespace is None:
            raise errors.not_found("", "namespaces", target.namespace)
        if namespace["metadata"].get("deletionTimestamp"):
            why = f"unable to create new content in namespace {target.namespace} because it is being terminated"
            cause = Cause("metadata.namespace", f"namespace {target.namespace} is being terminated", "NamespaceTerminating")
            raise errors.forbidden(target.resource.group, target.resource.plural, target.name, why, [cause])

    def _present(self, target: Target) -> Object:
        value = self._store.get(target.resource.storage, target.key)
        if value is None:
            raise target.not_found()
        return value

    def put(self, target: Target, request: Request, *, now: int) -> Response:
        """Update."""
        body = checked(body_of(request, target.resource), target)
        old = self._present(target)
        uid = body["metadata"].get("uid", old["metadata"]["uid"])
        if uid != old["metadata"]["uid"]:
            raise target.conflict(f"Precondition failed: UID in precondition: {uid}, UID in object meta: {old['metadata']['uid']}")
        if not body["metadata"].get("resourceVersion") and not target.resource.allows_unconditional_update:
            raise target.invalid([Cause("metadata.resourceVersion", "Invalid value: 0: must be specified for an update")])
        return answer(target, request, self._update(target, request, old, body, now=now), now=now)

    def patch(self, target: Target, request: Request, *, now: int) -> Response:
        """Patch, by the content type; server-side apply creates what is not there."""
        content_type = request.content_type.partition(";")[0].strip()
        accepted = _PATCHES if target.resource.is_custom else (*_PATCHES, _STRATEGIC)
        if content_type not in accepted:
            raise errors.unsupported_media_type(content_type, accepted)
        if content_type == _APPLY:
            return self._apply(target, request, now=now)
        old = self._present(target)
        seen, change = shown(target.resource, old), msgspec.json.decode(request.body)
        if content_type == _STRATEGIC:
            new = patches.strategic_merge_patch(seen, change, target.resource.shape)
        else:
            new = (patches.merge_patch if content_type == _PATCHES[1] else patches.json_patch)(seen, change)
        if not isinstance(new, dict) or not isinstance(new.get("metadata"), dict):
            raise errors.bad_request("the patch leaves no object")
        if new["metadata"].get("uid") != old["metadata"]["uid"]:
            raise target.invalid([Cause("metadata.uid", f'Invalid value: "{new["metadata"].get("uid")}": field is immutable')])
        value = self._update(target, request, old, checked(new, target), now=now)
        return answer(target, request, value, now=now)

    def _apply(self, target: Target, request: Request, *, now: int) -> Response:
        if not request.query.get("fieldManager"):
            raise errors.bad_request("PatchOptions.meta.k8s.io is invalid: fieldManager: Required value: is required for apply patch")
        body = checked({"kind": "", "apiVersion": "", **body_of(request, target.resource)}, target)
        if body["metadata"].get("managedFields"):
            raise errors.bad_request("metadata.managedFields must be nil")
        old = self._store.get(target.resource.storage, target.key)
        uid = body["metadata"].get("uid")
        present = old["metadata"]["uid"] if old else ""
        if uid and uid != present:
            raise target.conflict(f"Precondition failed: UID in precondition: {uid}, UID in object meta: {present}")
        live = old or {**body, "metadata": {"name": target.name}}
        applied = apply(live, body, self._writer(target, request, "Apply", now), target.resource.shape, target.ignored)
        if applied.conflicts and not request.asks("force"):
            count = f"{len(applied.conflicts)} conflict{'s' if len(applied.conflicts) > 1 else ''}"
            listed = "\n".join(f"- {cause.field}" for cause in applied.conflicts)
            refusal = target.conflict("")
            refusal.message = f"Apply failed with {count}: {applied.conflicts[0].message}:\n{listed}"
            refusal.details = {"causes": [{"reason": c.reason, "message": c.message, "field": c.field} for c in applied.conflicts]}
            raise refusal
        if old is None:
            value = self.create(
                replace(target, name=""),
                {**applied.value, "metadata": {**body["metadata"], "name": target.name}},
                request,
                now=now,
                applied=applied,
            )
            return answer(target, request, value, 201, now=now)
        revision = body["metadata"].get("resourceVersion", old["metadata"]["resourceVersion"])
        new = {**applied.value, "metadata": {**(applied.value.get("metadata") or {}), "resourceVersion": revision}}
        return answer(target, request, self._update(target, request, old, new, now=now, applied=applied), now=now)

    def _writer(self, target: Target, request: Request, operation: str, now: int) -> Writer:
        manager = request.query.get("fieldManager") or request.user_agent.partition("/")[0] or "unknown"
        return Writer(manager, operation, target.subresource, target.resource.api_version, format_time(now))

    def _update(self, target: Target, request: Request, old: Object, new: Object, *, now: int, applied: Applied | None = None) -> Object:
        if new["metadata"].get("resourceVersion", old["metadata"]["resourceVersion"]) != old["metadata"]["resourceVersion"]:
            raise target.conflict(errors.STALE)
        metadata = {**new["metadata"], **{name: old["metadata"][name] for name in _SERVERS_OWN if name in old["metadata"]}}
        for name in _SERVERS_OWN:
            if name not in old["metadata"]:
                metadata.pop(name, None)
        if target.subresource == "status":
            metadata = old["metadata"] if target.resource.is_custom else metadata
            rest = {name: value for name, value in old.items() if name != "status"}
            new = {**rest, "metadata": metadata, **({"status": new["status"]} if new.get("status") is not None else {})}
        else:
            new = {**new, "metadata": metadata}
            if target.resource.has_status:
                new.pop("status", None)
                new |= {"status": old["status"]} if "status" in old else {}
        return self._commit(target, request, old, new, applied, now=now)

    def _commit(self, target: Target, request: Request, old: Object | None, new: Object, applied: Applied | None, *, now: int) -> Object:
        """Fill in, check and store a whole object; return it as stored (or as it would be, for a dry run)."""
        resource = target.resource
        if resource.schema is not None:
            unknown: list[str] = []
            new = defaulted(pruned(new, resource.schema, unknown), resource.schema)
            if unknown and request.query.get("fieldValidation") == "Strict":
                listed = ", ".join(f'unknown field "{path}"' for path in unknown)
                start = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: strict decoding error: '
                raise errors.bad_request(start + listed)
        new = {name: value for name, value in stored(resource, new).items() if value is not None and (value != {} or name not in _MAPS)}
        needs_ips = resource.storage == ("", "services") and (old is None or old["spec"] != new.get("spec"))
        used = self._cluster_ips(target.key) if needs_ips else ()
        time = format_time(now)
        new = prepare(resource, new, old, networks=self._networks, used=used, time=time)
        if causes := list(problems(resource, new, old, networks=self._networks, used=used)):
            raise target.invalid(causes)
        new["metadata"] = self._finished_metadata(target, request, old, new, applied, now=now)
        if old is not None and old == {**new, "metadata": {**new["metadata"], "resourceVersion": old["metadata"]["resourceVersion"]}}:
            return old
        if len(msgspec.json.encode(new)) > MAXIMUM_OBJECT:
            raise errors.too_large(MAXIMUM_OBJECT)
        if request.query.get("dryRun"):
            return {**new, "metadata": {"resourceVersion": "", **new["metadata"]}}
        is_free = not new["metadata"].get("finalizers") and (resource.storage != NAMESPACES or not new["spec"]["finalizers"])
        if old is not None and new["metadata"].get("deletionTimestamp") and is_free:
            return self._deleting.remove(resource.storage, target.key, new)
        value = self._store.put(resource.storage, target.key, new)
        self._after_put(resource.storage, value)
        return value

    def _finished_metadata(
        self, target: Target, request: Request, old: Object | None, new: Object, applied: Applied | None, *, now: int
    ) -> dict[str, Any]:
        metadata = {name: item for name, item in new["metadata"].items() if item not in ({}, [], None)}
        if old is not None and target.resource.has_generation and _essence(old) != _essence(new):
            metadata["generation"] = old["metadata"].get("generation", 0) + 1
        shape = target.resource.shape
        writer = self._writer(target, request, "Apply" if applied else "Update", now)
        new = {**new, "metadata": metadata}
        managed = applied.managed_fields(old, new, writer, shape) if applied else after_update(old, new, writer, shape, target.ignored)
        return {**metadata, **({"managedFields": managed} if managed else {})}

    def _cluster_ips(self, own: ObjectKey) -> Collection[str]:
        return {
            ip
            for key, service in self._store.items(("", "services"))
            if key != own
            for ip in service["spec"].get("clusterIPs") or ()
            if ip != "None"
        }

    def _after_put(self, storage: Storage, value: Object) -> None:
        if storage == DEFINITIONS:
            self._on_definition(value["metadata"]["name"], value)
        elif storage == ("", "events"):
            events = self._store.items(storage)
            if len(list(events)) > MAXIMUM_EVENTS:
                key, oldest = next(iter(events))
                self._store.remove(storage, key, oldest)


def _essence(value: Object) -> Object:
    """Return what ``metadata.generation`` counts the changes of."""
    return {name: item for name, item in value.items() if name not in ("metadata", "status", "kind", "apiVersion")}
