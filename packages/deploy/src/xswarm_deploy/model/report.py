"""What a gate found: findings, and the report that check and verify give alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final, Literal, NamedTuple

from xswarm_deploy.errors import typed
from xswarm_deploy.secret import redact

Status = Literal["pass", "warn", "fail", "unknown", "skip"]
MARKS: Final = {"pass": "✅", "warn": "⚠️ ", "fail": "❌", "unknown": "❔", "skip": "· "}
THREADS: Final = 16  # that look at the same time
COLOURS: Final = {"pass": "", "warn": "yellow", "fail": "red", "unknown": "yellow", "skip": "dim"}


class Finding(NamedTuple):
    """What one probe found.

    Args:
        name: what was looked at, e.g. ``STRIPE_SECRET_KEY_TEST`` or ``GET /health``.
        group: the heading it stands under.
        status: pass, warn, fail, unknown (could not be told) or skip (does not apply).
        critical: whether a failure blocks a release; of ``unknown``: whether it had to be told.
        evidence: what was seen; no secrets.
        remedy: what to do, where there is something to do.
        milliseconds: how long looking took.
    """

    name: str
    group: str
    status: Status
    critical: bool = False
    evidence: str = ""
    remedy: str = ""
    milliseconds: float = 0.0


UNPROVEN: Final = "unproven"
"""Begins the evidence of a version that nothing shows to be the one that answers."""
NO_ANSWER: Final = "no answer"
"""How the evidence begins of what was asked in vain: it tells nothing of what the code does."""
UNTOLD: Final = "untold"
"""The fact of a release that says what its last verification could not tell."""
LIMITED_REMEDY: Final = "wait, then: inv verify; or let the Worker recognise signed probes"

WRITTEN_SINCE: Final = "written_since"
"""The fact by which a restore says what others wrote before all of it was read back; empty:
nothing."""


class Limited(Exception):
    """A probe could not look: the Worker sends its callers away for asking too often (429).

    That says nothing of the version, so it is neither a pass nor a failure.

    Args:
        evidence: what was answered.
        remedy: what to do.
    """

    def __init__(self, evidence: str, remedy: str = LIMITED_REMEDY) -> None:
        super().__init__(evidence)
        self.remedy = remedy


@dataclass(frozen=True)
class Probe:
    """One thing to look at: its name, its group, and what looks."""

    name: str
    group: str
    look: Callable[[], Finding | Sequence[Finding]]


class Report(NamedTuple):
    """All findings of one gate."""

    title: str
    findings: tuple[Finding, ...]

    @property
    def failures(self) -> tuple[Finding, ...]:
        """Return the failures that block a release."""
        return tuple(f for f in self.findings if f.status == "fail" and f.critical)

    @property
    def untold(self) -> tuple[Finding, ...]:
        """Return what had to be looked at and could not: no failure, and no pass either."""
        return tuple(f for f in self.findings if f.status == "unknown" and f.critical)

    @property
    def ok(self) -> bool:
        """Return whether nothing blocks a release."""
        return not self.failures

    @property
    def counts(self) -> dict[str, int]:
        """Count passed, failed and warned findings; unknown ones count as warnings."""
        seen = Counter(finding.status for finding in self.findings)
        return {
            "passed": seen["pass"],
            "failed": seen["fail"],
            "warnings": seen["warn"] + seen["unknown"],
        }

    @property
    def summary(self) -> str:
        """Return the counts in one line."""
        counts = self.counts
        plural = "" if counts["warnings"] == 1 else "s"
        return "{passed} passed, {failed} failed, {warnings} warning".format(**counts) + plural

    def as_json(self) -> dict[str, Any]:
        """Return the report for ``--json``."""
        return {
            "title": self.title,
            "ok": self.ok,
            **self.counts,
            "findings": [finding._asdict() for finding in self.findings],
        }

    def lines(self, *, verbose: bool = False) -> list[tuple[str, str]]:
        """Return the report as printed: (text, colour) each; the critical ones listed last.

        What was skipped for one reason is one line.

        Args:
            verbose: show what passed, too.
        """
        told = [f for f in _joined(self.findings) if verbose or f.status in _TOLD]
        lines = [line for finding in told for line in _finding_lines(finding)]
        counts, critical = self.counts, len(self.failures)
        lesser = f" ({critical} critical)" if critical != counts["failed"] else ""
        lines += [
            ("", ""),
            (f"✅ Passed: {counts['passed']}", "green"),
            (f"❌ Failed: {counts['failed']}{lesser}", "red" if counts["failed"] else ""),
            (f"⚠️  Warnings: {counts['warnings']}", "yellow" if counts["warnings"] else ""),
        ]
        return lines + self._critical_lines()

    def _critical_lines(self) -> list[tuple[str, str]]:
        if self.ok:
            return []
        listed = [(f"   • {f.name}: {f.evidence}", "red") for f in self.failures]
        return [("", ""), (f"🚨 CRITICAL FAILURES ({len(listed)}):", "red"), *listed]


_TOLD: Final = ("fail", "warn", "unknown")


def _joined(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings in their order; of those that were skipped for one reason, one names all."""
    found: dict[object, Finding] = {}
    for place, each in enumerate(findings):
        key = each.evidence if each.status == "skip" and each.evidence else place
        first = found.get(key)
        found[key] = first._replace(name=f"{first.name}, {each.name}") if first else each
    return list(found.values())


def run_probes(title: str, probes: Sequence[Probe], threads: int = THREADS) -> Report:
    """Look at everything at once, and report in the order of the probes.

    A probe that raises is a failed finding: a check never passes without looking.

    Args:
        title: the report's title.
        probes: what to look at.
        threads: how many look at the same time.
    """
    with ThreadPoolExecutor(threads, thread_name_prefix=title) as pool:
        answers = list(pool.map(_looked, probes))
    return Report(title, tuple(finding for answer in answers for finding in answer))


def not_told(name: str, group: str, limited: Limited) -> Finding:
    """Return the finding of a probe that the Worker's rate limit sent away."""
    return Finding(name, group, "unknown", True, str(limited), limited.remedy)


def _looked(probe: Probe) -> Sequence[Finding]:
    began = monotonic()
    try:
        found = probe.look()
    except Limited as limited:
        found = not_told(probe.name, probe.group, limited)
    except Exception as error:  # whatever it is, it is the finding
        why = redact(f"{type(error).__name__}: {error}")
        found = Finding(probe.name, probe.group, "fail", True, f"the probe failed: {why}")
    findings = [found] if isinstance(found, Finding) else list(found)
    took = (monotonic() - began) * 1000
    return [one if one.milliseconds else one._replace(milliseconds=took) for one in findings]


def _finding_lines(finding: Finding) -> list[tuple[str, str]]:
    mark, colour = MARKS[finding.status], COLOURS[finding.status]
    lines = [(f"{mark} {finding.name}: {finding.evidence}".rstrip(": "), colour)]
    if finding.remedy and finding.status != "pass":
        lines.append((f"     → {typed(finding.remedy)}", "dim"))
    return lines
