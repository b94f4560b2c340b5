"""CustomResourceDefinitions (apiextensions.k8s.io/v1), generated from the models and the table of kinds.

The YAML under ``deploy/crds/<identity>/`` is this module's output; a test fails when it is stale. Conversion between the versions of
BGPPeer is None: fields have the same names in both.
"""

from typing import Any

from baremetal_lb.api import yaml_writer
from baremetal_lb.api.kinds import CATEGORY, KINDS, Column, Kind, Version
from baremetal_lb.api.structural import structural_schema
from baremetal_lb.model.ids import Identity

FRAME = {
    "apiVersion": {"type": "string", "description": "API group and version of the object."},
    "kind": {"type": "string", "description": "Kind of the object."},
    "metadata": {"type": "object"},
}


def render(identity: Identity) -> list[dict[str, Any]]:
    """Return the definitions of all kinds under an identity, by name."""
    return sorted((_definition(kind, identity) for kind in KINDS), key=lambda crd: str(crd["metadata"]["name"]))


def _definition(kind: Kind, identity: Identity) -> dict[str, Any]:
    group = kind.group(identity)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{kind.plural}.{group}",
            "labels": {"app.kubernetes.io/name": "baremetal-lb", "app.kubernetes.io/part-of": "baremetal-lb"},
        },
        "spec": {
            "group": group,
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": kind.name.lower(),
                "categories": [CATEGORY],
                **({"shortNames": list(kind.short_names)} if kind.short_names else {}),
            },
            "scope": "Cluster" if kind.is_cluster_scoped else "Namespaced",
            "conversion": {"strategy": "None"},
            "versions": [
                _version(kind, version, is_stored=version is kind.versions[0])
                for version in sorted(kind.served(identity), key=lambda version: version.name)
            ],
        },
    }


def _version(kind: Kind, version: Version, *, is_stored: bool) -> dict[str, Any]:
    schema = structural_schema(version.model)
    schema["properties"] = {**FRAME, **schema["properties"]}
    return {
        "name": version.name,
        "served": True,
        "storage": is_stored,
        **({"deprecated": True, "deprecationWarning": version.deprecation} if version.deprecation else {}),
        "schema": {"openAPIV3Schema": schema},
        **({"subresources": {"status": {}}} if kind.has_status else {}),
        "additionalPrinterColumns": [_column(column) for column in kind.columns],
    }


def _column(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "type": column.type,
        "jsonPath": column.path,
        "description": column.description,
        **({"priority": column.priority} if column.priority else {}),
    }


def to_yaml(documents: list[dict[str, Any]]) -> str:
    """Return the documents as YAML, one after the other, in the order of their fields and without anchors."""
    return yaml_writer.to_yaml(*documents, width=120, explicit_start=True)


def file_name(crd: dict[str, Any]) -> str:
    """Return the name of the file that a definition is kept in."""
    return f"{crd['metadata']['name']}.yaml"
