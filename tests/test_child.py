"""What programs that are started from here get to know: each is started, with a canary about."""

from __future__ import annotations

import ast
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from xswarm_deploy import child, git
from xswarm_deploy.adoption import doctor
from xswarm_deploy.bundling import bundle, functions, programs
from xswarm_deploy.cli import building
from xswarm_deploy.console import no_progress
from xswarm_deploy.database import digest, snapshot
from xswarm_deploy.preflight import machine
from xswarm_deploy.release import copies
from xswarm_deploy.settings import references
from xswarm_twin import install

PROJECT = Path(__file__).parents[1]
CANARY = "canary-of-a-child"
KEYS = ("CLOUDFLARE_API_TOKEN", "STRIPE_SECRET_KEY_LIVE", "JWT_SECRET", "AUDIT_SIGNING_KEY")
FOREIGN = "AWS_SECRET_ACCESS_KEY"
STARTING = (
    *("subprocess.run", "subprocess.Popen", "subprocess.call", "subprocess.check_call"),
    *("subprocess.check_output", "asyncio.create_subprocess_exec"),
    *("running.run", "running.captured"),
)
ITSELF = "adoption/trial.py"
"""Starts this tool again, on the same terminal, as if a person had typed it."""


@pytest.fixture(autouse=True)
def canaries(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*KEYS, FOREIGN):
        monkeypatch.setenv(name, CANARY)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """Return the environments of all programs that were started; none of them runs."""
    given: list[dict[str, str]] = []

    class Refused(subprocess.Popen[bytes]):
        def __init__(self, *_: object, env: dict[str, str] | None = None, **__: Any) -> None:
            self.returncode = 0
            given.append(dict(os.environ if env is None else env))
            raise FileNotFoundError(2, "not started")

        def __del__(self, *_: object) -> None:
            """Have nothing to await."""

    monkeypatch.setattr(subprocess, "Popen", Refused)
    return given


def _check(folder: Path) -> install.Places:
    return install.Places(folder / "requirements.txt", folder, folder)


def _copied(file: Path) -> bool:
    with file.open("wb") as large:
        large.truncate(snapshot._LARGE)
    return snapshot._copied(file, file.with_suffix(".copy"), no_progress)


BY_US: dict[str, Callable[[Path], object]] = {
    "git": lambda folder: git.output(folder, "status"),
    "the check's Node": lambda _: machine._told(["node", "--version"]),
    "doctor": lambda _: doctor._told(["git", "--version"]),
    "git archive": lambda folder: copies.of_commit(folder, "HEAD", folder / "at"),
    "npm": programs._run_npm,
    "pip": lambda _: bundle.run(["pip"], env=child.installer()),
    "hashing rows": lambda _: digest.reader(1 << 30).__enter__(),
    "copying a database": lambda folder: _copied(folder / "large.db"),
    "the twin's pip": lambda folder: install._install_python(_check(folder)),
    "the twin's npm": lambda folder: install._install_node(_check(folder)),
}
BY_PEOPLE: dict[str, Callable[[Path], object]] = {
    "a build": lambda folder: building.build("make site", folder, "", folder),
    "a reference": lambda folder: references._run("X", ["op", "read"], folder, 1.0),
}


@pytest.mark.parametrize("name", BY_US)
def test_what_this_tool_starts_gets_no_secret(
    started: list[dict[str, str]], tmp_path: Path, name: str
) -> None:
    with suppress(Exception):  # what is looked at is how it was started
        BY_US[name](tmp_path)
    assert started
    assert CANARY not in {value for given in started for value in given.values()}


@pytest.mark.parametrize("name", BY_PEOPLE)
def test_what_people_have_started_gets_what_is_theirs(
    started: list[dict[str, str]], tmp_path: Path, name: str
) -> None:
    """A secret manager needs its own token, and none of the keys that this tool reads."""
    with suppress(Exception):
        BY_PEOPLE[name](tmp_path)
    assert {n for n, value in started[0].items() if value == CANARY} == {FOREIGN}


def test_an_installer_knows_the_way_to_its_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example")
    assert "PIP_INDEX_URL" in child.installer()
    assert "PIP_INDEX_URL" in install._environment()
    assert "PIP_INDEX_URL" not in child.environment()


def _sources() -> list[Path]:
    folders = [PROJECT / "tasks", *(PROJECT / "packages").glob("*/src")]
    return [file for folder in folders for file in sorted(folder.rglob("*.py"))]


def _starts() -> Iterator[tuple[str, ast.Call]]:
    for file in _sources():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            module = ast.unparse(node.func.value)
            if f"{module}.{node.func.attr}" in STARTING:
                yield f"{file.relative_to(PROJECT)}:{node.lineno}", node


@pytest.mark.slow
def test_every_program_is_started_with_an_environment_of_its_own() -> None:
    starts = dict(_starts())
    assert len(starts) > 15
    without = [
        place
        for place, call in starts.items()
        if not {keyword.arg for keyword in call.keywords} & {"env", None}
    ]
    assert [place for place in without if ITSELF not in place] == []
    assert not any("os.exec" in file.read_text(encoding="utf-8") for file in _sources())


def test_every_call_of_the_bundlers_runner_names_an_environment() -> None:
    trees = [
        ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
        for module in (bundle, functions)
    ]
    nodes = (node for tree in trees for node in ast.walk(tree))
    calls = [
        n for n in nodes if isinstance(n, ast.Call) and ast.unparse(n.func) in ("run", "bundle.run")
    ]
    assert len(calls) == 4
    assert all("env" in {keyword.arg for keyword in call.keywords} for call in calls)
