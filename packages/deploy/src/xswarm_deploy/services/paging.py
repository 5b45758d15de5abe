"""Read lists that come page by page; every such list has an end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

from xswarm_deploy.services.errors import UnexpectedReply

Item = TypeVar("Item")
Cursor = TypeVar("Cursor")

MOST_PAGES: Final = 1_000
SECONDS: Final = 600.0  # for a whole list


def every(
    service: str,
    call: str,
    first: Cursor,
    fetch: Callable[[Cursor], tuple[Sequence[Item], Cursor | None]],
    monotonic: Callable[[], float],
) -> Iterator[Item]:
    """Yield the items of all pages.

    Args:
        service: the service's name, for errors.
        call: method and path, for errors.
        first: where the first page begins.
        fetch: returns a page's items, and where the next one begins; None: it was the last.
        monotonic: seconds, to measure spans.

    Raises:
        UnexpectedReply: a page leads back to an earlier one, or there is no end to them.
    """
    seen: set[Cursor] = set()
    cursor: Cursor | None = first
    until = monotonic() + SECONDS
    while cursor is not None:
        if cursor in seen:
            raise _endless(service, call, f"page {len(seen)} of the list leads back to another")
        if len(seen) >= MOST_PAGES:
            raise _endless(service, call, f"the list does not end after {MOST_PAGES} pages")
        if monotonic() > until:
            raise _endless(service, call, f"the list does not end within {SECONDS:.0f} s")
        seen.add(cursor)
        items, cursor = fetch(cursor)
        yield from items


def _endless(service: str, call: str, why: str) -> UnexpectedReply:
    return UnexpectedReply(service, call, message=why)
