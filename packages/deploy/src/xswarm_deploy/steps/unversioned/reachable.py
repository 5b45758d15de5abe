"""Wait until a custom domain that was just attached answers: DNS and certificate come later."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from xswarm_deploy.errors import StepFailed

if TYPE_CHECKING:
    from xswarm_deploy.site import Site

PATIENCE: Final = 600.0  # seconds; Cloudflare issues most certificates within a few minutes
PAUSE: Final = 5.0  # seconds between two tries
_ONE_TRY: Final = 10.0  # seconds to connect


def wait(
    site: Site, attached: Collection[str], connect: Callable[[str], None] | None = None
) -> None:
    """Wait for the host that verification asks next, where it was just attached.

    Args:
        site: the environment.
        attached: the hosts.
        connect: opens a TLS connection to a host, and raises OSError until that works.

    Raises:
        StepFailed: it does not answer within ten minutes.
    """
    host = urlsplit(site.settings.text("WORKER_URL")).hostname or ""
    if host not in attached:
        return
    clock, ask = site.cloudflare.http.clock, connect or _connect
    began = clock.monotonic()
    while True:
        passed = clock.monotonic() - began
        try:
            ask(host)
        except OSError as error:
            if passed > PATIENCE:
                raise _too_late(host, error) from None
        else:
            return
        site.progress(f"waiting for {host}", int(passed), int(PATIENCE), "s")
        clock.sleep(PAUSE)


def _connect(host: str) -> None:
    context = ssl.create_default_context()
    with (
        socket.create_connection((host, 443), _ONE_TRY) as plain,
        context.wrap_socket(plain, server_hostname=host),
    ):
        return


def _too_late(host: str, error: OSError) -> StepFailed:
    return StepFailed(
        f"the custom domain {host} does not answer",
        f"for {PATIENCE / 60:.0f} minutes: {error}",
        "see the domain's certificate (Cloudflare: Workers & Pages, Settings, Domains); a resolver"
        " may remember for half an hour that there was no such name: then deploy again",
    )
