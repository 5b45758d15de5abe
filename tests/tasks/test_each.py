"""Every task has a test that calls it directly, and a summary that is its docstring."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.test_tasks import all_tasks
from xswarm_deploy import tasks
from xswarm_deploy.cli.catalogue import Listed

FOLDER = Path(__file__).parent
LISTED = [(name, task) for name, task in all_tasks(tasks.ns) if isinstance(task, Listed)]


@pytest.mark.parametrize(("name", "task"), LISTED, ids=[name for name, _ in LISTED])
def test_it_is_called_directly_without_a_subprocess(name: str, task: Listed) -> None:
    noun, function = task.real.__module__.rpartition(".")[2], task.real.__name__
    tree = ast.parse((FOLDER / f"test_{noun}.py").read_text())
    called = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == noun
    }
    assert function in called
    assert task.__doc__ == task.real.__doc__


def test_each_file_of_tasks_has_all_its_tasks_in_the_list() -> None:
    """A task that stands in no list cannot be typed."""
    listed = {(task.real.__module__, task.real.__name__) for _, task in LISTED}
    written = {
        (f"xswarm_deploy.tasks.{file.stem}", node.name)
        for file in (FOLDER.parents[1] / "tasks").glob("*.py")
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.FunctionDef)
        and any("task" in ast.unparse(each).split("(")[0] for each in node.decorator_list)
    }
    assert written == listed
