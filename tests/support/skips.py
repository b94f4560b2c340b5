"""Fails a run in which a test was skipped, where BMLB_FORBID_SKIPS=1 says so: a machine that lacks something must not look green.

A pytest plug-in; tests/conftest.py loads it by importing its hooks.
"""

import os

import pytest

VARIABLE = "BMLB_FORBID_SKIPS"


def _skipped(config: pytest.Config) -> list[pytest.TestReport | pytest.CollectReport]:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return list(reporter.stats.get("skipped", ())) if reporter and os.environ.get(VARIABLE) == "1" else []


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Turn success into failure when a test was skipped."""
    if _skipped(session.config) and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """List what was skipped, and why."""
    if skipped := _skipped(config):
        terminalreporter.section(f"skipped, which {VARIABLE}=1 forbids")
        for report in skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
            terminalreporter.write_line(f"{report.nodeid}: {reason}")
