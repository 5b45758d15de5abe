"""The Worker's secrets: what the environment file has, and what only a provider can make.

In a deployment they travel with the code, as one version. Alone, they become a version
that differs in secrets only, which goes the same way as any other: dark, verified, live.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from deployment.errors import Refused
from deployment.steps import fingerprints, webhooks, worker
from deployment.steps.site import Site
from deployment.steps.step import Change, Facts

NAME: Final = "secrets"


@dataclass(frozen=True)
class Difference:
    """How the environment's secrets differ from the Worker's; names only."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: tuple[str, ...]
    extra: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def sent(self) -> tuple[str, ...]:
        """Give the names that the Worker has to get."""
        return (*self.added, *self.changed, *self.unknown)

    def as_json(self) -> dict[str, list[str]]:
        """Give the names by kind."""
        return {name: list(getattr(self, name)) for name in self.__dataclass_fields__}


def plan(site: Site) -> list[Change]:
    """Say what would change: secrets a provider has to make, then the Worker's own."""
    minted = webhooks.plan_minting(site)
    found = difference(site)
    if not found.sent and not minted:
        return []
    live = worker.live_split(site)
    if site.uploads:
        return [*minted, _change(site, found, "stage")]
    if not live:
        raise Refused(
            f"there is no worker {site.worker} to hold secrets",
            "it was never deployed",
            f"inv deploy.{site.settings.environment}",
        )
    _require_latest_live(site, live)
    return [*minted, _change(site, found, "update"), *worker.roll_out(site, live, worker.NEW)]


def apply(site: Site, change: Change) -> Facts:
    """Stage the secrets for the version to come, or make the version that carries them."""
    values = worker.secrets(site)
    marks = fingerprints.of(values, site.settings)
    if change.action == "stage":
        return {"secrets": marks}
    tag = str(site.facts["release"])
    version = site.cloudflare.patch_latest_secrets(site.worker, dict(values), "secrets", tag)
    return {"secrets": marks, "version": version}


def undo(_site: Site, _change: Change, _outcome: Facts) -> None:
    """Do nothing: secrets live in versions, and the traffic went back to the old one."""


def difference(site: Site) -> Difference:
    """Compare by fingerprint with the release whose version is live."""
    wanted = fingerprints.of(worker.secrets(site), site.settings)
    there = set(site.cloudflare.secrets(site.worker))
    known = _live_fingerprints(site)
    both = sorted(set(wanted) & there)
    return Difference(
        added=tuple(sorted(set(wanted) - there)),
        changed=tuple(n for n in both if n in known and known[n] != wanted[n]),
        unchanged=tuple(n for n in both if known.get(n) == wanted[n]),
        extra=tuple(sorted(there - set(wanted))),
        unknown=tuple(n for n in both if n not in known),
    )


def _live_fingerprints(site: Site) -> Mapping[str, Any]:
    """Give the fingerprints kept with the live version; empty where they are not known."""
    live = worker.live_split(site)
    for record in site.history():
        if record.version in live:
            found: Mapping[str, Any] = record.facts.get("secrets", {})
            return found
    return {}


def _change(site: Site, found: Difference, action: str) -> Change:
    after = {"sent": list(found.sent), **found.as_json()}
    return Change(NAME, f"secrets of {site.worker}", action, after=after, undo={})


def _require_latest_live(site: Site, live: Mapping[str, float]) -> None:
    """Refuse where the API would build on code that is not live (errors 10214, 10215)."""
    newest = site.cloudflare.versions(site.worker)[:1]
    if newest and newest[0].id not in live:
        raise Refused(
            f"the latest version of {site.worker} is not the live one",
            f"latest {newest[0].id[:8]}, live {', '.join(v[:8] for v in live)}",
            f"inv deploy.{site.settings.environment} (code and secrets together)",
        )
