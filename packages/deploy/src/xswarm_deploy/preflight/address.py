"""Whose address WORKER_URL is: what is verified, and called by webhooks, is to be this Worker.

An environment's file is often made of another one's; with its address, staging would be verified,
signed up at and paid into by production.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from xswarm_deploy.bundling import wrangler
from xswarm_deploy.errors import DeployError
from xswarm_deploy.loopback import is_loopback, is_nowhere
from xswarm_deploy.preflight.looking import Seen
from xswarm_deploy.steps.unversioned import subdomain, zones

if TYPE_CHECKING:
    from xswarm_deploy.site import Site

_WORKERS_DEV: Final = ".workers.dev"
_CLOSED: Final = "wrangler's file has routes, or workers_dev is false"


def whose(site: Site) -> Seen | str:
    """Hold WORKER_URL against the addresses that wrangler's file gives each environment."""
    url = site.settings.text("WORKER_URL")
    if is_loopback(url) or is_nowhere(url):
        return Seen("skip", "not applicable: an address of this machine, or none")
    host = str(urlsplit(url).hostname)
    try:
        content, others = wrangler.read(site.settings), dict(_others(site))
    except DeployError:
        return Seen("skip", "skipped: the wrangler configuration cannot be read")
    if host == _own_host(site, host) and not subdomain.described(content, site.worker)["enabled"]:
        return Seen("fail", f"{host} is closed by this release: {_CLOSED}", _opened(content))
    if _has(content, site.worker, host):
        return f"{host} is this Worker's by wrangler's file"
    other = next((name for name, (part, worker) in others.items() if _has(part, worker, host)), "")
    if other:
        return Seen("fail", f"{host} is the address of {other}", _way_on(content, site))
    if host.endswith(_WORKERS_DEV):
        return Seen("warn", f"{host} is the address of another Worker", _way_on(content, site))
    attached = _attached(site, host)
    if attached not in ("", site.worker):  # it may hand on what it is asked
        told = f"{host} is a custom domain of the Worker {attached}"
        return Seen("warn", told, _way_on(content, site))
    return f"{host}, which wrangler's file does not name"


def _own_host(site: Site, host: str) -> str:
    """Return the host that the Worker has at workers.dev, in the account that a host is of."""
    return f"{site.worker}.{host.partition('.')[2]}" if host.endswith(_WORKERS_DEV) else ""


def _opened(content: Mapping[str, Any]) -> str:
    """Return how a Worker comes to an address of its own: first both, then that alone."""
    own = next(iter(zones.listed(content, custom=True)), "NEW")
    both = 'write "workers_dev": true beside the routes'
    return f"{both}; once the new address answers, WORKER_URL=https://{own}, and take it out again"


def _attached(site: Site, host: str) -> str:
    """Return the Worker that a host is a custom domain of; empty: of none, or nobody tells."""
    try:
        found = site.cloudflare.domains.find(host)
    except DeployError:
        return ""  # other checks say why
    return found.worker if found else ""


def _others(site: Site) -> Iterator[tuple[str, tuple[Mapping[str, Any], str]]]:
    """Yield the other environments of wrangler's file, each with its Worker's name."""
    chosen = site.settings.project.worker.environment
    whole = wrangler.parsed(site.settings.path(site.settings.project.worker.config))
    for name in whole.get("env") or {}:
        if name != chosen:
            part = wrangler.environment(whole, name)
            yield f"env.{name} of wrangler's file", (part, str(part.get("name")))
    if chosen or whole.get("name") != site.worker:
        yield "the top level of wrangler's file", (whole, str(whole.get("name")))


def _has(content: Mapping[str, Any], worker: str, host: str) -> bool:
    """Return whether a Worker answers at a host: a domain, a route, or its name at workers.dev."""
    if host.endswith(_WORKERS_DEV):
        return host.split(".")[0] == worker
    routes = [*zones.listed(content, custom=True), *zones.listed(content, custom=False)]
    return any(fnmatchcase(host, zones.hosts(pattern)) for pattern in routes)


def _way_on(content: Mapping[str, Any], site: Site) -> str:
    own = next(iter(zones.listed(content, custom=True)), "")
    named = f"WORKER_URL=https://{own}" if own else "the address of this Worker as WORKER_URL"
    return f"write {named} into {site.settings.source}"
