"""Writes what becomes of each test to a file, line by line, so that it is there when the process is not: `--lane-report FILE`.

A pytest plug-in; tests/support/lanes.py says what the lines mean. Load it with ``-p tests.support.lane_report``.
"""

import json
from pathlib import Path
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the file's name."""
    parser.addoption("--lane-report", metavar="FILE", help="write a line of JSON there for each thing that becomes of a test")


def pytest_configure(config: pytest.Config) -> None:
    """Write, if there is a file to write to."""
    if name := config.getoption("lane_report"):
        config.pluginmanager.register(_Writer(Path(name)))


class _Writer:
    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")

    def _write(self, **line: Any) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()  # a test may end the process, or fork it

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.outcome != "passed":
            self._write(event="collection", id=report.nodeid, outcome=report.outcome, text=_text(report))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._write(event="collected", count=len(session.items))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._write(event="start", id=nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        outcome = "xfailed" if report.skipped and hasattr(report, "wasxfail") else report.outcome
        if report.when == "call" or outcome != "passed":
            self._write(event="report", id=report.nodeid, outcome=outcome, text="" if outcome == "passed" else _text(report))

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self._write(event="finish", id=nodeid)

    # Last of all: others turn the code of the end into another one.
    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self._write(event="end", code=int(session.exitstatus))


def _text(report: pytest.TestReport | pytest.CollectReport) -> str:
    """What was printed meanwhile, and then why it is not as it should be: whoever cuts it keeps the end."""
    if report.outcome == "skipped":
        return str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
    return "\n".join([*(f"--- {title}\n{content}" for title, content in report.sections), report.longreprtext])
