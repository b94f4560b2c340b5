"""Objects from files with the lines of their fields; broken texts are told with their line and hide nothing."""

import json

import pytest

from baremetal_lb.api.source import load
from baremetal_lb.api.texts import SourceError
from baremetal_lb.api.yaml_nodes import parse_documents

TWO = """\
# a comment
---
apiVersion: baremetal-lb.io/v1beta1
kind: IPAddressPool
metadata:
  name: blue
  labels: {app.example/x: "1"}
spec:
  addresses:
  - 198.51.100.0/24
  - 203.0.113.0/24
---
kind: L2Advertisement
apiVersion: baremetal-lb.io/v1beta1
metadata: {name: l2}
"""


@pytest.fixture
def write(tmp_path):
    def write(text, name="a.yaml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


@pytest.mark.parametrize(
    ("field", "line"),
    [
        ("kind", 4),
        ("spec.addresses", 9),
        ("spec.addresses[0]", 10),
        ("spec.addresses[1]", 11),
        ("spec.addresses[7]", 9),
        ("spec.autoAssign", 8),
        ("status", 3),
        ("", 3),
        ('metadata.labels["app.example/x"]', 7),
    ],
)
def test_every_field_has_its_line_and_a_missing_one_that_of_what_is_around_it(write, field, line):
    first, second = load([write(TWO)])
    assert first.line_of(field) == line
    assert (first.line, second.line) == (3, 13)
    assert second.place().endswith("a.yaml:13")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("v: 64512:30", "64512:30"),
        ("v: 2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("v: 2026-01-01", "2026-01-01"),
        ("v: yes", True),
        ("v: n", False),
        ("v: 0x10", 16),
        ("v: 010", 8),
        ("v: 1.5", 1.5),
        ("v: 1e3", 1000.0),
        ("v: 0O1_7", 15),
        ("v: -_1", -1),
        ("v: 0_xF", 15),
        ("v: 1.e1_0", 1e10),
        ("v: -._5", -0.5),
        ("v: ._5", "._5"),
        ("v: .5_0", 0.5),
        ("v: 1e_", "1e_"),
        ("v: 0x_", "0x_"),
        ("v: ~", None),
        ("v:", None),
        ("v: '1'", "1"),
        ("v: 10.0.0.0/8", "10.0.0.0/8"),
        ("v: 1.2.3", "1.2.3"),
        ("v: -", None),
        ("a: &x [1]\nv: *x", [1]),
        ("a: &x {b: 1}\nv: {<<: *x, c: 2}", {"b": 1, "c": 2}),
    ],
)
def test_scalars_are_read_as_kubernetes_reads_them(text, value):
    (document,) = parse_documents(text)
    if text == "v: -":
        assert document.flaws
    else:
        assert document.flaws == []
        assert document.value["v"] == value


def test_a_broken_document_is_told_with_its_line_and_hides_no_other(write):
    problems = []
    path = write(TWO + "---\nkind: [\n  x: }\n---\nkind: Third\n")
    objects = load([path], problems)
    assert [entry.object["kind"] for entry in objects] == ["IPAddressPool", "L2Advertisement", "Third"]
    assert [(p.reason.name, p.source, p.is_fatal) for p in problems] == [("SyntaxError", f"{path}:18", True)]


def test_a_key_given_twice_in_json_is_told(write):
    problems = []
    load([write('{"kind": "A",\n "a": 1,\n "a": 2}', "a.json")], problems)
    assert [p.reason.name for p in problems] == ["DuplicateKey"]


def test_a_key_given_twice_is_told_of_the_object_with_its_line(write):
    problems = []
    path = write("kind: A\nmetadata: {name: x, namespace: z}\nspec:\n  a: 1\n  a: 2\n")
    load([path], problems)
    assert [(str(p.object), p.field, p.reason.name, p.source) for p in problems] == [("A/z/x", "spec.a", "DuplicateKey", f"{path}:5")]


@pytest.mark.parametrize("text", ["hello", "- 1", "5", "{a: 1}", "kind: 3"])
def test_what_is_no_object_is_told(write, text):
    problems = []
    assert load([write(text)], problems) == []
    assert [p.reason.name for p in problems] == ["NotAnObject"]


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "---\n---\n", "---\n# x\n---\n"])
def test_empty_documents_are_nothing(write, text):
    problems = []
    assert load([write(text)], problems) == []
    assert problems == []


BOMB = "a: &a [x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n" + "\n".join(
    f"c{i}: &c{i} [{','.join([f'*c{i - 1}' if i else '*b'] * 9)}]" for i in range(9)
)
HOSTILE = {
    "bomb": BOMB,
    "loop": "a: &a [*a]",
    "deep": "[" * 2000 + "]" * 2000,
    "deep JSON": '{"kind": "A", "a": ' + '{"a": ' * 20000 + "1" + "}" * 20001,
    "python": "v: !!python/object:os.system x",
    "binary": "v: !!binary ===",
    "tab": "\tv: 1",
    "open": "v: 'x",
    "alias": "a: *b",
    "key": "? {a: b}\n: c",
    "control": "v: \x01",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_texts_are_told_or_read_and_never_raise(write, text):
    problems = []
    objects = load([write(text)], problems)
    assert len(objects) + len(problems) >= 1


def test_lists_are_their_items(write):
    items = [{"kind": "A", "metadata": {"name": "x"}}, {"metadata": {"name": "y"}}]
    text = json.dumps({"apiVersion": "v1", "kind": "BList", "items": items}, indent=2)
    first, second = load([write(text, "l.json")])
    assert (first.object["kind"], second.object["kind"], second.object["apiVersion"]) == ("A", "B", "v1")
    assert first.line_of("metadata.name") == text.splitlines().index('        "name": "x"') + 1
    assert second.line > first.line


def test_json_may_be_indented_with_tabs(write):
    (entry,) = load([write('{\n\t"kind": "A",\n\t"spec": {"t": "a\\tb"}\n}\n', "a.json")])
    assert entry.object == {"kind": "A", "spec": {"t": "a\tb"}}
    assert entry.line_of("spec") == 3


def test_directories_are_read_in_the_order_of_their_names(write, tmp_path):
    for name in ("b.yml", "a.json", "sub/c.yaml", "d.txt"):
        write(f"kind: {name[0].upper() if '/' not in name else 'C'}\n", name)
    assert [entry.object["kind"] for entry in load([tmp_path])] == ["A", "B", "C"]


def test_windows_line_ends_and_byte_order_marks_do_not_matter(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbfkind: A\r\n---\r\nkind: B\r\n")
    assert [(entry.object["kind"], entry.line) for entry in load([path])] == [("A", 1), ("B", 3)]


def test_what_cannot_be_opened_is_an_error_that_names_it(tmp_path):
    with pytest.raises(SourceError, match=r"gone\.yaml"):
        load([tmp_path / "gone.yaml"])
    with pytest.raises(SourceError, match="no "):
        load([tmp_path])
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(SourceError, match="UTF-8"):
        load([tmp_path / "x.yaml"])


def test_without_somebody_to_take_problems_a_broken_text_is_an_error(write):
    with pytest.raises(SourceError, match=":1: "):
        load([write("a: b: c")])


def test_json_texts_may_follow_one_another(write):
    text = '{"kind": "A", "s": "}{"}\n{"kind": "B",\n "x": 1}{"kind": "C"}\n\n{"kind": "D",}\n'
    problems = []
    entries = load([write(text, "a.json")], problems)
    assert [(entry.object["kind"], entry.line) for entry in entries] == [("A", 1), ("B", 2), ("C", 3), ("D", 5)]
    assert (entries[0].object["s"], entries[1].line_of("x"), problems) == ("}{", 3, [])
    entries = load([write('{"kind": "A"}\n{"kind": "B"}\n{"kind": ]', "b.json")], problems)
    assert ([entry.object["kind"] for entry in entries], [problem.source.rpartition(":")[2] for problem in problems]) == (["A", "B"], ["3"])
