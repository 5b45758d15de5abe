"""A pytest plugin: a test whose judge is missing is not run, and says so at the end.

``@pytest.mark.needs("promtool")`` names what a test needs, :func:`require` what a fixture does; and
who starts such a program, as the helpers do that make a repository, needs it, too. Such a test
counts as *not run*: it did not pass, and it did not fail. With ``CI=true`` it fails.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from tests.support import judges

_REASON = "not run, missing: "


def require(*programs: str) -> None:
    """Go on only where all these programs are there.

    Raises:
        pytest.skip.Exception: one is missing; the test counts as not run.
        pytest.fail.Exception: one is missing, and this is CI.
    """
    gone = judges.missing(programs)
    if gone and os.environ.get("CI") == "true":
        pytest.fail(f"{', '.join(gone)}: missing; {judges.command(gone)}", pytrace=False)
    if gone:
        pytest.skip(_REASON + ", ".join(gone))


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line("markers", "needs(*programs): not run where one of them is missing")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    """Look for what the test's markers name, and for what its fixtures start."""
    for marker in item.iter_markers("needs"):
        require(*marker.args)
    with _required():
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None]:
    """Look for what the test itself starts."""
    with _required():
        yield


@contextmanager
def _required() -> Generator[None]:
    """Take a judge that could not be started for one that is needed."""
    try:
        yield
    except FileNotFoundError as error:
        if error.filename in judges.JUDGES:
            require(error.filename)
        raise


def pytest_report_teststatus(
    report: pytest.TestReport | pytest.CollectReport,
) -> tuple[str, str, str] | None:
    """Count a test without its judge apart from those that were skipped."""
    return ("not run", "n", "NOT RUN") if _gone(report) else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what was missing, and the command that installs it."""
    reports = terminalreporter.getreports("not run")
    if not reports:
        return
    gone = sorted({program for report in reports for program in _gone(report)})
    terminalreporter.section("not run", yellow=True)
    terminalreporter.line(f"{len(reports)} tests were not run: {', '.join(gone)} missing here")
    terminalreporter.line(f"  next: {judges.command(gone)}")


def _gone(report: pytest.TestReport | pytest.CollectReport) -> list[str]:
    """Return the programs whose absence kept a test from being run."""
    if not report.skipped or not isinstance(report.longrepr, tuple):
        return []
    _, found, programs = report.longrepr[2].partition(_REASON)
    return programs.split(", ") if found else []
