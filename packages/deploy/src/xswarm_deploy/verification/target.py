"""Where verification asks: the live address, a version at 0 % of the traffic, or a preview host."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from xswarm_deploy.bundling import wrangler
from xswarm_deploy.errors import Refused
from xswarm_deploy.loopback import is_loopback, is_nowhere
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
    settings.require_filled("WORKER_URL")
    pages = settings.text("BASE_URL") if settings.project.pages.directory else ""
    return Target(settings.text("WORKER_URL"), {}, version, pages)


def dark(site: Site, version: str) -> Target:
    """Return a version of the current deployment that has no traffic yet, by override.

    The override is an RFC 8941 dictionary, whose keys begin with a letter: a Worker of another
    name is asked at the version's preview host.

    Raises:
        Refused: the Worker's name is no key, and it has no preview hosts.
    """
    if not overridable(site.worker):
        if not site.cloudflare.worker_subdomain(site.worker).previews_enabled:
            raise Refused(
                f"a version of {site.worker} cannot be verified before users meet it",
                "its name begins with no letter, so that no header chooses a version, and it has"
                " no preview URLs",
                'write "preview_urls": true into the wrangler configuration',
            )
        return preview(site, version)
    headers = {OVERRIDE: f'{site.worker}="{version}"'}
    return Target(site.settings.text("WORKER_URL"), headers, version)


def preview(site: Site, version: str) -> Target:
    """Return a version by its preview host; on loopback the Host header names it.

    Raises:
        Refused: the account has registered no name under workers.dev.
    """
    url, host = site.settings.text("WORKER_URL"), f"{version[:8]}-{site.worker}"
    if is_loopback(url):
        named = {"Host": f"{host}.localhost:{urlsplit(url).port or 80}"}
        return Target(url, named, version, alone=True)
    name = site.cloudflare.account_subdomain()
    if not name:
        raise Refused(
            "the account has no name under workers.dev",
            f"a version of {site.worker} is verified there before users meet it",
            "choose one: Cloudflare, Workers & Pages, Account details, Subdomain",
        )
    return Target(f"https://{host}.{name}.workers.dev", {}, version, alone=True)


def has_none(site: Site) -> bool:
    """Return whether the Worker has no address: it is told by queues, crons or other Workers.

    WORKER_URL says so by a host under ``.invalid``. On the twin, where WORKER_URL is always the
    Worker's port, the wrangler configuration does: workers.dev off, and no route.
    """
    url = site.settings.text("WORKER_URL")
    if not is_loopback(url):
        return is_nowhere(url)
    if not wrangler.file(site.settings).is_file():
        return False
    content = wrangler.read(site.settings)
    routed = bool(content.get("routes") or content.get("route"))
    return content.get("workers_dev") is False and not routed


def is_own(site: Site) -> bool:
    """Return whether WORKER_URL is the Worker's workers.dev host, which needs no route or domain.

    On the twin it stands for every address that the Worker has.
    """
    url = site.settings.text("WORKER_URL")
    return is_loopback(url) or (urlsplit(url).hostname or "").endswith(".workers.dev")
