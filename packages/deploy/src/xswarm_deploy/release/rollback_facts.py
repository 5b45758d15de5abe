"""What a release keeps with it, because going back to it will need it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Final

from xswarm_deploy.model.record import noted
from xswarm_deploy.site import Site

UPON: Final = frozenset({"migrate", "restore", "pages"})
"""Steps whose changes alter what is noted: it can be read only once they are made."""


def remember(site: Site) -> None:
    """Note the applied migrations, what the version is, the static site's live deployment.

    Raises:
        DeployError: the database or Cloudflare did not tell; what was told by then is noted.
    """
    from xswarm_deploy.steps import applied, pages  # not migrate: it is heavy

    with ThreadPoolExecutor(1, thread_name_prefix="facts") as pool:
        live = pool.submit(pages.observe, site)
        site.facts["migrations"] = applied.names(site)
        if "digest" not in site.facts:  # it made no version: the checkout's commit is not its own
            site.facts.update({"commit": "", **noted(site.history(), str(site.facts["version"]))})
    site.facts.update(live.result())
