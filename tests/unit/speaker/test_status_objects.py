"""Status objects: what is read, what is written next."""

import json

import pytest

from baremetal_lb.kube.records import DecodeError
from baremetal_lb.model.ids import METALLB, ObjectKey
from speaker.plan import L2Status
from speaker.status import (
    LABEL_LIMIT,
    StatusStep,
    StatusView,
    label_value,
    next_step,
    status_manifest,
    status_patch,
    status_selector,
    status_view,
    view_of,
)

WEB = ObjectKey("shop", "web")
DESIRED = L2Status(WEB, ("eth0",))
SAYS_SO = StatusView("me", WEB, ("eth0",))


@pytest.mark.parametrize(
    ("desired", "observed", "step"),
    [
        (None, None, StatusStep.NOTHING),
        (None, SAYS_SO, StatusStep.DELETE),
        (DESIRED, None, StatusStep.CREATE),
        (DESIRED, SAYS_SO, StatusStep.NOTHING),
        (DESIRED, StatusView(), StatusStep.WRITE),
        (DESIRED, StatusView("me", WEB, ()), StatusStep.WRITE),
    ],
)
def test_the_next_write_is_in_the_table(desired: L2Status | None, observed: StatusView | None, step: StatusStep) -> None:
    assert next_step(desired, observed, node="me") is step


def test_what_is_written_reads_as_desired() -> None:
    written = status_manifest(DESIRED, "l2-x", identity=METALLB, namespace="lb", node="me") | status_patch(DESIRED, node="me")
    assert status_view(json.dumps(written).encode()) == view_of(DESIRED, "me")
    assert written["apiVersion"] == "metallb.io/v1beta1"
    assert written["metadata"]["labels"] == {
        "metallb.io/node": "me",
        "metallb.io/service-name": "web",
        "metallb.io/service-namespace": "shop",
    }


def test_an_object_without_status_says_nothing() -> None:
    assert status_view(b'{"metadata":{"name":"l2-x"}}') == StatusView()


@pytest.mark.parametrize("data", [b"", b"[]", b'{"status":7}', b'{"status":{"interfaces":[1]}}', b"\xff"])
def test_a_malformed_object_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        status_view(data)


def test_labels_hold_long_node_names_apart() -> None:
    long_a, long_b = "n" * 80 + "a", "n" * 80 + "b"
    assert label_value("node1") == "node1"
    assert len(label_value(long_a)) == LABEL_LIMIT
    assert status_selector(METALLB, long_a) != status_selector(METALLB, long_b)
