"""The way to Cloudflare's API: what all its nouns have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

from xswarm_deploy.services.envelope import result, unwrap
from xswarm_deploy.services.http import Http
from xswarm_deploy.services.paging import every
from xswarm_deploy.services.shape import Wire

WORKER_MISSING = frozenset({"10007", "10090"})
NO_VERSIONS = "10222"
PAGE = 50

Shape = TypeVar("Shape")
Cursor = TypeVar("Cursor")


class Identified(Wire):
    """Something that has an id."""

    id: str


class Named(Wire):
    """Something that has a name."""

    name: str


class Client:
    """One Cloudflare account.

    Args:
        http: the way to the API, with the token.
        account_id: 32 hexadecimal digits.
    """

    def __init__(self, http: Http, account_id: str) -> None:
        self.http = http
        self.account_id = account_id
        self._account = f"/accounts/{quoted(account_id)}"

    def open_ahead(self, count: int) -> None:
        """Begin to open connections, where several calls are about to be made at once."""
        self.http.open_ahead(count)

    def _script(self, name: str) -> str:
        return f"{self._account}/workers/scripts/{quoted(name)}"

    def _get(self, path: str, shape: type[Shape], query: Mapping[str, Any] | None = None) -> Shape:
        return unwrap(self.http.get(path, query=query), shape)

    def _listed(
        self, path: str, shape: type[list[Shape]], query: Mapping[str, Any] | None = None
    ) -> Iterator[Shape]:
        def fetch(number: int) -> tuple[Sequence[Shape], int | None]:
            asked = {**(query or {}), "page": number, "per_page": PAGE}
            page = result(self.http.get(path, query=asked), shape)
            more = page.value and number < (page.info.total_pages or 1)
            return page.value, number + 1 if more else None

        return self._pages(path, 1, fetch)

    def _pages(
        self,
        path: str,
        first: Cursor,
        fetch: Callable[[Cursor], tuple[Sequence[Shape], Cursor | None]],
    ) -> Iterator[Shape]:
        return every(self.http.service, f"GET {path}", first, fetch, self.http.clock.monotonic)


def quoted(segment: str) -> str:
    """Return a segment of a path, quoted."""
    return quote(segment, safe="")
