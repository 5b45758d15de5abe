"""Webhooks, each taken once: a provider repeats an event until it hears that it arrived."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from boss import queries
from boss.database import DatabaseError

if TYPE_CHECKING:
    from boss.context import Context
    from boss.hrana import Statement


async def keep_once(
    context: Context, provider: str, event_id: str, kind: str, effects: Sequence[Statement]
) -> bool:
    """Note an event and do what it says, both or neither; do nothing when it was noted before.

    Args:
        context: the request being answered.
        provider: ``stripe``, ``twilio`` or ``sendgrid``.
        event_id: the provider's own id of the event.
        kind: what happened, in the provider's words.
        effects: the statements that carry the event out.

    Returns:
        whether the event was new.
    """
    note = queries.note_event(provider, event_id, kind)
    try:
        await context.database.transaction(note, *effects)
    except DatabaseError as error:
        if error.kind != "constraint" or not await _is_noted(context, provider, event_id):
            raise
        return False
    return True


async def _is_noted(context: Context, provider: str, event_id: str) -> bool:
    return await context.database.row(queries.event(provider, event_id)) is not None
