"""Whether an address that was just opened is the one that is asked next, and whether it is there.

Of a custom domain DNS and certificate come later, of a route what the edge makes of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from xswarm_deploy.errors import StepFailed
from xswarm_deploy.loopback import is_loopback

if TYPE_CHECKING:
    from xswarm_deploy.site import Site

PATIENCE: Final = 600.0  # seconds; Cloudflare issues most certificates within a few minutes
PAUSE: Final = 5.0  # seconds between two tries
_ONE_TRY: Final = 10.0  # seconds to connect
_HTTPS: Final = 443


def among(site: Site, opened: Collection[str]) -> bool:
    """Return whether WORKER_URL is at one of the addresses that a change has opened.

    On the twin WORKER_URL is the Worker's port, which stands for each of its addresses.

    Args:
        site: the environment.
        opened: patterns of routes, or hosts.
    """
    url = site.settings.text("WORKER_URL")
    return bool(opened) if is_loopback(url) else any(_covers(one, url) for one in opened)


def _covers(pattern: str, url: str) -> bool:
    """Return whether a route's pattern, or a host, leads requests below a URL to its Worker."""
    host, slash, path = pattern.split("://", 1)[-1].partition("/")
    asked = urlsplit(url)
    glob = host + (slash + path if slash else "/*")
    wanted = f"{asked.hostname or ''}{asked.path.rstrip('/')}/"
    return bool(re.fullmatch(re.escape(glob).replace(r"\*", ".*"), wanted))


def wait(
    site: Site, attached: Collection[str], connect: Callable[[str, int], None] | None = None
) -> None:
    """Wait for the host that verification asks next, where it was just attached.

    Args:
        site: the environment.
        attached: the hosts.
        connect: opens a TLS connection to a host and port; raises OSError until that works.

    Raises:
        StepFailed: it does not answer within ten minutes.
    """
    url = urlsplit(site.settings.text("WORKER_URL"))
    host, port = url.hostname or "", url.port or _HTTPS
    if host not in attached:
        return
    clock, ask = site.cloudflare.http.clock, connect or _connect
    began = clock.monotonic()
    while True:
        passed = clock.monotonic() - began
        try:
            ask(host, port)
        except OSError as error:
            if passed > PATIENCE:
                raise _too_late(host, error) from None
        else:
            return
        site.progress(f"waiting for {host}", int(passed), int(PATIENCE), "s")
        clock.sleep(PAUSE)


def _connect(host: str, port: int) -> None:
    from xswarm_deploy import transport

    with transport.secured(host, port, _ONE_TRY):
        return


def _too_late(host: str, error: OSError) -> StepFailed:
    return StepFailed(
        f"the custom domain {host} does not answer",
        f"for {PATIENCE / 60:.0f} minutes: {error}",
        "see the domain's certificate (Cloudflare: Workers & Pages, Settings, Domains); a resolver"
        " may remember for half an hour that there was no such name: then deploy again",
    )
