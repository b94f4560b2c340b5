"""DELETE: preconditions, finalizers, and what goes with a Namespace or a definition.

With finalizers an object only gets its deletion mark; it goes with the last of them (``Writing`` then calls ``remove``). Deleting a
Namespace deletes what is in it, deleting a definition what it defines. Owner references are not followed (in a real cluster
kube-controller-manager does that).
"""

from collections.abc import Callable, Iterable

from baremetal_lb.apiserver import errors
from baremetal_lb.apiserver.messages import Request, Response, json_response
from baremetal_lb.apiserver.resources import EXTENSIONS_GROUP, Object, Resource
from baremetal_lb.apiserver.store import Storage, Store
from baremetal_lb.apiserver.targets import Target, answer, body_of, view_of
from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.rfc3339 import format_time

NAMESPACES: Storage = ("", "namespaces")
DEFINITIONS: Storage = (EXTENSIONS_GROUP, "customresourcedefinitions")
_PERMANENT = ("default", "kube-system", "kube-public", "kube-node-lease")
_RETURNED_WHEN_DELETED = ("services", "pods", "serviceaccounts")


class Deleting:
    """All that ends objects."""

    def __init__(
        self, store: Store, *, resources: Callable[[], Iterable[Resource]], on_definition: Callable[[str, Object | None], None]
    ) -> None:
        self._store, self._resources, self._on_definition = store, resources, on_definition

    def delete(self, target: Target, request: Request, *, now: int) -> Response:
        """Delete one object."""
        old = self._store.get(target.resource.storage, target.key)
        if old is None:
            raise target.not_found()
        # The options are in the body, or else in the query: what stands in the query beside a body is overlooked.
        options: Object = body_of(request, target.resource) if request.body.strip() else {"dryRun": request.query.get("dryRun")}
        for name, field, title in (("uid", "uid", "UID"), ("resourceVersion", "resourceVersion", "ResourceVersion")):
            wanted = (options.get("preconditions") or {}).get(name)
            if wanted is not None and wanted != old["metadata"][field]:
                why = f"the {title} in the precondition ({wanted}) does not match the {title} in record ({old['metadata'][field]})"
                raise target.conflict(why)
        if target.resource.storage == NAMESPACES and target.name in _PERMANENT:
            raise errors.forbidden("", "namespaces", target.name, "this namespace may not be deleted")
        if options.get("dryRun"):
            return _deleted(target, request, old, now=now)
        last, is_gone = self._delete_one(target.resource.storage, target.key, now)
        return _deleted(target, request, last, now=now) if is_gone else answer(target, request, last, now=now)

    def delete_collection(self, target: Target, request: Request, selected: list[Object], *, now: int) -> Response:
        """Delete what is selected in one namespace (or of a cluster-scoped kind)."""
        if target.resource.is_namespaced and not target.namespace:
            raise errors.method_not_allowed("the server does not allow this method on the requested resource: name a namespace")
        for value in selected:
            self._delete_one(target.resource.storage, ObjectKey(target.namespace, value["metadata"]["name"]), now)
        return json_response(view_of(request, target.resource).many(selected, {"resourceVersion": str(self._store.revision)}, now=now))

    def _delete_one(self, storage: Storage, key: ObjectKey, now: int) -> tuple[Object, bool]:
        """Delete or mark as being deleted; return the last state and whether it is gone."""
        value = self._store.get(storage, key)
        if value is None:
            raise errors.not_found(*storage, key.name)
        if not value["metadata"].get("finalizers") and storage != NAMESPACES:
            return self.remove(storage, key, value), True
        if not value["metadata"].get("deletionTimestamp"):
            metadata = {**value["metadata"], "deletionTimestamp": format_time(now), "deletionGracePeriodSeconds": 0}
            if "generation" in metadata:
                metadata["generation"] += 1
            value = {**value, "metadata": metadata}
            if storage == NAMESPACES:
                value["status"] = {**value["status"], "phase": "Terminating"}
            value = self._store.put(storage, key, value)
            if storage == NAMESPACES:
                self._empty_namespace(key.name, now)
        return value, False

    def _empty_namespace(self, namespace: str, now: int) -> None:
        for storage in dict.fromkeys(resource.storage for resource in self._resources() if resource.is_namespaced):
            for key in [key for key, _ in self._store.items(storage) if key.namespace == namespace]:
                self._delete_one(storage, key, now)
        self._finish_namespace(namespace)

    def _finish_namespace(self, namespace: str) -> None:
        """Remove a namespace that is being deleted once nothing is left in it."""
        value = self._store.get(NAMESPACES, ObjectKey("", namespace))
        if value is None or not value["metadata"].get("deletionTimestamp") or value["metadata"].get("finalizers"):
            return
        storages = {resource.storage for resource in self._resources() if resource.is_namespaced}
        if not any(key.namespace == namespace for storage in storages for key, _ in self._store.items(storage)):
            self._store.remove(NAMESPACES, ObjectKey("", namespace), value)

    def remove(self, storage: Storage, key: ObjectKey, last: Object) -> Object:
        """Remove an object now, and what goes with it; return its last state."""
        if storage == DEFINITIONS:
            defined = (last["spec"]["group"], last["spec"]["names"]["plural"])
            for below, value in list(self._store.items(defined)):
                self._store.remove(defined, below, value)
        last = self._store.remove(storage, key, last)
        if storage == DEFINITIONS:
            self._on_definition(key.name, None)
        elif key.namespace:
            namespace = self._store.get(NAMESPACES, ObjectKey("", key.namespace))
            if namespace is not None and namespace["metadata"].get("deletionTimestamp"):
                self._finish_namespace(key.namespace)
        return last


def _deleted(target: Target, request: Request, last: Object, *, now: int) -> Response:
    if target.resource.plural in _RETURNED_WHEN_DELETED and not target.resource.is_custom:
        return answer(target, request, last, now=now)
    details = {"name": target.name, "group": target.resource.group, "kind": target.resource.plural, "uid": last["metadata"]["uid"]}
    details = {name: value for name, value in details.items() if value}
    return json_response({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
