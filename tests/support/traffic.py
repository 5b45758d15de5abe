"""Moving traffic in tests: canaries, splits, applied changes."""

from __future__ import annotations

import dataclasses

from deployment.project import CanaryStep
from deployment.steps import worker
from deployment.steps.site import Site
from deployment.steps.step import Change


def with_canary(site: Site, *percents: float) -> None:
    project = site.settings.project
    steps = tuple(CanaryStep(percent) for percent in percents)
    changed = project._replace(worker=project.worker._replace(canary=steps))
    site.settings = dataclasses.replace(site.settings, project=changed)


def splits(changes: list[Change]) -> list[dict[str, float]]:
    return [dict(change.after["split"]) for change in changes if change.action == "shift"]


def run(site: Site, changes: list[Change]) -> None:
    for change in changes:
        site.facts.update(worker.apply(site, change))
