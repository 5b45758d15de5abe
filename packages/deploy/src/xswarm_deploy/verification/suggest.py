"""Suggest what a verification should ask: all routes that can be found and are not asked yet.

Only paths without a part that varies are asked, by GET, as anybody may: what the live Worker
answers is the status that is suggested. All others are named, for a person to fill in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from xswarm_deploy.bundling import node_packages
from xswarm_deploy.errors import DeployError
from xswarm_deploy.services.http import new_session
from xswarm_deploy.services.monitor import Monitor
from xswarm_deploy.site import Site
from xswarm_deploy.verification import coverage, sources
from xswarm_deploy.verification.asker import Ask, Asker
from xswarm_deploy.verification.sources import Found
from xswarm_deploy.verification.verify import live

_WINDOW: Final = "7d"
_SITEMAP: Final = "sitemap.xml"
_REFUSING: Final = "[400, 401, 403]"  # what is usual without a body and a credential
_ABSENT: Final = 404


@dataclass(frozen=True)
class Suggestion:
    """One route that nobody asks.

    Args:
        method: of the route.
        path: or its template.
        where: it was found.
        status: what the live Worker answers to it; 0: it was not asked.
        site: whether it is the static site's.
    """

    method: str
    path: str
    where: tuple[str, ...]
    status: int = 0
    site: bool = False

    @property
    def ready(self) -> bool:
        """Return whether it can be written into invoke.yaml as it is."""
        return 0 < self.status < 500 and self.status != _ABSENT

    def line(self) -> str:
        """Return the line for ``deploy.verify.routes``; one that is not ready is a comment."""
        site = ", site: true" if self.site else ""
        where = ", ".join(self.where)
        if self.ready:
            return f"- {{path: {_text(self.path)}, status: [{self.status}]{site}}}  # {where}"
        if self.status:
            return f"# GET {self.path}: answers {self.status}; mounted elsewhere?  ({where})"
        method = "" if self.method == "GET" else f", method: {self.method}"
        body = ', body: "{}"' if self.method in ("POST", "PUT", "PATCH") else ""
        filled = f"path: {_text(self.path)}{method}{body}, status: {_REFUSING}"
        return f"# - {{{filled}}}  # {where}: fill in"

    def as_json(self) -> dict[str, object]:
        """Return it as JSON."""
        return {
            "method": self.method,
            "path": self.path,
            "where": list(self.where),
            "status": self.status,
            "site": self.site,
            "ready": self.ready,
        }


def suggestions(site: Site, heard: Iterable[str] = ()) -> list[Suggestion]:
    """Return what nobody asks, by path; the live Worker is asked for what just reads.

    Args:
        site: the environment.
        heard: method and URL of requests that users just made.
    """
    settings = site.settings.project
    found = [*_of_worker(site), *sources.in_titles(heard)]
    named = coverage.missing(dict.fromkeys((one.method, one.path) for one in found), settings)
    with new_session() as session:
        asker = Asker(site, live(site), session)
        of_worker = [
            _asked(asker, Suggestion(*name, _where(found, name)))
            for name in sorted(named, key=_by_path)
        ]
    return [*of_worker, *_of_site(site)]


def _by_path(name: coverage.Named) -> tuple[str, str]:
    return name[1], name[0]


def _of_worker(site: Site) -> Iterator[Found]:
    """Yield what the code, the live Worker itself and its sitemap tell."""
    root = site.settings.root
    config = site.settings.path(site.settings.project.worker.config)
    yield from sources.in_code(root, node_packages.home(config.parent, root))
    monitor = Monitor.of(site.settings)
    with suppress(DeployError):  # nothing is deployed yet: there is the code
        listed = coverage.told(monitor)
        if listed is not None:
            yield from (Found(*one, listed.by) for one in listed.routes)
    with suppress(DeployError):  # it has no monitor, or the token is not taken
        yield from sources.in_metrics(monitor.metrics(_WINDOW))


def _of_site(site: Site) -> list[Suggestion]:
    """Return the pages of the static site's sitemap that nobody asks."""
    pages, verify = site.settings.project.pages, site.settings.project.verify
    file = site.settings.path(pages.directory) / _SITEMAP if pages.directory else None
    if file is None or not file.is_file():
        return []
    asked = {route.path for route in verify.routes if route.site}
    found = sources.in_sitemap(file.read_text(encoding="utf-8", errors="replace"), _SITEMAP)
    paths = dict.fromkeys(one.path for one in found if one.path not in asked)
    return [Suggestion("GET", path, (_SITEMAP,), 200, site=True) for path in paths]


def _where(found: Iterable[Found], name: coverage.Named) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.where for one in found if (one.method, one.path) == name))


def _asked(asker: Asker, one: Suggestion) -> Suggestion:
    """Ask a route that just reads, and whose path is whole."""
    if one.method != "GET" or coverage.has_parameters(one.path):
        return one
    return Suggestion(one.method, one.path, one.where, asker.once(Ask(one.path)).status)


def _text(path: str) -> str:
    """Return a path as YAML takes it within braces."""
    return f'"{path}"' if any(mark in path for mark in "{}[],:#*&!|>'\"%@`") else path
