"""The dashboard's page, in a real Chromium, before a real server."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect

from tests.monitoring import pictures, scenes
from tests.support import axe
from tests.support.browser import chromium
from tests.support.needs import require
from xswarm_monitoring import dashboard
from xswarm_monitoring.asgi import Monitor
from xswarm_monitoring.health import Probe

pytestmark = pytest.mark.slow

STRANGE = "/<img src=x onerror=document.title='taken'>"


def test_the_page_takes_nothing_from_elsewhere() -> None:
    found = set(re.findall(r"https?://[^\"'\s)]+", dashboard.PAGE))
    assert found == {"http://www.w3.org/2000/svg"}
    assert b"default-src 'none'" in dict(dashboard.HEADERS)[b"content-security-policy"]


async def working() -> None:
    return None


async def broken() -> None:
    raise ConnectionError("<b>HTTP 500</b>")


async def app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def watched() -> Monitor:
    probes = [Probe("database", working), Probe("stripe", broken, critical=False)]
    monitor = Monitor(
        app,
        service="boss-ai",
        version=lambda env: "v1.5.0",
        probes=lambda env: probes,
        admin_token=lambda env: "let-me-in",
    )
    for number in range(100):
        monitor.metrics.requests.observe(STRANGE, "GET", 500 if number < 10 else 200, number / 20)
    monitor.metrics.database.observe("SELECT * FROM t WHERE a = 'x'", 2.5, 7)
    monitor.metrics.business.feature("voice")
    return monitor


@pytest.fixture
def server() -> Iterator[uvicorn.Server]:
    config = uvicorn.Config(watched(), host="127.0.0.1", port=0, log_level="warning", ws="none")
    served = uvicorn.Server(config)
    thread = threading.Thread(target=served.run, daemon=True)
    thread.start()
    while not served.started:
        time.sleep(0.01)
    yield served
    served.should_exit = True
    thread.join(10)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    require("chromium")
    with chromium() as launched:
        yield launched


def url(server: uvicorn.Server) -> str:
    port = server.servers[0].sockets[0].getsockname()[1]
    return f"http://127.0.0.1:{port}/status"


def log_in(page: Page, server: uvicorn.Server, token: str = "let-me-in") -> None:
    page.goto(url(server))
    page.get_by_label("Admin token").fill(token)
    page.keyboard.press("Enter")


def opened(browser: Browser, server: uvicorn.Server, **options: Any) -> Page:
    page = browser.new_page(**options)
    page.set_default_timeout(60_000)
    log_in(page, server)
    page.locator("#chart-rate .line").first.wait_for(state="attached")  # one point has no size
    return page


def test_a_person_sees_what_is_going_on(browser: Browser, server: uvicorn.Server) -> None:
    errors: list[str] = []
    page = browser.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    log_in(page, server)
    page.get_by_role("heading", name="boss-ai").wait_for()
    assert page.locator("#verdict").inner_text() == "! degraded"
    card = page.get_by_role("heading", name="stripe").locator("..").inner_text().split("\n")
    assert card[1:3] == ["✗ down", "not critical"]
    assert card[3].endswith(" ms")
    assert card[4] == "ConnectionError: <b>HTTP 500</b>"
    assert "10 %" in page.locator("#figures").inner_text()
    route = page.get_by_role("table", name="Requests by route").get_by_role("cell").first
    assert route.inner_text() == STRANGE
    assert "WHERE a = ?" in page.get_by_role("table", name="Slow queries").inner_text()
    assert "voice" in page.locator("#business").inner_text()
    assert page.title() == "! boss-ai"
    assert errors == []


def test_a_keyboard_reaches_every_point_of_a_chart(
    browser: Browser, server: uvicorn.Server
) -> None:
    page = opened(browser, server)
    chart = page.get_by_role("img", name=re.compile("^Duration of requests: p50 now"))
    chart.focus()
    page.keyboard.press("End")
    readout = page.locator("#chart-durations .readout")
    last = readout.inner_text()
    assert re.search(r"p50 2\.\d+ s, p95 4\.\d+ s, p99 4\.\d+ s", last)
    page.keyboard.press("ArrowLeft")
    assert readout.inner_text() != last
    page.locator("#chart-durations summary").press("Enter")
    rows = page.get_by_role("table", name="Duration of requests").get_by_role("row")
    expect(rows).to_have_count(61)


def test_routes_are_sorted_and_filtered_and_a_long_axis_has_dates(
    browser: Browser, server: uvicorn.Server
) -> None:
    page = opened(browser, server)
    routes = page.get_by_role("table", name="Requests by route")
    expect(page.get_by_text("No alert is on.")).to_be_visible()
    page.get_by_role("button", name="p95").click()
    expect(routes.locator("th[aria-sort=descending]")).to_have_text("p95")
    page.keyboard.press("Enter")  # the focus is still on it
    expect(routes.locator("th[aria-sort=ascending]")).to_have_text("p95")
    page.get_by_label("Filter routes").fill("no such route")
    expect(page.locator("#shown")).to_have_text(re.compile(r"^0 of \d+ shown"))
    page.get_by_label("Filter routes").fill("GET")
    expect(page.locator("#shown")).to_have_text(re.compile(r"^([1-9]\d*) of \1 shown"))
    assert ":" in (page.locator("#chart-rate svg").text_content() or "")
    page.get_by_label("Window").select_option("90d")
    expect(page.locator("#chart-rate svg")).to_contain_text(re.compile(r"[A-Z][a-z]{2}"))
    assert page.locator("#budgets").is_hidden()  # there are no objectives


def test_a_wrong_token_is_refused_in_words(browser: Browser, server: uvicorn.Server) -> None:
    page = browser.new_page()
    log_in(page, server, "wrong")
    page.get_by_text("That token was refused.").wait_for()
    assert page.get_by_label("Admin token").is_visible()
    assert page.evaluate("sessionStorage.length") == 0


def test_when_the_service_is_gone_the_last_state_stays(
    browser: Browser, server: uvicorn.Server
) -> None:
    page = opened(browser, server)
    page.route("**/api/metrics*", lambda route: route.abort())
    page.get_by_role("button", name="Refresh").click()
    page.get_by_role("alert").get_by_text("this is the last state known").wait_for()
    assert page.locator("#chart-rate .line").count() == 1


@pytest.mark.parametrize("width", [320, 390, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_each_screen_and_follows_the_scheme(
    browser: Browser, server: uvicorn.Server, width: int, scheme: str
) -> None:
    page = opened(browser, server, viewport={"width": width, "height": 800}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(245, 247, 250)" if scheme == "light" else "rgb(11, 15, 20)")
    for name in ("soft", "pass", "warn", "fail"):
        assert contrast(page, f".{name}") >= 4.5


def contrast(page: Page, selector: str) -> float:
    """Return the contrast of a colour on a card, as WCAG 2.2 measures it."""
    colours = page.evaluate(
        """(selector) => {
            const probe = document.createElement("span");
            probe.className = "card " + selector.slice(1);
            document.body.append(probe);
            const style = getComputedStyle(probe);
            const found = [style.color, style.backgroundColor];
            probe.remove();
            return found;
        }""",
        selector,
    )
    light, dark = sorted((luminance(colour) for colour in colours), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_all_charts_are_drawn_to_the_same_scale(browser: Browser, server: uvicorn.Server) -> None:
    page = opened(browser, server, viewport={"width": 1200, "height": 800})
    scales = page.eval_on_selector_all(
        ".plot > svg", "all => all.map((svg) => svg.viewBox.baseVal.width / svg.clientWidth)"
    )
    assert len(scales) == 4
    assert all(0.98 < scale < 1.02 for scale in scales), scales


def test_the_pictures_of_the_guide_are_taken(browser: Browser, tmp_path: Path) -> None:
    with shown("usual") as address:
        for what, shape in pictures.KEPT:
            taken = pictures.take(browser, address, what, shape, tmp_path).stat().st_size
            kept = (pictures.DOCS / f"{what}-{shape}.png").stat().st_size
            assert 0.5 < taken / kept < 2, (what, shape)  # the same picture, but for its times
            assert kept < 200_000


@contextmanager
def shown(scene: str) -> Iterator[str]:
    """Serve a scene, and return the dashboard's address."""
    shop = scenes.Shop(scene)
    with ThreadPoolExecutor(1) as elsewhere:  # Playwright has a loop of its own here
        elsewhere.submit(asyncio.run, shop.live()).result()
    with scenes.served(shop) as address:
        yield address


JUDGED: tuple[tuple[int, Any], ...] = ((1200, "light"), (390, "dark"))


PAGES = ("dashboard", "route", "status")


@pytest.mark.parametrize(
    ("scene", "pages"),
    # Of very many routes only the dashboard shows more than of a few.
    [("empty", PAGES), ("outage", PAGES), ("many", PAGES[:1])],
)
def test_axe_finds_nothing_wrong(browser: Browser, scene: str, pages: Sequence[str]) -> None:
    with shown(scene) as address:
        for what in pages:
            page = browser.new_page()
            page.set_default_timeout(60_000)
            pictures.opened(page, address, what)
            for each in page.locator("summary").all()[:2]:  # the others are like them
                each.click()
            for width, scheme in JUDGED:
                page.set_viewport_size({"width": width, "height": 900})
                page.emulate_media(color_scheme=scheme)
                assert axe.findings(page) == [], (what, width, scheme)
                assert page.evaluate("document.documentElement.scrollWidth") <= width, what
            page.close()


def test_one_route_is_looked_at_by_keyboard_and_by_a_shared_address(
    browser: Browser, server: uvicorn.Server
) -> None:
    page = opened(browser, server)
    page.get_by_label("Window").select_option("6h")
    link = page.get_by_role("link", name=STRANGE)
    link.focus()
    page.keyboard.press("Enter")
    heading = page.get_by_role("heading", name=f"GET {STRANGE}")
    expect(heading).to_be_focused()
    expect(page.locator("#detail-figures")).to_contain_text("10 in all")
    rows = page.get_by_role("table", name="Status codes").get_by_role("row")
    assert rows.all_inner_texts()[1:] == ["200\t90\t90 %", "500\t10\t10 %"]
    versions = page.get_by_role("table", name="Versions").get_by_role("row")
    assert versions.all_inner_texts()[1].startswith("v1.5.0\t100\t10 %\t")
    expect(page.locator("#overview")).to_be_hidden()
    shared = browser.new_page()
    shared.goto(page.url)
    shared.get_by_label("Admin token").fill("let-me-in")
    shared.keyboard.press("Enter")
    expect(shared.get_by_role("heading", name=f"GET {STRANGE}")).to_be_visible()
    expect(shared.get_by_label("Window")).to_have_value("6h")
    page.get_by_role("link", name="All routes").press("Enter")
    expect(page.get_by_role("link", name=STRANGE)).to_be_focused()
    page.go_back()
    expect(heading).to_be_visible()
    page.goto(f"{url(server)}#route=/none&method=PUT")
    expect(page.get_by_text("No request to this route was measured")).to_be_visible()


def test_a_link_leads_on_in_the_window_that_was_just_chosen(
    browser: Browser, server: uvicorn.Server
) -> None:
    """Whoever is quick follows it before the figures of that window are there."""
    page = opened(browser, server)
    page.route("**/api/metrics*", lambda _: None)  # they never come
    page.route("**/api/metrics/route*", lambda _: None)
    page.get_by_label("Window").select_option("6h")
    page.get_by_role("link", name=STRANGE).press("Enter")
    expect(page.get_by_role("heading", name=f"GET {STRANGE}")).to_be_focused()
    expect(page.get_by_label("Window")).to_have_value("6h")
    page.get_by_label("Window").select_option("1d")
    page.get_by_role("link", name="All routes").press("Enter")
    expect(page.locator("#overview")).to_be_visible()
    expect(page.get_by_label("Window")).to_have_value("1d")


def test_the_status_page_works_without_a_script_and_moves_no_data_elsewhere(
    browser: Browser,
) -> None:
    with shown("outage") as address:
        context = browser.new_context(java_script_enabled=False)
        page = context.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{address}/public")
        expect(page.get_by_text("Some systems are down")).to_be_visible()
        bars = page.get_by_role("img", name=re.compile("^Accounts and data: 99.9"))
        expect(bars).to_be_visible()
        page.get_by_text("Days that were not wholly up").nth(1).press("Enter")
        expect(page.get_by_role("cell", name="down 42 min")).to_be_visible()
        assert {each.partition("/status")[0] for each in asked if each[:5] != "data:"} == {
            address.partition("/status")[0]
        }
        page.emulate_media(media="print")
        expect(page.get_by_text("Some systems are down")).to_be_visible()
        context.close()
