"""The reference is made from the code, and nothing that a person can type or set is missing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.test_tasks import all_tasks
from xswarm_deploy import tasks
from xswarm_deploy.adoption import invoke_file
from xswarm_deploy.cli import reference
from xswarm_deploy.cli.catalogue import flags
from xswarm_deploy.errors import EXIT_CODES, ExitCode
from xswarm_deploy.settings import schema
from xswarm_deploy.settings.process import PROCESS
from xswarm_deploy.settings.variables import ENVIRONMENTS, VARIABLES

PROJECT = Path(__file__).resolve().parents[1]
FOLDER = PROJECT / "deployment/docs/reference"
SOURCES = (PROJECT / "tasks", PROJECT / "packages/deploy/src/xswarm_deploy")


@cache
def page(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", reference.pages(tasks.ns))
def test_a_page_is_what_the_code_says(name: str) -> None:
    assert page(name) == reference.pages(tasks.ns)[name], "run: ./inv config.reference"


def test_the_schema_is_what_the_code_says() -> None:
    kept = (PROJECT / invoke_file.SCHEMA).read_text(encoding="utf-8")
    assert kept == schema.text(), "run: ./inv config.schema"


def test_every_task_and_every_flag_is_there_and_says_what_it_does() -> None:
    found = page("tasks.md")
    for name, task in all_tasks(tasks.ns):
        group, _, own = name.rpartition(".")
        typed = group if own == group else name
        assert f"## {typed}\n" in found
        for argument in flags(task):
            shown = str(argument.name).replace("_", "-")
            assert (
                f"--{shown}`" in found or f"--no-{shown}`" in found or f"`{shown.upper()}`" in found
            )
            assert argument.help, f"{name} --{shown} does not say what it does"


def test_every_variable_is_there() -> None:
    found = page("variables.md")
    names = {each.file_name(environment) for each in VARIABLES for environment in ENVIRONMENTS}
    assert [name for name in sorted(names) if f"`{name}`" not in found] == []


def test_every_exit_code_is_there() -> None:
    assert set(EXIT_CODES) == set(ExitCode)
    for code in ExitCode:
        assert f"| {code.value} | {code.name} |" in page("exit-codes.md")


@pytest.mark.slow
def test_what_the_code_reads_of_the_process_is_there() -> None:
    known = {variable.file_name(e) for variable in VARIABLES for e in ENVIRONMENTS}
    read = {name for folder in SOURCES for file in folder.rglob("*.py") for name in _read(file)}
    assert read >= {"NO_COLOR", "DEPLOY_ENV_FILE"}
    assert sorted(read - known - set(PROCESS)) == []


def _read(file: Path) -> Iterator[str]:
    """Return the names that a file asks of ``os.environ``, or of what stands for it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        asked: ast.expr | None = None
        if isinstance(node, ast.Subscript):
            held, asked = node.value, node.slice
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            held, asked = node.func.value, node.args[0]
        if isinstance(asked, ast.Constant) and ast.unparse(held).split(".")[-1] in _HOLDERS:
            yield str(asked.value)


_HOLDERS = ("environ", "process_environment")
