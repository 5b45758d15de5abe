"""Frozen data behaves as dataclasses do."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, fields
from typing import Any

import pytest

from xswarm_deploy.frozen import frozen


@frozen
class Ours:
    name: str
    count: int = 0
    hidden: str = field(default="h", repr=False)
    beside: int = field(default=0, compare=False)
    many: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Theirs:
    name: str
    count: int = 0
    hidden: str = field(default="h", repr=False)
    beside: int = field(default=0, compare=False)
    many: list[int] = field(default_factory=list)


@frozen
class Own:
    name: str

    def __repr__(self) -> str:
        return "own"

    def __hash__(self) -> int:
        return 1


@pytest.mark.parametrize("kind", [Ours, Theirs])
def test_it_is_made_compared_and_shown_as_a_dataclass(kind: Any) -> None:
    assert kind("a") == kind("a", 0, "h", 5)
    assert kind("a") != kind("a", 1)
    assert kind("a") != Own("a")
    assert kind("a", many=[1]).many == [1]
    assert repr(kind("a", 2)) == f"{kind.__name__}(name='a', count=2, beside=0, many=[])"
    made = kind("a", 2)
    for other in (copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert other == made
    assert [each.name for each in fields(kind)] == ["name", "count", "hidden", "beside", "many"]
    with pytest.raises(TypeError):
        kind()


@pytest.mark.parametrize("kind", [Ours, Theirs])
def test_it_stays_as_it_was_made(kind: Any) -> None:
    made = kind("a")
    for name in ("name", "count", "other"):
        with pytest.raises(FrozenInstanceError, match=f"cannot assign to field '{name}'"):
            setattr(made, name, 1)
    with pytest.raises(FrozenInstanceError):
        del made.name


def test_equal_ones_are_one_key() -> None:
    assert len({Pair("a", 1), Pair("a", 1), Pair("a", 2)}) == 2
    with pytest.raises(TypeError):
        hash(Ours("a"))


def test_what_a_class_defines_itself_stays() -> None:
    assert (repr(Own("a")), hash(Own("a"))) == ("own", 1)
    assert Own("a") == Own("a")


@frozen
class Pair:
    name: str
    count: int
