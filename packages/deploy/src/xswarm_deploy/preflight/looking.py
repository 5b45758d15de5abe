"""From a look at something to an honest finding.

A provider that limits the rate, fails or stays silent has said nothing about the
credential: that is ``unknown`` and blocks nothing. Where a release itself cannot do
without an answer (Cloudflare, the database), silence is a failure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xswarm_deploy.errors import DeployError, disk_refusal
from xswarm_deploy.model.report import Finding, Probe, Status
from xswarm_deploy.services.errors import RateLimited, ServiceUnavailable
from xswarm_deploy.settings.variables import BY_NAME, VARIABLES, Variable

if TYPE_CHECKING:
    from xswarm_deploy.settings.settings import Settings


@dataclass(frozen=True)
class Seen:
    """What a look saw: the verdict, the evidence, the remedy where there is one."""

    status: Status
    evidence: str
    remedy: str = ""


Look = Callable[[], "Seen | str"]
"""Returns what was seen; a text alone is the evidence of a pass. It may raise."""


@dataclass(frozen=True)
class Asking(Probe):
    """A probe that makes sense only while the variables it needs are in order."""

    needs: tuple[str, ...] = ()


def probe(
    name: str,
    group: str,
    look: Look,
    *,
    needs: tuple[str, ...] = (),
    critical: bool = True,
    needed: bool = False,
    remedy: str = "",
) -> Asking:
    """Make a probe of a look.

    Args:
        name: what is looked at.
        group: the heading it stands under.
        look: does it.
        needs: variables without which there is nothing to look at.
        critical: whether a failure blocks a release.
        needed: whether a release cannot do without an answer: then silence is a failure.
        remedy: what to do where the error itself does not say.
    """

    def looked() -> Finding:
        seen = _judged(look, needed, name)
        told = seen.remedy or ("" if seen.status in ("pass", "skip") else remedy)
        return Finding(name, group, seen.status, critical, seen.evidence, told)

    return Asking(name, group, looked, needs)


def only_sound(settings: Settings, probes: Iterable[Probe]) -> list[Probe]:
    """Leave out what needs a variable that is missing or wrong, and say so.

    So that one cause is one failure: the variable's own.
    """
    wrong = {problem.name for problem in settings.problems()}
    unsound = {v.name for v in VARIABLES if v.file_name(settings.environment) in wrong}
    unasked = {v.name for v in settings.variables} - {v.name for v in settings.asked}
    empty = {v.name for v in VARIABLES if _absent(settings, v)} - unasked - unsound
    why = dict.fromkeys(unsound, "is missing or invalid") | dict.fromkeys(empty, "is empty")
    return [_left_out(one, why, settings) for one in probes]


def _left_out(one: Probe, why: Mapping[str, str], settings: Settings) -> Probe:
    missing = [name for name in getattr(one, "needs", ()) if name in why]
    if not missing:
        return one
    told = (f"{BY_NAME[name].file_name(settings.environment)} {why[name]}" for name in missing)
    evidence = f"skipped: {', '.join(told)}"
    finding = Finding(one.name, one.group, "skip", evidence=evidence)
    return Probe(one.name, one.group, lambda: finding)


def _absent(settings: Settings, variable: Variable) -> bool:
    if variable.secret:
        return not settings.secret(variable.name)
    return not settings.text(variable.name)


def _looked(look: Look) -> Seen | str:
    """Look; a file that the system does not let us use is told with what to do.

    Raises:
        Refused: it is one, such as in a checkout that cannot be written.
    """
    try:
        return look()
    except Exception as error:
        if refusal := disk_refusal(error):
            raise refusal from None
        raise


def _judged(look: Look, needed: bool, name: str) -> Seen:
    try:
        seen = _looked(look)
    except (RateLimited, ServiceUnavailable) as error:
        if needed:
            return Seen("fail", str(error), error.remedy)
        wait = f"{error.retry_after:.0f} s" if error.retry_after else "a minute"
        return Seen("unknown", f"no verdict: {error}", f'in {wait}: inv check --only "{name}"')
    except DeployError as error:
        return Seen("fail", str(error), error.remedy)
    return seen if isinstance(seen, Seen) else Seen("pass", seen)
