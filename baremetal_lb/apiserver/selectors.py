"""Label and field selectors as they stand in query strings (``app=web,tier in (a,b),!old``; ``metadata.name=x,status.phase!=Failed``)."""

import re
from collections.abc import Mapping
from typing import Any

from baremetal_lb.apiserver.errors import bad_request
from baremetal_lb.apiserver.resources import Object, Resource
from baremetal_lb.model.labels import LabelSelector, Operator, Requirement

_REQUIREMENT = re.compile(r"\s*(!?)\s*([A-Za-z0-9][\w./-]*)\s*(?:(==|=|!=)\s*([\w.-]*)|(in|notin)\s*\(([^)]*)\))?\s*")
_EVENT_FIELDS = {
    **{
        f"involvedObject.{name}": f"involvedObject.{name}"
        for name in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
    },
    "reason": "reason",
    "type": "type",
    "source": "source.component",
    "reportingComponent": "reportingComponent",
}
_FIELDS: Mapping[str, Mapping[str, str]] = {
    "services": {"spec.type": "spec.type", "spec.clusterIP": "spec.clusterIP"},
    "pods": {name: name for name in ("spec.nodeName", "spec.restartPolicy", "status.phase", "status.podIP", "spec.schedulerName")},
    "nodes": {"spec.unschedulable": "spec.unschedulable"},
    "namespaces": {"status.phase": "status.phase"},
    "secrets": {"type": "type"},
    "events": _EVENT_FIELDS,
}


def parse_labels(text: str) -> LabelSelector:
    """Parse ``labelSelector``.

    Raises:
        Refusal: 400.
    """
    requirements, at = [], 0
    while at < len(text):
        found = _REQUIREMENT.match(text, at)
        if found is None or (found.end() < len(text) and text[found.end()] != ","):
            raise bad_request(f"unable to parse requirement: {text!r} is no label selector")
        absent, key, sign, value, word, values = found.groups()
        if sign:
            requirements.append(Requirement(key, Operator.NOT_IN if sign == "!=" else Operator.IN, (value,)))
        elif word:
            listed = tuple(sorted(item.strip() for item in values.split(",")))
            requirements.append(Requirement(key, Operator.IN if word == "in" else Operator.NOT_IN, listed))
        else:
            requirements.append(Requirement(key, Operator.DOES_NOT_EXIST if absent else Operator.EXISTS))
        at = found.end() + 1
    return LabelSelector(
        tuple(sorted(requirements, key=lambda requirement: (requirement.key, requirement.operator.value, requirement.values)))
    )


def value_at(value: Any, path: str) -> Any:
    """Follow a path of names; None where it ends early."""
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


class Selector:
    """Labels and fields together, for one kind."""

    def __init__(self, resource: Resource, query: Mapping[str, str]) -> None:
        """Parse both.

        Raises:
            Refusal: 400, for a field that this kind cannot be selected by.
        """
        self._labels = parse_labels(query.get("labelSelector", ""))
        self._fields: list[tuple[str, str, bool]] = []
        known = {"metadata.name": "metadata.name", **_FIELDS.get(resource.storage[1] if not resource.is_custom else "", {})}
        if resource.is_namespaced:
            known["metadata.namespace"] = "metadata.namespace"
        for term in filter(None, query.get("fieldSelector", "").split(",")):
            found = re.fullmatch(r"([\w.]+)(==|=|!=)(.*)", term)
            if found is None:
                raise bad_request(f"invalid selector: '{term}'; can't understand '{term}'")
            # regarding.* is how events.k8s.io spells involvedObject.*
            name = found[1].replace("regarding.", "involvedObject.").replace("reportingController", "reportingComponent")
            if name not in known:
                raise bad_request(f'field label not supported: "{found[1]}"')
            self._fields.append((known[name], found[3], found[2] != "!="))

    def matches(self, value: Object | None) -> bool:
        """Tell whether an object is selected; None never is."""
        if value is None:
            return False
        if not self._labels.matches(value["metadata"].get("labels") or {}):
            return False
        return all((_text(value_at(value, path)) == wanted) is positive for path, wanted, positive in self._fields)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
