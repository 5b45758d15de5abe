"""The tool without what Windows lacks, on a system that has it.

``python -m tests.support.windows WORD…`` runs ``xswarm WORD…`` so; without words it imports every
module of the tool, and prints their names.

What Windows lacks is what typeshed, which mypy judges by, has for other platforms alone. It is
taken from our own modules: they find no such module, and no such name in ``os``, ``signal``,
``time`` and the like; ``sys.platform`` is win32 to them. The standard library and the packages of
others are left as they are: they have code of their own for Windows. Not shown by it: how Windows
treats paths, files that are open, and its console.
"""

from __future__ import annotations

import ast
import builtins
import errno
import fcntl
import importlib
import pkgutil
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from signal import Signals
from types import ModuleType, SimpleNamespace
from typing import Any, Final

import mypy

STUBS: Final = Path(mypy.__file__).parent / "typeshed/stdlib"
WINDOWS: Final = "win32"
OURS: Final = ("xswarm_", "tasks")
TWIN: Final = "xswarm_twin"
THINNED: Final = ("os", "signal", "time", "select", "socket", "subprocess", "asyncio", "errno")
"""Modules that Windows has, with fewer names."""
NAME: Final = "xswarm.exe"


def missing_names(module: str, where: str = WINDOWS) -> frozenset[str]:
    """Return the names that a module has here, and has not on another platform."""
    stub = next(
        p for p in (STUBS / f"{module}.pyi", STUBS / module / "__init__.pyi") if p.is_file()
    )
    tree = ast.parse(stub.read_text(encoding="utf-8"))
    here, there = (set(_names(tree.body, name)) for name in (sys.platform, where))
    return frozenset(here - there)


@cache
def is_missing(module: str, where: str = WINDOWS) -> bool:
    """Return whether a platform has no such module: its stub is empty there."""
    stub = STUBS / f"{module.partition('.')[0]}.pyi"
    if not stub.is_file():
        return False
    tree = ast.parse(stub.read_text(encoding="utf-8"))
    here, there = (
        {name for name in _names(tree.body, each, imports=False) if name[0] != "_"}
        for each in (sys.platform, where)
    )
    return bool(here) and not there


def _names(body: Iterable[ast.stmt], where: str, *, imports: bool = True) -> Iterator[str]:
    """Yield what a stub defines on a platform."""
    for node in body:
        if isinstance(node, ast.If):
            taken = node.body if _holds(node.test, where) else node.orelse
            yield from _names(taken, where, imports=imports)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id
        elif isinstance(node, ast.Assign):
            yield from (each.id for each in node.targets if isinstance(each, ast.Name))
        elif imports and isinstance(node, ast.Import | ast.ImportFrom):
            yield from (each.asname or each.name for each in node.names)


def _holds(test: ast.expr, where: str) -> bool:
    known = SimpleNamespace(platform=where, version_info=sys.version_info)
    return bool(eval(compile(ast.Expression(test), "stub", "eval"), {"sys": known}))


class Thinned(ModuleType):
    """A module without some of its names, and with others in their place."""

    def __init__(self, real: ModuleType, gone: frozenset[str], given: Mapping[str, Any]) -> None:
        super().__init__(real.__name__)
        vars(self).update(_real=real, _gone=gone, _given=given)

    def __getattr__(self, name: str) -> Any:
        own = vars(self)
        if name in own["_given"]:
            return own["_given"][name]
        if name in own["_gone"]:
            raise AttributeError(f"Windows' {self.__name__} has no {name}", name=name)
        return getattr(own["_real"], name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(vars(self)["_real"], name, value)


def _msvcrt() -> ModuleType:
    """Return the one function of it that is used, by its document: an error where it is locked."""
    made: Any = ModuleType("msvcrt")

    def locking(descriptor: int, mode: int, count: int) -> None:
        assert (mode, count) == (made.LK_NBLCK, 1)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PermissionError(errno.EACCES, "Permission denied") from None

    made.LK_NBLCK, made.locking = 2, locking
    return made  # type: ignore[no-any-return]


def _thinned(name: str) -> Thinned:
    gone, real = missing_names(name), importlib.import_module(name)
    signals = [each for each in Signals if each.name not in gone]
    return Thinned(real, gone, {"Signals": signals} if name == "signal" else {})


def pretend() -> None:
    """From now on let our modules find only what Windows has."""
    real = builtins.__import__
    thinned = {
        "sys": Thinned(sys, frozenset(), {"platform": WINDOWS}),
        "platform": Thinned(platform, frozenset(), {"system": lambda: "Windows"}),
        **{name: _thinned(name) for name in THINNED},
        "msvcrt": _msvcrt(),
    }

    def found(
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Any = (),
        level: int = 0,
    ) -> ModuleType:
        who = str((globals or {}).get("__name__", ""))
        if who.startswith(OURS) and not level:
            if is_missing(name):
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
            if name in thinned:
                return thinned[name]
        return real(name, globals, locals, fromlist, level)

    builtins.__import__ = found


def every_module() -> list[str]:
    """Import all of the tool but what needs the twin, and return the names."""
    import xswarm_deploy

    found = pkgutil.walk_packages(xswarm_deploy.__path__, "xswarm_deploy.")
    names = sorted(module.name for module in found)
    imported = []
    for name in names:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if not (error.name == "fcntl" and TWIN in sys.modules):
                raise
            continue
        imported.append(name)
    return imported


def main(words: list[str]) -> None:
    """Import all, or run a command."""
    pretend()
    if not words:
        sys.stdout.write("\n".join(every_module()))
        return
    sys.argv = [NAME, *words]
    program = importlib.import_module("xswarm_deploy.cli.program")
    program.main()


if __name__ == "__main__":
    main(sys.argv[1:])
