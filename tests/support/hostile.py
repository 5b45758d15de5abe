"""Values that nobody expects, and documents of which one place holds such a value."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(
        ["", "\x00", "\ud7ff", "\u2028", "9" * 5000, "-1", "a" * 300, "\x1b[2J", "../.."]
    ),
)
anything = st.recursive(
    _scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


def mutated(document: Any) -> st.SearchStrategy[Any]:
    """Return a document in which one place holds something else, or one more."""
    places = list(_places(document))
    return st.builds(
        lambda place, value: _with(document, place, value), st.sampled_from(places), anything
    )


def _places(document: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    if isinstance(document, dict):
        for key, value in document.items():
            yield from _places(value, (*at, key))
        yield (*at, "something new")
    elif isinstance(document, list):
        for index, value in enumerate(document):
            yield from _places(value, (*at, index))


def _with(document: Any, place: tuple[Any, ...], value: Any) -> Any:
    if not place:
        return value
    changed = copy.deepcopy(document)
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return changed
