"""Where verification asks: the live address, a version at 0 % of the traffic, or a preview host."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from xswarm_deploy.services.http import is_loopback
from xswarm_deploy.services.tails import HEADER
from xswarm_deploy.site import Site

OVERRIDE: Final = "Cloudflare-Workers-Version-Overrides"


_KEY: Final = re.compile(r"[a-z*][a-z0-9_.*-]*")
NO_VERSION: Final = "00000000"
"""Stands where a version's first eight digits would: an address where surely nothing is."""


class Target(NamedTuple):
    """Where to ask.

    Args:
        url: the address.
        headers: what chooses a version there.
        version: the version expected; empty: any that has traffic.
        site_url: the static site's address.
        alone: whether the address is this version's own, which no other answers at.
        tag: marks the requests, so that a tail tells which version they reached.
        proven: whether it is known which version answers here.
    """

    url: str
    headers: Mapping[str, str] = MappingProxyType({})
    version: str = ""
    site_url: str = ""
    alone: bool = False
    tag: str = ""
    proven: bool = False

    @property
    def unseen(self) -> bool:
        """Return whether no user is answered as we are here."""
        return bool(self.headers) or self.alone

    @property
    def sent(self) -> dict[str, str]:
        """Return all headers of a request to the Worker."""
        return {**self.headers, **({HEADER: self.tag} if self.tag else {})}


def overridable(worker: str) -> bool:
    """Return whether the override header can name a Worker.

    The header is a dictionary (RFC 8941, 3.2): a key begins with a lower-case letter or ``*``. One
    that is no dictionary is ignored wholly, and users' version answers.
    """
    return bool(_KEY.fullmatch(worker))


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
        named = {"Host": f"{host}.localhost:{urlsplit(url).port or 80}"}
        return Target(url, named, version, alone=True)
    domain = f"{site.cloudflare.account_subdomain()}.workers.dev"
    return Target(f"https://{host}.{domain}", {}, version, alone=True)
