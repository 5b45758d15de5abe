"""Where routes are found beside the router itself: the code, the sitemap, the live traffic.

The code is looked through by the forms in which routes are written with Hono, itty-router, Express,
FastAPI, Flask, Starlette, or by comparing ``pathname``. What is put together at run time is not
found, and what only looks like a route is: so each is asked before it is suggested.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from xswarm_monitoring.redaction import mask_path

SUFFIXES: Final = frozenset({".js", ".mjs", ".cjs", ".ts", ".mts", ".tsx", ".jsx", ".py"})
_SKIPPED: Final = frozenset(
    {"node_modules", "python_modules", "dist", "build", "test", "tests", "__tests__", "__pycache__"}
)
_MOST_FILES: Final = 5_000
_LARGEST: Final = 1 << 20  # bytes of a file; a bundle is no source
_VERBS: Final = "get|post|put|patch|delete|all"
_QUOTED: Final = r"""(?P<quote>['"`])(?P<path>/[^'"`\s]*)(?P=quote)"""
_CALL: Final = re.compile(
    rf"""(?:\b(?P<owner>\w++)|\))\s*\.\s*(?P<verb>{_VERBS}|route|api_route)\(\s*{_QUOTED}\s*(?P<end>[,)])"""
    r"""(?=(?P<rest>[^\n]{0,200}))"""
)
_METHODS: Final = re.compile(r"""methods\s*=\s*[\[({](?P<names>[^\])}]*)""")
_ROUTE: Final = re.compile(
    rf"""\bRoute\(\s*(?:['"](?P<verb>[A-Z]+)['"]\s*,\s*)?{_QUOTED}(?P<rest>[^\n]{{0,200}})"""
)
_COMPARED: Final = re.compile(rf"""\bpathname\s*===?\s*{_QUOTED}""")
_PREFIX: Final = re.compile(
    r"""(?:APIRouter\([^)\n]{0,300}?prefix\s*=\s*|\.basePath\(\s*|Blueprint\([^)\n]{0,300}?url_prefix\s*=\s*|"""
    r"""(?:AutoR|R)outer\(\s*\{[^}\n]{0,300}?base\s*:\s*)(['"`])(?P<path>/[^'"`\s]*)\1"""
)
_CLIENTS: Final = frozenset(
    {
        "axios",
        "client",
        "fetch",
        "http",
        "session",
        "requests",
        "httpx",
        "cy",
        "ky",
        "got",
        "request",
    }
)
"""What is called with a path to ask somebody else, and routes nothing."""
_LOCATION: Final = re.compile(r"<loc>\s*([^<\s]+)\s*</loc>")
_MEANT: Final = re.compile(r"(?m)^[^\S\n]*(?://|#|\*).*$")


class Found(NamedTuple):
    """A route, and where it was found."""

    method: str
    path: str
    where: str


def in_code(root: Path, folder: Path) -> Iterator[Found]:
    """Yield the routes that a Worker's code seems to have.

    Args:
        root: of the project; places are told from there.
        folder: of the Worker's code.
    """
    for number, file in enumerate(sorted(_sources(folder))):
        if number == _MOST_FILES:
            return
        if file.stat().st_size <= _LARGEST:
            text = file.read_text(encoding="utf-8", errors="replace")
            yield from in_text(text, str(file.relative_to(root)))


def in_text(text: str, name: str) -> Iterator[Found]:
    """Yield the routes of one file.

    Args:
        text: the file's.
        name: the file's; the line is added.
    """
    text = _MEANT.sub("", text)
    prefixes = {found["path"] for found in _PREFIX.finditer(text)}
    prefix = prefixes.pop().rstrip("/") if len(prefixes) == 1 else ""

    def found(method: str, match: re.Match[str], before: str = "") -> Found:
        line = text.count("\n", 0, match.start("path")) + 1
        path = (before + match["path"]).rstrip("/") or "/"
        return Found(method, path, f"{name}:{line}")

    for match in _CALL.finditer(text):
        if (match["owner"] or "").lower() not in _CLIENTS:
            yield from (found(verb, match, prefix) for verb in _verbs(match))
    for match in _ROUTE.finditer(text):
        named = [match["verb"]] if match["verb"] else _named(match["rest"]) or ["GET"]
        yield from (found(verb, match) for verb in named)
    yield from (found("GET", match) for match in _COMPARED.finditer(text))


def in_sitemap(text: str, where: str) -> Iterator[Found]:
    """Yield the pages of a sitemap (sitemaps.org).

    Args:
        text: its XML.
        where: it was found.
    """
    for address in _LOCATION.findall(text):
        yield Found("GET", urlsplit(address).path or "/", where)


def in_metrics(report: Mapping[str, Any]) -> Iterator[Found]:
    """Yield the routes that users asked, as the monitor of the live version counted them.

    Args:
        report: what ``/api/metrics`` answers.
    """
    for one in report.get("requests", {}).get("routes", ()):
        route, method = str(one.get("route", "")), str(one.get("method", "GET"))
        if route.startswith("/"):
            yield Found(method, route, "traffic")


def in_titles(titles: Iterable[str]) -> Iterator[Found]:
    """Yield the routes of requests that a tail told; ids in them are masked.

    Args:
        titles: each a method and a URL.
    """
    for title in titles:
        method, _, url = title.partition(" ")
        if "://" in url:
            yield Found(method, mask_path(urlsplit(url).path or "/"), "traffic")


def _sources(folder: Path) -> Iterator[Path]:
    for entry in folder.iterdir():
        if entry.name.startswith(".") or entry.name in _SKIPPED or entry.is_symlink():
            continue
        if entry.is_dir():
            yield from _sources(entry)
        elif entry.suffix in SUFFIXES and ".test." not in entry.name and ".spec." not in entry.name:
            yield entry


def _verbs(match: re.Match[str]) -> list[str]:
    """Return the methods of a call that routes; a router that is mounted is no route."""
    if match["verb"] in ("route", "api_route"):
        alone = match["verb"] == "route" and match["end"] == ")"
        return _named(match["rest"]) or (["GET"] if alone else [])
    return ["GET"] if match["verb"] == "all" else [match["verb"].upper()]


def _named(rest: str) -> list[str]:
    found = _METHODS.search(rest)
    return re.findall(r"[A-Z]+", found["names"]) if found else []
