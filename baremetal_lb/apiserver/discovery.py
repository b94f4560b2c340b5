"""What a client asks before it asks for objects: groups, versions, resources, and as much OpenAPI as kubectl needs.

The OpenAPI documents name, for each kind, its PATCH operation and the query parameter ``fieldValidation``: that is how kubectl learns
that the server validates. There are no schemas in them, so ``kubectl explain`` has nothing to say.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from baremetal_lb.apiserver.resources import Resource

_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
_STATUS_VERBS = ["get", "patch", "update"]
AUTHORIZATION_GROUP = "authorization.k8s.io"


def _versions(resources: Iterable[Resource]) -> dict[str, list[str]]:
    """Return the versions of each named group, preferred one first (the order in which they were defined)."""
    found: dict[str, list[str]] = {AUTHORIZATION_GROUP: ["v1"]}
    for resource in resources:
        if resource.group and resource.version not in found.setdefault(resource.group, []):
            found[resource.group].append(resource.version)
    return found


def api_versions() -> dict[str, Any]:
    """Answer ``/api``."""
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def group_list(resources: Iterable[Resource]) -> dict[str, Any]:
    """Answer ``/apis``."""
    return {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [_group(name, versions) for name, versions in _versions(resources).items()],
    }


def group(name: str, resources: Iterable[Resource]) -> dict[str, Any] | None:
    """Answer ``/apis/GROUP``; None when there is no such group."""
    versions = _versions(resources).get(name)
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions)} if versions else None


def _group(name: str, versions: list[str]) -> dict[str, Any]:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def resource_list(group_version: str, resources: Iterable[Resource]) -> dict[str, Any] | None:
    """Answer ``/api/v1`` and ``/apis/GROUP/VERSION``; None when it is not served."""
    served = [entry for resource in resources if resource.api_version == group_version for entry in _entries(resource)]
    if group_version == f"{AUTHORIZATION_GROUP}/v1":
        kind = "SelfSubjectAccessReview"
        served = [{"name": f"{kind.lower()}s", "singularName": kind.lower(), "namespaced": False, "kind": kind, "verbs": ["create"]}]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": served} if served else None


def _entries(resource: Resource) -> Iterator[dict[str, Any]]:
    entry = {"name": resource.plural, "singularName": resource.singular, "namespaced": resource.is_namespaced, "kind": resource.kind}
    more = {"shortNames": list(resource.short_names), "categories": list(resource.categories)}
    yield {**entry, "verbs": _VERBS, **{name: value for name, value in more.items() if value}}
    if resource.has_status:
        yield {**entry, "name": f"{resource.plural}/status", "singularName": "", "verbs": _STATUS_VERBS}


def _path(group_version: str) -> str:
    return f"api{'s' if '/' in group_version else ''}/{group_version}"


def openapi_root(resources: Iterable[Resource], prefix: str) -> dict[str, Any]:
    """Answer ``/openapi/v3``; ``prefix`` is what the shell takes off the paths of requests."""
    paths = {_path(resource.api_version) for resource in resources}
    return {"paths": {path: {"serverRelativeURL": f"{prefix}/openapi/v3/{path}"} for path in sorted(paths)}}


def openapi_document(path: str, resources: Iterable[Resource]) -> dict[str, Any] | None:
    """Answer ``/openapi/v3/PATH``; None when that is not served."""
    paths = {}
    for resource in resources:
        if _path(resource.api_version) != path:
            continue
        parameters = [
            {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
            for name in ("dryRun", "fieldManager", "fieldValidation")
        ]
        named = {"group": resource.group, "version": resource.version, "kind": resource.kind}
        operation = {
            "operationId": f"patch{resource.kind}",
            "parameters": parameters,
            "responses": {},
            "x-kubernetes-action": "patch",
            "x-kubernetes-group-version-kind": named,
        }
        where = "namespaces/{namespace}/" if resource.is_namespaced else ""
        paths[f"/{path}/{where}{resource.plural}/{{name}}"] = {"patch": operation}
    return {"openapi": "3.0.0", "info": {"title": "baremetal-lb", "version": "0"}, "paths": paths} if paths else None
