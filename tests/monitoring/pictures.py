"""The pictures of our pages in the guide, taken in a real Chromium.

    .venv/bin/python -m tests.monitoring.pictures [FOLDER [all]]

writes ``dashboard-*.png``, ``route-*.png`` and ``status-*.png`` into deployment/docs, or into a
folder; with ``all`` those of every scene, to look at. What they show is made up: see
:mod:`tests.monitoring.scenes`.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

from tests.monitoring.scenes import SCENES, Shop, served
from tests.support.browser import chromium

DOCS = Path(__file__).parents[2] / "deployment/docs"
SHAPES: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1200, "height": 1000}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1200, "height": 1000}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light"},
}
ONE_ROUTE = "#route=%2Fapi%2Fauth%2Flogin&method=POST"
KEPT = (
    *(("dashboard", shape) for shape in SHAPES),
    *(("route", "light"), ("status", "light"), ("status", "dark"), ("status", "phone")),
)
"""The pictures that stand in the guide."""


def opened(page: Page, url: str, what: str) -> None:
    """Open the ``dashboard``, the view of one ``route``, or the public ``status`` page.

    Args:
        page: a new one.
        url: the dashboard's address.
        what: which of the three.
    """
    if what == "status":
        page.goto(f"{url}/public")
        return
    page.goto(url + (ONE_ROUTE if what == "route" else ""))
    page.fill("#token", "let-me-in")
    page.keyboard.press("Enter")
    ready = {"dashboard": "#chart-database .plot svg", "route": "#detail-empty:not([hidden])"}
    page.wait_for_selector(f"{ready[what]}, #chart-route-errors .plot svg")


def take(
    browser: Browser, url: str, what: str, shape: str, folder: Path, *, full: bool = False
) -> Path:
    """Take one picture, and return its file."""
    context = browser.new_context(**SHAPES[shape], locale="en-GB", timezone_id="UTC")
    page = context.new_page()
    opened(page, url, what)
    file = folder / f"{what}-{shape}.png"
    page.screenshot(path=file, full_page=full)
    context.close()
    return file


def main() -> None:
    """Take all pictures."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS
    every = sys.argv[2:] == ["all"]
    for scene in SCENES if every else ("usual",):
        shop = Shop(scene)
        asyncio.run(shop.live())
        wanted = [(what, each) for what in ("dashboard", "route", "status") for each in SHAPES]
        into = folder / scene if every else folder
        into.mkdir(parents=True, exist_ok=True)
        with served(shop) as url, chromium() as browser:
            for what, shape in wanted if every else KEPT:
                taken = take(browser, url, what, shape, into, full=every)
                sys.stdout.write(f"{taken}\n")


if __name__ == "__main__":
    main()
