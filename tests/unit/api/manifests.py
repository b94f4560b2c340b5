"""Manifests for tests of compile, as short as they can be written."""

from collections.abc import Iterable

from baremetal_lb.api.compile import Compiled, compile_objects
from baremetal_lb.model.ids import BAREMETAL_LB
from baremetal_lb.model.views import NodeView

NAMESPACE = "baremetal-lb-system"


def manifest(
    kind, name, spec=None, *, age=None, labels=None, version=None, group="baremetal-lb.io", namespace=NAMESPACE, status=None, generation=1
):
    """Make an object. ``age``: seconds after some moment at which it was made; None: not made yet."""
    version = version or ("v1beta2" if kind == "BGPPeer" else "v1beta1")
    metadata = {"name": name, "namespace": namespace, "generation": generation}
    if age is not None:
        metadata["creationTimestamp"] = f"2026-01-01T00:00:{age:02d}Z"
    if labels is not None:
        metadata["labels"] = labels
    made = {"apiVersion": f"{group}/{version}", "kind": kind, "metadata": metadata}
    if spec is not None:
        made["spec"] = spec
    if status is not None:
        made["status"] = status
    return made


def pool(name="blue", *addresses, age=None, labels=None, status=None, generation=1, **spec):
    spec = {"addresses": list(addresses) or ["203.0.113.0/24"], **spec}
    return manifest("IPAddressPool", name, spec, age=age, labels=labels, status=status, generation=generation)


def l2(name="l2", **spec):
    return manifest("L2Advertisement", name, spec or None)


def adv(name="adv", age=None, status=None, **spec):
    return manifest("BGPAdvertisement", name, spec or None, age=age, status=status)


def peer(name="router", age=None, status=None, **spec):
    defaults = {"myASN": 64500, "peerASN": 64501, "peerAddress": "198.51.100.1"}
    return manifest("BGPPeer", name, {k: v for k, v in {**defaults, **spec}.items() if v is not None}, age=age, status=status)


def community(name="names", age=None, **aliases):
    return manifest("Community", name, {"communities": [{"name": k, "value": v} for k, v in aliases.items()]}, age=age)


def profile(name="fast", **spec):
    return manifest("BFDProfile", name, spec or None)


def reservation(name="kept", *addresses, age=None, namespace="shop", **spec):
    return manifest("IPReservation", name, {"addresses": list(addresses), "namespace": namespace, **spec}, age=age, namespace=None)


def secret(name="key", *, type="kubernetes.io/basic-auth", data=None):  # noqa: A002  # the field's name
    made = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": NAMESPACE}, "type": type}
    return made if data is None else {**made, "data": data}


def accepted(spec, generation=1):
    """Make a status in which this spec was accepted."""
    return {"lastAccepted": {"generation": generation, "spec": spec}}


def node(name, **labels):
    return NodeView(name, labels)


def run(*objects, nodes: Iterable[NodeView] = (), identity=BAREMETAL_LB, namespace=NAMESPACE, **options) -> Compiled:
    return compile_objects(objects, identity=identity, namespace=namespace, nodes=nodes, **options)


def fatal(result: Compiled) -> list[tuple[str, str, str]]:
    """Return (Kind/name, field, reason) of the fatal problems."""
    return [_short(problem) for problem in result.problems if problem.is_fatal]


def told(result: Compiled) -> list[tuple[str, str, str]]:
    """Return (Kind/name, field, reason) of the problems that are not fatal."""
    return [_short(problem) for problem in result.problems if not problem.is_fatal]


def _short(problem):
    return f"{problem.object.kind}/{problem.object.key.name}", problem.field, problem.reason.name
