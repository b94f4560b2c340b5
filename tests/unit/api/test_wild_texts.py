"""What no API server takes is told with reason, field and line; the documents beside it are read; the work grows as the text does."""

import os
import sys
import threading

import pytest
import yaml

from baremetal_lb.api import texts, yaml_nodes
from baremetal_lb.api.source import load
from baremetal_lb.api.yaml_nodes import DEPTH_MAX, DIRECTIVE_MAX, DIRECTIVES_MAX, FLAWS_MAX, parse_documents

OTHER = "---\nkind: Other\nmetadata: {name: o}\n"
DIGITS = "9" * 5000
WILD = {
    "bool": ('!!bool "x"', "WrongTag", "spec.v"),
    "int": ('!!int "zz"', "WrongTag", "spec.v"),
    "empty int": ('!!int ""', "WrongTag", "spec.v"),
    "fraction as int": ('!!int "1.5"', "WrongTag", "spec.v"),
    "float": ('!!float "x"', "WrongTag", "spec.v"),
    "binary": ('!!binary "eA=="', "WrongTag", "spec.v"),
    "python": ('!!python/object/apply:os.system ["x"]', "WrongTag", "spec.v"),
    "set": ("!!set {a}", "WrongTag", "spec.v"),
    "omap": ("!!omap [a: 1]", "WrongTag", "spec.v"),
    "own tag": ("!own x", "WrongTag", "spec.v"),
    "own tag of a mapping": ("[!own {a: b}]", "WrongTag", "spec.v[0]"),
    "decimal": (DIGITS, "ImpossibleNumber", "spec.v"),
    "hexadecimal": ("0x" + "f" * 6000, "ImpossibleNumber", "spec.v"),
    "octal": ("0" + "7" * 6000, "ImpossibleNumber", "spec.v"),
    "65 bit": (str(2**64), "ImpossibleNumber", "spec.v"),
    "64 bit below zero": (str(-(2**63) - 1), "ImpossibleNumber", "spec.v"),
    "exponent": ("1e999", "ImpossibleNumber", "spec.v"),
    "infinity": ("-.inf", "ImpossibleNumber", "spec.v"),
    "nan": (".nan", "ImpossibleNumber", "spec.v"),
    "JSON number": ('{"a": [1, -1e999]}', "ImpossibleNumber", "spec.v.a[1]"),
    "null as key": ("{~: 1}", "InvalidKey", "spec.v"),
    "list as key": ("{[a]: 1}", "InvalidKey", "spec.v"),
    "object as key": ("{{a: b}: 1}", "InvalidKey", "spec.v"),
    "key twice": ("{a: 1, a: 2}", "DuplicateKey", "spec.v.a"),
    "merge of a number": ("{<<: 5}", "SyntaxError", "spec.v"),
    "merge of numbers": ("{<<: [{a: 1}, 5]}", "SyntaxError", "spec.v"),
    "merge of itself": ("&a {<<: *a}", "TooDeep", ""),
    "itself": ("&a [*a]", "TooDeep", ""),
    "deep": ("[" * (DEPTH_MAX + 1) + "]" * (DEPTH_MAX + 1), "TooDeep", ""),
    "deep without end": ("[" * 100_000, "TooDeep", ""),
    "deep objects without end": ("{a: " * 100_000, "TooDeep", ""),
    "control character": ("\x00", "SyntaxError", ""),
    "surrogate": (r'"\ud800"', "SyntaxError", ""),
    "open": ('"x', "SyntaxError", ""),
    "unknown alias": ("*a", "SyntaxError", ""),
}


def told(path):
    problems = []
    objects = load([path], problems)
    return [entry.object["kind"] for entry in objects], [(p.reason.name, p.field, p.source) for p in problems]


@pytest.mark.parametrize(("value", "reason", "field"), WILD.values(), ids=WILD)
def test_a_wild_value_is_told_at_its_place_and_the_next_document_is_read(tmp_path, value, reason, field):
    path = tmp_path / "a.yaml"
    path.write_text(f"---\nkind: A\nspec:\n  v: {value}\n{OTHER}")
    kinds, problems = told(path)
    assert kinds[-1] == "Other"
    assert len(problems) == 1
    assert problems[0][:2] == (reason, field)
    assert not field or problems[0][2] == f"{path}:4"


JSON_WILD = {
    "digits": (DIGITS, "ImpossibleNumber", "spec.v"),
    "exponent": ("1e999", "ImpossibleNumber", "spec.v"),
    "nan": ("NaN", "ImpossibleNumber", "spec.v"),
    "infinity": ("[-Infinity]", "ImpossibleNumber", "spec.v[0]"),
    "key twice": ('{"a": 1, "a": 2}', "DuplicateKey", "spec.v.a"),
    "surrogate": (r'"\ud800"', "BrokenCharacter", "spec.v"),
    "surrogate in a key": (r'{"\udfff": 1}', "BrokenCharacter", "spec.v"),
    "deep": ('{"a":' * DEPTH_MAX + "1" + "}" * DEPTH_MAX, "TooDeep", ""),
}


@pytest.mark.parametrize(("value", "reason", "field"), JSON_WILD.values(), ids=JSON_WILD)
def test_a_wild_value_of_json_is_told_at_its_place_and_the_next_text_is_read(tmp_path, value, reason, field):
    path = tmp_path / "a.json"
    path.write_text(f'{{"kind": "A",\n "spec": {{"v": {value}}}}}\n{{"kind": "Other"}}\n')
    kinds, problems = told(path)
    assert kinds[-1] == "Other"
    assert [problem[:2] for problem in problems] == [(reason, field)]


def test_a_whole_pair_of_surrogates_is_a_character(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(r'{"kind": "A", "s": "\ud83d\ude00"}')
    assert load([path])[0].object["s"] == "\U0001f600"


def test_only_the_document_that_is_no_utf_8_is_lost(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_bytes(b"kind: A\n---\nkind: B\nv: \xff\n---\nkind: C\n")
    assert told(path) == (["A", "C"], [("InvalidEncoding", "", f"{path}:4")])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
def test_other_encodings_are_told(tmp_path, encoding):
    path = tmp_path / "a.yaml"
    path.write_text("kind: A\n", encoding=encoding)
    kinds, problems = told(path)
    assert kinds == []
    assert [problem[0] for problem in problems] in (["InvalidEncoding"], ["SyntaxError"])


def test_a_file_without_end_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(texts, "SIZE_MAX", 1000)
    assert told("/dev/zero") == ([], [("TooLarge", "", "/dev/zero:1")])


def test_a_pipe_that_nobody_writes_to_is_told_and_one_that_somebody_writes_to_is_read(tmp_path, monkeypatch):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=("kind: A\n",))
    writer.start()
    assert told(path) == (["A"], [])
    writer.join()
    monkeypatch.setattr(texts, "PIPE_PATIENCE_S", 0.01)
    assert told(path) == ([], [("NobodyWrites", "", f"{path}:1")])


def documents(count):
    return "---\n".join(f"kind: A\nmetadata: {{name: a{number}}}\n" for number in range(count))


def json_documents(count):
    return "".join(f'{{"kind": "A",\n "x": {number}}}\n' for number in range(count))


def keys(count):
    return "kind: A\n" + "".join(f"k{number}: {number}\n" for number in range(count))


def repeated(count):
    return "kind: A\n" + "".join(f"k: {number}\n" for number in range(count))


def repeated_json(count):
    return "{" + ",".join('"k": 1' for _ in range(count)) + "}"


def merges(count):
    return "kind: A\n" + "".join(f"<<: {{k{number}: {number}}}\n" for number in range(count))


def faults_under_a_long_key(count):
    return f"kind: A\n? {'k' * 20 * count}\n: [" + ".nan, " * count + "]\n"


def faults_under_a_long_key_of_json(count):
    return '{"' + "k" * 20 * count + '": [' + ",".join(["NaN"] * count) + "]}"


def long_keys_twice(count):
    return "kind: A\n" + f"{'k' * 1000}: 1\n" * count


def long_tags(count):
    return f"kind: A\nv: [&a !{'k' * 20 * count} x" + ", *a" * count + "]\n"


def aliases_of_a_long_text(count):
    return f"kind: A\nt: &a {'x' * 20 * count}\nv: [" + "*a, " * count + "]\n"


class Counted(str):
    """A text that adds up the characters that are taken from it, counted in it or put before it."""

    __slots__ = ()
    looked_at = 0

    def __getitem__(self, place):
        part = str.__getitem__(self, place)
        Counted.looked_at += len(part)
        return Counted(part)

    def count(self, what, start=0, end=sys.maxsize):
        Counted.looked_at += max(0, min(end, len(self)) - start)
        return str.count(self, what, start, end)

    def __radd__(self, before):
        return Counted(str.__add__(before, self))


@pytest.fixture
def counted(monkeypatch):
    """Count what libyaml is given, too, which takes no text but a plain one."""
    compose = yaml.compose

    def counting(text, *arguments, **options):
        Counted.looked_at += len(text)
        return compose("".join(text), *arguments, **options)

    monkeypatch.setattr(yaml, "compose", counting)
    whole = yaml_nodes._whole

    def counting_whole(text, *arguments):
        Counted.looked_at += len(text)
        return whole(text, *arguments)

    monkeypatch.setattr(yaml_nodes, "_whole", counting_whole)


def work(text):
    """Return how much is done to read a text and to find each of its fields: calls, characters looked at, and characters said."""
    calls = 0

    def count(_frame, event, _argument):
        nonlocal calls
        calls += event in ("call", "c_call")

    Counted.looked_at = 0
    sys.setprofile(count)
    try:
        for document in parse_documents(Counted(text)):
            for key in document.value:
                document.line_of((key,))
            Counted.looked_at += sum(len(flaw.field) + len(flaw.message) for flaw in document.flaws)
    finally:
        sys.setprofile(None)
    return calls + Counted.looked_at


MAKERS = [
    documents, json_documents, keys, repeated, repeated_json, merges, faults_under_a_long_key, faults_under_a_long_key_of_json,
    long_keys_twice, long_tags, aliases_of_a_long_text,
]  # fmt: skip


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.usefixtures("counted")
def test_four_times_the_text_is_four_times_the_work(make):
    assert work(make(1600)) < 5 * work(make(400))


LONG = 200_000
NEARLY_NUMBERS = {
    "digits": "1" * LONG,
    "underscores": "1" + "_" * LONG,
    "sign": "-" + "_" * LONG,
    "pairs": "1_" * LONG,
    "octal": "0" + "7" * LONG,
    "prefix": "0" + "_" * LONG,
    "hexadecimal": "0x" + "f" * LONG,
    "binary": "0b" + "1" * LONG,
    "fraction": "1." + "1" * LONG,
    "point": "." + "1" * LONG,
    "signed point": "-." + "_" * LONG,
    "exponent": "1e" + "1" * LONG,
    "exponent's underscores": "1e" + "_" * LONG,
    "exponent's sign": "1e-" + "_" * LONG,
}


@pytest.mark.parametrize("start", NEARLY_NUMBERS.values(), ids=NEARLY_NUMBERS)
def test_a_long_text_that_is_nearly_a_number_is_read(start):
    """With a pattern that goes back and forth it would not end."""
    (document,) = parse_documents(f"a: {start}x\n")
    assert document.flaws == []
    assert document.value["a"] == f"{start}x"


@pytest.mark.parametrize("text", ["a: [" + ".nan, " * 250 + "]", '{"a": [' + ",".join(["NaN"] * 250) + "]}"], ids=["YAML", "JSON"])
def test_of_many_faults_some_are_told_and_the_rest_is_counted(text):
    (document,) = parse_documents(text)
    assert [flaw.field for flaw in document.flaws] == [*(f"a[{index}]" for index in range(FLAWS_MAX)), ""]
    assert (document.flaws[-1].reason.name, document.flaws[-1].message) == ("MoreFaults", f"There are {250 - FLAWS_MAX} more.")


def test_as_many_faults_as_are_told_are_all_of_them():
    (document,) = parse_documents("a: [" + ".nan, " * FLAWS_MAX + "]")
    assert [flaw.reason.name for flaw in document.flaws] == ["ImpossibleNumber"] * FLAWS_MAX


@pytest.mark.parametrize("text", ["{long}: .nan", '{{"{long}": NaN}}', "{long}: 1\n{long}: 2"])
def test_a_long_key_is_cut_in_what_is_said_and_a_label_is_not(text):
    for key, said in (("k" * 317, "k" * 317), ("k" * 1000, "k" * 319 + "\u2026")):
        (document,) = parse_documents(text.format(long=key))
        (flaw,) = document.flaws
        assert flaw.field in (said, f'["{said}"]')
        assert flaw.message in ("", f"{said} is given twice.")


def test_a_long_tag_is_cut_in_what_is_said():
    (document,) = parse_documents(f"a: !{'k' * 1000} [x]")
    assert document.flaws[0].message == f"The tag is !{'k' * 318}\u2026."


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("%TAG !a! x\n" * (DIRECTIVES_MAX + 1), DIRECTIVES_MAX + 1),
        ("kind: A\n...\n" + "%TAG !a! x\n" * (DIRECTIVES_MAX + 1), DIRECTIVES_MAX + 3),
        ("%TAG !a! x\r" * (DIRECTIVES_MAX + 1) + "\n", 1),
        ("%TAG !a! " + "x" * DIRECTIVE_MAX + "\n", 1),
    ],
    ids=["many", "after a document", "other line breaks", "long"],
)
def test_more_directives_than_anybody_needs_are_told_and_the_next_document_is_read(tmp_path, text, line):
    path = tmp_path / "a.yaml"
    path.write_bytes((text + OTHER).encode())
    assert told(path) == (["Other"], [("TooManyDirectives", "", f"{path}:{line}")])


def test_a_text_about_directives_has_none(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("kind: A\nhelp: |\n" + "  %TAG !a! x\n" * (2 * DIRECTIVES_MAX))
    assert told(path) == (["A"], [])
