"""Keep the state of the alerts while its store is away: in a fallback, and in this process.

The copy here stands in where the fallback cannot be had or read. So people are told of an outage
that takes both stores, and who was told already is not told again by this process.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from xswarm_monitoring import alert_state
from xswarm_monitoring.alert_state import Silence
from xswarm_monitoring.plain import described

_UNREADABLE = (ValueError, KeyError, TypeError, RecursionError)


class AlertStore(Protocol):
    """Keeps the state of the alerts between rounds."""

    async def load(self) -> tuple[int, str]:
        """Return the state's revision and text; 0 and an empty text where there is none."""
        ...

    async def save(self, revision: int, text: str) -> bool:
        """Save the state where it is still of a revision; tells whether it was."""
        ...


class FallbackStore(AlertStore, Protocol):
    """Keeps the state while its store is away."""

    async def forget(self) -> None:
        """Forget the state."""
        ...


class Recovering:
    """Read of the state what can be read: another version may have written what is unknown here."""

    def __init__(self, store: AlertStore) -> None:
        self._store, self.lost = store, ""

    async def load(self) -> tuple[int, str]:
        """Return the state's revision, and its text without what cannot be read."""
        revision, text = await self._store.load()
        try:
            text, self.lost = readable(text) if text else ("", "")
        except ValueError as error:
            text, self.lost = "", _all(error)
        return revision, text

    async def save(self, revision: int, text: str) -> bool:
        """Save the state where it is still of a revision; tells whether it was."""
        return await self._store.save(revision, text)


@dataclass
class Copy:
    """Hold what this process knows of the fallback's state.

    Args:
        text: the state; empty: there is none.
        revision: of the fallback's state when it was last had; -1: it never was.
        ahead: whether the fallback lacks what stands here.
        silences: those that the store had when it was last read.
    """

    text: str = ""
    revision: int = -1
    ahead: bool = False
    silences: Sequence[Silence] = ()


class Backed:
    """Keep the state in a fallback, and a copy of it in this process.

    Args:
        fallback: keeps the state.
        copy: outlives this round.
    """

    def __init__(self, fallback: FallbackStore, copy: Copy) -> None:
        self._fallback, self._copy = fallback, copy
        self.away = ""
        """Why the fallback cannot be had; empty: it can."""
        self.lost = ""
        """What of the fallback's state could not be read; empty: nothing."""

    async def load(self) -> tuple[int, str]:
        """Return the state's revision and text; whatever the fallback does, it can be read."""
        try:
            revision, text = await self._readable()
        except Exception as error:
            self.away = described(error)
            return 0, self._copy.text
        self.away = ""
        if self._copy.ahead:
            found, text = text, self._caught_up(revision, text)
            if found and not text:  # it was done with meanwhile; no other process shall take it up
                await self.forget()
                revision = revision if self._copy.ahead else 0
        self._copy.text, self._copy.revision = text, revision
        return revision, text

    async def _readable(self) -> tuple[int, str]:
        """Return what the fallback has; what cannot be read is begun anew, from the copy.

        Raises:
            Exception: the fallback cannot be had.
        """
        try:
            revision, text = await self._fallback.load()
            text, lost = readable(text) if text else ("", "")
        except _UNREADABLE as error:  # cut off as it was written, say
            self.lost = _all(error)
            await self._fallback.forget()
            self._copy.ahead, self._copy.revision = True, 0
            return 0, ""
        self.lost = lost or self.lost
        return revision, text

    def _caught_up(self, revision: int, text: str) -> str:
        """Return the state with what only this process knows."""
        if revision == self._copy.revision or not text:  # nobody else has written since
            return self._copy.text
        if not self._copy.text:
            return text
        both = alert_state.load(text)
        both.join(alert_state.load(self._copy.text))
        return both.dump()

    async def save(self, revision: int, text: str) -> bool:
        """Save the state where it is still of a revision; without the fallback, here alone."""
        try:
            if not self.away:
                saved = await self._fallback.save(revision, text)
                if saved:
                    self._copy.text, self._copy.revision = text, revision + 1
                    self._copy.ahead = False
                return saved
        except Exception as error:
            self.away = described(error)
        self._copy.text, self._copy.ahead = text, True
        return True

    async def forget(self) -> None:
        """Forget the state."""
        self._copy.text, self._copy.ahead = "", True
        with suppress(Exception):  # else the next round that has the fallback forgets it
            await self._fallback.forget()
            self._copy.revision, self._copy.ahead = 0, False


def _all(error: Exception) -> str:
    return f"all of it: {described(error)}"


def readable(text: str) -> tuple[str, str]:
    """Return a state without what cannot be read of it, and what that is; nothing: empty.

    Raises:
        ValueError: it is no state at all.
    """
    with suppress(ValueError):
        alert_state.load(text)
        return text, ""
    body, empty = _parsed(text), _empty()
    if not isinstance(body, dict) or not body.keys() & empty.keys():
        raise ValueError(f"not a state of the alerts: {text[:80]}")
    kept, lost = {**empty, **body}, list[str]()
    if not isinstance(kept["telling_until"], int | float):
        kept["telling_until"] = 0.0
    for part in (name for name, usual in empty.items() if isinstance(usual, list)):
        every = kept[part] if isinstance(kept[part], list) else [kept[part]]
        kept[part] = [each for each in every if _is_readable(part, each)]
        if gone := len(every) - len(kept[part]):
            lost.append(f"{gone} of {len(every)} {part}")
    return json.dumps(kept), ", ".join(lost) or "when somebody tells"


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is too deep") from error


def _empty() -> dict[str, Any]:
    empty: dict[str, Any] = json.loads(alert_state.AlertState().dump())
    return empty


def _is_readable(part: str, each: Any) -> bool:
    with suppress(ValueError):
        alert_state.load(json.dumps(_empty() | {part: [each]}))
        return True
    return False
