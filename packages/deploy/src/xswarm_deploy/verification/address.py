"""The address that users reach: after it was opened it takes moments until a version answers.

DNS, the certificate and the edge each need their time; a release that asks before would take that
for a bad version, and undo everything.
"""

from __future__ import annotations

import time
from typing import Final

from xswarm_deploy.errors import StepFailed
from xswarm_deploy.loopback import is_loopback
from xswarm_deploy.model.report import Limited
from xswarm_deploy.services.http import new_session
from xswarm_deploy.site import Site
from xswarm_deploy.verification import proof
from xswarm_deploy.verification.asker import Ask, Asker
from xswarm_deploy.verification.target import live

PATIENCE: Final = 180.0  # seconds
PATIENCE_HERE: Final = 10.0
_PAUSE: Final = 1.0
_PAUSE_HERE: Final = 0.1
_NOBODY: Final = frozenset({0, 404, *range(520, 531)})
"""Statuses that come of an address where nothing is deployed yet; 0: there was no answer."""


def wait(site: Site, version: str) -> None:
    """Wait until a version answers where users reach it; show for how long already.

    Where nothing can prove who answers, any answer will do, and verification judges it.

    Args:
        site: the environment.
        version: the one that must answer; empty: any that has traffic.

    Raises:
        StepFailed: it does not, in all that time.
    """
    target, began = live(site, version), time.monotonic()
    here = is_loopback(target.url)
    patience = PATIENCE_HERE if here else PATIENCE
    with new_session() as session:
        asker = Asker(site, target, session)
        while wrong := _missing(asker):
            waited = time.monotonic() - began
            if waited >= patience:
                raise _unreached(target.url, version, wrong)
            site.progress("address: waiting for it to answer", int(waited), int(patience), "s")
            time.sleep(_PAUSE_HERE if here else _PAUSE)


def _missing(asker: Asker) -> str:
    """Return why the address cannot be called reached; empty: it is."""
    answer = asker.once(Ask("/"))
    if answer.status not in _NOBODY:
        return ""
    try:
        with proof.opened(asker) as found:
            wrong = found.wrong
    except Limited:  # somebody is there
        return ""
    said = answer.text if answer.status == 0 else f"HTTP {answer.status}"
    return wrong and f"{said}; {wrong}"


def _unreached(url: str, version: str, wrong: str) -> StepFailed:
    return StepFailed(
        f"{url} is not answered by version {version[:8] or 'live'}",
        wrong,
        "see that WORKER_URL is an address of this Worker: its workers.dev host, or a custom domain"
        " or route that is attached to it; then deploy again",
    )
