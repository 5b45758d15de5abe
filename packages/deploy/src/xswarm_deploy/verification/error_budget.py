"""What is left of the error budgets, read from the database: also while the Worker is down."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from xswarm_monitoring.slo import Budget, Slo
from xswarm_monitoring.storage import Storage
from xswarm_monitoring.window import Window

if TYPE_CHECKING:
    from xswarm_deploy.site import Site

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


def told(budget: Budget) -> str:
    """Return a budget in one line."""
    each = budget.objective
    within = f" within {each.boundary:.3g} s" if each.threshold else ""
    return (
        f"{each.name}: {each.target:.5g} good{within};"
        f" {budget.count.bad} of {budget.count.total} requests were bad,"
        f" {budget.spent:.0%} of the budget is spent"
    )
