"""The generated pages are what the code says, and every reason is a sentence that stands in them."""

import importlib
import pkgutil
import re

import pytest

import baremetal_lb
import controller
import speaker
from baremetal_lb.model.reasons import Reason
from tests.support.reference import FOLDER, PAGES, REASONS


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_not_stale(name):
    assert (FOLDER / name).read_text() == PAGES[name](), "run: make reference"


def all_reasons() -> set[type[Reason]]:
    for package in (baremetal_lb, controller, speaker):
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if not module.name.endswith("__main__") and not module.name.startswith("baremetal_lb.frames"):
                importlib.import_module(module.name)
    return set(Reason.__subclasses__())


def test_every_enumeration_of_reasons_is_in_the_reference():
    assert all_reasons() == {reasons for _, reasons in REASONS.values()}


@pytest.mark.parametrize(
    "reason", [reason for _, reasons in REASONS.values() for reason in reasons], ids=lambda reason: f"{type(reason).__name__}.{reason.name}"
)
def test_a_reason_is_a_word_for_machines_and_a_sentence_for_people(reason):
    assert re.fullmatch(r"[A-Z][A-Za-z0-9]+", reason.name)
    assert reason.sentence.endswith(".")
    assert reason.__doc__ == reason.sentence
