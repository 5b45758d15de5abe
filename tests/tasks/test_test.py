"""The tasks of the tests and the benchmarks, called as functions."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from invoke.config import Config
from invoke.context import MockContext
from invoke.exceptions import Exit
from invoke.runners import Result

from tests.support import judges, unsteady
from tests.tasks.conftest import commands
from xswarm_deploy.tasks import test


def test_the_judges_are_there_before_the_tests(
    context: MockContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    test.test(context)
    installed, tested = commands(context)
    assert installed == ["-m", "tests.support.judges"]
    assert tested[:3] == ["-m", "pytest", "--cache-clear"]
    assert tested[3:] == ["-n", "3", "--dist", "loadfile", "--no-loadscope-reorder"]


def test_the_quick_suite_wants_no_slow_judge(
    context: MockContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    test.test(context, quick=True, only="tests/release,tests/steps", expression="lock")
    installed, tested = commands(context)
    assert installed == ["-m", "tests.support.judges", "--quick"]
    assert tested[3:5] == ["tests/release", "tests/steps"]
    assert tested[6] == "3"
    assert tested[-4:] == ["-m", "not slow", "-k", "lock"]


def _outcome(monkeypatch: pytest.MonkeyPatch, *codes: int) -> tuple[int, list[list[str]]]:
    monkeypatch.setattr(test, "install", lambda _c: None)
    failing = MockContext(Config(), run=[True, *(Result(exited=code) for code in codes)])
    try:
        test.test(failing)
    except Exit as caught:
        return caught.code, commands(failing)
    return 0, commands(failing)


def test_a_failure_of_the_tests_is_the_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    code, ran = _outcome(monkeypatch, 1, 1)
    assert (code, ran[-1]) == (1, ["-m", "tests.support.unsteady"])
    assert _outcome(monkeypatch, 1, 0)[0] == 0
    stopped, ran = _outcome(monkeypatch, 2)
    assert (stopped, len(ran)) == (2, 2), "a run that was stopped is not asked again"


def test_few_failures_are_asked_once_more(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Sequence[str]] = []
    record = tmp_path / "lastfailed"

    def answer(code: int) -> int:
        def run(tests: Sequence[str]) -> int:
            asked.append(tests)
            return code

        return unsteady.ask(unsteady.failed(record), run)

    assert answer(0) == 1, "a failure without a test that failed"
    record.write_text(json.dumps({"tests/b.py::b": True, "tests/a.py::a": True}))
    assert answer(1) == 1
    assert "UNSTEADY" not in capsys.readouterr().err
    assert answer(0) == 0
    assert "UNSTEADY: 2 failed" in capsys.readouterr().err
    record.write_text(json.dumps({f"tests/{one}.py::x": True for one in "abcd"}))
    assert answer(0) == 1, "too many to be a want of time"
    assert asked == [["tests/a.py::a", "tests/b.py::b"]] * 2


def test_a_file_is_mutated_by_its_name(context: MockContext) -> None:
    test.mutants(
        context, "packages/deploy/src/xswarm_deploy/release/lock.py", tests="tests/a.py,tests/b.py"
    )
    module, *tests = commands(context)[0][2:]
    assert (module, tests) == (
        "packages/deploy/src/xswarm_deploy/release/lock.py",
        ["tests/a.py", "tests/b.py"],
    )


def test_the_fault_matrix_is_run_by_what_was_asked(context: MockContext) -> None:
    test.faults(context, full=True, scenario="canary", expression="| lost", minutes=5)
    assert commands(context)[0] == [
        *("-m", "tests.faults", "--full", "--scenario", "canary", "--expression", "| lost"),
        *("--minutes", "5"),
    ]
    test.faults(context, anew=True)
    assert commands(context)[1] == ["-m", "tests.faults", "--anew"]


@pytest.mark.parametrize(
    ("programs", "manager", "line"),
    [
        (["promtool"], "apt-get", "sudo apt-get install --no-install-recommends prometheus"),
        (["age", "age-keygen"], "apt-get", "sudo apt-get install --no-install-recommends age"),
        (["promtool", "amtool"], "brew", "brew install prometheus alertmanager"),
        (["wrk"], "", "install what this system calls wrk"),
    ],
)
def test_the_command_that_brings_a_judge_is_this_systems(
    monkeypatch: pytest.MonkeyPatch, programs: list[str], manager: str, line: str
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin" if manager == "brew" else "linux")
    monkeypatch.setattr(shutil, "which", lambda name, **_: name if name == manager else None)
    assert judges.command(programs) == line


def test_who_may_not_install_is_not_told_that_it_is_done(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(judges, "_privilege", lambda: None)
    monkeypatch.setattr(judges, "_brew", lambda: False)
    assert judges.install(["promtool"]) == ""
    assert capfd.readouterr().err == ""


def test_one_package_that_cannot_be_had_keeps_no_other_away(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    apt = tmp_path / "apt-get"
    apt.write_text(f'#!/bin/sh\necho "$@" >>{log}\ncase $* in *prometheus*) exit 100;; esac\n')
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(judges, "_privilege", list)
    monkeypatch.setattr(judges, "_brew", lambda: False)
    monkeypatch.setattr(judges, "APT", judges.APT.replace("/usr/sbin/policy", f"{tmp_path}/policy"))
    judges.install(["age", "promtool"])
    installs = [line.split()[-1] for line in log.read_text().splitlines() if "install" in line]
    assert installs == ["prometheus", "age", "prometheus"]
    assert not (tmp_path / "policy-rc.d").exists()
