"""What an installation consists of, as Kubernetes objects.

    rendered/IDENTITY-MODE.yaml    the chart's output for each identity and mode (l2, bgp), made by `make manifests`, never by hand
    objects()                      one of them, for a namespace, an image and Secrets of one's own

The chart (deploy/helm) is the source; this is for whoever has no Helm. The rules of RBAC are those of ``kube/rights.py`` in both.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from baremetal_lb.kube.rights import speaker_rights
from baremetal_lb.model.ids import Identity

Object = dict[str, Any]
MODES = ("l2", "bgp")
RELEASE = "baremetal-lb"
SPEAKER = f"{RELEASE}-speaker"
_POD_SECURITY = "pod-security.kubernetes.io/"


def objects(identity: Identity, mode: str, *, namespace: str, image: str = "", secrets: Sequence[str] = ()) -> list[Object]:
    """Return all objects but the custom resource definitions, in the order in which they may be applied.

    ``image`` "" is the one of this version; ``secrets`` are those with passwords of BGPPeers.
    """
    made = [_namespace(namespace), *_rendered(identity.name, mode)]
    given = identity.default_namespace
    for item in made[1:]:
        if item["metadata"].get("namespace") == given:
            item["metadata"]["namespace"] = namespace
        for subject in item.get("subjects", ()):
            subject["namespace"] = namespace
        for container in _containers(item):
            container["image"] = image or container["image"]
        if item["kind"] == "Role" and item["metadata"]["name"] == SPEAKER:
            item["rules"] = [dict(rule) for rule in speaker_rights(identity, has_bgp=mode == "bgp", secrets=secrets).home]
    return made


def rendered_name(identity: str, mode: str) -> str:
    """Return the name of the file with the chart's output."""
    return f"{identity}-{mode}.yaml"


def _rendered(identity: str, mode: str) -> list[Object]:
    return list(yaml.safe_load_all(_text(rendered_name(identity, mode))))


@cache
def _text(name: str) -> str:
    return files(__name__).joinpath("rendered", name).read_text(encoding="utf-8")


def _containers(item: Object) -> Iterator[Object]:
    spec = item.get("spec", {}).get("template", {}).get("spec", {}) if item["kind"] in ("Deployment", "DaemonSet") else {}
    yield from spec.get("initContainers", ())
    yield from spec.get("containers", ())


def _namespace(name: str) -> Object:
    """Return the Namespace, with labels that are true: speakers are on the network of their nodes, and have NET_RAW."""
    labels = {f"{_POD_SECURITY}{mode}": "privileged" for mode in ("enforce", "audit", "warn")}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
