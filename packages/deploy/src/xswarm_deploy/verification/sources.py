"""Where routes are found beside the router itself: the code, the sitemap, the live traffic.

The code is looked through by the forms in which routes are written with Hono, itty-router, Express,
FastAPI, Flask, Starlette, by comparing ``pathname``, or as files; a router that is mounted has the
paths of where it is. What is put together at run time is not found, and what only looks like a
route is: so each is asked before it is suggested.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from xswarm_deploy.verification import file_routes, mounts
from xswarm_monitoring.redaction import mask_path

SUFFIXES: Final = frozenset({".js", ".mjs", ".cjs", ".ts", ".mts", ".tsx", ".jsx", ".py"})
_COMPONENTS: Final = frozenset({".astro", ".vue", ".svelte"})
"""Of these only the variables are looked for; routes that they are, are files."""
_SKIPPED: Final = frozenset(
    {
        *("node_modules", "python_modules", "dist", "build", "__pycache__", "vendor"),
        *("test", "tests", "__tests__", "e2e", "fixtures", "__mocks__", "mocks"),
        *("scripts", "tools", "docs", "example", "examples", "archive"),  # beside the Worker
    }
)
_BESIDE: Final = re.compile(r"\.(?:test|spec|d)\.")
"""In the name of a file of tests, or of types alone, which have examples in their comments."""
_MOST_FILES: Final = 5_000
_LARGEST: Final = 1 << 20  # bytes of a file; a bundle is no source
_VERBS: Final = "get|post|put|patch|delete|all"
_QUOTED: Final = r"""(?P<quote>['"`])(?P<path>/[^'"`\s]*)(?P=quote)"""
_HERE: Final = r"""(?P<quote>['"`])(?P<path>(?:/[^'"`\s]*)?)(?P=quote)"""
_CALL: Final = re.compile(
    rf"""(?:\b(?P<owner>\w++)|\))\s*\.\s*(?P<verb>{_VERBS}|route|api_route)\(\s*{_HERE}\s*(?P<end>[,)])"""
    r"""(?=(?P<rest>[^\n]{0,200}))"""
)
_METHODS: Final = re.compile(r"""methods\s*=\s*[\[({](?P<names>[^\])}]*)""")
_ROUTE: Final = re.compile(
    rf"""\bRoute\(\s*(?:['"](?P<verb>[A-Z]+)['"]\s*,\s*)?{_QUOTED}(?=(?P<rest>[^\n]{{0,200}}))"""
)
_COMPARED: Final = re.compile(rf"""\b(?:path(?:name)?\s*===?|case)\s*{_QUOTED}""")
_BINDING: Final = re.compile(
    r"""(?<!\bimport\.meta\.)\benv\s*(?:\?\.|\.|\[\s*['"])\s*(\w+)|\{([^{}]*)\}\s*=\s*(?:\w+\.)*env\b"""
)
_ASTRO: Final = re.compile(
    r"""\bimport\s*\{([^{}]*)\}\s*from\s*['"]astro:env/server['"]|\bgetSecret\(\s*['"](\w+)"""
)
_STATIC: Final = re.compile(r"""\bimport\s*\{([^{}]*)\}\s*from\s*['"]\$env/static/\w+['"]""")
_OF_THE_WORKER: Final = re.compile(
    r"""(?<!\bprocess\.)(?<!\bimport\.meta\.)(?<![\w$])env\s*(?:\?\.|\.|\[\s*['"])\s*([A-Z][A-Z0-9_]{2,})\b"""
)
"""Not ``process.env``, of which builds and other programs read, too."""
_WORD: Final = re.compile(r"\w+")
_BUILT_IN: Final = ("PUBLIC_", "NEXT_PUBLIC_", "VITE_")
_PUBLIC: Final = (*_BUILT_IN, "NUXT_PUBLIC_", "NODE_ENV")
"""Names that a build writes into code, or nothing secret has; no Worker is given them."""
_MOUNT: Final = re.compile(rf"""\bMount\(\s*(?:path\s*=\s*)?{_QUOTED}""")
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
    texts = {
        file.relative_to(root).as_posix(): file.read_text(encoding="utf-8", errors="replace")
        for file in islice(sorted(_sources(folder)), _MOST_FILES)
        if file.stat().st_size <= _LARGEST
    }
    yield from in_texts(texts)
    for one in file_routes.found(folder):
        yield Found(one.method, one.path.rstrip("/") or "/", one.file.relative_to(root).as_posix())


def bindings_read(folder: Path, names: Iterable[str]) -> list[str]:
    """Return those of some names that a Worker's code reads of its environment (``env.NAME``).

    In Astro's code they may be imported from ``astro:env/server``, too.

    Args:
        folder: of the Worker's code.
        names: of variables.
    """
    read = _read(folder, _BINDING, _ASTRO)
    return [n for n in dict.fromkeys(names) if n in read and not n.startswith(_PUBLIC)]


def unnamed(folder: Path, known: Iterable[str]) -> list[str]:
    """Return what a Worker's code reads of its environment, in capitals, beside what is known.

    Args:
        folder: of the Worker's code.
        known: names of its variables, secrets and bindings.
    """
    read = _read(folder, _OF_THE_WORKER) - {*known}
    return sorted(name for name in read if not name.startswith(_PUBLIC))


def built_in(folder: Path, names: Iterable[str]) -> list[str]:
    """Return those of some variables whose values a build writes into the code.

    Sources: Vite, Astro, Next.js (prefixes); SvelteKit (``$env/static``).

    Args:
        folder: of the Worker's code.
        names: of variables.
    """
    read = _read(folder, _STATIC)
    return [n for n in dict.fromkeys(names) if n in read or n.startswith(_BUILT_IN)]


def _read(folder: Path, *patterns: re.Pattern[str]) -> set[str]:
    """Return the words in what some patterns find in code and components."""
    texts = [
        file.read_text(encoding="utf-8", errors="replace")
        for file in islice(sorted(_sources(folder, SUFFIXES | _COMPONENTS)), _MOST_FILES)
        if file.stat().st_size <= _LARGEST
    ]
    found = (match for text in texts for each in patterns for match in each.finditer(text))
    groups = (group for match in found for group in match.groups() if group)
    return {name for group in groups for name in _WORD.findall(group)}


def in_texts(texts: Mapping[str, str]) -> Iterator[Found]:
    """Yield the routes of files that may mount each other's routers.

    Args:
        texts: file → its text.
    """
    meant = {name: _MEANT.sub(_blank, text) for name, text in texts.items()}
    known = mounts.prefixes(meant)
    for name, text in meant.items():
        yield from _in_text(text, name, known)


def _in_text(text: str, name: str, known: Mapping[mounts.Router, list[str]]) -> Iterator[Found]:
    def found(method: str, match: re.Match[str], before: str = "") -> Found:
        line = text.count("\n", 0, match.start("path")) + 1
        path = (before + match["path"]).rstrip("/") or "/"
        return Found(method, path, f"{name}:{line}")

    for match in _CALL.finditer(text):
        if (match["owner"] or "").lower() not in _CLIENTS:
            above = known.get(mounts.owner(name, match["owner"] or "", known), [""])
            for before in above if match["path"] or any(above) else ():
                yield from (found(verb, match, before) for verb in _verbs(match))
    spans = [(one.start(), _end(text, one.start()), one["path"]) for one in _MOUNT.finditer(text)]
    for match in _ROUTE.finditer(text):
        named = (
            [match["verb"]] if match["verb"] else _named(_ROUTE.split(match["rest"])[0]) or ["GET"]
        )
        around = [path.rstrip("/") for begin, end, path in spans if begin < match.start() < end]
        yield from (found(verb, match, "".join(around)) for verb in named)
    if "path" in text:
        yield from (found("GET", match) for match in _COMPARED.finditer(text))


def _blank(comment: re.Match[str]) -> str:
    """Return as many blanks, so that lines and places stay."""
    return " " * len(comment[0])


def _end(text: str, begin: int) -> int:
    """Return where the parentheses that open first after a place are closed."""
    depth = 0
    for found in re.finditer(r"[()]", text[begin:]):
        depth += 1 if found[0] == "(" else -1
        if depth == 0:
            return begin + found.start()
    return len(text)


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


def _sources(folder: Path, suffixes: frozenset[str] = SUFFIXES) -> Iterator[Path]:
    for entry in folder.iterdir():
        if entry.name.startswith(".") or entry.name in _SKIPPED or entry.is_symlink():
            continue
        if entry.is_dir():
            yield from _sources(entry, suffixes)
        elif entry.suffix in suffixes and not _BESIDE.search(entry.name):
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
