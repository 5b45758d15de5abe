"""When cron triggers fire."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import aiohttp
import pytest

from xswarm_twin.edge.capnp import configuration
from xswarm_twin.edge.children import Children, Command
from xswarm_twin.edge.cron import Cron, parse
from xswarm_twin.programs import find_workerd


def days(expression: str, year: int, month: int) -> list[int]:
    """Return the days of a month on which an expression fires at noon."""
    cron, at, found = parse(expression), datetime(year, month, 1, 12, 0, tzinfo=UTC), []
    while at.month == month:
        found += [at.day] if cron.fires(at) else []
        at += timedelta(days=1)
    return found


@pytest.mark.parametrize(
    ("expression", "fires"),
    [
        ("0 12 * * *", list(range(1, 31))),
        ("0 12 1,15 * *", [1, 15]),
        ("0 12 */10 * *", [1, 11, 21]),
        ("0 12 10-12 NOV *", [10, 11, 12]),
        ("0 12 * DEC *", []),
        ("0 12 * * 1", [1, 8, 15, 22, 29]),  # Sundays
        ("0 12 * * mon-tue", [2, 3, 9, 10, 16, 17, 23, 24, 30]),
        ("0 12 L * *", [30]),
        ("0 12 LW * *", [30]),
        ("0 12 15W * *", [16]),  # the 15th is a Sunday
        ("0 12 1W * *", [2]),
        ("0 12 28W * *", [27]),  # a Saturday
        ("0 12 * * 6L", [27]),
        ("0 12 * * 2#1", [2]),
        ("0 12 3 * 2#2", [3, 9]),  # both fields of days: either
        ("0 12 * * L", [7, 14, 21, 28]),
    ],
)
def test_days(expression: str, fires: list[int]) -> None:
    assert days(expression, 2026, 11) == fires


def test_working_days_stay_within_their_month() -> None:
    assert days("0 12 1W * *", 2026, 8) == [3]  # Saturday the 1st
    assert days("0 12 31W * *", 2026, 5) == [29]  # Sunday the 31st
    assert days("0 12 30W * *", 2026, 2) == []  # there is no such day


def test_minutes_and_hours() -> None:
    start, cron = datetime(2026, 11, 25, tzinfo=UTC), parse("*/20 9-17/4 * * *")
    minutes = (start + timedelta(minutes=n) for n in range(1440))
    found = [f"{at:%H:%M}" for at in minutes if cron.fires(at)]
    assert found == [f"{h:02}:{m:02}" for h in (9, 13, 17) for m in (0, 20, 40)]
    assert all(parse("* * * * *").fires(start + timedelta(minutes=n)) for n in range(0, 1440, 7))


NONE = """
* * * *
* * * * * *
60 * * * *
* 24 * * *
* * 0 * *
* * 32W * *
* * * 13 *
* * * * 0
* * * * 8
*/0 * * * *
5-1 * * * *
x * * * *
* * * * 2#6
*,5 * * * *
*/60 * * * *
1JAN * * * *
* * 30 2 *
* * L-31 * *
* * 15W,L * *
* * l * *
* * * * 2#
L * * * *
1,, * * * *
² * * * *
"""


@pytest.mark.parametrize("expression", [*NONE.splitlines(), ",".join(["1"] * 40) + " * * * *"])
def test_what_is_none_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match=r"is no |has not five fields"):
        parse(expression)


JUDGE = """
import { parse, next } from "./cron.js";
export default { async fetch(request) {
  return Response.json((await request.json()).map(([text, after]) => {
    try { return next(parse(text), after) } catch { return null }
  }));
} }"""
EXPRESSIONS = """
0 12 * * *
*/7 3-9/2 1,15 JAN-mar *
5/10 0 * * mon,3
0 12 L * *
0 12 L-3 * *
0 12 L-3W * *
0 12 L-30W * *
0 12 LW * *
0 12 15W * *
0 12 1W * *
0 12 31W * *
0 0 29 2 *
0 12 * * L
0 12 * * 6L
0 12 * * friL
0 12 * * 2#1
0 12 * * sat#5
0 12 13 * 6
0 12 15W * 2#3
0 12 L-1 2 *
"""


@pytest.mark.slow
def test_it_fires_when_workerds_own_cron_does(tmp_path: Path) -> None:
    """From some days of two years on, the next time is the same; what is refused is, too."""
    starts = [datetime(2027, 1, 1, tzinfo=UTC) + timedelta(days=9 * n) for n in range(80)]
    texts = [text for text in (EXPRESSIONS + NONE).splitlines() if text]
    asked = [(text, int(start.timestamp() * 1000)) for text in texts for start in starts]
    theirs = iter(asyncio.run(judged(tmp_path, asked)))
    for text, after in asked:
        told = next(theirs)
        assert told == following(text, after), (text, after)


@cache
def known(text: str) -> Cron | None:
    try:
        return parse(text)
    except ValueError:
        return None


def following(text: str, after: int) -> int | None:
    """Return when an expression fires next, milliseconds since 1970; None for what is none."""
    cron = known(text)
    if cron is None:
        return None
    at = datetime.fromtimestamp(after / 1000, UTC) + timedelta(minutes=1)
    while not cron.on(at.date()):
        at = at.replace(hour=0, minute=0) + timedelta(days=1)
    while not cron.fires(at):
        at += timedelta(minutes=1)
        while not cron.on(at.date()):
            at += timedelta(days=1)
    return int(at.timestamp() * 1000)


async def judged(folder: Path, asked: list[tuple[str, int]]) -> list[int | None]:
    """Ask the parser that comes with workerd."""
    modules = [
        {"name": "judge.js", "esModule": JUDGE},
        {"name": "cron.js", "bundled": "/workerd/cron.js"},
    ]
    worker = {"modules": modules, "compatibilityDate": "2026-01-01"}
    socket = {"name": "http", "address": "127.0.0.1:0", "service": "judge"}
    told = {"services": [{"name": "judge", "worker": worker}], "sockets": [socket]}
    path, binary = folder / "judge.capnp", str(find_workerd(Path.cwd()))
    path.write_text(configuration(told))
    command = Command(
        lambda fd: (binary, "serve", "--experimental", f"--control-fd={fd}", str(path)),
        folder,
        sockets=("http",),
    )
    children = Children()
    child = await children.start(command, print)
    try:
        url = f"http://127.0.0.1:{child.ports['http']}"
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=json.dumps(asked)) as answer,
        ):
            found: list[int | None] = await answer.json()
            return found
    finally:
        await child.stop()
        await children.close()
