"""The public status page: one page of HTML, without a script or anything from elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import groupby
from math import floor

from xswarm_monitoring.clock import iso
from xswarm_monitoring.incident import LISTED, Impact, Incident
from xswarm_monitoring.page import PALETTE, headers, source
from xswarm_monitoring.status_report import (
    DAYS,
    DEGRADED,
    DOWN,
    MAINTENANCE,
    UNKNOWN,
    UP,
    Component,
    Day,
    StatusReport,
)

_STYLE = (
    PALETTE
    + """
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 52rem; padding: 1.5rem clamp(.75rem, 3vw, 2rem) 3rem;
  background: var(--paper); color: var(--ink); overflow-wrap: anywhere;
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
header { display: flex; flex-wrap: wrap; gap: .25rem .9rem; align-items: baseline; }
h1 { font-size: 1.5rem; letter-spacing: -.02em; margin: 0; }
h2 { font-size: 1.15rem; margin: 2rem 0 .6rem; }
h3 { font-size: 1rem; margin: 0; }
a { color: var(--accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.skip { position: absolute; left: -99rem; } .skip:focus { position: static; }
.soft { color: var(--soft); } .up { color: var(--good); } .degraded { color: var(--warn); }
.down { color: var(--bad); } .maintenance { color: var(--accent); } .none { color: var(--soft); }
.badge { border: 1px solid currentColor; border-radius: 99px; padding: 0 .7rem; }
.headline { border: 2px solid currentColor; border-radius: 12px; background: var(--card);
  padding: .9rem 1.1rem; margin: 1.1rem 0 .4rem; font-size: 1.3rem; font-weight: 600; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: .8rem 1rem; margin: 0 0 .75rem; box-shadow: var(--shadow); break-inside: avoid; }
.row { display: flex; flex-wrap: wrap; gap: .1rem 1rem; justify-content: space-between; }
.state { font-weight: 600; white-space: nowrap; }
ul, ol { list-style: none; margin: 0; padding: 0; }
svg { display: block; width: 100%; height: 2.25rem; margin: .5rem 0 .2rem; }
svg .up { fill: var(--good); } svg .degraded { fill: var(--warn); }
svg .down { fill: var(--bad); } svg .none { fill: none; stroke: var(--soft); stroke-width: .5; }
.legend { display: flex; flex-wrap: wrap; gap: .1rem 1.2rem; margin: 0 0 .6rem; }
.legend svg { display: inline-block; width: .6rem; height: 1.1rem; margin: 0 .2rem 0 0;
  vertical-align: text-bottom; }
summary { cursor: pointer; color: var(--soft); padding: .2rem 0; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
th { color: var(--soft); font-weight: 500; }
.incident { border-left: 4px solid currentColor; } .incident > * { color: var(--ink); }
.incident .soft { color: var(--soft); }
.updates { margin-top: .5rem; } .updates li { margin-top: .4rem; }
.text { white-space: pre-line; }
footer { margin-top: 2rem; }
@media (max-width: 34rem) { th, td { padding-right: .4rem; font-size: .9rem; } }
@media print { body { max-width: none; padding: 0; } .skip { display: none; }
  .card, .headline { box-shadow: none; } svg * { print-color-adjust: exact; } }
"""
)
HEADERS = headers(f"style-src {source(_STYLE)}")

_CLASSES = {
    UP: "up",
    DEGRADED: "degraded",
    DOWN: "down",
    MAINTENANCE: "maintenance",
    UNKNOWN: "none",
}
_SIGNS = {UP: "✓", DEGRADED: "!", DOWN: "✗", MAINTENANCE: "◷", UNKNOWN: "?"}
_WORDS = {UP: "Works", DEGRADED: "Degraded", DOWN: "Down", UNKNOWN: "No data"}
_TOPS = {UP: 0, DEGRADED: 10, DOWN: 20, UNKNOWN: 0}
_IMPACTS = {
    Impact.CRITICAL: ("down", "Critical"),
    Impact.MAJOR: ("degraded", "Major"),
    Impact.MINOR: ("degraded", "Minor"),
    Impact.MAINTENANCE: ("maintenance", "Maintenance"),
}
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_TALL, _WIDE = 34, 4  # of a day's bar, and from one to the next
_UNWATCHED = 900.0  # seconds without data from which a day is listed
_DAY = 86400.0


def page(report: StatusReport, paths: Sequence[str] = ()) -> str:
    """Return the page.

    Args:
        report: what it says.
        paths: where its JSON and its feed are; none: they are nowhere.
    """
    title = escape(report.title)
    place = f' <span class="badge soft">{escape(report.environment)}</span>'
    version = f' <span class="soft">version {escape(report.version)}</span>'
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{_SIGNS[report.state]} {title}: status</title>"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,">{_alternates(paths)}<style>{_STYLE}</style></head><body>'
        '<a class="skip" href="#main">Skip to the components</a>'
        f"<header><h1>{title}: status</h1>{place if report.environment else ''}"
        f'{version if report.version else ""}</header><main id="main">'
        f'<p class="headline {_CLASSES[report.state]}">{_SIGNS[report.state]} '
        f'{escape(report.headline)}</p><p class="soft">{_checked(report)} All times and days are '
        f"UTC.</p>{_notice(report)}{''.join(_open(report))}"
        f"{''.join(_components(report))}{''.join(_past(report))}</main>"
        f"<footer>{_footer(report, paths)}</footer></body></html>\n"
    )


def _alternates(paths: Sequence[str]) -> str:
    kinds = ("application/json", "application/atom+xml")
    return "".join(
        f'<link rel="alternate" type="{kind}" href="{escape(path)}">'
        for kind, path in zip(kinds, paths, strict=False)
    )


def _footer(report: StatusReport, paths: Sequence[str]) -> str:
    links = [f'<a href="{escape(report.contact)}">Help</a>'] if report.contact else []
    links += [
        f'<a href="{escape(path)}">{name}</a>'
        for name, path in zip(("JSON", "Feed (Atom)"), paths, strict=False)
    ]
    return " · ".join(links)


def _checked(report: StatusReport) -> str:
    if report.checked is None:
        return "No check is known."
    return f"Last checked {_moment(report.checked)}."


def _notice(report: StatusReport) -> str:
    return f'<p class="card">{escape(report.notice)}</p>' if report.notice else ""


def _open(report: StatusReport) -> Iterator[str]:
    if report.open:
        yield "<section><h2>Now</h2>"
        yield from (_incident(report, each) for each in report.open)
        yield "</section>"


def _components(report: StatusReport) -> Iterator[str]:
    yield f"<section><h2>The last {DAYS} days</h2><p class='legend soft'>"
    for state in (UP, DEGRADED, DOWN, UNKNOWN):
        yield (
            f'<span><svg viewBox="0 0 3 {_TALL}" preserveAspectRatio="none" aria-hidden="true">'
            f"{_bar(0, state)}</svg>"
            f"{_WORDS[state].lower()}</span>"
        )
    yield "</p><ul>"
    yield from (_component(each, report.now) for each in report.components)
    yield (
        '</ul><p class="soft">The percentage is the part of the watched time in which it was not '
        "down; time without data counts neither way.</p></section>"
    )


def _component(component: Component, now: float) -> str:
    name, state = escape(component.name), component.state
    bars = "".join(
        f"<g><title>{day.date}: {_day(day, now)}</title>{_bar(place, day.state)}</g>"
        for place, day in enumerate(component.days)
    )
    return (
        f'<li class="card"><div class="row"><h3>{name}</h3><span class="state {_CLASSES[state]}">'
        f"{_SIGNS[state]} {_WORDS[state]}</span></div>"
        f'<svg viewBox="0 0 {_WIDE * DAYS} {_TALL}" preserveAspectRatio="none" role="img" '
        f'aria-label="{name}: {escape(_summary(component))}">{bars}</svg>'
        f'<div class="row soft"><span>{DAYS} days ago</span><span>{_percent(component)}</span>'
        f"<span>today</span></div>{_details(component, now)}</li>"
    )


def _bar(place: int, state: str) -> str:
    """Return a day's bar; its height says what its colour does."""
    top = _TOPS[state]
    inset = 0.25 if state == UNKNOWN else 0
    return (
        f'<rect class="{_CLASSES[state]}" x="{place * _WIDE + inset}" y="{top + inset}" '
        f'width="{3 - 2 * inset}" height="{_TALL - top - 2 * inset}"/>'
    )


def _percent(component: Component) -> str:
    """Return how much of the time it was up; 100 % only where it was never down."""
    if component.uptime is None:
        return "no data"
    return f"{floor(component.uptime * 10000 + 1e-6) / 100:.2f} %"


def _summary(component: Component) -> str:
    states = [day.state for day in component.days]
    told = [f"{states.count(state)} days {state}" for state in (UP, DEGRADED, DOWN, UNKNOWN)]
    return f"{_percent(component)} in {DAYS} days; {', '.join(told)}"


def _day(day: Day, now: float) -> str:
    """Return what a day was like."""
    parts = [
        f"{word} {_length(seconds)}"
        for word, seconds in (("down", day.down), ("degraded", day.degraded))
        if seconds
    ]
    missing = day.missing(now)
    if missing >= _UNWATCHED or not day.watched:
        parts.append("no data" if not day.watched else f"no data for {_length(missing)}")
    return ", ".join(parts) or "up"


def _details(component: Component, now: float) -> str:
    """Return the days that were not wholly up; those that are alike and follow as one row."""
    told = [(day, _day(day, now)) for day in reversed(component.days)]
    rows = []
    for text, group in groupby(told, key=lambda each: each[1]):
        days = [day for day, _ in group]
        if text != "up":
            span = days[0].date if len(days) == 1 else f"{days[-1].date} to {days[0].date}"
            rows.append(f"<tr><td>{span}</td><td>{text}</td></tr>")
    if not rows:
        return ""
    return (
        "<details><summary>Days that were not wholly up, or without data</summary><table><thead>"
        '<tr><th scope="col">Day</th><th scope="col">What</th></tr></thead><tbody>'
        f"{''.join(rows)}</tbody></table></details>"
    )


def _past(report: StatusReport) -> Iterator[str]:
    past = [each for each in report.incidents if each.resolved is not None]
    yield "<section><h2>Past incidents</h2>"
    yield from (_incident(report, each) for each in past)
    if not past:
        yield f'<p class="soft">None in the last {DAYS} days.</p>'
    elif len(past) >= LISTED:
        yield f'<p class="soft">The {LISTED} newest are listed.</p>'
    yield "</section>"


def _incident(report: StatusReport, incident: Incident) -> str:
    colour, impact = _IMPACTS[incident.severity]
    affected = ", ".join(map(escape, report.affected(incident)))
    ended = (
        "not resolved yet"
        if incident.resolved is None
        else f"resolved {_moment(incident.resolved)}, after "
        f"{_length(max(incident.resolved - incident.begun, 0.0))}"
    )
    return (
        f'<article class="card incident {colour}"><div class="row"><h3>{escape(incident.title)}'
        f'</h3><span class="soft">{impact}</span></div><p class="soft">Began '
        f"{_moment(incident.begun)}; {ended}.{f' Affected: {affected}.' if affected else ''}</p>"
        f'<ol class="updates" reversed>{"".join(_updates(incident))}</ol></article>'
    )


def _updates(incident: Incident) -> Iterable[str]:
    return (
        f'<li><span class="state">{escape(each.state.capitalize())}</span> '
        f'<span class="soft">{_moment(each.time)}</span><br>'
        f'<span class="text">{escape(each.text)}</span></li>'
        for each in reversed(incident.updates)
    )


def _moment(seconds: float) -> str:
    at = time.gmtime(seconds)
    told = f"{at.tm_mday} {_MONTHS[at.tm_mon - 1]} {at.tm_year}, {at.tm_hour:02}:{at.tm_min:02}"
    return f'<time datetime="{iso(seconds)}">{told} UTC</time>'


def _length(seconds: float) -> str:
    """Return a length of time in the two units that matter."""
    minutes = max(round(seconds / 60), 1)
    if minutes < 60:
        return f"{minutes} min"
    if seconds < _DAY:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"
