"""Whatever strangers write: nothing that steers a terminal gets there, and documents read back the same."""

import io
import json
import unicodedata
from contextlib import redirect_stderr, redirect_stdout

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table
from rich.text import Text

from baremetal_lb.cli.output import Output, TextConsole, complain, make_table, print_document, say, styled
from baremetal_lb.model.visible import is_shown_as_it_is, visible, visible_lines

SPECIAL = "\x00\x1b\x9b\x85\x7f\t\r\n\u2028\u2029\u202e\u2066\u061c\u200b\u200f\ufeff\xad\ud800\udfff\ue000\uffff\U000e0041[]/red\\"
# Unicode's Default_Ignorable_Code_Point among letters, marks and signs, and Braille's blank.
BLANK = "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0" + "".join(
    map(chr, [*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)])
)
TEXT = st.text(st.one_of(st.sampled_from(SPECIAL + BLANK), st.characters()), max_size=30)
# Without lone surrogates, which an object of the API cannot have: in JSON two of them beside each other are one character.
CHARACTERS = st.one_of(
    st.sampled_from([each for each in SPECIAL + BLANK if not "\ud800" <= each <= "\udfff"]), st.characters(exclude_categories=["Cs"])
)
DOCUMENT = st.dictionaries(st.text(CHARACTERS, max_size=30), st.text(CHARACTERS, max_size=30), max_size=3)


def is_clean(text: str) -> bool:
    return all(is_shown_as_it_is(each) for each in text.replace("\n", ""))


def console(width: int = 200) -> Console:
    return TextConsole(file=io.StringIO(), width=width, highlight=False)


def printed_by(made: Console) -> str:
    assert isinstance(made.file, io.StringIO)
    return made.file.getvalue()


@given(TEXT)
def test_a_text_becomes_one_clean_line_and_stays_that(text):
    shown = visible(text)
    assert is_clean(shown)
    assert "\n" not in shown
    assert visible(shown) == shown
    assert visible_lines(text).split("\n") == [visible(line) for line in text.split("\n")]


@pytest.mark.parametrize("blank", BLANK, ids=lambda blank: f"U+{ord(blank):04X}")
def test_letters_marks_and_signs_that_show_nothing_are_written_out(blank):
    assert unicodedata.category(blank)[0] in "LMS"
    assert not is_shown_as_it_is(blank)
    assert ascii(f"a{blank}b") == f"'{visible(f'a{blank}b')}'"


@given(st.text(st.characters(categories=["L", "M", "N", "P", "S", "Zs"], exclude_characters=BLANK), max_size=30))
def test_letters_of_all_scripts_stay_as_they_are(text):
    assert visible(text) == text


@given(st.lists(TEXT, min_size=1, max_size=3))
def test_plain_lines_are_clean_and_as_many_as_were_given(texts):
    for do, redirect in ((say, redirect_stdout), (complain, redirect_stderr)):
        out = io.StringIO()
        with redirect(out):
            do(*texts)
        assert is_clean(out.getvalue())
        assert out.getvalue().count("\n") == len(texts)


@given(st.lists(TEXT, min_size=2, max_size=2), st.sampled_from([8, 10_000]))
def test_tables_are_clean_whether_they_fit_or_not(texts, width):
    made = console(width)
    ours, riches = make_table("A", "B"), Table("A", "B", box=None)
    ours.add_row(*texts)
    riches.add_row(*texts)
    for table in (ours, riches):
        made.print(table)
    assert is_clean(printed_by(made))
    if width > 8:
        assert printed_by(made).count("\n") == 4


@given(TEXT)
def test_a_console_prints_strings_and_texts_clean_and_no_string_is_markup(text):
    made = console(10_000)
    made.print(f"<{text}[red]>", soft_wrap=True)
    made.print(styled(("a", "red"), text, "b"), soft_wrap=True)
    assert printed_by(made) == f"<{visible(text)}[red]>\na{visible(text)}b\n"
    made.print(Text(text))
    assert is_clean(printed_by(made))


@given(DOCUMENT)
def test_documents_are_clean_and_read_back_the_same(document):
    for output, read in ((Output.JSON, json.loads), (Output.YAML, yaml.safe_load)):
        out = io.StringIO()
        with redirect_stdout(out):
            print_document(document, output)
        assert is_clean(out.getvalue())
        assert read(out.getvalue()) == document
