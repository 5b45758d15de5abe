"""Take JSON apart by the shape that is expected, and say where it has another.

Shapes are the types of JSON (``str``, ``int``, ``float``, ``bool``, ``object``), lists, tuples and
sets of one shape, mappings from text, ``… | None``, typed dictionaries, and subclasses of
:class:`Wire`. Small on purpose: a rollback at night waits for what is imported here.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

Reader = Callable[[Any, str], Any]
"""Takes a value and where it stands, and returns it read; raises :class:`Mismatch`."""


class Mismatch(ValueError):
    """A value is of another shape; the message says where and how, without the value."""


class Wire:
    """A JSON object as a service sends it; fields that a subclass does not name are left out.

    A subclass names what is read, with types; a field without a default must be there.
    """

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


def read(value: Any, shape: Any, where: str = "$") -> Any:
    """Return JSON as its shape.

    Args:
        value: what ``json.loads`` gave.
        shape: see the module.
        where: its place, for errors.

    Raises:
        Mismatch: it is of another shape.
    """
    return _reader(shape)(value, where)


@cache
def _reader(shape: Any) -> Reader:
    if shape in (object, Any):
        return _as_it_is
    if shape in _PLAIN:
        return _plain(shape)
    if isinstance(shape, type) and issubclass(shape, Wire):
        return _object(shape, typing.get_type_hints(shape), lambda name: not hasattr(shape, name))
    if typing.is_typeddict(shape):
        return _typed_dictionary(shape)
    return _composed(shape)


def _as_it_is(value: Any, _where: str) -> Any:
    return value


def _composed(shape: Any) -> Reader:
    origin, parts = typing.get_origin(shape), typing.get_args(shape)
    if origin in (types.UnionType, typing.Union) and type(None) in parts and len(parts) == 2:
        inner = _reader(next(part for part in parts if part is not type(None)))
        return lambda value, where: None if value is None else inner(value, where)
    if origin in (list, tuple, frozenset):
        return _listed(origin, _reader(parts[0]))
    if origin is dict and parts[0] is str:
        return _mapping(_reader(parts[1]))
    raise TypeError(f"{shape!r} is no shape of JSON")


_PLAIN: Final[Mapping[Any, tuple[type, ...]]] = {
    str: (str,),
    int: (int,),
    float: (int, float),
    bool: (bool,),
}
_NAMES: Final[Mapping[type, str]] = {
    dict: "object",
    list: "array",
    type(None): "null",
}


def _plain(shape: type) -> Reader:
    allowed = _PLAIN[shape]

    def reader(value: Any, where: str) -> Any:
        if type(value) not in allowed:  # a bool is no number here
            raise _unlike(shape.__name__, value, where)
        return value

    return reader


def _listed(made: Callable[[list[Any]], Any], item: Reader) -> Reader:
    def reader(value: Any, where: str) -> Any:
        if not isinstance(value, list):
            raise _unlike("array", value, where)
        return made([item(one, f"{where}[{place}]") for place, one in enumerate(value)])

    return reader


def _mapping(inner: Reader) -> Reader:
    def reader(value: Any, where: str) -> Any:
        if not isinstance(value, dict):
            raise _unlike("object", value, where)
        return {key: inner(one, f"{where}[…]") for key, one in value.items()}

    return reader


def _typed_dictionary(shape: Any) -> Reader:
    hints = typing.get_type_hints(shape, include_extras=True)
    marks = {name: typing.get_origin(hint) for name, hint in hints.items()}
    total = shape.__total__
    required = {
        name
        for name, mark in marks.items()
        if mark is typing.Required or (total and mark is not typing.NotRequired)
    }
    return _object(dict, typing.get_type_hints(shape), required.__contains__)


def _object(
    made: Callable[..., Any], hints: Mapping[str, Any], required: Callable[[str], bool]
) -> Reader:
    fields = [(name, _reader(hint), required(name)) for name, hint in hints.items()]

    def reader(value: Any, where: str) -> Any:
        if not isinstance(value, dict):
            raise _unlike("object", value, where)
        found = {}
        for name, field, must in fields:
            if name in value:
                found[name] = field(value[name], f"{where}.{name}")
            elif must:
                raise Mismatch(f"missing `{name}` - at `{where}`")
        return made(**found)

    return reader


def _unlike(wanted: str, value: Any, where: str) -> Mismatch:
    found = _NAMES.get(type(value), type(value).__name__)
    return Mismatch(f"Expected `{wanted}`, got `{found}` - at `{where}`")
