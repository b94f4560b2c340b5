"""What we write as YAML is what we, PyYAML and JSON's own rules read: no text becomes a number, no key another key."""

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from baremetal_lb.api.yaml_nodes import INTEGER_MAX, INTEGER_MIN, parse_documents, read_document
from baremetal_lb.api.yaml_scalars import is_text
from baremetal_lb.api.yaml_writer import to_yaml

NUMBERLIKE = st.text("0123456789abcdefxoXOB_+-.eE:", max_size=12)
WORDS = ["y", "Y", "n", "N", "yes", "no", "on", "off", "true", "false", "null", "~", "<<", "=", "nan", "inf", ".nan", "-.inf", ""]
WORDLIKE = st.sampled_from(WORDS).flatmap(
    lambda word: st.sampled_from([word, word.title(), word.upper(), f" {word}", f"{word}\n", f"{word}:"])
)
DATELIKE = st.text("0123456789-:TtZz. ", max_size=25) | st.datetimes().map(str) | st.dates().map(str)
SYNTAX = st.text("-?:,[]{}#&*!|>'\"%@` \n\ta", max_size=12) | st.sampled_from(["---", "a\n---\nb", "\n---", "...", "%TAG ! x", "{}\n{}"])
ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)  # half characters are in no object of the API
TEXT = NUMBERLIKE | WORDLIKE | DATELIKE | SYNTAX | ANY | ANY.map(lambda text: text * 20)
LEAF = (
    TEXT | st.none() | st.booleans() | st.integers(INTEGER_MIN, INTEGER_MAX) | st.floats(allow_nan=False, allow_infinity=False)
)  # what JSON has
VALUE = st.recursive(LEAF, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=12)
DOCUMENT = st.dictionaries(TEXT, VALUE, max_size=4)


@given(DOCUMENT, st.sampled_from([80, 140]))
def test_what_is_written_is_what_is_read(document, width):
    read, flaw = read_document(to_yaml(document, width=width))
    assert flaw is None
    assert (read, json.dumps(read)) == (document, json.dumps(document))


@given(st.lists(DOCUMENT.filter(bool), min_size=2, max_size=3))
def test_documents_are_read_one_by_one(documents):
    assert [each.value for each in parse_documents(to_yaml(*documents))] == documents


@given(DOCUMENT)
def test_who_reads_as_python_does_reads_the_same(document):
    assert yaml.safe_load(to_yaml(document)) == document


@pytest.mark.parametrize(
    "text",
    [
        "1e3",
        "12e4567",
        "0o17",
        "0O17",
        "0X1F",
        "0B1",
        ".5e3",
        "+.1",
        "0E0",
        "-_1",
        "0_x1f",
        "1e1_0",
        *WORDS[:8],
        "010",
        "1:30",
        "2026-01-01",
    ],
)
def test_a_text_that_some_reader_takes_for_something_else_is_quoted(text):
    assert to_yaml({text: text}) == f"'{text}': '{text}'\n"


@pytest.mark.parametrize("text", ["web", "10.0.0.0/8", "1.2.3", "v1", "e3", "x-1", "_1", "12e", "64512:x", "yes-no", "2001:db8::1"])
def test_a_text_that_nobody_takes_for_something_else_is_not_quoted(text):
    assert to_yaml({text: text}) == f"{text}: {text}\n"


@given(TEXT)
def test_what_is_a_text_by_the_rules_is_one_to_the_reader(text):
    """The writer and the reader have one table."""
    documents = list(parse_documents(f"a: {text}")) if text.isalnum() else []
    for document in documents:
        assert is_text(text) == (not document.flaws and document.value == {"a": text})
