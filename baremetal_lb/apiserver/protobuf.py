r"""Reads the few objects that kubectl sends as protobuf whatever the server says: ``kubectl create namespace|service|secret|...``.

Its imperative commands use typed clients that write ``application/vnd.kubernetes.protobuf`` and do not fall back. The envelope is the four
bytes ``k8s\0`` and a runtime.Unknown; the messages below name the fields that those commands fill (numbers from generated.proto of
k8s.io/api). Everything else is JSON here: answers always are, and any other protobuf body is refused with 415.
"""

from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any

from baremetal_lb.apiserver.errors import Refusal, bad_request, unsupported_media_type
from baremetal_lb.apiserver.resources import Object
from baremetal_lb.model.rfc3339 import format_time
from baremetal_lb.model.time import SECOND

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"


def _message(text: str) -> Mapping[int, tuple[str, str]]:
    """Read ``number name type``; types: s text, b bytes, i number, t truth, T time, x int-or-string, m map, n map of bytes, * repeated."""
    words = text.split()
    return {int(words[i]): (words[i + 1], words[i + 2]) for i in range(0, len(words), 3)}


_MESSAGES: Mapping[str, Mapping[int, tuple[str, str]]] = {
    "ObjectMeta": _message(
        "1 name s 2 generateName s 3 namespace s 5 uid s 6 resourceVersion s 8 creationTimestamp T 11 labels m 12 annotations m"
        " 13 ownerReferences *OwnerReference 14 finalizers *s"
    ),
    "OwnerReference": _message("1 kind s 3 name s 4 uid s 5 apiVersion s 6 controller t 7 blockOwnerDeletion t"),
    "Namespace": _message("1 metadata ObjectMeta 2 spec NamespaceSpec"),
    "NamespaceSpec": _message("1 finalizers *s"),
    "ConfigMap": _message("1 metadata ObjectMeta 2 data m 3 binaryData n 4 immutable t"),
    "Secret": _message("1 metadata ObjectMeta 2 data n 3 type s 4 stringData m 5 immutable t"),
    "ServiceAccount": _message("1 metadata ObjectMeta 4 automountServiceAccountToken t"),
    "Service": _message("1 metadata ObjectMeta 2 spec ServiceSpec"),
    "ServiceSpec": _message(
        "1 ports *ServicePort 2 selector m 3 clusterIP s 4 type s 5 externalIPs *s 7 sessionAffinity s 8 loadBalancerIP s"
        " 9 loadBalancerSourceRanges *s 10 externalName s 11 externalTrafficPolicy s 17 ipFamilyPolicy s 18 clusterIPs *s 19 ipFamilies *s"
        " 20 allocateLoadBalancerNodePorts t 21 loadBalancerClass s 22 internalTrafficPolicy s"
    ),
    "ServicePort": _message("1 name s 2 protocol s 3 port i 4 targetPort x 5 nodePort i 6 appProtocol s"),
    "DeleteOptions": _message("1 gracePeriodSeconds i 2 preconditions Preconditions 4 propagationPolicy s 5 dryRun *s"),
    "Preconditions": _message("1 uid s 2 resourceVersion s"),
    "SelfSubjectAccessReview": _message("1 metadata ObjectMeta 2 spec AccessReviewSpec"),
    "AccessReviewSpec": _message("1 resourceAttributes ResourceAttributes 2 nonResourceAttributes NonResourceAttributes"),
    "ResourceAttributes": _message("1 namespace s 2 verb s 3 group s 4 version s 5 resource s 6 subresource s 7 name s"),
    "NonResourceAttributes": _message("1 path s 2 verb s"),
    "Time": _message("1 seconds i"),
    "IntOrString": _message("1 type i 2 intVal i 3 strVal s"),
    "Unknown": _message("1 typeMeta TypeMeta 2 raw raw"),
    "TypeMeta": _message("1 apiVersion s 2 kind s"),
}


def decode(body: bytes) -> Object:
    """Return the object of a protobuf body.

    Raises:
        Refusal: 415 for a kind that is not read, 400 for malformed bytes.
    """
    if not body.startswith(_MAGIC):
        raise bad_request("a protobuf body begins with k8s and a zero byte")
    try:
        unknown = _decode(body[len(_MAGIC) :], "Unknown")
        meta = unknown.get("typeMeta", {})
        if meta.get("kind") not in _MESSAGES:
            raise unsupported_media_type(f"{MEDIA_TYPE} of kind {meta.get('kind')}", ["application/json"])
        return {**meta, **_decode(unknown.get("raw", b""), meta["kind"])}
    except Refusal:
        raise
    except (ValueError, IndexError) as error:
        raise bad_request(f"malformed protobuf: {error}") from None


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if shift > 63:
            raise ValueError("a varint longer than ten bytes")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield (number, value) of a message; fixed-size fields are in none that is read here."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        value, at = _varint(data, at)
        if tag & 7 == 0:
            yield tag >> 3, value
        elif tag & 7 == 2 and at + value <= len(data):
            yield tag >> 3, data[at : at + value]
            at += value
        else:
            raise ValueError(f"wire type {tag & 7}")


def _decode(data: bytes, name: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, raw in _fields(data):
        if number not in _MESSAGES[name]:
            continue
        field, kind = _MESSAGES[name][number]
        if kind in ("m", "n"):
            pair = dict(_fields(raw if isinstance(raw, bytes) else b""))
            found.setdefault(field, {})[_value(pair.get(1, b""), "s")] = _value(pair.get(2, b""), "s" if kind == "m" else "b")
        elif kind[0] == "*":
            found.setdefault(field, []).append(_value(raw, kind[1:]))
        elif (value := _value(raw, kind)) not in ("", 0, {}, None) or kind == "t":  # Go writes zero values too
            found[field] = value
    return found


def _value(raw: int | bytes, kind: str) -> Any:
    if isinstance(raw, int):
        if kind not in ("i", "t"):
            raise ValueError("a number where there should be bytes")
        return bool(raw) if kind == "t" else raw - (1 << 64) if raw >> 63 else raw
    match kind:
        case "s":
            return raw.decode()
        case "raw":
            return raw
        case "b":
            return b64encode(raw).decode()
        case "T":
            seconds = _decode(raw, "Time").get("seconds")
            return None if seconds is None else format_time(seconds * SECOND)
        case "x":
            either = _decode(raw, "IntOrString")
            return either.get("strVal", "") if either.get("type") else either.get("intVal", 0)
        case _ if kind in _MESSAGES:
            return _decode(raw, kind)
    raise ValueError("bytes where there should be a number")
