"""What a release keeps with it, because going back to it will need it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Final

from deployment.steps.site import Site

OF_VERSION: Final = ("digest", "variables", "secrets", "commit")
"""What is true of a version, whichever release puts it live."""


def remember(site: Site) -> None:
    """Note the static site's live deployment, the applied migrations, what the version is."""
    from deployment.steps import migrate, pages

    with ThreadPoolExecutor(1, thread_name_prefix="facts") as pool:
        applied = pool.submit(migrate.applied, site)
        live = pages.current(site)
    site.facts["pages"] = live.id if live else ""
    site.facts["migrations"] = applied.result()
    if not site.facts.keys() >= set(OF_VERSION):
        noted = of_version(site, str(site.facts.get("version", "")))
        site.facts.update({name: noted[name] for name in noted if name not in site.facts})


def of_version(site: Site, version: str) -> dict[str, object]:
    """Give what the release that made a version noted of it; empty where none did."""
    for record in site.history():
        if version and record.version == version and "digest" in record.facts:
            return {name: record.facts[name] for name in OF_VERSION if name in record.facts}
    return {}
