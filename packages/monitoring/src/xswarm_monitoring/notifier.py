"""Bring notices to people: who is told by which channel, again where it failed, or by another."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from xswarm_monitoring.alert import Alert, Severity
from xswarm_monitoring.alert_state import AlertState, Notice
from xswarm_monitoring.channels import Channel
from xswarm_monitoring.http_request import Outgoing, Send
from xswarm_monitoring.plain import described

DELIVERED = "delivered"


_ORDER = ("slack", "email", "sms")
"""The order of those that stand in: each after those for which it does."""
_REPEATABLE = frozenset((408, 425, 429))


Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True)
class Route:
    """By which channels a severity is told.

    Args:
        channels: all of these.
        instead: for each of them that fails, the first of these that does not.
    """

    channels: tuple[str, ...]
    instead: tuple[str, ...] = ()


ROUTES: Mapping[Severity, Route] = {
    Severity.INFO: Route(("slack",), ("email",)),
    Severity.WARNING: Route(("slack",), ("email", "sms")),
    Severity.ERROR: Route(("email", "slack"), ("sms",)),
    Severity.CRITICAL: Route(("email", "sms", "slack")),
}


@dataclass(frozen=True)
class Patience:
    """How long one channel is tried.

    Args:
        attempts: how often at most.
        pause: seconds before the second attempt; doubled before each further one.
        longest: seconds; a service that asks for a longer pause is given up for now.
        answer: seconds until it is given up, whatever it answered before: who stands in waits for
            it, and three that do so must end within the lease of the round that tells.
    """

    attempts: int = 3
    pause: float = 1.0
    longest: float = 10.0
    answer: float = 15.0


class Notifier:
    """Send notices by their channels.

    Args:
        channels: those there are.
        send: sends one request; raises where there was no answer.
        sleep: waits some seconds.
        routes: by which channels each severity is told.
        patience: how long one channel is tried.
        wall: seconds since 1970.
    """

    def __init__(
        self,
        channels: Iterable[Channel],
        send: Send,
        *,
        sleep: Sleep,
        routes: Mapping[Severity, Route] = ROUTES,
        patience: Patience | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._channels: dict[str, list[Channel]] = {}
        for channel in channels:
            self._channels.setdefault(channel.name, []).append(channel)
        self._send, self._sleep, self._wall = send, sleep, wall
        self._routes, self._patience = routes, patience or Patience()

    async def deliver(self, state: AlertState, notices: Sequence[Notice]) -> bool:
        """Send notices, and what reached nobody before; write into the state how it went.

        Gives whether each reached somebody.

        Args:
            state: keeps the history, and what reached nobody.
            notices: what people are to be told.
        """
        waiting = [*state.take_undelivered(), *notices]
        outcomes = await self.by_channels(waiting)
        for notice, went in zip(waiting, outcomes, strict=True):
            state.record(notice, went)
        unheard = [n for n, went in zip(waiting, outcomes, strict=True) if not _reached(went)]
        state.keep_undelivered(unheard)
        return not unheard

    async def announce(self, state: AlertState, alert: Alert) -> bool:
        """Notify people of an event at once; returns whether it reached somebody."""
        return await self.deliver(state, state.happened(alert, self._wall()))

    async def by_channels(self, notices: Sequence[Notice]) -> list[dict[str, str]]:
        """Send each channel one request for all that is meant for it.

        All of them at once: a telephone does not wait for a Slack that hangs. Who stands in comes
        after.
        """
        from asyncio import gather  # a Worker's start must not pay for it

        went: list[dict[str, str]] = [{} for _ in notices]
        routes = [self._routes[notice.alert.severity] for notice in notices]
        first = {
            name: [n for n, route in enumerate(routes) if name in route.channels] for name in _ORDER
        }
        await gather(*(self._send_to(name, meant, notices, went) for name, meant in first.items()))
        for name in _ORDER:
            instead = [n for n, route in enumerate(routes) if self._stands_in(name, route, went[n])]
            await self._send_to(name, instead, notices, went)
        return went

    async def _send_to(
        self,
        name: str,
        meant: Sequence[int],
        notices: Sequence[Notice],
        went: Sequence[dict[str, str]],
    ) -> None:
        """Send by one channel what is meant for it; note how each went."""
        if not meant:
            return
        outcome = await self._by(name, [notices[n] for n in meant])
        for n in meant:
            went[n][name] = outcome

    def _stands_in(self, name: str, route: Route, went: Mapping[str, str]) -> bool:
        failed = sum(outcome != DELIVERED for outcome in went.values())
        stood_in = sum(went[other] == DELIVERED for other in route.instead if other in went)
        return name in route.instead and failed > stood_in

    async def _by(self, name: str, notices: Sequence[Notice]) -> str:
        """Send by all channels of a name, such as one for each telephone; returns how it went."""
        from asyncio import gather

        channels = self._channels.get(name)
        if not channels:
            return "not set up"
        outcomes = await gather(*(self._tell(channel, notices) for channel in channels))
        failed = [outcome for outcome in outcomes if outcome != DELIVERED]
        if not failed:
            return DELIVERED
        reached = len(outcomes) - len(failed)
        return f"{DELIVERED} to {reached} of {len(outcomes)}; {failed[0]}" if reached else failed[0]

    async def _tell(self, channel: Channel, notices: Sequence[Notice]) -> str:
        """Send by one channel; one that breaks keeps no other from telling."""
        try:
            request = channel.request(notices)
        except Exception as error:
            return f"failed: {described(error)}"
        return await self._try(request)

    async def _try(self, request: Outgoing) -> str:
        """Send a request until it is taken or given up; returns how it went."""
        from asyncio import wait_for

        try:
            return await wait_for(self._repeat(request), self._patience.answer)
        except TimeoutError:
            return f"failed: no answer in {self._patience.answer:g} s"

    async def _repeat(self, request: Outgoing) -> str:
        """Send a request, again where that may help; returns how it went."""
        pause = self._patience.pause
        for left in reversed(range(self._patience.attempts)):
            attempt = await self._attempt(request)
            wait = pause if attempt.retry_after is None else attempt.retry_after
            if not (left and attempt.repeatable):
                break
            if wait > self._patience.longest:
                return f"{attempt.outcome}; it asks to wait {wait:.0f} s"
            await self._sleep(wait)
            pause *= 2
        return attempt.outcome

    async def _attempt(self, request: Outgoing) -> _Attempt:
        try:
            response = await self._send(request)
        except Exception as error:
            # It may have arrived; an alert told twice is better than one told never.
            return _Attempt(f"failed: {described(error)}", repeatable=True)
        if 200 <= response.status < 300:
            return _Attempt(DELIVERED)
        repeatable = response.status in _REPEATABLE or response.status >= 500
        asked = retry_after(response.headers.get("retry-after", ""), self._wall())
        return _Attempt(f"failed: HTTP {response.status}", repeatable, asked)


@dataclass(frozen=True)
class _Attempt:
    """How one attempt went, whether another may help, and when the service wants it."""

    outcome: str
    repeatable: bool = False
    retry_after: float | None = None


def retry_after(value: str, now: float) -> float | None:
    """Read a ``Retry-After`` header: seconds, or a date; None where it is neither.

    Args:
        value: the header's.
        now: seconds since 1970.
    """
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(parsedate_to_datetime(value).timestamp() - now, 0.0)
    except ValueError:
        return None


def _reached(went: Mapping[str, str]) -> bool:
    return any(outcome.startswith(DELIVERED) for outcome in went.values())
