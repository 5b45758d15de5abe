"""What every route works with: the account, its records and bytes, and the edge."""

from __future__ import annotations

import asyncio
import shutil
import uuid
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from xswarm_twin.cloudflare.blobs import Blobs
from xswarm_twin.cloudflare.clock import Clock
from xswarm_twin.cloudflare.d1_transfers import Transfers
from xswarm_twin.cloudflare.records import Version
from xswarm_twin.cloudflare.store import Store
from xswarm_twin.cloudflare.tokens import Tokens
from xswarm_twin.edge.edge import Edge
from xswarm_twin.edge.tails import Tails
from xswarm_twin.objects.store import Objects


@dataclass(frozen=True)
class Account:
    """The one account: its id, and the token that opens it."""

    id: str
    token: str = field(repr=False)


@dataclass(frozen=True)
class Addresses:
    """The edge's ports, by the name of the Worker or Pages project that is their "/"."""

    workers: Mapping[str, int]
    pages: Mapping[str, int]

    def worker_host(self, name: str) -> str:
        """Return the host and port that a Worker answers at."""
        return _host(name, self.workers)

    def preview_suffix(self, name: str) -> str:
        """Return what follows a version's first eight characters in its preview host."""
        return f"-{name}.localhost{_any_port(self.workers)}"

    def project_host(self, name: str) -> str:
        """Return the host and port that a Pages project answers at."""
        return _host(name, self.pages)

    def publication_host(self, project: str, publication: str) -> str:
        """Return the host and port that one deployment of a Pages project answers at."""
        return f"{publication[:8]}.{project}.localhost{_any_port(self.pages)}"


@dataclass(frozen=True)
class OpenAssets:
    """An upload session of static files: the names of all, and of those not there yet."""

    id: str
    names: frozenset[str]
    missing: dict[str, None]


@dataclass
class Twin:
    """The stand-in's parts, shared by all routes."""

    account: Account
    state: Path
    store: Store
    blobs: Blobs
    edge: Edge
    objects: Objects
    addresses: Addresses
    tokens: Tokens
    clock: Clock
    open_assets: dict[str, OpenAssets] = field(default_factory=dict)
    tails: Tails = field(default_factory=Tails)
    sql_files: dict[str, bytes] = field(default_factory=dict)
    transfers: Transfers = field(default_factory=Transfers)
    _locks: dict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    def lock(self, name: str) -> asyncio.Lock:
        """Return the lock that changes of one Worker or project take turns by."""
        return self._locks[name]


TWIN: web.AppKey[Twin] = web.AppKey("twin", Twin)


def open_twin(
    account: Account,
    state: Path,
    edge: Edge,
    objects: Objects,
    addresses: Addresses,
    tails: Tails | None = None,
) -> Twin:
    """Open the state on disk, and sweep what a killed process left there.

    Args:
        account: the account's id and token.
        state: the twin's folder (``.sandbox``); the stand-in keeps ``cloudflare/`` in it.
        edge: what serves.
        objects: the store behind R2.
        addresses: the edge's ports.
        tails: whom the edge tells of invocations; by default nobody does.
    """
    folder = state / "cloudflare"
    store = Store(folder)
    blobs = Blobs(folder / "blobs")
    blobs.sweep(store.blobs())
    _sweep_versions(folder / "versions", {version.id for version in store.all(Version)})
    clock = Clock(store.latest_time())
    told = tails or Tails()
    tokens = Tokens(store)
    return Twin(account, folder, store, blobs, edge, objects, addresses, tokens, clock, tails=told)


def twin_of(request: web.Request) -> Twin:
    """Return the parts that a request's route works with."""
    return request.app[TWIN]


def new_id() -> str:
    """Return a new id of a version or a deployment."""
    return str(uuid.uuid4())


def source_of(request: web.Request) -> str:
    """Return which client sent a request: wrangler, or a program."""
    agent = request.headers.get("User-Agent", "")
    return "wrangler" if agent.startswith("wrangler/") else "api"


def _sweep_versions(folder: Path, known: set[str]) -> None:
    """Remove the laid out modules of versions that are deleted or were refused."""
    folder.mkdir(exist_ok=True)
    for version in folder.iterdir():
        if version.name not in known:
            shutil.rmtree(version)


def _host(name: str, ports: Mapping[str, int]) -> str:
    if name in ports:
        return f"127.0.0.1:{ports[name]}"
    return f"{name}.localhost{_any_port(ports)}"


def _any_port(ports: Mapping[str, int]) -> str:
    """Return the first port; each of the edge's ports knows all names."""
    return next((f":{port}" for port in ports.values()), "")
