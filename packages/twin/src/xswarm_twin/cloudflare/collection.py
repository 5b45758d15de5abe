"""Records that the API lists, shows and deletes in one way, whatever they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic

from aiohttp import web

from xswarm_twin.cloudflare.envelope import Refusal, paged, success
from xswarm_twin.cloudflare.store import Kept
from xswarm_twin.cloudflare.twin import twin_of


@dataclass(frozen=True)
class Collection(Generic[Kept]):
    """The records of a kind, behind one path.

    Args:
        kind: what they are.
        path: where they are listed.
        part: how routes name the key of one, which follows the path.
        missing: makes the refusal of a key that there is not.
        told: returns what the API tells of one.
        owner: returns whose records a request is about; by default they are the account's own.
        size: how many are on a page where nothing is said.
    """

    kind: type[Kept]
    path: str
    part: str
    missing: Callable[[], Refusal]
    told: Callable[[Kept], dict[str, Any]]
    owner: Callable[[web.Request], str] = lambda _request: ""
    size: int = 20

    def find(self, request: web.Request) -> Kept:
        """Return the record that the path names; refuse an unknown one."""
        key, store = request.match_info[self.part], twin_of(request).store
        return store.require(self.kind, key, self.missing, self.owner(request))

    def offer(self, routes: web.RouteTableDef, *, show: bool = True, delete: bool = True) -> None:
        """Let the API list the records, show one, and delete one."""
        routes.get(self.path)(self._index)
        if show:
            routes.get(f"{self.path}/{{{self.part}}}")(self._show)
        if delete:
            routes.delete(f"{self.path}/{{{self.part}}}")(self._delete)

    async def _index(self, request: web.Request) -> web.Response:
        found = twin_of(request).store.all(self.kind, self.owner(request))
        return paged(request, [self.told(one) for one in found], self.size)

    async def _show(self, request: web.Request) -> web.Response:
        return success(self.told(self.find(request)))

    async def _delete(self, request: web.Request) -> web.Response:
        twin_of(request).store.remove(self.find(request))
        return success(None)
