"""Static files as Cloudflare serves them: which file or redirect answers a request.

Decisions only. The same rules serve a Worker's static assets and Pages sites; where the two
differ (the redirects' status, what a missing page gives, the headers) a Site says it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal
from urllib.parse import quote, unquote, urljoin, urlsplit

from xswarm_twin.edge.rules import (
    HeaderRule,
    Redirects,
    apply_headers,
    parse_headers,
    parse_redirects,
)
from xswarm_twin.model import AssetFile, PagesDeployment, WorkerVersion

Handling = Literal["auto-trailing-slash", "force-trailing-slash", "drop-trailing-slash", "none"]
NotFound = Literal["none", "404-page", "single-page-application"]
EtagOf = Callable[[AssetFile], str]

_CACHED = ("Cache-Control", "public, max-age=0, must-revalidate")
_PAGES_HEADERS = (
    ("Access-Control-Allow-Origin", "*"),
    ("Referrer-Policy", "strict-origin-when-cross-origin"),
    ("X-Content-Type-Options", "nosniff"),
)
_NAVIGATION_DATE = "2025-04-01"
_NAVIGATION_FLAG = "assets_navigation_prefers_asset_serving"


@dataclass(frozen=True)
class Site:
    """Static files and how they are served.

    Args:
        files: by URL path, decoded.
        html_handling: how paths of HTML pages are spelled.
        not_found: what answers where no file is.
        redirects: the rules of ``_redirects``.
        header_rules: the rules of ``_headers``.
        clean_status: the status of a redirect to a page's proper spelling.
        headers: further headers of each file.
        worker_first: path patterns that go to the Worker before the files; None for none.
        not_found_on_navigation: whether a page that a browser navigates to, and that is not
            there, is answered by ``not_found`` rather than by the Worker.
    """

    files: Mapping[str, AssetFile]
    html_handling: Handling = "auto-trailing-slash"
    not_found: NotFound = "none"
    redirects: Redirects = field(default_factory=lambda: Redirects({}, ()))
    header_rules: tuple[HeaderRule, ...] = ()
    clean_status: int = 307
    headers: tuple[tuple[str, str], ...] = ()
    worker_first: tuple[str, ...] = ()
    not_found_on_navigation: bool = False


@dataclass(frozen=True)
class Answer:
    """What answers a request: a status, headers, and the file whose bytes are the body."""

    status: int
    headers: list[tuple[str, str]]
    file: AssetFile | None = None


def worker_site(version: WorkerVersion) -> Site | None:
    """Return the site of a Worker version's static assets, if it has any."""
    assets = version.assets
    if assets is None:
        return None
    config = assets.config
    return Site(
        files=_decoded(assets.files),
        html_handling=config.get("html_handling", "auto-trailing-slash"),
        not_found=config.get("not_found_handling", "none"),
        redirects=parse_redirects(config.get("_redirects", "")),
        header_rules=parse_headers(config.get("_headers", "")),
        worker_first=_worker_first(config.get("run_worker_first", False)),
        not_found_on_navigation=_navigation(version),
    )


def pages_site(deployment: PagesDeployment, *, production: bool) -> Site:
    """Return the site of a Pages deployment."""
    files = _decoded(deployment.files)
    has_404 = any(path.endswith("/404.html") for path in files)
    hidden = () if production else (("X-Robots-Tag", "noindex"),)
    return Site(
        files=files,
        not_found="404-page" if has_404 else "single-page-application",
        redirects=parse_redirects(deployment.redirects),
        header_rules=parse_headers(deployment.headers),
        clean_status=308,
        headers=(*_PAGES_HEADERS, *hidden),
    )


def goes_to_worker(site: Site, path: str) -> bool:
    """Return whether ``run_worker_first`` sends a path to the Worker before the files."""
    kept = (pattern[1:] for pattern in site.worker_first if pattern.startswith("!"))
    if _any_match(kept, path):
        return False
    return _any_match((p for p in site.worker_first if not p.startswith("!")), path)


def for_routing(site: Site, headers: Mapping[str, str]) -> Site:
    """Return the site as it is asked before a Worker: a missing page is the Worker's to answer."""
    navigating = headers.get("Sec-Fetch-Mode") == "navigate" and site.not_found_on_navigation
    by_rules = any(pattern != "/*" for pattern in site.worker_first)
    return site if navigating or by_rules else replace(site, not_found="none")


def answer(
    site: Site, method: str, host: str, target: str, headers: Mapping[str, str], etag: EtagOf
) -> Answer | None:
    """Decide what answers a request, or give None where no file and no rule is for it.

    Args:
        site: the files and rules.
        method: the request's method.
        host: the request's host, with its port.
        target: path and query as they came (percent-encoded).
        headers: the request's headers, by any case of their names.
        etag: gives a file's etag, without quotes.
    """
    path, _, query = target.partition("?")
    found = _found(site, method, host, path, query, headers, etag)
    return None if found is None else _with_rules(site, host, path, found)


def nothing(site: Site, host: str, target: str) -> Answer:
    """Return the answer where nothing else is: the rules of ``_headers`` are for it too."""
    return _with_rules(site, host, target.partition("?")[0], Answer(404, []))


def _with_rules(site: Site, host: str, path: str, found: Answer) -> Answer:
    told = apply_headers(site.header_rules, _hostname(host), path, found.headers)
    return replace(found, headers=told)


def _found(
    site: Site,
    method: str,
    host: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    etag: EtagOf,
) -> Answer | None:
    rule = site.redirects.find(_hostname(host), path)
    if rule is not None and rule[0] != 200:
        return Answer(rule[0], [("Location", _location(host, path, query, rule[1]))])
    if rule is not None:
        path = urlsplit(urljoin(f"http://{host}{path}", rule[1])).path
    found = _resolve(site, _decode(path))
    if found is None:
        return None if rule is None else Answer(404, [])
    if method not in ("GET", "HEAD"):
        return Answer(405, [])
    proper = _encode(found.redirect or _decode(path))
    if found.redirect is not None or proper != path:
        return Answer(site.clean_status, [("Location", proper + (query and f"?{query}"))])
    return _file_answer(site, found, headers, etag)


@dataclass(frozen=True)
class _Found:
    """What a path names: a file with the status it is served with, or another path."""

    file: AssetFile | None = None
    status: int = 200
    redirect: str | None = None


def _resolve(site: Site, path: str) -> _Found | None:
    """Find what a decoded path names, as the site's html_handling has it."""
    exact = site.files.get(path)
    if site.html_handling == "none" or (exact is not None and not path.endswith(".html")):
        return _Found(exact) if exact is not None else _missing(site, path)
    for name, proper in _spellings(site.html_handling, path):
        if name not in site.files:
            continue
        if proper != path and proper not in site.files and _served_at(site, proper) == name:
            return _Found(redirect=proper)
        if name == path or (proper == path and _served_at(site, path) == name):
            return _Found(site.files[name])
    served = _served_at(site, path)
    return _missing(site, path) if served is None else _Found(site.files[served])


def _spellings(handling: Handling, path: str) -> tuple[tuple[str, str], ...]:
    """Return the pages that a path may mean, the likeliest first, with their proper paths."""
    if path.endswith("/"):
        page = f"{path[:-1]}.html"
        proper = path if handling == "force-trailing-slash" else path[:-1]
        return (f"{path}index.html", _proper(handling, f"{path}index.html")), (page, proper)
    names = [f"{path}.html", f"{path}/index.html"]
    if path.endswith("/index"):
        names.insert(1, f"{path.removesuffix('/index')}.html")
    elif path.endswith("/index.html"):
        names = [path, f"{path.removesuffix('/index.html')}.html", *names]
    elif path.endswith(".html"):
        names = [path, f"{path.removesuffix('.html')}/index.html", *names]
    return tuple((name, _proper(handling, name)) for name in names)


def _proper(handling: Handling, name: str) -> str:
    """Spell the path of a page, given by its file's name."""
    folder = name.endswith("/index.html")
    stem = name.removesuffix("/index.html" if folder else ".html")
    if handling == "drop-trailing-slash":
        return stem or "/"
    return f"{stem}/" if folder or handling == "force-trailing-slash" else stem


def _served_at(site: Site, path: str) -> str | None:
    """Return the name of the page that is served, without a redirect, at a path."""
    if path.endswith("/"):
        names = [f"{path}index.html"]
        if site.html_handling == "force-trailing-slash":
            names.append(f"{path[:-1]}.html")
    else:
        names = [f"{path}.html"]
        if site.html_handling == "drop-trailing-slash":
            names.append(f"{path}/index.html")
    return next((name for name in names if name in site.files), None)


def _missing(site: Site, path: str) -> _Found | None:
    """Return what answers where nothing is."""
    if site.not_found == "single-page-application":
        page = site.files.get("/index.html")
        return None if page is None else _Found(page)
    while site.not_found == "404-page" and path:
        path = path.rpartition("/")[0]
        page = site.files.get(f"{path}/404.html")
        if page is not None:
            return _Found(page, status=404)
    return None


def _file_answer(
    site: Site, found: _Found, headers: Mapping[str, str], etag: EtagOf
) -> Answer | None:
    if found.file is None:
        return None
    tag = f'"{etag(found.file)}"'
    told = [("ETag", tag), ("Content-Type", found.file.media_type), *site.headers]
    if "Authorization" not in headers and "Range" not in headers:
        told.append(_CACHED)
    if headers.get("If-None-Match") in (tag, f"W/{tag}"):
        return Answer(304, told)
    return Answer(found.status, told, found.file)


def _location(host: str, path: str, query: str, target: str) -> str:
    """Write where a rule sends to; the request's query goes along unless the rule has one."""
    to = urlsplit(urljoin(f"http://{host}{path}", target))
    rest = (f"?{to.query or query}" if to.query or query else "") + (
        f"#{to.fragment}" if to.fragment else ""
    )
    own = to.netloc == host and not target.startswith("https:")
    return f"{to.path}{rest}" if own else f"{to.scheme}://{to.netloc}{to.path or '/'}{rest}"


def _decoded(files: Mapping[str, AssetFile]) -> dict[str, AssetFile]:
    """Index files by decoded path; a file whose name is as given wins."""
    return {unquote(path): file for path, file in files.items()} | dict(files)


def _decode(path: str) -> str:
    return re.sub(r"/+", "/", unquote(path))


def _encode(path: str) -> str:
    """Encode each part of a path as JavaScript's encodeURIComponent does."""
    return quote(path, safe="/-_.!~*'()")


def _hostname(host: str) -> str:
    return urlsplit(f"//{host}").hostname or ""


def _worker_first(setting: bool | list[str]) -> tuple[str, ...]:
    if isinstance(setting, bool):
        return ("/*",) if setting else ()
    return tuple(setting)


def _navigation(version: WorkerVersion) -> bool:
    by_date = version.compatibility_date >= _NAVIGATION_DATE
    flags = version.compatibility_flags
    return (by_date and f"no_{_NAVIGATION_FLAG}" not in flags) or _NAVIGATION_FLAG in flags


def _any_match(patterns: Iterable[str], path: str) -> bool:
    return any(re.fullmatch(re.escape(p).replace(r"\*", ".*"), path) for p in patterns)
