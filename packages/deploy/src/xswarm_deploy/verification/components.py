"""The components that a health report names: each that does not work is a finding of its own."""

from __future__ import annotations

from typing import Final

from xswarm_deploy.model.report import Finding
from xswarm_deploy.services.monitor import Health
from xswarm_deploy.verification.asker import Answer
from xswarm_monitoring.health import FAIL, PASS, Check

REMEDY: Final = "inv monitor.status; its key and its address are the Worker's own: inv check"


def judged(answer: Answer, group: str) -> list[Finding]:
    """Return a finding for each component that did not pass; none where there is no report.

    Args:
        answer: of a route; health+json is recognised by its form.
        group: the heading the findings stand under.
    """
    report = Health("", answer.status, answer.milliseconds, answer.fields)
    checks = report.checks if report.reported else []
    return [_finding(check, group) for check in checks if check.status != PASS]


def _finding(check: Check, group: str) -> Finding:
    name, why = f"component {check.name}", check.output or f"its status is {check.status}"
    if check.status == FAIL and check.critical:
        return Finding(name, group, "fail", True, why, REMEDY, check.milliseconds)
    return Finding(name, group, "warn", False, why, REMEDY, check.milliseconds)
