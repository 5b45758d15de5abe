"""The static site: every page that its pages lead to, and every file that they name."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final
from urllib.parse import urldefrag, urljoin, urlsplit

from xswarm_deploy.model.report import Finding, Probe
from xswarm_deploy.verification.asker import Answer, Ask, Asker, wrong_status

GROUP: Final = "site"
FOUND: Final = (200, 206, 301, 302, 303, 307, 308)
MOST: Final = 500  # files asked; a larger site is looked at in part, and that is said
AT_ONCE: Final = 8
NAMING: Final = {
    "a": ("href",),
    "link": ("href",),
    "script": ("src",),
    "img": ("src",),
    "source": ("src",),
    "video": ("src", "poster"),
    "audio": ("src",),
    "iframe": ("src",),
}


def probes(asker: Asker) -> list[Probe]:
    """Return the probe, where there is a static site to be asked."""
    if not asker.target.site_url:
        return []
    return [Probe("static site", GROUP, lambda: Walk(asker).findings())]


@dataclass
class Walk:
    """Go through a site, starting at its root.

    Args:
        asker: asks the target.
        named: path → the page that named it.
        wrong: path → what is wrong with its answer.
    """

    asker: Asker
    named: dict[str, str] = field(default_factory=lambda: {"/": "the site"})
    wrong: dict[str, str] = field(default_factory=dict)

    def findings(self) -> list[Finding]:
        """Ask, wave by wave, until no page names anything new."""
        wave = list(self.named)
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix=GROUP) as pool:
            while wave:
                answers = pool.map(self._asked, wave)
                wave = [path for found in answers for path in found]
        failed = [self._failure(path, said) for path, said in self.wrong.items()]
        return failed or [Finding("static site", GROUP, "pass", True, self._told())]

    def _told(self) -> str:
        return f"{len(self.named)} pages and files" + (", and more" if self._full else "")

    @property
    def _full(self) -> bool:
        return len(self.named) >= MOST

    def _asked(self, path: str) -> list[str]:
        """Ask for one file; return what it names that was not asked yet."""
        answer, said = self.asker.judged(Ask(path, site=True), lambda a: wrong_status(a, FOUND))
        if said:
            self.wrong[path] = said
            return []
        new = [one for one in named_by(answer, self.asker.target.site_url, path) if self._new(one)]
        for one in new:
            self.named[one] = path
        return new

    def _new(self, path: str) -> bool:
        return path not in self.named and not self._full

    def _failure(self, path: str, said: str) -> Finding:
        remedy = f"named by {self.named[path]}: mend the link, or add the file"
        return Finding(f"site {path}", GROUP, "fail", True, said, remedy)


def named_by(answer: Answer, base: str, path: str) -> list[str]:
    """Return the paths of the same site that an answer names: by its HTML, or as a redirect."""
    here = urljoin(base, path)
    if answer.status >= 300:
        links: Iterable[str] = [answer.headers.get("Location", "")]
    elif answer.headers.get("Content-Type", "").startswith("text/html"):
        links = _links(answer.text)
    else:
        links = []
    return list(dict.fromkeys(filter(None, (_path(link, here, base) for link in links))))


def _path(link: str, here: str, base: str) -> str:
    url = urlsplit(urldefrag(urljoin(here, link.strip()))[0])
    if url.netloc != urlsplit(base).netloc or url.scheme not in ("http", "https"):
        return ""
    return f"{url.path or '/'}{f'?{url.query}' if url.query else ''}"


def _links(text: str) -> list[str]:
    reader = _Links()
    reader.feed(text)
    return reader.found


class _Links(HTMLParser):
    """Collect what a page names."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the addresses in the attributes that hold them."""
        self.found += [value for name, value in attrs if value and name in NAMING.get(tag, ())]
