"""JSON is read by its shape; what is of another says where, and not what."""

from __future__ import annotations

from typing import Any, NotRequired, Required, TypedDict

import pytest

from xswarm_deploy.services.shape import Mismatch, Wire, read


class Inner(Wire):
    name: str
    share: float = 0.0


class Outer(Wire):
    id: str
    inner: Inner | None = None
    many: tuple[Inner, ...] = ()
    texts: dict[str, str] | None = None


class Partly(TypedDict):
    id: str
    more: NotRequired[int | None]


class Mostly(TypedDict, total=False):
    id: Required[str]
    more: bool


def test_what_is_named_is_read_and_the_rest_left_out() -> None:
    given = {"id": "x", "inner": {"name": "a", "share": 1}, "many": [{"name": "b"}], "other": 7}
    found = read(given, Outer)
    assert (found.id, found.inner.name, found.inner.share, found.texts) == ("x", "a", 1, None)
    assert [one.name for one in found.many] == ["b"]
    assert not hasattr(found, "other")


@pytest.mark.parametrize(
    ("value", "shape", "found"),
    [
        ({"id": "x", "other": 1}, Partly, {"id": "x"}),
        ({"id": "x", "more": None}, Partly, {"id": "x", "more": None}),
        ({"id": "x"}, Mostly, {"id": "x"}),
        (["a", "b", "a"], frozenset[str], {"a", "b"}),
        ([1, 2], list[int], [1, 2]),
        ({"a": [None]}, dict[str, Any], {"a": [None]}),
        (None, object, None),
        (None, Inner | None, None),
        (2, float, 2),
    ],
)
def test_shapes(value: Any, shape: Any, found: Any) -> None:
    assert read(value, shape) == found


@pytest.mark.parametrize(
    ("value", "shape", "says"),
    [
        ({}, Outer, "missing `id` - at `$`"),
        ([], Outer, "Expected `object`, got `array` - at `$`"),
        ({"id": None}, Outer, "Expected `str`, got `null` - at `$.id`"),
        ({"id": "x", "inner": {}}, Outer, "missing `name` - at `$.inner`"),
        (
            {"id": "x", "many": [{"name": "a"}, {"name": 1}]},
            Outer,
            "Expected `str`, got `int` - at `$.many[1].name`",
        ),
        ({"id": "x", "texts": {"secret": 1}}, Outer, "Expected `str`, got `int` - at `$.texts[…]`"),
        (True, int, "Expected `int`, got `bool` - at `$`"),
        (1, bool, "Expected `bool`, got `int` - at `$`"),
        ("1", float, "Expected `float`, got `str` - at `$`"),
        (1.5, int, "Expected `int`, got `float` - at `$`"),
        ({"more": 1}, Partly, "missing `id` - at `$`"),
        ({"more": True}, Mostly, "missing `id` - at `$`"),
        ("text", list[str], "Expected `array`, got `str` - at `$`"),
    ],
)
def test_other_shapes_say_where(value: Any, shape: Any, says: str) -> None:
    with pytest.raises(Mismatch) as caught:
        read(value, shape)
    assert str(caught.value) == says


def test_what_is_no_shape_is_a_mistake_of_ours() -> None:
    with pytest.raises(TypeError, match="no shape"):
        read(1, set[int])
