r"""ServiceL2Status objects of this node: what each should say, what it says, and the writes from one to the other. Pure.

One object per Service and node, under a name that both give: so nothing is made twice, and an object whose Service is gone is found by
its name alone. A custom resource with a status subresource takes its status in a second request, so a new object costs two writes.

    desired \ observed |  none             |  says so  |  says something else
    none               |  nothing          |  delete   |  delete
    some               |  create + status  |  nothing  |  status
"""

from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from typing import Any

import msgspec

from baremetal_lb.kube.records import DecodeError
from baremetal_lb.model.ids import Identity, ObjectKey, ObjectRef
from baremetal_lb.model.json_text import UNDECODABLE
from speaker.plan import L2Status

KIND = "ServiceL2Status"
NO_SERVICE = ObjectKey("", "")
LABEL_LIMIT = 63
_HASH_LENGTH = 10


class _Interface(msgspec.Struct):
    name: str = ""


class _Status(msgspec.Struct, rename="camel"):
    node: str = ""
    service_name: str = ""
    service_namespace: str = ""
    interfaces: list[_Interface] | None = None


class _Record(msgspec.Struct):
    status: _Status | None = None


_decode = msgspec.json.Decoder(_Record).decode


@dataclass(frozen=True, slots=True)
class StatusView:
    """What a status object says; all empty before its status was written."""

    node: str = ""
    service: ObjectKey = NO_SERVICE
    interfaces: tuple[str, ...] = ()


class StatusStep(Enum):
    """The write that is to come next."""

    NOTHING = "nothing"
    CREATE = "create"
    WRITE = "write"
    DELETE = "delete"


def status_view(data: bytes) -> StatusView:
    """Read an object.

    Raises:
        DecodeError: it is none of this kind.
    """
    try:
        status = _decode(data).status or _Status()
    except UNDECODABLE as error:
        raise DecodeError(ObjectRef(KIND, ObjectKey("", "")), "", str(error)) from None
    interfaces = tuple(interface.name for interface in status.interfaces or ())
    return StatusView(status.node, ObjectKey(status.service_namespace, status.service_name), interfaces)


def view_of(desired: L2Status, node: str) -> StatusView:
    """Return what an object is to say."""
    return StatusView(node, desired.service, desired.interfaces)


def next_step(desired: L2Status | None, observed: StatusView | None, *, node: str) -> StatusStep:
    """Return the next write, by the table above."""
    if desired is None:
        return StatusStep.NOTHING if observed is None else StatusStep.DELETE
    if observed is None:
        return StatusStep.CREATE
    return StatusStep.NOTHING if observed == view_of(desired, node) else StatusStep.WRITE


def label_value(text: str) -> str:
    """Return a text as a label's value: as it is where it fits, else shortened with a hash that keeps it distinct."""
    if len(text) <= LABEL_LIMIT:
        return text
    return f"{text[: LABEL_LIMIT - _HASH_LENGTH - 1]}-{sha256(text.encode()).hexdigest()[:_HASH_LENGTH]}"


def status_selector(identity: Identity, node: str) -> str:
    """Return the label selector of the objects of a node."""
    return f"{identity.prefix}node={label_value(node)}"


def status_manifest(desired: L2Status, name: str, *, identity: Identity, namespace: str, node: str) -> dict[str, Any]:
    """Return the object to create."""
    return {
        "apiVersion": f"{identity.group}/v1beta1",
        "kind": KIND,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {
                f"{identity.prefix}node": label_value(node),
                f"{identity.prefix}service-name": label_value(desired.service.name),
                f"{identity.prefix}service-namespace": label_value(desired.service.namespace),
            },
        },
        "spec": {},
    }


def status_patch(desired: L2Status, *, node: str) -> dict[str, Any]:
    """Return the merge patch of the status."""
    return {
        "status": {
            "node": node,
            "serviceName": desired.service.name,
            "serviceNamespace": desired.service.namespace,
            "interfaces": [{"name": name} for name in desired.interfaces],
        }
    }
