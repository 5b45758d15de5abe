"""Buzz, the marketplace: its categories and what is listed in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boss import queries
from boss.inputs import Inputs
from boss.problem import not_found
from boss.response import Response, json_response

if TYPE_CHECKING:
    from boss.context import Context


async def categories(context: Context) -> Response:
    """Return every category that has listings, with their number."""
    _require_marketplace(context)
    rows = await context.database.rows(queries.buzz_categories())
    return json_response({"categories": [dict(row) for row in rows]})


async def listings(context: Context) -> Response:
    """Return the listings of one category, or of all, newest first."""
    _require_marketplace(context)
    inputs = Inputs(context.request.query)
    category = inputs.text("category", 0, 50)
    limit = inputs.number("limit", 1, 100, 20)
    offset = inputs.number("offset", 0, 1_000_000, 0)
    inputs.finish()
    rows = await context.database.rows(queries.buzz_listings(category, limit, offset))
    return json_response({"listings": [dict(row) for row in rows]})


def _require_marketplace(context: Context) -> None:
    if not context.configuration.flag("MARKETPLACE_ENABLED", True):
        raise not_found("The marketplace is switched off.")
