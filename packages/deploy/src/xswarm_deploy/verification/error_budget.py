"""What is left of the error budgets, read from the database: also while the Worker is down."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from xswarm_deploy.settings.settings import alerting_rules
from xswarm_deploy.verification.judge import Figures
from xswarm_monitoring.slo import ALLOW, AVAILABILITY, LEAST_BAD, Budget, Slo
from xswarm_monitoring.storage import Storage
from xswarm_monitoring.window import Window

if TYPE_CHECKING:
    from xswarm_deploy.site import Site

HOUR: Final = 3600.0
_MEASURED = "SELECT 1 FROM sqlite_schema WHERE name = 'monitoring_windows'"


def budgets(site: Site, slo: Slo, now: float) -> list[Budget]:
    """Return each objective's budget; it changes nothing.

    Args:
        site: the environment.
        slo: the objectives.
        now: seconds since 1970.

    Raises:
        DatabaseError: it cannot be read.
    """
    return slo.budgets(asyncio.run(_frames(site, now - slo.window, now)), now)


async def _frames(site: Site, since: float, until: float) -> Sequence[Window]:
    async def run(sql: str, parameters: Sequence[Any]) -> Sequence[Sequence[Any]]:
        return [row.values_in_order for row in site.database.execute(sql, parameters).rows]

    if not await run(_MEASURED, ()):
        return []  # nothing was ever measured here
    return await Storage(run, instance="").read(since, until)


def of_availability(site: Site, now: float) -> Budget | None:
    """Return what a canary's errors are held against; None: errors have no budget.

    Args:
        site: the environment.
        now: seconds since 1970.

    Raises:
        DatabaseError: it cannot be read.
    """
    slo = alerting_rules(site.settings.monitor).slo
    if slo.release == ALLOW or AVAILABILITY not in [each.name for each in slo.objectives]:
        return None
    found = budgets(site, slo, now)
    return next(each for each in found if each.objective.name == AVAILABILITY)


def overspending(budget: Budget, both: tuple[Figures, Figures], seconds: float) -> str:
    """Return why a new version's errors would spend what is left; empty: they would not.

    They would where an hour of all the traffic at its error rate has more bad requests than are
    left. Fewer than :data:`LEAST_BAD` errors say nothing.

    Args:
        budget: as it was before the canary.
        both: what users met of the old and of the new version.
        seconds: in which they met it.
    """
    old, new = both
    if new.errors < LEAST_BAD or not budget.count.total:
        return ""
    hourly = (old.answers + new.answers) * HOUR / max(seconds, 1.0)
    bad = hourly * new.errors / new.answers
    if bad <= budget.left:
        return ""
    return (
        f"error budget: {new.errors} of {new.answers} answers to users were errors; an hour of all"
        f" the traffic would have {bad:.0f}, and {budget.left:.0f} are left"
        f" ({budget.spent:.0%} of the budget was spent before)"
    )


def told(budget: Budget) -> str:
    """Return a budget in one line."""
    each = budget.objective
    within = f" within {each.boundary:.3g} s" if each.threshold else ""
    return (
        f"{each.name}: {each.target:.5g} good{within};"
        f" {budget.count.bad} of {budget.count.total} requests were bad,"
        f" {budget.spent:.0%} of the budget is spent"
    )
