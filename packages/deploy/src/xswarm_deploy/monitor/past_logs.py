"""Logs of the past: the invocations that Cloudflare kept, chosen, put together and masked.

Cloudflare finds single lines; what belongs to one invocation is fetched by its request's id, so
that an error is shown with all that its request logged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from xswarm_deploy.errors import Refused
from xswarm_deploy.monitor.logs import Event, Wanted, as_text, title_of
from xswarm_deploy.services.errors import Forbidden, Unauthorised
from xswarm_deploy.services.telemetry import Event as Line
from xswarm_deploy.services.telemetry import Filter, Query, both, either, where

if TYPE_CHECKING:
    from xswarm_deploy.site import Site

LONGEST: Final = 7 * 86400.0
"""Seconds for which Workers Logs are kept on the paid plan; three days on the free one."""
_MOST: Final = 5000  # lines that are fetched
_AT_ONCE: Final = 50  # invocations whose lines are fetched together
_STATUS, _METHOD = "$workers.event.response.status", "$workers.event.request.method"
_FINE: Final = "ok,canceled,responseStreamDisconnected"


@dataclass(frozen=True)
class Past:
    """Hold what was found.

    Args:
        events: the invocations, the oldest first.
        more: whether there are older ones that are left out.
        unread: lines that could not be read.
        sampled: the part of invocations that is kept at all.
    """

    events: Sequence[Event]
    more: bool = False
    unread: int = 0
    sampled: float = 1.0


def past(site: Site, wanted: Wanted, since: float, until: float, limit: int) -> Past:
    """Return the newest invocations of a stretch of time.

    Args:
        site: the environment.
        wanted: which.
        since: seconds since 1970.
        until: likewise.
        limit: how many at most.

    Raises:
        Refused: the Worker keeps no logs, not for so long, or the token may not read them.
        ServiceError: nobody answers.
    """
    sampled = _require_kept(site, until - since)
    query = Query(site.worker, since, until, _filters(wanted), wanted.search)
    try:
        lines = list(site.cloudflare.logged(query, _MOST))
        if wanted != Wanted(version=wanted.version):
            lines = _whole(site, query, lines, limit)
    except (Forbidden, Unauthorised) as error:
        raise Refused(
            "the token may not read past logs",
            f"{error}; it needs Account > Workers Observability",
            "add the permission to CLOUDFLARE_API_TOKEN; live logs need it not: inv logs --follow",
        ) from None
    return replace(_put_together(lines, wanted, limit), sampled=sampled)


def _require_kept(site: Site, seconds: float) -> float:
    """Return which part of invocations is kept; refuse where none is."""
    if seconds > LONGEST:
        days = f"{LONGEST / 86400:.0f} days"
        raise Refused("Cloudflare keeps logs not so long", f"{days} at most", "inv logs --since 7d")
    found = site.cloudflare.script_settings(site.worker).get("observability")
    settings: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
    logs: Mapping[str, Any] = settings.get("logs") or {}
    if not settings.get("enabled") or logs.get("enabled") is False:
        raise Refused(
            f"{site.worker} keeps no logs",
            "observability is not enabled where it is deployed",
            'write "observability": {"enabled": true} into wrangler\'s file, and deploy it',
        )
    rate = logs.get("head_sampling_rate", settings.get("head_sampling_rate", 1))
    return float(rate if rate is not None else 1)


def _filters(wanted: Wanted) -> list[Filter]:
    """Return what Cloudflare is to choose lines by; what it cannot is chosen here."""
    found: list[Filter] = []
    if wanted.version:
        found.append(where("$workers.scriptVersion.id", "eq", wanted.version))
    if wanted.methods:
        found.append(where(_METHOD, "in", ",".join(wanted.methods)))
    if wanted.statuses:
        found.append(either(*map(_by_status, wanted.statuses)))
    if wanted.errors:
        broken = where("$workers.outcome", "not_in", _FINE)
        logged = where("$metadata.level", "eq", "error")
        found.append(either(broken, logged, where(_STATUS, "gte", 500)))
    return found


def _by_status(status: str) -> Filter:
    if not status.endswith("xx"):
        return where(_STATUS, "eq", int(status))
    first = int(status[0]) * 100
    return both(where(_STATUS, "gte", first), where(_STATUS, "lt", first + 100))


def _whole(site: Site, query: Query, lines: Iterable[Line], limit: int) -> list[Line]:
    """Return all lines of the invocations that some lines belong to, the newest of them."""
    ids = [each for each in dict.fromkeys(map(_request_id, lines)) if each]
    found: list[Line] = []
    for start in range(0, min(len(ids), limit), _AT_ONCE):
        chosen = ",".join(ids[start : min(start + _AT_ONCE, limit)])
        filters = [where("$metadata.requestId", "in", chosen)]
        found += site.cloudflare.logged(replace(query, filters=filters, text=""), _MOST)
    return found


def _put_together(lines: Iterable[Line], wanted: Wanted, limit: int) -> Past:
    groups: dict[str, list[Line]] = {}
    unread = 0
    for line in lines:
        name = _request_id(line)
        unread += not name
        if name:
            groups.setdefault(name, []).append(line)
    found = []
    for group in groups.values():
        event = _event(group)
        unread += event is None
        if event is not None and wanted.wants(event):
            found.append(event)
    found.sort(key=lambda each: each.at)
    count = sum(map(len, groups.values()))
    return Past(found[-limit:], len(found) > limit or count >= _MOST, unread)


def _request_id(line: Line) -> str:
    metadata = line.get("$metadata")
    return str(metadata.get("requestId") or "") if isinstance(metadata, Mapping) else ""


def _event(lines: Sequence[Line]) -> Event | None:
    """Return the invocation that lines belong to; None where they are none that is known."""
    try:
        return _read(sorted(lines, key=lambda each: _moment(each)))
    except (ValueError, TypeError, AttributeError, LookupError):
        return None


def _read(lines: Sequence[Any]) -> Event:
    own = next((each for each in lines if "wallTimeMs" in (each.get("$workers") or {})), None)
    about = own or lines[0]
    worker: Mapping[str, Any] = about.get("$workers") or {}
    event: Mapping[str, Any] = worker.get("event") or {}
    trigger = as_text(about["$metadata"].get("trigger") or "an event of an unknown kind")
    took = worker.get("wallTimeMs")
    logged = [each for each in lines if each is not own]
    return Event(
        at=min(_moment(each) for each in lines),
        version=str((worker.get("scriptVersion") or {}).get("id") or ""),
        title=title_of(event) if event else trigger,
        status=int((event.get("response") or {}).get("status") or 0),
        outcome=str(worker.get("outcome") or "unknown"),
        milliseconds=None if took is None else float(took),
        lines=tuple((_level(each), _said(each)) for each in logged),
    )


def _moment(line: Any) -> float:
    return float(line["timestamp"]) / 1000


def _level(line: Any) -> str:
    source = line.get("source")
    told = source.get("level") if isinstance(source, Mapping) else ""
    return as_text(line["$metadata"].get("level") or told or "log")


def _said(line: Any) -> str:
    """Return what was logged: the text, or the object that the Worker wrote as JSON."""
    source = line.get("source")
    if isinstance(source, Mapping) and set(source) <= {"message", "level"}:
        source = source.get("message")
    return as_text(source if source is not None else line["$metadata"].get("message") or "")
