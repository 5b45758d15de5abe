"""What a change says of its resource: dataclasses in the code, JSON in journal and ledger.

Here is the edge between the two. A journal of an earlier version of this tool may lack fields
that came later; those need a default. Anything else that does not fit is one error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import (
    Any,
    ClassVar,
    Final,
    Literal,
    Protocol,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
)
from typing import get_type_hints as hints_of

from xswarm_deploy.errors import DeployError
from xswarm_deploy.frozen import frozen

T = TypeVar("T")
_NAME: Final = "json"  # the key of a field's metadata that names it in JSON


class UnknownPayload(DeployError):
    """A journal or ledger says something of a change that this version cannot read."""


@frozen
class Nothing:
    """There is nothing to say, but the change has this part, such as an undo; JSON ``{}``."""


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


def encode(value: object) -> object:
    """Return a payload as JSON: mappings, lists, strings, numbers, booleans, None.

    Args:
        value: a dataclass, or JSON already.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {_json_name(each): encode(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): encode(held) for name, held in value.items()}
    if isinstance(value, list | tuple):
        return [encode(held) for held in value]
    return value


def decode(kind: type[T], value: object) -> T:
    """Return JSON as a payload.

    Args:
        kind: a dataclass, a plain type, ``tuple[X, ...]``, ``tuple[X, Y]``, ``Mapping[str, X]``,
            ``Literal[X]``, ``X | None``, or ``object`` for any JSON.
        value: JSON, as :func:`encode` returns it.

    Raises:
        UnknownPayload: it does not fit the type.
    """
    return cast(T, _decode(kind, value))


def _decode(kind: Any, value: object) -> object:
    origin = get_origin(kind)
    if origin in (UnionType, Union):
        return _decode_union(get_args(kind), value)
    if kind is object:
        return value
    if origin is Literal and value in get_args(kind):
        return value
    if is_dataclass(kind):
        return _decode_fields(cast("type[_Dataclass]", kind), value)
    if origin is tuple and isinstance(value, Sequence) and not isinstance(value, str):
        return _decode_tuple(get_args(kind), value)
    if isinstance(origin, type) and issubclass(origin, Mapping) and isinstance(value, Mapping):
        return {str(name): _decode(get_args(kind)[1], held) for name, held in value.items()}
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(kind, type) and type(value) is kind:
        return value
    raise UnknownPayload(f"{_named(kind)} was expected, not {_named(type(value))}")


def _decode_union(kinds: Sequence[Any], value: object) -> object:
    for kind in kinds:
        try:
            return _decode(kind, value)
        except UnknownPayload:
            continue
    raise UnknownPayload(f"{' or '.join(map(_named, kinds))} was expected", _named(type(value)))


def _decode_tuple(kinds: Sequence[Any], value: Sequence[object]) -> tuple[object, ...]:
    if kinds[-1] is Ellipsis:
        kinds = [kinds[0]] * len(value)
    if len(kinds) != len(value):
        raise UnknownPayload(f"{len(kinds)} values were expected, not {len(value)}")
    return tuple(_decode(kind, each) for kind, each in zip(kinds, value, strict=True))


def _decode_fields(kind: type[_Dataclass], value: object) -> object:
    if not isinstance(value, Mapping):
        raise UnknownPayload(f"{_named(kind)} was expected, not {_named(type(value))}")
    known = {_json_name(each): each for each in fields(kind)}
    if unknown := sorted(set(value) - set(known)):
        raise UnknownPayload(f"{_named(kind)} has no {', '.join(unknown)}")
    if missing := sorted(n for n, each in known.items() if n not in value and _required(each)):
        raise UnknownPayload(f"{_named(kind)} lacks {', '.join(missing)}")
    kinds = _types(kind)
    given = {known[n].name: _decode(kinds[known[n].name], held) for n, held in value.items()}
    return kind(**given)


@cache
def _types(kind: type[_Dataclass]) -> dict[str, Any]:
    return hints_of(kind)


def _json_name(each: Field[Any]) -> str:
    return str(each.metadata.get(_NAME, each.name))


def _required(each: Field[Any]) -> bool:
    return each.default is MISSING and each.default_factory is MISSING


def _named(kind: Any) -> str:
    return "nothing" if kind is NoneType else str(getattr(kind, "__name__", kind))
