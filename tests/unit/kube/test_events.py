"""What an event recorder remembers of objects."""

from typing import cast

from baremetal_lb.kube.events import EventRecorder, Regarding
from baremetal_lb.kube.transport import Transport
from baremetal_lb.model.ids import ObjectKey, ObjectRef

REF = ObjectRef("Service", ObjectKey("shop", "web"))


def test_of_an_object_that_is_made_again_and_again_only_the_last_is_remembered():
    recorder = EventRecorder(cast("Transport", None), "speaker", "n1")
    for number in range(50):
        about = Regarding(REF, "v1", f"uid-{number}")
        assert recorder.record(about, reason="Announced", message="by n1", action="Announce", topic="layer2") or recorder.dropped
        recorder.record(about, reason="Announced", message="by n1", action="Announce", topic="bgp")
        assert not recorder.record(about, reason="Announced", message="by n1", action="Announce", topic="layer2")
    assert [sorted(topic for _, topic in told) for told in recorder._told.values()] == [["bgp", "layer2"]]
