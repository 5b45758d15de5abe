"""What is remembered of alerts: those that are on, what was told, and what is kept quiet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from xswarm_deploy.errors import LATER, UPDATE, Refused, Unavailable
from xswarm_deploy.monitor.alert_store import execute
from xswarm_monitoring import alert_state
from xswarm_monitoring.alert import NAMES, Alert, Severity
from xswarm_monitoring.alert_state import AlertState, Silence
from xswarm_monitoring.evaluation import DatabaseAlertStore

if TYPE_CHECKING:
    from xswarm_deploy.site import Site

_TRIES = 5  # a watch's round may save the state in between


def silence(site: Site, wanted: Silence) -> None:
    """Keep alerts from people for a while; the history still has them.

    Args:
        site: the environment.
        wanted: which, until when, and why.

    Raises:
        Unavailable: others changed the state each time.
        Refused: a later version of the monitor wrote it.
    """
    asyncio.run(_change(site, lambda state: state.silence(wanted)))


def unmatched(site: Site, wanted: Silence) -> str:
    """Return a warning where a silence matches no alert that there is; empty where it does."""
    _, state = asyncio.run(_load(DatabaseAlertStore(execute(site.database))))
    known = [*(entry.alert for entry in state.entries.values()), *map(_named, NAMES)]
    told = [entry["alert"] for entry in state.history]
    known += [_named(each["name"], each["labels"]) for each in told]
    if any(wanted.matches(each) for each in known):
        return ""
    name = wanted.pattern.partition("{")[0]
    nearest = get_close_matches(name, NAMES, 1)
    meant = f"; did you mean {nearest[0]}?" if nearest else ""
    return f"{wanted.pattern} matches none of {', '.join(NAMES)}{meant}"


def _named(name: str, labels: Mapping[str, str] | None = None) -> Alert:
    return Alert(name, Severity.INFO, "", labels or {})


def summary(site: Site) -> dict[str, Any]:
    """Return the alerts that are on, the silences, and the history, the oldest first."""
    _, state = asyncio.run(_load(DatabaseAlertStore(execute(site.database))))
    return alert_state.summary(state)


async def _load(store: DatabaseAlertStore) -> tuple[int, AlertState]:
    """Return the state's revision, and the state.

    Raises:
        Refused: it cannot be read, by this version at least; it stays as it is.
    """
    revision, text = await store.load()
    try:
        return revision, alert_state.load(text) if text else AlertState()
    except ValueError as error:
        why = f"{error}: it is damaged, or {LATER}"
        next_ = f"{UPDATE}; of one that is damaged, inv monitor.watch --once keeps what it can read"
        raise Refused("the state of the alerts cannot be read", why, next_) from None


async def _change(site: Site, change: Callable[[AlertState], None]) -> None:
    store = DatabaseAlertStore(execute(site.database))
    for _ in range(_TRIES):
        revision, state = await _load(store)
        change(state)
        if await store.save(revision, state.dump()):
            return
    raise Unavailable("the alerts' state could not be changed", "others changed it each time")
