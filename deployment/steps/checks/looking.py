"""From a look at something to an honest finding.

A provider that limits the rate, fails or stays silent has said nothing about the
credential: that is ``unknown`` and blocks nothing. Where a release itself cannot do
without an answer (Cloudflare, the database), silence is a failure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from deployment.errors import DeployError
from deployment.services.errors import RateLimited, ServiceUnavailable
from deployment.steps.report import Finding, Probe, Status
from deployment.variables import BY_NAME

if TYPE_CHECKING:
    from deployment.settings import Settings


@dataclass(frozen=True)
class Seen:
    """What a look saw: the verdict, the evidence, the remedy where there is one."""

    status: Status
    evidence: str
    remedy: str = ""


Look = Callable[[], "Seen | str"]
"""Gives what was seen; a text alone is the evidence of a pass. It may raise."""


def probe(
    name: str,
    group: str,
    look: Look,
    *,
    critical: bool = True,
    needed: bool = False,
    remedy: str = "",
) -> Probe:
    """Make a probe of a look.

    Args:
        name: what is looked at.
        group: the heading it stands under.
        look: does it.
        critical: whether a failure blocks a release.
        needed: whether a release cannot do without an answer: then silence is a failure.
        remedy: what to do where the error itself does not say.
    """

    def looked() -> Finding:
        seen = _judged(look, needed, name)
        told = seen.remedy or ("" if seen.status in ("pass", "skip") else remedy)
        return Finding(name, group, seen.status, critical, seen.evidence, told)

    return Probe(name, group, looked)


def when_sound(settings: Settings, variables: tuple[str, ...], made: Probe) -> Probe:
    """Leave a probe out while a variable that it needs is missing or wrong itself.

    So that one cause is one failure: the variable's own.
    """
    unsound = {problem.name for problem in settings.problems()}
    names = [BY_NAME[name].file_name(settings.environment) for name in variables]
    bad = [name for name in names if name in unsound]
    absent = [name for name in variables if _absent(settings, name)]
    if not bad and not absent:
        return made
    why = f"not looked at: {', '.join(bad or absent)} is not in order"
    return replace(made, look=lambda: Finding(made.name, made.group, "skip", evidence=why))


def _absent(settings: Settings, name: str) -> bool:
    if BY_NAME[name].secret:
        return not settings.secret(name)
    return not settings.text(name)


def _judged(look: Look, needed: bool, name: str) -> Seen:
    try:
        seen = look()
    except (RateLimited, ServiceUnavailable) as error:
        if needed:
            return Seen("fail", str(error), error.remedy)
        wait = f"{error.retry_after:.0f} s" if error.retry_after else "a minute"
        return Seen("unknown", f"no verdict: {error}", f'in {wait}: inv check --only "{name}"')
    except DeployError as error:
        return Seen("fail", str(error), error.remedy)
    return seen if isinstance(seen, Seen) else Seen("pass", seen)
