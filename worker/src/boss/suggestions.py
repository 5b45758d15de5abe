"""Suggestions: what users wish for, with a file to show what they mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boss import queries
from boss.identifiers import new_id
from boss.identity import require_session
from boss.inputs import Inputs
from boss.problem import Problem, invalid, not_found
from boss.response import Response, bytes_response, empty_response, json_response

if TYPE_CHECKING:
    from boss.context import Context
    from boss.hrana import Row

# Only what a browser shows without running it; SVG may hold scripts, so it is left out.
ATTACHABLE = ("image/png", "image/jpeg", "image/gif", "image/webp", "text/plain", "application/pdf")


async def listed(context: Context) -> Response:
    """Return suggestions, the most wanted first."""
    inputs = Inputs(context.request.query)
    limit = inputs.number("limit", 1, 100, 20)
    offset = inputs.number("offset", 0, 1_000_000, 0)
    inputs.finish()
    rows = await context.database.rows(queries.suggestions(limit, offset))
    found = [dict(row) for row in rows]
    return json_response({"suggestions": found, "limit": limit, "offset": offset})


async def suggest(context: Context) -> Response:
    """Keep a suggestion of the signed-in user."""
    session = await require_session(context)
    inputs = Inputs(await context.request.json_object())
    title = inputs.text("title", 3, 200)
    description = inputs.text("description", 3, 5000)
    category = inputs.choice("category", queries.SUGGESTION_CATEGORIES, "feature")
    inputs.finish()
    add = queries.add_suggestion(new_id(), session.user["id"], title, description, category)
    context.metrics.business.feature("suggestions")
    return json_response({"suggestion": await context.database.row(add)}, 201)


async def withdraw(context: Context) -> Response:
    """Delete a suggestion with its file; only its author may."""
    found = await _own(context)
    await context.storage.delete(_key(found))
    await context.database.transaction(queries.delete_suggestion(found["id"]))
    return empty_response()


async def attach(context: Context) -> Response:
    """Keep a file with a suggestion; only its author may, and a new file replaces the old."""
    found = await _own(context)
    media_type = context.request.media_type
    if media_type not in ATTACHABLE:
        raise Problem(415, "unsupported_media_type", f"Attach one of {', '.join(ATTACHABLE)}.")
    body = await context.request.body()
    if not body:
        raise invalid({"body": "is empty"})
    await context.storage.put(_key(found), body, media_type)
    return empty_response()


async def attachment(context: Context) -> Response:
    """Return a suggestion's file."""
    stored = await context.storage.get(_key(await _find(context)))
    if stored is None:
        raise not_found("This suggestion has no attachment.")
    return bytes_response(stored.body, stored.media_type)


async def _own(context: Context) -> Row:
    session = await require_session(context)
    found = await _find(context)
    if found["user_id"] != session.user["id"]:
        raise Problem(403, "not_yours", "Only its author may change a suggestion.")
    return found


async def _find(context: Context) -> Row:
    row: Row | None = await context.database.row(queries.suggestion(context.parameters["id"]))
    if row is None:
        raise not_found("There is no such suggestion.")
    return row


def _key(suggestion: Row) -> str:
    return f"suggestions/{suggestion['id']}/attachment"
