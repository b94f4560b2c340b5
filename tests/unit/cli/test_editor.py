"""What a person writes in an editor is used, or kept."""

import re
from pathlib import Path

import pytest
import typer

from baremetal_lb.cli.editor import edited

SPEC = {"addresses": ["198.51.100.0/24"], "autoAssign": True}


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "files"))
    (tmp_path / "files").mkdir()
    monkeypatch.delenv("VISUAL", raising=False)
    return tmp_path / "files"


def write(monkeypatch, text):
    monkeypatch.setenv("EDITOR", f'sh -c \'printf "%s\\n" "{text}" > "$0"\'')


def test_what_was_written_is_what_comes_back_and_no_file_is_left(monkeypatch, files):
    write(monkeypatch, "addresses: [203.0.113.0/24]")
    with edited(SPEC, "pool-blue") as spec:
        assert spec == {"addresses": ["203.0.113.0/24"]}
    assert list(files.iterdir()) == []


@pytest.mark.parametrize("end", [typer.Exit(4), typer.Abort(), KeyboardInterrupt()], ids=["conflict", "no", "Ctrl-C"])
def test_what_was_written_is_kept_and_named_when_it_came_to_nothing(monkeypatch, capsys, end):
    write(monkeypatch, "addresses: [203.0.113.0/24]")
    with pytest.raises(type(end)), edited(SPEC, "pool-blue"):
        raise end
    kept = re.search(r"kept in (\S+)", capsys.readouterr().err)
    assert kept is not None
    assert Path(kept[1]).read_text() == "addresses: [203.0.113.0/24]\n"


@pytest.mark.parametrize("text", ["a: [", "just words", "- a"])
def test_what_is_no_object_is_kept_too(monkeypatch, capsys, text):
    write(monkeypatch, text)
    with pytest.raises(typer.Exit) as ended, edited(SPEC, "pool-blue"):
        pass
    assert ended.value.exit_code == 1
    assert "What you wrote is kept in" in capsys.readouterr().err


@pytest.mark.parametrize(("editor", "said"), [("no-such-editor", "cannot be run"), ("'", "cannot be run"), ("false", "ended with code 1")])
def test_an_editor_that_does_not_work_is_told_and_leaves_no_file(monkeypatch, capsys, files, editor, said):
    monkeypatch.setenv("EDITOR", editor)
    with pytest.raises(typer.Exit), edited(SPEC, "pool-blue"):
        pass
    assert said in capsys.readouterr().err
    assert list(files.iterdir()) == []
