"""Where a Worker answers beside workers.dev: routes of a zone, and custom domains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote

from xswarm_deploy.services.envelope import unwrap
from xswarm_deploy.services.errors import NotFound
from xswarm_deploy.services.http import Http
from xswarm_deploy.services.settle import settled
from xswarm_deploy.services.shape import Wire


class _Route(Wire):
    id: str
    pattern: str
    script: str | None = None


class _Domain(Wire):
    id: str
    hostname: str
    zone_id: str | None = None
    service: str | None = None


class Route(NamedTuple):
    """A pattern of a zone, and the Worker that answers there; empty: none does."""

    id: str
    pattern: str
    worker: str


class Domain(NamedTuple):
    """A host of a zone that leads to a Worker, with a DNS record and certificate of its own."""

    id: str
    hostname: str
    zone: str
    worker: str


class Routes:
    """The routes of zones.

    Args:
        http: the way to the API.
    """

    def __init__(self, http: Http) -> None:
        self._http = http

    def of_zone(self, zone: str) -> list[Route]:
        """List the routes of a zone, of all Workers."""
        found = unwrap(self._http.get(_routes(zone)), list[_Route])
        return [Route(item.id, item.pattern, item.script or "") for item in found]

    def create(self, zone: str, pattern: str, worker: str) -> None:
        """Let a Worker answer at a pattern."""
        body = {"pattern": pattern, "script": worker}
        settled(
            lambda: self._http.post(_routes(zone), json=body), lambda: self._made(zone, pattern)
        )

    def delete(self, zone: str, route: str) -> None:
        """Remove a route by its id; one that is not there is right as well."""
        try:
            self._http.delete(f"{_routes(zone)}/{quote(route, safe='')}")
        except NotFound:
            return

    def _made(self, zone: str, pattern: str) -> Route | None:
        return next((one for one in self.of_zone(zone) if one.pattern == pattern), None)


class Domains:
    """The custom domains of an account's Workers.

    Args:
        http: the way to the API.
        account: the account's path, ``/accounts/{id}``.
    """

    def __init__(self, http: Http, account: str) -> None:
        self._http = http
        self._path = f"{account}/workers/domains"

    def of_worker(self, worker: str) -> list[Domain]:
        """List the custom domains of a Worker."""
        return self._listed({"service": worker})

    def find(self, hostname: str) -> Domain | None:
        """Return the custom domain of that host, whichever Worker has it."""
        found = self._listed({"hostname": hostname})
        return next((one for one in found if one.hostname == hostname), None)

    def attach(self, hostname: str, zone: str, worker: str) -> None:
        """Let a host lead to a Worker; Cloudflare makes its DNS record and certificate.

        Raises:
            ServiceError: the host has a DNS record already, which is not overwritten.
        """
        body = {"hostname": hostname, "service": worker, "zone_id": zone}
        self._http.put(self._path, json=body)

    def detach(self, domain: str) -> None:
        """Remove a custom domain by its id; one that is not there is right as well."""
        try:
            self._http.delete(f"{self._path}/{quote(domain, safe='')}")
        except NotFound:
            return

    def _listed(self, query: Mapping[str, str]) -> list[Domain]:
        found = unwrap(self._http.get(self._path, query=query), list[_Domain])
        return [
            Domain(item.id, item.hostname, item.zone_id or "", item.service or "") for item in found
        ]


def _routes(zone: str) -> str:
    return f"/zones/{quote(zone, safe='')}/workers/routes"
