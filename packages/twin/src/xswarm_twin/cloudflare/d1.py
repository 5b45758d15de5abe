"""D1 databases: made, listed, asked in SQL, imported and exported.

Reference: Cloudflare API, "D1"; the tables themselves are with the simulators.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import sqlite3
import uuid
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web

from xswarm_twin.cloudflare import bodies, refusals
from xswarm_twin.cloudflare.d1_transfers import Transfer
from xswarm_twin.cloudflare.envelope import Refusal, paged, success
from xswarm_twin.cloudflare.records import Database
from xswarm_twin.cloudflare.twin import twin_of
from xswarm_twin.edge.simulators import Question

FILES: Final = "/__sandbox/d1/{file}"
"""Where SQL is uploaded to and downloaded from; on Cloudflare a bucket. Its address is the
permission."""
_NAME: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,63}")
_EXPORT: Final = "PRAGMA miniflare_d1_export(?,?,?);"
_PLAIN: Final = (
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'"
)
"""Tables that an export takes; what a virtual one holds stands in plain ones, too."""
_KEPT: Final = 32  # files
_JURISDICTIONS: Final = ("eu", "us", "fedramp")
_LOCATIONS: Final = ("wnam", "enam", "weur", "eeur", "apac", "oc")

routes = web.RouteTableDef()
files = web.RouteTableDef()
_ALL = "/accounts/{account}/d1/database"
_ONE = _ALL + "/{database}"


@routes.get(_ALL)
async def index(request: web.Request) -> web.Response:
    """List the databases, all or those of a name."""
    name = request.query.get("name")
    found = [one for one in twin_of(request).store.all(Database) if name in (None, one.name)]
    return paged(request, [_told(one) for one in found])


@routes.post(_ALL)
async def create(request: web.Request) -> web.Response:
    """Make a database."""
    twin, body = twin_of(request), await bodies.json_object(request)
    name = bodies.required(body, "name", str)
    if not _NAME.fullmatch(name):
        raise Refusal(400, 7400, f"Invalid database name: {name}")
    if any(one.name == name for one in twin.store.all(Database)):
        raise Refusal(400, 7502, f"A database with the name '{name}' already exists")
    jurisdiction = bodies.optional(body, "jurisdiction", "")
    _require_one_of(body, "jurisdiction", _JURISDICTIONS)
    _require_one_of(body, "primary_location_hint", _LOCATIONS)
    made = Database(str(uuid.uuid4()), name, twin.clock.now(), jurisdiction)
    twin.store.save(made)
    return success(_told(made))


@routes.get(_ONE)
async def show(request: web.Request) -> web.Response:
    """Return a database, by its id or its name."""
    found = _find(request)
    tables = "SELECT count(*) AS n FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE"
    told = await _run(request, [{"sql": f"{tables} 'sqlite_%' AND name NOT LIKE '_cf_%'"}])
    size = told[0]["meta"].get("size_after", 0)
    return success(_told(found) | {"num_tables": told[0]["results"][0]["n"], "file_size": size})


@routes.patch(_ONE)
@routes.put(_ONE)
async def change(request: web.Request) -> web.Response:
    """Take note of read replication, which changes nothing here."""
    await bodies.json_object(request)
    return success(_told(_find(request)))


@routes.delete(_ONE)
async def delete(request: web.Request) -> web.Response:
    """Remove a database."""
    twin_of(request).store.remove(_find(request))
    return success(None)


@routes.post(_ONE + "/query")
async def query(request: web.Request) -> web.Response:
    """Run statements in one transaction, and return their rows as objects."""
    return success(await _run(request, _statements(await bodies.json_object(request))))


@routes.post(_ONE + "/raw")
async def raw(request: web.Request) -> web.Response:
    """Run statements in one transaction, and return their rows as lists."""
    statements = _statements(await bodies.json_object(request))
    return success(await _run(request, statements, raw=True))


@routes.post(_ONE + "/export")
async def export(request: web.Request) -> web.Response:
    """Write a database as SQL, to be downloaded: begun first, then polled."""
    found, body = _find(request), await bodies.json_object(request)
    if bodies.required(body, "output_format", str) != "polling":
        raise Refusal(400, 7400, "Invalid output_format: it is 'polling'")
    transfers, bookmark = twin_of(request).transfers, body.get("current_bookmark")
    if bookmark is not None:
        checked = bodies.checked(bookmark, str, "a bookmark")
        name = transfers.find(found.id, "export", checked).filename
        where = {"filename": name, "signed_url": _url(request, name)}
        return success(_exported("complete", bookmark) | {"result": where})
    transfers.require_none(found.id, "export")
    wanted = bodies.optional(body, "dump_options", dict[str, Any]())
    given = [int(bool(wanted.get(name))) for name in ("no_schema", "no_data")]
    tables = [bodies.checked(one, str, "a table") for one in wanted.get("tables") or []]
    told = await _run(request, [{"sql": _EXPORT, "params": [*given, *tables]}])
    begun = Transfer("export", _bookmark(), f"{found.name}-{uuid.uuid4().hex}.sql")
    _keep(request, begun.filename, "\n".join(told[0]["results"][0]).encode())
    transfers.begin(found.id, begun)
    return success(_exported("active", begun.bookmark))


@routes.post(_ONE + "/import")
async def import_(request: web.Request) -> web.Response:
    """Take a file of SQL: tell where to, run it in one transaction, and be polled meanwhile."""
    found, body = _find(request), await bodies.json_object(request)
    action, transfers = bodies.required(body, "action", str), twin_of(request).transfers
    if action == "poll":
        bookmark = bodies.required(body, "current_bookmark", str)
        return success(await transfers.find(found.id, "import", bookmark).told())
    etag, held = bodies.required(body, "etag", str), twin_of(request).sql_files
    name = f"{found.id}.{etag}.sql"
    if action not in ("init", "ingest"):
        raise Refusal(400, 7400, f"Invalid action: {action!r} is none of init, ingest, poll")
    if action == "init" and name not in held:
        return success({"upload_url": _url(request, name), "filename": name})
    if name not in held or body.get("filename", name) != name:
        raise Refusal(400, 7400, "Not currently importing anything.")
    if _etag(held[name]) != etag:
        raise Refusal(400, 7400, "The file that was uploaded is not the one of the etag.")
    transfers.require_none(found.id, "import")
    work = asyncio.create_task(_ingest(request, held.pop(name).decode()))
    begun = Transfer("import", _bookmark(), name, work)
    transfers.begin(found.id, begun)
    return success(await begun.told())


async def _ingest(request: web.Request, sql: str) -> dict[str, Any]:
    """Run a file, and return what it did."""
    told = await _run(request, [{"sql": sql}], blocked=False)
    metas = [one["meta"] for one in told]
    summed = {key: sum(meta.get(key, 0) for meta in metas) for key in ("rows_read", "rows_written")}
    size = metas[-1].get("size_after", 0) if metas else 0
    meta = {"duration": sum(one.get("duration", 0) for one in metas), "size_after": size, **summed}
    return {"num_queries": len(told), "final_bookmark": _bookmark(), "meta": meta}


@routes.get(_ONE + "/time_travel/bookmark")
async def bookmark(request: web.Request) -> web.Response:
    """Return how far a database is: another text whenever it holds something else."""
    listed = await _run(request, [{"sql": _PLAIN}])
    tables = [str(row["name"]) for row in listed[0]["results"]]
    told = await _run(request, [{"sql": _EXPORT, "params": [0, 0, *tables]}])
    digest = hashlib.sha256("\n".join(told[0]["results"][0]).encode()).hexdigest()[:32]
    return success({"bookmark": f"00000001-00000000-00000000-{digest}"})


@files.put(FILES)
async def upload(request: web.Request) -> web.Response:
    """Take a file that an import was promised."""
    name, content = request.match_info["file"], await request.read()
    _keep(request, name, content)
    return web.Response(headers={"ETag": f'"{_etag(content)}"'})


@files.get(FILES)
async def download(request: web.Request) -> web.Response:
    """Return a file that an export has written."""
    content = twin_of(request).sql_files.get(request.match_info["file"])
    if content is None:
        raise web.HTTPNotFound
    return web.Response(body=content, content_type="application/sql")


def _require_one_of(body: dict[str, Any], name: str, known: tuple[str, ...]) -> None:
    given = bodies.optional(body, name, "")
    if given and given not in known:
        raise Refusal(400, 7400, f"Invalid {name}: {given!r} is none of {', '.join(known)}")


def _keep(request: web.Request, name: str, content: bytes) -> None:
    held = twin_of(request).sql_files
    while len(held) >= _KEPT:
        held.pop(next(iter(held)))
    held[name] = content


def _etag(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _url(request: web.Request, name: str) -> str:
    return f"{request.scheme}://{request.host}{FILES.format(file=name)}"


def _exported(status: str, bookmark: str) -> dict[str, Any]:
    return {
        "success": True,
        "type": "export",
        "status": status,
        "at_bookmark": bookmark,
        "messages": ["Uploaded part 1"] if status == "active" else [],
    }


def _bookmark() -> str:
    return f"00000001-{uuid.uuid4().hex[:8]}-00000000-{uuid.uuid4().hex}"


def _statements(body: dict[str, Any]) -> list[dict[str, Any]]:
    listed = bodies.optional(body, "batch", list[Any]()) or [body]
    made = []
    for one in listed:
        told = bodies.checked(one, dict, "a statement")
        params = bodies.optional(told, "params", list[Any]())
        made.append({"sql": bodies.required(told, "sql", str), "params": params})
    return made


async def _run(
    request: web.Request,
    statements: list[dict[str, Any]],
    *,
    raw: bool = False,
    blocked: bool = True,
) -> list[dict[str, Any]]:
    """Run statements; a text of several is run as several, as D1's API does.

    Raises:
        Refusal: a statement fails; or the database is exported or imported into meanwhile.
    """
    if blocked:
        twin_of(request).transfers.require_none(_find(request).id)
    split = [
        {"sql": sql, "params": one.get("params", [])}
        for one in statements
        for sql in ([one["sql"]] if one.get("params") else _split(one["sql"]))
    ]
    formed = f"?{urlencode({'resultsFormat': 'ROWS_AND_COLUMNS'})}" if raw else ""
    question = Question(
        "d1",
        {"database": _find(request).id},
        "POST",
        f"/query{formed}",
        json.dumps(split or statements).encode(),
        {"Content-Type": "application/json"},
    )
    told = json.loads((await twin_of(request).edge.ask(question)).body)
    if isinstance(told, dict):
        message = str(told.get("error"))
        raise Refusal(500 if message.startswith("internal error") else 400, 7500, message)
    return list(told)


def _split(sql: str) -> list[str]:
    """Split a text into statements, as SQLite itself says where one ends."""
    found, begun = [], 0
    for at in (place + 1 for place, letter in enumerate(sql) if letter == ";"):
        if sqlite3.complete_statement(sql[begun:at]):
            found.append(sql[begun:at])
            begun = at
    rest = sql[begun:]
    return [one for one in (*found, rest) if one.strip()]


def _find(request: web.Request) -> Database:
    wanted = request.match_info["database"]
    for one in twin_of(request).store.all(Database):
        if wanted in (one.id, one.name):
            return one
    raise refusals.database_not_found(wanted)


def _told(database: Database) -> dict[str, Any]:
    return {
        "uuid": database.id,
        "name": database.name,
        "version": "production",
        "created_at": database.created_on,
        "num_tables": 0,
        "file_size": 0,
        "running_in_region": "WEUR",
        "read_replication": {"mode": "disabled"},
        **({"jurisdiction": database.jurisdiction} if database.jurisdiction else {}),
    }
