"""Where verification asks: the live address, a version at 0 % of the traffic, or a preview host."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from xswarm_deploy.loopback import is_loopback
from xswarm_deploy.site import Site

OVERRIDE: Final = "Cloudflare-Workers-Version-Overrides"


class Target(NamedTuple):
    """Where to ask: an address, headers that choose a version, and the version expected."""

    url: str
    headers: Mapping[str, str] = MappingProxyType({})
    version: str = ""
    site_url: str = ""


def live(site: Site, version: str = "") -> Target:
    """Return the address users reach, and the static site's."""
    settings = site.settings
    pages = settings.text("BASE_URL") if settings.project.pages.directory else ""
    return Target(settings.text("WORKER_URL"), {}, version, pages)


def dark(site: Site, version: str) -> Target:
    """Return a version of the current deployment that has no traffic yet, by override."""
    headers = {OVERRIDE: f'{site.worker}="{version}"'}
    return Target(site.settings.text("WORKER_URL"), headers, version)


def preview(site: Site, version: str) -> Target:
    """Return a version by its preview host; on loopback the Host header names it."""
    url, host = site.settings.text("WORKER_URL"), f"{version[:8]}-{site.worker}"
    if is_loopback(url):
        return Target(url, {"Host": f"{host}.localhost:{urlsplit(url).port or 80}"}, version)
    return Target(f"https://{host}.{site.cloudflare.account_subdomain()}.workers.dev", {}, version)
