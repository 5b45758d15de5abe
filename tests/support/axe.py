"""axe-core, which judges how accessible a page is, in a page of a real Chromium."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from playwright.sync_api import Page

from tests.support import npm

FOLDER = Path(__file__).parents[1] / "monitoring/axe"
_SCRIPT = FOLDER / "node_modules/axe-core/axe.min.js"
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_RUN = """async (tags) => {
    const { violations } = await axe.run(document, { runOnly: { type: "tag", values: tags } });
    return violations.flatMap(({ id, help, nodes }) =>
        nodes.map(({ target, any, all, none }) => `${id}: ${help}: ${target.join(" ")} `
            + [...any, ...all, ...none].map(({ message }) => message).join("; ")));
}"""


def findings(page: Page) -> list[str]:
    """Return what axe finds wrong in a page, by WCAG 2.2 A and AA and its best practices."""
    page.evaluate(_source())  # by the debugger, which no policy of the page's stops
    found: list[str] = page.evaluate(_RUN, _TAGS)
    return found


@lru_cache
def _source() -> str:
    """Return axe-core's text; it is installed, as its lock file pins it, when first needed."""
    npm.install(FOLDER)
    return _SCRIPT.read_text(encoding="utf-8")
