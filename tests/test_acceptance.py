"""The order, line by line: what is said to keep each line is there."""

from __future__ import annotations

import ast
import inspect
import shlex
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.acceptance import DOCUMENT, PARTS, ROOT, Line, document
from tests.test_tasks import all_tasks
from xswarm_deploy import tasks
from xswarm_deploy.cli.catalogue import flags, loaded

LINES = [line for lines in PARTS.values() for line in lines]
ENVIRONMENTS = ("production", "staging", "local")


@cache
def functions(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("line", LINES, ids=[line.says for line in LINES])
def test_each_line_is_kept_by_tests_that_there_are(line: Line) -> None:
    assert line.tests
    for test in line.tests:
        file, _, name = test.partition("::")
        assert name in functions(ROOT / "tests" / file), test


@pytest.mark.parametrize("command", sorted({line.command for line in LINES if line.command}))
def test_each_line_is_shown_by_a_task_with_such_flags(command: str) -> None:
    words = [word for word in shlex.split(command) if word not in ENVIRONMENTS]
    task = loaded(tasks.ns[words[0]])
    known = {name for argument in flags(task) for name in argument.names}
    for word in words[1:]:
        if word.startswith("--"):
            assert word.removeprefix("--") in {name.replace("_", "-") for name in known}, command


def test_what_is_kept_in_part_says_why() -> None:
    assert all(len(line.partly) > 20 for line in LINES if line.partly)
    assert len({line.says for line in LINES}) == len(LINES)


def test_the_help_of_yes_says_who_is_never_asked() -> None:
    """Where the local twin is never asked, ``--help`` says so; where it is, it does not."""
    for name, each in all_tasks(tasks.ns):
        task = loaded(each)
        said = {a.name: a.help for a in flags(task)}.get("yes")
        source = inspect.getsource(sys.modules[task.body.__module__])
        if said and "answer is NO" in said and not name.startswith("deploy."):
            assert ("never asks" in said) is ("context.agreed(" in source), name


def test_the_document_is_the_list() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document(), "python -m tests.acceptance"
