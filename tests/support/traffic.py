"""Moving traffic in tests: canaries, splits, applied changes."""

from __future__ import annotations

import dataclasses

from xswarm_deploy.model.step import Change
from xswarm_deploy.settings.project import CanaryStep
from xswarm_deploy.site import Site
from xswarm_deploy.steps import traffic, worker


def with_canary(site: Site, *percents: float) -> None:
    project = site.settings.project
    steps = tuple(CanaryStep(percent) for percent in percents)
    changed = project._replace(worker=project.worker._replace(canary=steps))
    site.__dict__["settings"] = dataclasses.replace(site.settings, project=changed)


def splits(changes: list[Change]) -> list[dict[str, float]]:
    return [dict(traffic.SHIFT.after_of(c).split) for c in changes if traffic.SHIFT.owns(c)]


def run(site: Site, changes: list[Change]) -> None:
    for change in changes:
        site.facts.update(worker.apply(site, change))
