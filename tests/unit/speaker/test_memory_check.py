"""A speaker that started from a copy that is not the current one, or from nothing, says so where readiness is asked for."""

from pathlib import Path

from baremetal_lb.kube.transport import Transport
from speaker.process import Speaker
from speaker.settings import Settings
from speaker.state_copies import CopyReason


def test_readiness_and_metrics_say_which_copy_of_the_state_file_is_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "state"
    speaker = Speaker(Settings(node_name="n1", state_file=str(path)), Transport(url="http://127.0.0.1:1"))
    memory = speaker.health().readiness["memory"]
    assert memory() is None
    speaker.state_file.save([])
    speaker.state_file.save([])
    path.write_bytes(b"rubbish")
    assert speaker.state_file.load() is not None
    assert memory() == f"started from the previous copy of the state file; current: {CopyReason.Damaged.sentence}"
    exposition = speaker.measures.metrics.render("")[0].decode()
    assert 'state_file_copies{copy="current",result="Damaged"} 1' in exposition
    assert 'state_file_copies{copy="previous",result="used"} 1' in exposition
    path.with_name("state.previous").unlink()
    assert speaker.state_file.load() is None
    assert str(memory()).startswith("started with nothing; ")
