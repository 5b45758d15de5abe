from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest
from invoke.context import Context
from invoke.exceptions import Exit

from deployment.sandbox import install
from tasks import test


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    run: list[list[str]] = []

    def ended(command: list[str], **_: object) -> SimpleNamespace:
        run.append(command)
        return SimpleNamespace(returncode=len(run) - 1)

    monkeypatch.setattr(install, "ensure", lambda _progress: None)
    monkeypatch.setattr(test, "_install_test_packages", lambda _console: None)
    monkeypatch.setattr(subprocess, "run", ended)
    return run


def test_it_runs_pytest_and_ends_with_its_code(c: Context, commands: list[list[str]]) -> None:
    test.test(c, quick=True, only="tests/tasks,tests/cli", expression="graph")
    assert commands[0][:5] == [sys.executable, "-m", "pytest", "tests/tasks", "tests/cli"]
    assert commands[0][-4:] == ["-m", "not slow", "-k", "graph"]
    with pytest.raises(Exit) as caught:
        test.test(c)
    assert caught.value.code == 1
