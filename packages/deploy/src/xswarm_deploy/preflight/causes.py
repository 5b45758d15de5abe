"""One cause, one failure: a refused token or a silent provider fails each look that needs it."""

from __future__ import annotations

from typing import Final

from xswarm_deploy.loopback import is_loopback
from xswarm_deploy.model.report import Finding, Report
from xswarm_deploy.services.errors import ServiceUnavailable, Unauthorised
from xswarm_deploy.settings.settings import Settings

_SERVICE: Final = "Cloudflare"
_FIRST: Final = "API token"
"""The look that is about the cause itself."""
_TWIN: Final = "inv sandbox.up"


def merged(report: Report, settings: Settings) -> Report:
    """Return a report in which the failures of one cause are one; the others were not looked at.

    Args:
        report: of all looks.
        settings: tell whether it is the twin that is silent.
    """
    for kind in (Unauthorised, ServiceUnavailable):
        report = _merged(report, kind.what_failed.format(service=_SERVICE), settings)
    return report


def _merged(report: Report, cause: str, settings: Settings) -> Report:
    failed = [one for one in report.failures if one.evidence.startswith(f"{cause}: ")]
    if not failed:
        return report
    told = next((one for one in failed if one.name == _FIRST), failed[0])
    silent = cause == ServiceUnavailable.what_failed.format(service=_SERVICE)
    twin = silent and is_loopback(settings.text("CLOUDFLARE_API_BASE_URL"))
    kept = told._replace(remedy=_TWIN) if twin else told
    looked = {id(one): _not_looked(one, told) for one in failed} | {id(told): kept}
    return report._replace(findings=tuple(looked.get(id(one), one) for one in report.findings))


def _not_looked(one: Finding, told: Finding) -> Finding:
    evidence = f"not looked at: see {told.name}"
    return one._replace(status="skip", critical=False, evidence=evidence, remedy="")
