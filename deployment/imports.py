"""Import less: one module of a package, or a module only once a function of it is called."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Final

_ONE_AT_A_TIME: Final = threading.RLock()
"""Nobody else must meet, or take away, the empty package that stands in meanwhile."""


def alone(name: str) -> ModuleType:
    """Import a module as if the ``__init__`` of its package were empty.

    Whoever imports the package itself, before or after, gets all of it.

    Args:
        name: of a module one level below its package, e.g. ``dotenv.parser``.

    Raises:
        ModuleNotFoundError: the package is not installed, or has no such module.
    """
    with _ONE_AT_A_TIME:
        return sys.modules.get(name) or _alone(name)


def _alone(name: str) -> ModuleType:
    package = name.rpartition(".")[0]
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise ModuleNotFoundError(f"{package} is not installed", name=package)
    found = sys.modules.get(package)
    sys.modules[package] = importlib.util.module_from_spec(spec)
    try:
        return importlib.import_module(name)
    finally:
        del sys.modules[package]
        if found:
            sys.modules[package] = found


@contextmanager
def deferred(name: str, *functions: str) -> Iterator[None]:
    """Let what is imported in this block get functions that import their module when called.

    Args:
        name: of the module that whoever is imported wants, e.g. ``unittest.mock``.
        functions: those of it that are wanted.
    """
    with _ONE_AT_A_TIME:
        if name in sys.modules:
            yield
            return
        sys.modules[name] = ModuleType(name)
        vars(sys.modules[name]).update({each: _calling(name, each) for each in functions})
        try:
            yield
        finally:
            del sys.modules[name]


def _calling(name: str, function: str) -> Callable[..., Any]:
    def call(*given: Any, **named: Any) -> Any:
        return getattr(importlib.import_module(name), function)(*given, **named)

    return call
