"""The dashboard, in a real Chromium: with an hour's data, without any, and with 500 routes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from playwright.sync_api import Browser, Page, expect

from tests.monitoring import pictures, scenes
from tests.monitoring.measured.figure import Figure
from tests.support import axe
from tests.support.browser import chromium

_OVERPRINT = """() => [...document.querySelectorAll("svg")].reduce((found, svg) => {
    const boxes = [...svg.querySelectorAll("text")].map((each) => each.getBoundingClientRect());
    return found + boxes.filter((a, n) => boxes.slice(n + 1).some((b) => a.left < b.right
        && b.left < a.right && a.top < b.bottom && b.top < a.bottom)).length;
}, 0)"""
_SLOW = 100


def figures() -> Iterator[Figure]:
    """Look at each scene."""
    with chromium() as browser:
        yield from usual(browser)
        yield empty(browser)
        yield many(browser)


def look(browser: Browser, shop: scenes.Shop, shape: str) -> Iterator[Page]:
    """Open the dashboard of a shop, until the page was looked at."""
    with ThreadPoolExecutor(1) as elsewhere:  # Playwright has a loop of its own here
        elsewhere.submit(asyncio.run, shop.live()).result()
    with scenes.served(shop) as address:
        page = browser.new_context(**pictures.SHAPES[shape]).new_page()
        page.set_default_timeout(60_000)
        pictures.opened(page, address, "dashboard")
        yield page
        page.context.close()


def usual(browser: Browser) -> Iterator[Figure]:
    """Look at an hour with three releases, and at seven days."""
    for page in look(browser, scenes.Shop(), "light"):
        over, wrong = page.evaluate(_OVERPRINT), axe.findings(page)
        page.get_by_label("Window").select_option("7d")
        expect(page.locator("#chart-rate svg")).to_contain_text(re.compile("[A-Z][a-z]{2}"))
        dates = re.findall(r"\d{1,2} [A-Z][a-z]{2}|[A-Z][a-z]{2} \d{1,2}", _axis(page))
        yield Figure(
            "dashboard: three releases in an hour; seven days",
            "labels overprint; an axis without dates",
            f"{over} labels overprint; {len(dates)} dates on the axis",
            over == 0 and len(dates) > 2,
        )
        yield Figure(
            "dashboard: contrast and the rest of WCAG 2.2 AA",
            "“✓ works” has 4.15 : 1",
            f"axe finds {len(wrong)} violations",
            not wrong,
        )


def _axis(page: Page) -> str:
    return page.locator("#chart-rate svg").text_content() or ""


def empty(browser: Browser) -> Figure:
    """Look at a service that nobody asked yet."""
    text = ""
    for page in look(browser, scenes.Shop("empty"), "light"):
        text = page.locator("#figures").inner_text()
    return Figure(
        "dashboard: nothing was measured yet",
        "“0 ms”, “0 %”",
        f"says “no data” {text.count('no data')} times, “0 ms” never",
        "no data" in text and "0 ms" not in text,
    )


def many(browser: Browser) -> Figure:
    """Look at 500 routes and a hundred slow queries on a phone."""
    shop = scenes.Shop("many")
    for number in range(_SLOW):
        shop.monitor.metrics.database.observe(
            f"SELECT * FROM messages WHERE body LIKE '%{number}%'", 1.5 + number / 100, 3
        )
    height, rows, filters = 0, 0, 0
    for page in look(browser, shop, "phone"):
        height = page.evaluate("document.documentElement.scrollHeight")
        slow = page.get_by_role("table", name="Slow queries").get_by_role("row")
        rows, filters = slow.count() - 1, page.get_by_label("Filter routes").count()
    return Figure(
        f"dashboard on a phone: 500 routes, {_SLOW} slow queries alike",
        "27,380 px; neither sort nor filter",
        f"{height:,} px, {rows} rows of slow queries; sorted and filtered",
        height < 27_380 / 2 and rows < 10 and filters == 1,
    )
