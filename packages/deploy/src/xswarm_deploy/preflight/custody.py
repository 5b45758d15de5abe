"""How secrets and backups are kept: encrypted or in the clear, and since when unchanged."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from xswarm_deploy.errors import DeployError
from xswarm_deploy.preflight.database import NEEDS, UNANSWERED
from xswarm_deploy.preflight.looking import Seen, probe
from xswarm_deploy.settings.variables import LOCAL
from xswarm_deploy.steps import fingerprints

if TYPE_CHECKING:
    from xswarm_deploy.model.report import Probe
    from xswarm_deploy.site import Site

GROUP: Final = "custody"
_LEDGER: Final = "SELECT 1 FROM sqlite_master WHERE name = '_releases'"
_LAST: Final = (
    "SELECT facts FROM _releases WHERE environment = ? AND worker IN ('', ?) AND created < ?"
    """ AND facts LIKE '%"secrets"%' ORDER BY release DESC LIMIT 1"""
)
_RECIPIENT: Final = (
    "age-keygen -o backup.key, its public key into BACKUP_AGE_RECIPIENT, the file off this machine"
)


def probes(site: Site) -> list[Probe]:
    """Look at backups and secrets; neither blocks a release."""
    return [
        probe("backup encryption", GROUP, lambda: _encryption(site), critical=False),
        probe("age of secrets", GROUP, lambda: _ages(site), needs=NEEDS, critical=False),
    ]


def _encryption(site: Site) -> Seen | str:
    if site.settings.text("BACKUP_AGE_RECIPIENT"):
        return "encrypted to BACKUP_AGE_RECIPIENT"
    told = "backups are in the clear: whoever reads the folder has all rows"
    if site.settings.environment == LOCAL:
        return Seen("skip", f"{told}; here it is the twin's data")
    return Seen("warn", told, _RECIPIENT)


def _ages(site: Site) -> Seen | str:
    """Compare what is sent now with what was sent so long ago, by fingerprint.

    Fingerprints are keyed by JWT_SECRET: where that was replaced, nothing older is known.
    """
    limit = site.settings.project.check.secret_days
    if not limit:
        return Seen("skip", "skipped: deploy.check.secret_days is 0")
    try:
        sent = _sent(site, datetime.now(UTC) - timedelta(days=limit))
    except DeployError:
        return Seen("skip", UNANSWERED)
    current = fingerprints.of(site.settings.worker_secrets(), site.settings)
    old = sorted(name for name, fingerprint in current.items() if sent.get(name) == fingerprint)
    if not old:
        return f"none is known to be older than {limit} days"
    told = f"unchanged for more than {limit} days: {', '.join(old)}"
    return Seen("warn", told, "inv secrets.rotate NAME; what a provider gave, replace there")


def _sent(site: Site, before: datetime) -> dict[str, str]:
    """Return the fingerprints of the last release before a time; empty: there was none."""
    if not site.database.query(_LEDGER):
        return {}
    asked = (site.settings.environment, site.worker, before.isoformat())
    rows = site.database.query(_LAST, asked)
    facts = json.loads(rows[0].text("facts")) if rows else {}
    return dict(facts.get("secrets") or {})
