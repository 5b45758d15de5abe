"""What is remembered of alerts: those that are on, what was told, and what is kept quiet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from xswarm_deploy.errors import LATER, UPDATE, Refused, Unavailable
from xswarm_deploy.monitor.alert_store import execute
from xswarm_monitoring import alert as alerts
from xswarm_monitoring import alert_state as books
from xswarm_monitoring.alert import NAMES, Alert, Severity
from xswarm_monitoring.alert_state import AlertState, Silence
from xswarm_monitoring.evaluation import DatabaseShelf

if TYPE_CHECKING:
    from xswarm_deploy.site import Site

_TRIES = 5  # a watch's round may save the book in between


def silence(site: Site, wanted: Silence) -> None:
    """Keep alerts from people for a while; the history still has them.

    Args:
        site: the environment.
        wanted: which, until when, and why.

    Raises:
        Unavailable: others changed the book each time.
        Refused: a later version of the monitor wrote it.
    """
    asyncio.run(_change(site, lambda book: book.silence(wanted)))


def unmatched(site: Site, wanted: Silence) -> str:
    """Return a warning where a silence matches no alert that there is; empty where it does."""
    _, book = asyncio.run(_load(DatabaseShelf(execute(site.database))))
    known = [*(entry.alert for entry in book.entries.values()), *map(_named, NAMES)]
    known += [alerts.from_json(entry["alert"]) for entry in book.history]
    if any(wanted.matches(each) for each in known):
        return ""
    name = wanted.pattern.partition("{")[0]
    nearest = get_close_matches(name, NAMES, 1)
    meant = f"; did you mean {nearest[0]}?" if nearest else ""
    return f"{wanted.pattern} matches none of {', '.join(NAMES)}{meant}"


def _named(name: str) -> Alert:
    return Alert(name, Severity.INFO, "")


def summary(site: Site) -> dict[str, Any]:
    """Return the alerts that are on, the silences, and the history, the oldest first."""
    _, book = asyncio.run(_load(DatabaseShelf(execute(site.database))))
    return books.summary(book)


async def _load(shelf: DatabaseShelf) -> tuple[int, AlertState]:
    """Return the book's revision, and the book.

    Raises:
        Refused: it cannot be read, by this version at least; it stays as it is.
    """
    revision, text = await shelf.load()
    try:
        return revision, books.load(text) if text else AlertState()
    except ValueError as error:
        why = f"{error}: it is damaged, or {LATER}"
        next_ = f"{UPDATE}; of one that is damaged, inv monitor.watch --once keeps what it can read"
        raise Refused("the book of alerts cannot be read", why, next_) from None


async def _change(site: Site, change: Callable[[AlertState], None]) -> None:
    shelf = DatabaseShelf(execute(site.database))
    for _ in range(_TRIES):
        revision, book = await _load(shelf)
        change(book)
        if await shelf.save(revision, book.dump()):
            return
    raise Unavailable("the alerts' book could not be changed", "others changed it each time")
