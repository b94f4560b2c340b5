"""What the contract of purity finds: the outside in a pure module, and a list that says more than is so."""

import pytest

from tests.support.purity import allowed_in, expanded, impurities, unused, verdicts

REACHES = {
    "a module of the outside": ("import socket", "imports socket"),
    "a part of one": ("from urllib.request import urlopen", "imports urllib.request"),
    "one under another name": ("import time as clock", "imports time"),
    "a library that nobody has thought about": ("import sqlite3", "imports sqlite3"),
    "a part of a library whose other part is pure": ("from urllib import request", "imports urllib"),
    "one within a function": ("def f():\n    import os", "imports os"),
    "a clock of datetime": ("from datetime import datetime\ndatetime.now()", "reads datetime.datetime.now"),
    "the same under another name": ("import datetime as d\nnow = d.datetime.utcnow", "reads datetime.datetime.utcnow"),
    "today": ("from datetime import date as day\nday.today()", "reads datetime.date.today"),
    "a file": ("open('x')", "reads open"),
    "a file, beside a method of that name": ("class Door:\n    def open(self): ...\nopen('x')", "reads open"),
    "a clock, beside an argument of that name": (
        "from datetime import datetime\ndef f(datetime): ...\ndatetime.now()",
        "reads datetime.datetime.now",
    ),
    "a module by its name in a text": ("__import__('os')", "reads __import__"),
    "the terminal": ("import sys\nsys.stdout.write('x')", "reads sys.stdout"),
}
PURE = {
    "times that are given": "from datetime import UTC, datetime\ndatetime.fromtimestamp(0, UTC)",
    "a part that is pure": "from urllib.parse import quote",
    "byte order": "import sys\nsys.byteorder",
    "a function of that name": "def open(x): ...\nopen(1)",
    "a method of that name": "door.open()",
}


@pytest.mark.parametrize(("source", "said"), REACHES.values(), ids=REACHES)
def test_what_reaches_outside_is_found_with_its_line(source, said):
    (found,) = impurities("pkg.one", source)
    assert (found.what, found.line) == (said, source.count("\n") + 1)


@pytest.mark.parametrize("source", PURE.values(), ids=PURE)
def test_what_is_pure_is_let_be(source):
    assert impurities("pkg.one", source) == ()


def test_a_library_may_be_allowed():
    assert impurities("pkg.one", "import pydantic\nimport os", allowed=frozenset({"pydantic"})) == impurities("pkg.one", "\nimport os")


def test_a_module_of_ours_is_not_taken_for_a_library_of_its_name():
    assert impurities("pkg.one", "from pkg.model import time", allowed=frozenset({"pkg"})) == ()


def test_a_library_is_allowed_in_a_package_and_its_modules_only():
    assert [allowed_in(name, ["p.api: yaml"]) for name in ("p.api", "p.api.parse", "p.apiserver")] == [{"yaml"}, {"yaml"}, frozenset()]


def test_a_library_that_is_allowed_must_be_imported_there():
    sources = {"p.api": "import yaml", "p.core": "import pydantic"}
    assert unused(["p.api: yaml pydantic"], sources) == ("p.api may import pydantic and does not: take it off the list",)


def judged(*listed, **sources):
    """Return what is wrong in a package of these modules, `imports X` being an import of another one."""
    imported = {f"p.{name}": [f"p.{text.split()[-1]}"] for name, text in sources.items() if text.startswith("imports ")}
    found = {f"p.{name}": impurities(f"p.{name}", text) for name, text in sources.items() if not text.startswith("imports ")}
    return verdicts([f"p.{name}" for name in sources], imported, found, expanded(listed))


def test_a_list_that_is_right_breaks_nothing():
    assert judged("p: shell edge", core="x = 1", edge="import os", shell="imports edge") == ()


@pytest.mark.parametrize(
    ("listed", "sources", "said"),
    [
        ((), {"core": "import os"}, "p.core:1: imports os"),
        (("p: edge",), {"core": "imports edge", "edge": "import os"}, "p.core imports p.edge, which is impure"),
        (("p: core",), {"core": "x = 1"}, "p.core is listed as impure and reaches outside nowhere: take it off the list"),
        (("p: edge gone",), {"edge": "import os"}, "p.gone is listed as impure and is not there"),
    ],
    ids=["the outside", "an impure module", "a pure one is listed", "one that is gone is listed"],
)
def test_each_way_to_break_it_is_said(listed, sources, said):
    assert judged(*listed, **sources) == (said,)
