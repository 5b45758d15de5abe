"""What a release keeps with it, because going back to it will need it."""

from __future__ import annotations

from deployment.steps import migrate, pages
from deployment.steps.site import Site


def remember(site: Site) -> None:
    """Note the static site's live deployment and the applied migrations."""
    live = pages.current(site)
    site.facts["pages"] = live.id if live else ""
    site.facts["migrations"] = migrate.applied(site)
