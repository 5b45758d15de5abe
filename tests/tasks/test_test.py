"""The tasks of the tests and the benchmarks, called as functions."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from invoke.config import Config
from invoke.context import MockContext
from invoke.exceptions import Exit
from invoke.runners import Result

from tests.support import judges
from tests.tasks.conftest import commands
from xswarm_deploy.tasks import test


def test_the_judges_are_there_before_the_tests(context: MockContext) -> None:
    test.test(context)
    installed, tested = commands(context)
    assert installed == ["-m", "tests.support.judges"]
    assert tested == ["-m", "pytest", "-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]


def test_the_quick_suite_wants_no_slow_judge(context: MockContext) -> None:
    test.test(context, quick=True, only="tests/release,tests/steps", expression="lock")
    installed, tested = commands(context)
    assert installed == ["-m", "tests.support.judges", "--quick"]
    assert tested[2:4] == ["tests/release", "tests/steps"]
    assert tested[-4:] == ["-m", "not slow", "-k", "lock"]


def test_a_failure_of_the_tests_is_the_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test, "install", lambda _c: None)
    failing = MockContext(Config(), run=[True, Result(exited=1)])
    with pytest.raises(Exit) as caught:
        test.test(failing)
    assert caught.value.code == 1


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
