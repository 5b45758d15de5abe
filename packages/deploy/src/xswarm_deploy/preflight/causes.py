"""One cause, one failure: a refused token or a silent provider fails each look that needs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from xswarm_deploy import permissions
from xswarm_deploy.loopback import is_loopback
from xswarm_deploy.model.report import Finding, Report
from xswarm_deploy.services.errors import ServiceUnavailable, Unauthorised
from xswarm_deploy.settings.settings import Settings

_SERVICE: Final = "Cloudflare"
_FIRST: Final = ("API token", "Workers permission", "database")
"""The looks that are about a cause itself."""
_TWIN: Final = "inv sandbox.up"


def merged(report: Report, settings: Settings) -> Report:
    """Return a report in which the failures of one cause are one; the others were not checked.

    Args:
        report: of all looks.
        settings: tell whether it is the twin that is silent.
    """
    if any(one.remedy == permissions.OTHER_ACCOUNT for one in report.failures):
        report = _merged(report, [one for one in report.failures if _is_of_account(one.remedy)])
    for remedy in {one.remedy for one in report.failures if permissions.is_of_token(one.remedy)}:
        report = _merged(report, [one for one in report.failures if one.remedy == remedy])
    for kind in (Unauthorised, ServiceUnavailable):
        cause = f"{kind.what_failed.format(service=_SERVICE)}: "
        failed = [one for one in report.failures if one.evidence.startswith(cause)]
        twin = kind is ServiceUnavailable and is_loopback(settings.text("CLOUDFLARE_API_BASE_URL"))
        report = _merged(report, failed, _TWIN if twin else "")
    return report


def _merged(report: Report, failed: Sequence[Finding], remedy: str = "") -> Report:
    """Return the report with one of these failures; its remedy may be another."""
    if not failed:
        return report
    told = next((one for name in _FIRST for one in failed if one.name == name), failed[0])
    kept = told._replace(remedy=remedy) if remedy else told
    looked = {id(one): _not_looked(one, told) for one in failed} | {id(told): kept}
    return report._replace(findings=tuple(looked.get(id(one), one) for one in report.findings))


def _is_of_account(remedy: str) -> bool:
    ours = remedy == permissions.OTHER_ACCOUNT
    return ours or permissions.is_of_permission(remedy, "Account")


def _not_looked(one: Finding, told: Finding) -> Finding:
    evidence = f"skipped: see {told.name}"
    return one._replace(status="skip", critical=False, evidence=evidence, remedy="")
