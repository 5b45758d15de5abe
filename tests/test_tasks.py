from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest
from invoke.collection import Collection
from invoke.exceptions import ParseError
from invoke.parser import Parser
from invoke.parser.context import ParserContext
from invoke.program import Program

import xswarm_deploy.tasks as tasks
from tests import words

PROJECT = Path(__file__).resolve().parents[1]
FILES = sorted(file.stem for file in (PROJECT / "tasks").glob("[a-z]*.py"))
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
    "xswarm_twin",
)


def test_tasks_py_hands_on_what_the_tool_ships() -> None:
    spec = importlib.util.spec_from_file_location("repository_tasks", PROJECT / "tasks.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.ns is tasks.ns


@pytest.mark.slow
@pytest.mark.parametrize(
    ("modules", "heavy"),
    [
        (
            "xswarm_deploy.tasks",
            (*HEAVY, "xswarm_deploy.release", "xswarm_deploy.steps", "xswarm_deploy.services"),
        ),
        # A file of tasks/ imports all of ours that it uses, and what is heavy only at its edge.
        (
            ", ".join(
                f"xswarm_deploy.tasks.{file.stem}"
                for file in sorted((PROJECT / "tasks").glob("[a-z]*.py"))
            ),
            tuple(name for name in HEAVY if name not in ("requests", "xswarm_twin")),
        ),
        ("xswarm_deploy.tasks.migrate, xswarm_deploy.tasks.backup", ("requests", "xswarm_twin")),
        # Mostly nothing is pending, and nothing that applies is imported to find that out.
        (
            "xswarm_deploy.tasks.migrate, xswarm_deploy.cli.executor,"
            " xswarm_deploy.settings.overrides",
            (
                *("xswarm_deploy.release.transaction", "xswarm_deploy.release.records"),
                *("xswarm_deploy.database.migrate", "xswarm_deploy.database.backup"),
                *("xswarm_deploy.steps.migrate", "xswarm_monitoring.rules"),
            ),
        ),
        ("xswarm_deploy.cli.program", ("unittest", "asyncio", "invoke.vendor.yaml")),
        ("xswarm_deploy.services.http", ("charset_normalizer", "importlib.metadata")),
        (
            "xswarm_deploy.release.transaction, xswarm_deploy.steps.migrate",
            ("xswarm_deploy.steps.traffic", "xswarm_deploy.database.backup", "tomllib"),
        ),
        (
            "xswarm_deploy.tasks.rollback",
            ("xswarm_deploy.database.migrate", "xswarm_deploy.bundling.bundle", "sqlite3", "uuid"),
        ),
        # A release that asks no provider, such as `inv migrate` of a file, waits for no client.
        (
            "xswarm_deploy.release.preview, xswarm_deploy.release.recovery,"
            " xswarm_deploy.release.inputs, xswarm_deploy.steps.migrate",
            ("requests", "turso_python", "zstandard"),
        ),
        # Going back builds nothing and applies no migrations; it is wanted at once.
        (
            "xswarm_deploy.release.rollback, xswarm_deploy.release.recovery,"
            " xswarm_deploy.steps.webhooks",
            ("xswarm_deploy.database.migrate", "xswarm_deploy.bundling.bundle", "sqlite3", "uuid"),
        ),
    ],
)
def test_what_is_imported_imports_nothing_heavy(modules: str, heavy: tuple[str, ...]) -> None:
    script = f"import sys, {modules}; print([m for m in {heavy!r} if m in sys.modules])"
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == "[]"


def test_the_list_is_printed_without_the_files_of_the_tasks() -> None:
    script = (
        "import sys; from xswarm_deploy.cli.program import Config, Program\n"
        "ours = ('xswarm_deploy.tasks.', 'xswarm_deploy.release')\n"
        "try: Program(name='Invoke', binary='./inv', config_class=Config).run(['inv', '--list'])\n"
        "finally: print([m for m in sys.modules if m.startswith(ours)])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert "rollback" in ended.stdout
    assert ended.stdout.endswith("[]\n")


@pytest.mark.parametrize(
    "file",
    [
        *sorted((PROJECT / "tasks").glob("[a-z]*.py")),
        *sorted((PROJECT / "packages/deploy/src/xswarm_deploy/cli").glob("*.py")),
    ],
    ids=lambda file: f"{file.parent.name}/{file.stem}",
)
def test_our_own_modules_are_imported_at_the_top(file: Path) -> None:
    functions = [
        node
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    imported = [
        name
        for function in functions
        for node in ast.walk(function)
        for name in _imported(node)
        if name.partition(".")[0] in ("tasks", "xswarm_deploy", "xswarm_monitoring", "xswarm_twin")
    ]
    assert imported == []


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return [each.name for each in node.names] if isinstance(node, ast.Import) else []


def test_every_task_says_what_it_does() -> None:
    assert [name for name, task in all_tasks(tasks.ns) if not task.__doc__] == []


def test_the_original_names_still_lead_there() -> None:
    names = {name for name, _ in all_tasks(tasks.ns)}
    assert names >= {
        f"deploy.{name}" for name in ("check", "migrate", "prod", "verify", "list", "rollback")
    }


DOCUMENTED = list(dict.fromkeys([*words.commands(), *words.installed()]))


@pytest.mark.parametrize("command", DOCUMENTED, ids=" ".join)
def test_every_command_in_the_words_exists(command: tuple[str, ...]) -> None:
    try:
        core = ParserContext(args=Program().core_args())  # such as --dry
        parsed = Parser(initial=core, contexts=_contexts(command)).parse_argv(list(command))
    except ParseError as error:
        raise AssertionError(f"./inv {' '.join(command)}: {error}") from None
    assert parsed


def _contexts(command: Sequence[str]) -> list[ParserContext]:
    """Return those that a command names: a parser copies all that it is given."""
    return [one for one in _all_contexts() if {one.name, *one.aliases} & {*command}]


@cache
def _all_contexts() -> list[ParserContext]:
    return list(tasks.ns.to_contexts())


def all_tasks(collection: Collection, prefix: str = "") -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = [(prefix + n, t) for n, t in collection.tasks.items()]
    for name, inner in collection.collections.items():
        found += all_tasks(inner, f"{prefix}{name}.")
    return found
