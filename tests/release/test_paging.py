"""A list that is read page by page: whole to whoever looks, and no further than somebody does."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from xswarm_deploy.release.paging import Paged

SIZE = 3


class Source:
    """Numbers from 0, given in pages; it counts them."""

    def __init__(self, count: int) -> None:
        self.count, self.pages = count, 0

    def read(self, last: int | None) -> Sequence[int]:
        self.pages += 1
        start = 0 if last is None else last + 1
        return range(start, min(start + SIZE, self.count))

    def paged(self) -> Paged[int]:
        return Paged(self.read, SIZE)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 6, 7, 100])
def test_it_is_what_the_source_has(count: int) -> None:
    whole = list(range(count))
    assert list(Source(count).paged()) == whole
    assert Source(count).paged() == whole
    assert len(Source(count).paged()) == count
    assert bool(Source(count).paged()) == bool(count)
    assert Source(count).paged()[:2] == whole[:2]
    assert [Source(count).paged()[place] for place in range(count)] == whole
    assert list(reversed(Source(count).paged())) == whole[::-1]


@pytest.mark.parametrize("place", [-1, 0, 7])
def test_what_is_not_there_is_an_index_error(place: int) -> None:
    with pytest.raises(IndexError):
        Source(0).paged()[place]


def test_who_stops_early_is_spared_the_rest() -> None:
    source = Source(100)
    found = source.paged()
    assert bool(found)
    assert found[2] == 2
    assert source.pages == 1
    assert next(number for number in found if number == 3) == 3
    assert found[5] == 5
    assert source.pages == 2


def test_what_was_read_is_not_read_again() -> None:
    source = Source(7)
    found = source.paged()
    for _ in range(3):
        assert list(found) == list(range(7))
    assert source.pages == 3


def test_the_first_page_fails_at_once_and_a_later_one_when_it_is_wanted() -> None:
    def never(_last: int | None) -> Sequence[int]:
        raise OSError("silent")

    def once(last: int | None) -> Sequence[int]:
        return range(SIZE) if last is None else never(last)

    with pytest.raises(OSError, match="silent"):
        Paged(never, SIZE)
    found = Paged(once, SIZE)
    assert found[SIZE - 1] == SIZE - 1
    with pytest.raises(OSError, match="silent"):
        found[SIZE]


def test_threads_that_read_at_the_same_time_see_each_item_once() -> None:
    found = Source(1000).paged()
    with ThreadPoolExecutor(8) as pool:
        seen: list[list[int]] = list(pool.map(list, [found] * 8))
    assert seen == [list(range(1000))] * 8
