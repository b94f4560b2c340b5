"""Laws of decoding: any bytes and any JSON give a view or a DecodeError, nothing else."""

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baremetal_lb.kube.records import KINDS, DecodeError, raw_object
from baremetal_lb.model.ids import METALLB

FIELDS = st.sampled_from(
    [
        "metadata", "spec", "status", "name", "namespace", "ports", "port", "loadBalancer", "ingress", "ip", "conditions", "type",
        "endpoints", "addresses", "labels", "annotations", "address", "services", "heldFor", "until", "creationTimestamp", "renewTime",
    ]
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS | st.text(max_size=4), inner, max_size=5),
    max_leaves=20,
)


@pytest.mark.parametrize("kind", sorted(KINDS))
@settings(max_examples=60, deadline=None)
@given(spec=VALUES, status=VALUES, metadata=VALUES)
def test_any_json_object_is_a_view_or_a_decode_error(kind, spec, status, metadata):
    manifest = {"metadata": metadata, "spec": spec, "status": status, "endpoints": spec}
    decode = KINDS[kind].decoder(METALLB)
    for read in (lambda: decode(json.dumps(manifest).encode()), lambda: KINDS[kind].from_manifest(manifest, METALLB)):
        with contextlib.suppress(DecodeError):
            read()


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=64) | st.integers(0, 3000).map(lambda n: b'{"metadata":' + b"[" * n))
def test_any_bytes_are_a_view_or_a_decode_error(data):
    for decode in (raw_object, *(kind.decoder(METALLB) for kind in KINDS.values())):
        with contextlib.suppress(DecodeError):
            decode(data)
