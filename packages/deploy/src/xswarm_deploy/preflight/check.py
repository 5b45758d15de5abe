"""Look before you leap: everything a deployment needs, asked at once; a gate.

What the release itself will make (the first Worker, tables, a Pages project, webhooks) is
no failure when it is missing.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import suppress
from typing import Final, NamedTuple

from xswarm_deploy.background import started
from xswarm_deploy.errors import DeployError, Refused
from xswarm_deploy.model.report import Probe, Report, run_probes
from xswarm_deploy.preflight import (
    beside,
    causes,
    cloudflare,
    configuration,
    custody,
    database,
    domains,
    error_budget,
    machine,
    providers,
    push,
    routes,
    variables,
    webhooks,
)
from xswarm_deploy.preflight.looking import only_sound
from xswarm_deploy.settings.variables import BY_NAME, LOCAL
from xswarm_deploy.site import Site
from xswarm_deploy.steps import webhooks as webhooks_step

NAME: Final = "check"
FRESH: Final = 60.0  # seconds for which what was seen before its turn is what is there
GROUPS: Final = (
    variables,
    configuration,
    beside,
    cloudflare,
    database,
    providers,
    webhooks,
    routes,
    domains,
    custody,
    error_budget,
    push,
    machine,
)


def run(site: Site, only: Iterable[str] = (), skip: Iterable[str] = ()) -> Report:
    """Look at everything at once; it takes about as long as the slowest look.

    Args:
        site: the environment.
        only: groups or names to look at alone; none: all.
        skip: groups or names to leave out.

    Raises:
        Refused: one of these groups or names is unknown, or the twin is not up.
    """
    _require_twin(site)
    probes = [probe for group in GROUPS for probe in group.probes(site)]
    wanted, unwanted = _known(probes, only), _known(probes, skip)
    chosen = _chosen(probes, wanted, unwanted)
    chosen += _chosen(_causes(site, probes, chosen), set(), unwanted)
    looks = only_sound(site.settings, chosen)
    found = run_probes(NAME, looks, threads=max(1, len(looks)))
    return causes.merged(found, site.settings)


class _Ahead(NamedTuple):
    """A look at everything that was begun before its turn, and when, on the monotonic clock."""

    report: Future[Report]
    at: float


def begin_ahead(site: Site) -> None:
    """Begin to look at everything before it is time to, unless that was begun already."""
    if NAME in site.state.begun:
        return
    with suppress(DeployError):  # what cannot be opened is told by the look itself
        _ = site.connections, site.cloudflare, site.database  # the release has the same ones
        webhooks_step.open_ahead(site)
    site.state.begun[NAME] = _Ahead(started(lambda: run(site), NAME), time.monotonic())


def hand_over(begun: Site, site: Site) -> None:
    """Let a release have what was begun before it."""
    ahead = begun.state.begun.pop(NAME, None)
    if ahead is not None:
        site.state.begun[NAME] = ahead


def run_or_begun(site: Site, only: Iterable[str] = (), skip: Iterable[str] = ()) -> Report:
    """Return what was seen by :func:`begin_ahead`, where it holds, else look at it now.

    Arguments and errors are those of :func:`run`.
    """
    ahead = site.state.begun.pop(NAME, None)
    fresh = isinstance(ahead, _Ahead) and time.monotonic() - ahead.at <= FRESH
    if isinstance(ahead, _Ahead) and fresh and not (only or skip):
        return ahead.report.result()
    return run(site, only=only, skip=skip)


def _require_twin(site: Site) -> None:
    """Report in one line that the twin was never started, not that each of its keys is missing."""
    local = site.settings.environment == LOCAL
    if local and not site.settings.secret("CLOUDFLARE_API_TOKEN"):
        why = "its keys and addresses are not there"
        raise Refused("the local twin is not up", why, "inv sandbox.up")


def _chosen(probes: list[Probe], only: set[str], skip: set[str]) -> list[Probe]:
    wanted = [probe for probe in probes if not only or only & _labels(probe)]
    return [probe for probe in wanted if not skip & _labels(probe)]


def _causes(site: Site, probes: list[Probe], chosen: list[Probe]) -> list[Probe]:
    """Return the looks at variables for which some of the chosen ones cannot look.

    Without them, ``--only cloudflare`` would pass where the token is no token.
    """
    wrong = {problem.name for problem in site.settings.problems()}
    needed = {name for probe in chosen for name in getattr(probe, "needs", ())}
    named = {BY_NAME[name].file_name(site.settings.environment) for name in needed} & wrong
    theirs = (probe for probe in probes if probe.group == variables.GROUP and probe.name in named)
    return [probe for probe in theirs if probe not in chosen]


def _known(probes: list[Probe], labels: Iterable[str]) -> set[str]:
    """Return the labels in small letters; a misspelt one would silently check nothing."""
    asked = {label.lower() for label in labels}
    unknown = sorted(asked - {label for probe in probes for label in _labels(probe)})
    if unknown:
        groups = ", ".join(dict.fromkeys(probe.group for probe in probes))
        raise Refused(f"unknown check {unknown[0]!r}", f"groups: {groups}", "inv check")
    return asked


def _labels(probe: Probe) -> set[str]:
    return {probe.name.lower(), probe.group.lower()}
