"""How a release is begun, or its plan shown.

Most commands do neither: what a release is made of is imported by the one that does.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING, Final

from xswarm_deploy.errors import DeployError
from xswarm_deploy.model.state import ReleaseState
from xswarm_deploy.site import Site

if TYPE_CHECKING:
    from xswarm_deploy.console import Console
    from xswarm_deploy.model.record import Record
    from xswarm_deploy.model.rollback_request import RollbackRequest
    from xswarm_deploy.model.step import Change
    from xswarm_deploy.release.release import Release
    from xswarm_deploy.settings.settings import Settings

_OF_CLOUDFLARE: Final = 10  # questions that plans ask it at the same time
_OF_DATABASE: Final = 8  # and the database


def opened(settings: Settings) -> Site:
    """Return an environment; its earlier releases are read when they are first asked for."""
    site = Site(settings, ReleaseState(history=lambda: _history(site)))
    return site


def connect(site: Site) -> None:
    """Begin to open connections to Cloudflare and the database: what asks is imported meanwhile.

    What cannot be reached is told by who asks.
    """
    with suppress(DeployError):
        site.cloudflare.open_ahead(_OF_CLOUDFLARE)
        site.database.open_ahead(_OF_DATABASE)


def _connect_to_all(site: Site) -> None:
    """Begin to open connections to the providers of webhooks, too, which a rollback asks."""
    connect(site)
    from xswarm_deploy.steps import webhooks

    with suppress(DeployError):
        webhooks.open_ahead(site)


def start(site: Site) -> None:
    """Begin what a release of all steps needs first, while it is imported: bundle and connections.

    Bundling imports nothing of requests, of which two threads at once get half.
    """
    _ = site.bundling
    connect(site)


def release(
    site: Site, kind: str, message: str = "", phases: Sequence[str] = ()
) -> AbstractContextManager[Release]:
    """Join the release under way, or make one, as :func:`transaction.transaction` does."""
    from xswarm_deploy.release.transaction import transaction

    return transaction(site, kind, message, phases)


def deployment(
    site: Site, message: str, skipped: frozenset[str], phases: Sequence[str]
) -> AbstractContextManager[Release]:
    """Make one release of all steps in the block, as :func:`deployment.deployment` does."""
    from xswarm_deploy.release import deployment as whole

    return whole.deployment(site, message, skipped, phases)


def roll_back(console: Console, site: Site, wish: RollbackRequest, *, agreed: bool) -> None:
    """Go back to an earlier release, as :func:`going_back.go_back` does."""
    _connect_to_all(site)
    from xswarm_deploy.release import going_back

    going_back.go_back(console, site, wish, agreed=agreed)


def show_rollback(console: Console, site: Site, wish: RollbackRequest) -> None:
    """Print what :func:`roll_back` would change."""
    _connect_to_all(site)
    from xswarm_deploy.release import going_back

    going_back.show(console, site, wish)


def show_planned(console: Console, site: Site, names: Sequence[str]) -> None:
    """Print what steps would change, as :func:`preview.show` does."""
    from xswarm_deploy.release import preview

    preview.show(console, preview.planned(site, names))


def show(console: Console, changes: Sequence[Change]) -> None:
    """Print changes that were planned, as :func:`preview.show` does."""
    from xswarm_deploy.release import preview

    preview.show(console, changes)


def _history(site: Site) -> Sequence[Record]:
    from xswarm_deploy.release import records

    return records.read(site.database, site.settings.environment, site.worker)
