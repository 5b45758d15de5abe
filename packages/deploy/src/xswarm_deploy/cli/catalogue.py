"""Tasks that are known by name and summary; their file is imported when one of them is wanted.

``--list`` needs names and summaries only, and a command needs one file of tasks/: importing all
of them, with all they use, takes three times as long as Invoke itself.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from invoke.collection import Collection
from invoke.parser.argument import Argument
from invoke.tasks import Task

from xswarm_deploy.errors import Unavailable


class Listed(Task[Any]):
    """A task that stands in the list; everything beyond its name and summary is in its file.

    Args:
        module: where the task is defined.
        name: its name there.
        summary: its docstring, one line.
    """

    def __init__(self, module: str, name: str, summary: str) -> None:
        # Not Task's own constructor: that wants the function, and so the import.
        self._module, self._name, self.__doc__ = module, name, summary
        self.aliases, self.is_default = (), False

    @property
    def real(self) -> Task[Any]:
        """Return the task itself; its file is imported now."""
        try:
            here = vars(import_module(self._module)).values()
        except ModuleNotFoundError as error:
            if sys.platform == "win32" and error.name == "fcntl":
                raise Unavailable(
                    "the local twin does not run on Windows",
                    "",
                    "use WSL for it (wsl --install); all that acts on an account runs here, too",
                ) from None
            if not str(error.name).startswith("xswarm_twin"):
                raise
            raise Unavailable(
                "the local twin is not installed", "", "pip install 'xswarm-deploy[twin]'"
            ) from None
        return next(one for one in here if isinstance(one, Task) and one.name == self._name)

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
        """Return the task's flags; plain ``inv`` asks for all tasks', and needs the named ones'."""
        if not _may_be_named(self.name):
            return []
        return flags(self.real, ignore_unknown_help)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.real, name)


def _may_be_named(name: str) -> bool:
    """Return False where plain ``inv`` is running, and its command line names no such task."""
    program = Path(sys.argv[0])
    plain = program.stem in ("inv", "invoke") or program.parent.name == "invoke"
    words = [word for word in sys.argv[1:] if not word.startswith("-") or "=" in word]
    return not plain or any(name in word for word in words)


def loaded(task: Any) -> Task[Any]:
    """Return the task itself where only its entry in the list is given."""
    return task.real if isinstance(task, Listed) else cast("Task[Any]", task)


def flags(task: Any, ignore_unknown_help: bool | None = None) -> list[Argument]:
    """Return a task's flags; Invoke takes the explanations away as it reads them, these stay."""
    found = loaded(task)
    kept = dict(found.help)
    try:
        return found.get_arguments(ignore_unknown_help)
    finally:
        found.help = kept


def listed(module: str, summaries: Mapping[str, str]) -> list[Listed]:
    """Return tasks of one file without importing it.

    Args:
        module: the file's module, e.g. ``tasks.check``.
        summaries: name → docstring of each task.
    """
    return [Listed(module, name, summary) for name, summary in summaries.items()]


def group(module: str, summaries: Mapping[str, str], *others: Listed) -> Collection:
    """Return the tasks of one file below its name; one of that name is the default.

    Args:
        module: the file's module, e.g. ``tasks.migrate``.
        summaries: name → docstring of each task.
        others: tasks of other files that stand below that name, too.
    """
    name = module.rpartition(".")[2]
    made = Collection(name)
    for each in (*listed(module, summaries), *others):
        made.add_task(each, default=each.name == name)
    return made


def in_own_checkout() -> bool:
    """Return whether the tool runs from the checkout in which it is made, not from a wheel."""
    return (Path(__file__).resolve().parents[5] / "requirements-test.in").is_file()
