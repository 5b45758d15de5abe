from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from invoke.collection import Collection
from invoke.exceptions import ParseError
from invoke.parser import Parser
from invoke.parser.context import ParserContext

import tasks
from tests import words

PROJECT = Path(__file__).resolve().parents[1]
HEAVY = (
    "aiohttp",
    "boto3",
    "fabric",
    "paramiko",
    "pyrage",
    "questionary",
    "requests",
    "turso_python",
    "zstandard",
    "colorama",
    "dotenv",
    "deployment.sandbox",
)


def test_tasks_is_the_file_not_the_folder() -> None:
    assert str(tasks.__file__).endswith("tasks.py")


@pytest.mark.parametrize(
    ("modules", "heavy"),
    [
        ("tasks", HEAVY),
        # A release that asks no provider, such as `inv migrate` of a file, waits for no client.
        (
            "deployment.release.preview, deployment.release.recovery, deployment.release.inputs,"
            " deployment.steps.migrate",
            ("requests", "turso_python", "zstandard"),
        ),
        # Going back builds nothing and applies no migrations; it is wanted at once.
        (
            "deployment.release.rollback, deployment.release.recovery, deployment.steps.webhooks",
            ("deployment.database.migrate", "deployment.steps.bundle", "sqlite3", "uuid"),
        ),
    ],
)
def test_what_is_imported_imports_nothing_heavy(modules: str, heavy: tuple[str, ...]) -> None:
    script = f"import sys, {modules}; print([m for m in {heavy!r} if m in sys.modules])"
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == "[]"


def test_every_task_says_what_it_does() -> None:
    assert [name for name, task in _all(tasks.ns) if not task.__doc__] == []


def test_the_original_names_still_lead_there() -> None:
    names = {name for name, _ in _all(tasks.ns)}
    assert names >= {
        f"deploy.{name}" for name in ("check", "migrate", "prod", "verify", "list", "rollback")
    }


@pytest.mark.parametrize("command", words.commands(), ids=" ".join)
def test_every_command_in_the_words_exists(command: tuple[str, ...]) -> None:
    try:
        parsed = Parser(contexts=_contexts()).parse_argv(list(command))
    except ParseError as error:
        raise AssertionError(f"./inv {' '.join(command)}: {error}") from None
    assert parsed


@cache
def _contexts() -> list[ParserContext]:
    return list(tasks.ns.to_contexts())


def _all(collection: Collection, prefix: str = "") -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = [(prefix + n, t) for n, t in collection.tasks.items()]
    for name, inner in collection.collections.items():
        found += _all(inner, f"{prefix}{name}.")
    return found
