"""D1: databases, and the SQL that is run on them over HTTP.

A request is one transaction: of a batch all statements are done, or none. Error codes are those of
Cloudflare's API: 7404 for a database that is not there, 7502 for one of the same name, 7500 for SQL
that fails.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aiohttp import web

from xswarm_twin.cloudflare import bodies, d1_engine
from xswarm_twin.cloudflare.d1_engine import Broken, Failed, Ran
from xswarm_twin.cloudflare.envelope import Refusal, page_of, success
from xswarm_twin.cloudflare.records import D1Database
from xswarm_twin.cloudflare.twin import Twin, twin_of

routes = web.RouteTableDef()
_ALL = "/accounts/{account}/d1/database"
_ONE = _ALL + "/{database}"


@routes.get(_ALL)
async def index(request: web.Request) -> web.Response:
    """List the databases, all or those of a name."""
    name = request.query.get("name")
    every = [one for one in twin_of(request).store.all(D1Database) if name in (None, one.name)]
    found = [_told(one) for one in every]
    return success(found, page_of(1, max(len(found), 100), len(found), len(found)))


@routes.post(_ALL)
async def create(request: web.Request) -> web.Response:
    """Make a database."""
    twin, body = twin_of(request), await bodies.json_object(request)
    name = bodies.required(body, "name", str)
    if any(one.name == name for one in twin.store.all(D1Database)):
        raise Refusal(400, 7502, f"A database with that name already exists: {name}")
    made = D1Database(str(uuid.uuid4()), name, twin.clock.now())
    twin.store.save(made)
    return success(_told(made))


@routes.get(_ONE)
async def show(request: web.Request) -> web.Response:
    """Return a database, by its id or its name."""
    return success(_told(_find(request)))


@routes.delete(_ONE)
async def delete(request: web.Request) -> web.Response:
    """Remove a database, and what it holds."""
    twin, found = twin_of(request), _find(request)
    twin.store.remove(found)
    file_of(twin, found).unlink(missing_ok=True)
    return success(None)


@routes.post(_ONE + "/query")
async def query(request: web.Request) -> web.Response:
    """Run SQL; each row is an object."""
    return success(
        [
            {
                "results": [dict(zip(ran.columns, row, strict=True)) for row in ran.rows],
                "success": True,
                "meta": ran.meta,
            }
            for ran in await _run(request)
        ]
    )


@routes.post(_ONE + "/raw")
async def raw(request: web.Request) -> web.Response:
    """Run SQL; each row is a list."""
    return success(
        [
            {
                "results": {"columns": ran.columns, "rows": ran.rows},
                "success": True,
                "meta": ran.meta,
            }
            for ran in await _run(request)
        ]
    )


@routes.get(_ONE + "/time_travel/bookmark")
async def bookmark(request: web.Request) -> web.Response:
    """Return how far a database is."""
    file = file_of(twin_of(request), _find(request))
    return success({"bookmark": await asyncio.to_thread(d1_engine.bookmark, file)})


def file_of(twin: Twin, database: D1Database) -> Path:
    """Return the file that holds a database."""
    folder = twin.state / "d1"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / f"{database.id}.sqlite"


async def _run(request: web.Request) -> Sequence[Ran]:
    twin, found = twin_of(request), _find(request)
    body = await bodies.json_object(request)
    listed = bodies.required(body, "batch", list) if "batch" in body else [body]
    queries = [_query(bodies.checked(one, dict, "a query")) for one in listed]
    async with twin.lock(f"d1 {found.id}"):
        try:
            return await asyncio.to_thread(d1_engine.run, file_of(twin, found), queries)
        except Failed as error:
            raise Refusal(500 if isinstance(error, Broken) else 400, 7500, str(error)) from None


def _query(body: Mapping[str, Any]) -> tuple[str, list[Any]]:
    return bodies.required(body, "sql", str), bodies.optional(body, "params", list[Any]())


def _find(request: web.Request) -> D1Database:
    named = request.match_info["database"]
    for one in twin_of(request).store.all(D1Database):
        if named in (one.id, one.name):
            return one
    raise Refusal(404, 7404, f"The database {named} could not be found")


def _told(database: D1Database) -> dict[str, Any]:
    return {
        "uuid": database.id,
        "name": database.name,
        "version": "production",
        "created_at": database.created_on,
    }
