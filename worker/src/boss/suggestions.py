"""Suggestions: what users wish for, with a file to show what they mean."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from boss import queries
from boss.identity import require_user
from boss.inputs import Inputs
from boss.problem import Problem, invalid, not_found
from boss.response import Response, bytes_response, empty_response, json_response

if TYPE_CHECKING:
    from boss.context import Context
    from boss.hrana import Row

# Only what a browser shows without running it; SVG may hold scripts, so it is left out.
ATTACHABLE = ("image/png", "image/jpeg", "image/gif", "image/webp", "text/plain", "application/pdf")


async def listed(context: Context) -> Response:
    """Give suggestions, the most wanted first."""
    inputs = Inputs(context.request.query)
    limit = inputs.number("limit", 1, 100, 20)
    offset = inputs.number("offset", 0, 1_000_000, 0)
    inputs.finish()
    rows = await context.database.rows(queries.suggestions(limit, offset))
    found = [dict(row) for row in rows]
    return json_response({"suggestions": found, "limit": limit, "offset": offset})


async def suggest(context: Context) -> Response:
    """Keep a suggestion of the signed-in user."""
    user = await require_user(context)
    inputs = Inputs(await context.request.json_object())
    title = inputs.text("title", 3, 200)
    description = inputs.text("description", 3, 5000)
    category = inputs.choice("category", queries.SUGGESTION_CATEGORIES, "feature")
    inputs.finish()
    key = str(uuid.uuid4())
    add = queries.add_suggestion(key, user["id"], title, description, category)
    await context.database.transaction(add)
    row = await context.database.row(queries.suggestion(key))
    return json_response({"suggestion": dict(row or {})}, 201)


async def attach(context: Context) -> Response:
    """Keep a file with a suggestion; only its author may, and a new file replaces the old."""
    user = await require_user(context)
    found = await _find(context)
    if found["user_id"] != user["id"]:
        raise Problem(403, "not_yours", "Only its author may attach to a suggestion.")
    media_type = context.request.media_type
    if media_type not in ATTACHABLE:
        raise Problem(415, "unsupported_media_type", f"Attach one of {', '.join(ATTACHABLE)}.")
    body = await context.request.body()
    if not body:
        raise invalid({"body": "is empty"})
    await context.storage.put(_key(found), body, media_type)
    return empty_response()


async def attachment(context: Context) -> Response:
    """Give a suggestion's file."""
    stored = await context.storage.get(_key(await _find(context)))
    if stored is None:
        raise not_found("This suggestion has no attachment.")
    return bytes_response(stored.body, stored.media_type)


async def _find(context: Context) -> Row:
    row: Row | None = await context.database.row(queries.suggestion(context.parameters["id"]))
    if row is None:
        raise not_found("There is no such suggestion.")
    return row


def _key(suggestion: Row) -> str:
    return f"suggestions/{suggestion['id']}/attachment"
