"""Data that is made once and then stays: a frozen dataclass that is quick to define.

``dataclass(frozen=True)`` writes six methods for each class and compiles them. All that a rollback
imports spent a seventh of its CPU time on that. Here it writes ``__init__`` alone, and the others
are the same for all classes. A type checker takes it for a frozen dataclass, and ``replace``,
``asdict`` and ``fields`` of ``dataclasses`` do, too; what inherits from it is made by it as well.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import FrozenInstanceError, dataclass, field, fields
from functools import cache
from reprlib import recursive_repr
from typing import Any, Final, TypeVar, cast, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(kind: type[T]) -> type[T]:
    """Make a class a dataclass whose fields are set once, by its ``__init__``.

    Methods that it defines itself stay.
    """
    own = set(vars(kind))
    made = dataclass(eq=False, repr=False)(kind)
    for name, method in _METHODS.items():
        if name not in own:
            setattr(made, name, method)
    return made


def _values(value: Any) -> tuple[object, ...]:
    return tuple([getattr(value, name) for name in _compared(cast("Hashable", type(value)))])


@cache
def _compared(kind: Any) -> tuple[str, ...]:
    """Return the fields that equal data has in common."""
    return tuple(each.name for each in fields(kind) if each.compare)


def _equal(self: Any, other: object) -> Any:
    if type(other) is not type(self):
        return NotImplemented
    return _values(self) == _values(other)


def _hashed(self: Any) -> int:
    return hash(_values(self))


@recursive_repr()
def _shown(self: Any) -> str:
    shown = [each.name for each in fields(self) if each.repr]
    values = ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
    return f"{type(self).__qualname__}({values})"


def _set_once(self: Any, name: str, value: object) -> None:
    if name in self.__dict__ or name not in self.__dataclass_fields__:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")
    object.__setattr__(self, name, value)


def _keep(_self: Any, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


_METHODS: Final[Mapping[str, Callable[..., Any]]] = {
    "__eq__": _equal,
    "__hash__": _hashed,
    "__repr__": _shown,
    "__setattr__": _set_once,
    "__delattr__": _keep,
}
