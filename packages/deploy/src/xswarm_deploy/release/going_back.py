"""Go back to an earlier release, from the choice to the last line."""

from __future__ import annotations

from xswarm_deploy.console import Console
from xswarm_deploy.model.rollback_request import RollbackRequest
from xswarm_deploy.release import rollback
from xswarm_deploy.release.transaction import report_success, transaction
from xswarm_deploy.site import Site


def show(console: Console, site: Site, wish: RollbackRequest) -> None:
    """Print what :func:`go_back` would change."""
    rollback.show(console, site, wish)


def go_back(console: Console, site: Site, wish: RollbackRequest, *, agreed: bool) -> None:
    """Choose a release, ask, and go back to it.

    Args:
        console: where it is shown.
        site: the environment.
        wish: what was asked for.
        agreed: nobody is asked.

    Raises:
        Refused: there is no such release, or it cannot be gone back to.
        NotRolledBack: it failed, and not all could be brought back to before.
    """
    reading = rollback.reading_for(site, wish)
    with rollback.locking(site, wish, agreed=agreed) as taking:
        chosen = rollback.chosen(console, site, wish, reading, agreed=agreed)
        message = rollback.message(chosen.wanted.maker)
        with transaction(site, "rollback", message, rollback.PHASES, taking=taking) as release:
            rollback.run(release, chosen)
    report_success(release)
