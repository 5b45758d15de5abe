"""How secrets and backups are kept: encrypted or in the clear, and since when unchanged."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from xswarm_deploy.preflight.looking import Seen, probe
from xswarm_deploy.settings.variables import LOCAL
from xswarm_deploy.steps import fingerprints

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xswarm_deploy.model.record import Record
    from xswarm_deploy.model.report import Probe
    from xswarm_deploy.site import Site

GROUP: Final = "custody"
_RECIPIENT: Final = (
    "age-keygen -o backup.key, its public key into BACKUP_AGE_RECIPIENT, the file off this machine"
)


def probes(site: Site) -> list[Probe]:
    """Look at backups and secrets; neither blocks a release."""
    looks = {"backup encryption": _encryption, "age of secrets": _ages}
    return [
        probe(name, GROUP, lambda look=look: look(site), critical=False)  # type: ignore[misc]
        for name, look in looks.items()
    ]


def _encryption(site: Site) -> Seen | str:
    if site.settings.text("BACKUP_AGE_RECIPIENT"):
        return "encrypted to BACKUP_AGE_RECIPIENT"
    told = "backups are in the clear: whoever reads the folder has all rows"
    if site.settings.environment == LOCAL:
        return Seen("skip", f"{told}; here it is the twin's data")
    return Seen("warn", told, _RECIPIENT)


def _ages(site: Site) -> Seen | str:
    """Compare what the releases noted of each secret, by fingerprint, with what is sent now."""
    limit = site.settings.project.check.secret_days
    if not limit:
        return Seen("skip", "not looked at: deploy.check.secret_days is 0")
    current = fingerprints.of(site.settings.worker_secrets(), site.settings)
    since = unchanged_since(site.state.history(), current)
    today = datetime.now(UTC)
    ages = {name: (today - then).days for name, then in since.items()}
    old = {name: days for name, days in ages.items() if days > limit}
    if not old:
        return f"{len(ages)} known to the releases, none older than {limit} days"
    named = ", ".join(f"{name} ({days} days)" for name, days in sorted(old.items()))
    return Seen("warn", f"unchanged for more than {limit} days: {named}", "inv secrets.rotate NAME")


def unchanged_since(history: Sequence[Record], current: Mapping[str, str]) -> dict[str, datetime]:
    """Return since when each secret has its value, at least; by the releases that sent it.

    Args:
        history: newest first.
        current: name → fingerprint.
    """
    since: dict[str, datetime] = {}
    changed: set[str] = set()
    for record in history:
        sent = record.facts.get("secrets")
        if not isinstance(sent, dict):
            continue
        for name, fingerprint in current.items():
            if sent.get(name) != fingerprint:
                changed.add(name)
            elif name not in changed:
                since[name] = datetime.fromisoformat(record.created)
    return since
