"""Where verification asks: the live address, a version in the dark, or a preview host."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from deployment.loopback import is_loopback
from deployment.steps.site import Site

OVERRIDE: Final = "Cloudflare-Workers-Version-Overrides"


class Target(NamedTuple):
    """Where to ask: an address, headers that choose a version, and the version expected."""

    url: str
    headers: Mapping[str, str] = MappingProxyType({})
    version: str = ""
    site_url: str = ""


def live(site: Site, version: str = "") -> Target:
    """Give the address users reach, and the static site's."""
    settings = site.settings
    pages = settings.text("BASE_URL") if settings.project.pages.directory else ""
    return Target(settings.text("WORKER_URL"), {}, version, pages)


def dark(site: Site, version: str) -> Target:
    """Give a version of the current deployment that has no traffic yet, by override."""
    headers = {OVERRIDE: f'{site.worker}="{version}"'}
    return Target(site.settings.text("WORKER_URL"), headers, version)


def preview(site: Site, version: str) -> Target:
    """Give a version by its preview host; on loopback the Host header names it."""
    url, host = site.settings.text("WORKER_URL"), f"{version[:8]}-{site.worker}"
    if is_loopback(url):
        return Target(url, {"Host": f"{host}.localhost:{urlsplit(url).port or 80}"}, version)
    return Target(f"https://{host}.{site.cloudflare.account_subdomain()}.workers.dev", {}, version)
