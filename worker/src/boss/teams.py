"""Teams: those that a user belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boss import queries
from boss.identity import require_session
from boss.problem import not_found
from boss.response import Response, json_response

if TYPE_CHECKING:
    from boss.context import Context


async def listed(context: Context) -> Response:
    """Return the teams of the signed-in user, with the role in each."""
    if not context.configuration.flag("TEAMS_ENABLED", True):
        raise not_found("Teams are switched off.")
    session = await require_session(context)
    rows = await context.database.rows(queries.teams_of(session.user["id"]))
    return json_response({"teams": [dict(row) for row in rows]})
