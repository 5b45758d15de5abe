"""Import one module of a package without all the others that it would bring along."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Final

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


@contextmanager
def standing_in(name: str, /, **attributes: object) -> Iterator[None]:
    """Let what is imported in the block get a stand-in for a module; nobody else meets it.

    Where the module was imported already, that one is found.

    Args:
        name: of the module, e.g. ``unittest.mock``.
        attributes: what the stand-in holds.
    """
    with _ONE_AT_A_TIME:
        if name in sys.modules:
            yield
            return
        sys.modules[name] = ModuleType(name)
        vars(sys.modules[name]).update(attributes)
        try:
            yield
        finally:
            del sys.modules[name]


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
