"""The traffic: which versions of the Worker users meet, and how it moves to another one.

It moves step by step beside the old version, so that it can go back. Cloudflare deploys the
newest hundred versions only; one that is live and older than that is left at once, for good.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from xswarm_deploy.errors import MovedForGood, Refused, StepFailed
from xswarm_deploy.model.step import Change, Facts, met
from xswarm_deploy.services.errors import Invalid, ServiceError
from xswarm_deploy.site import Site
from xswarm_deploy.verification import verify

if TYPE_CHECKING:
    from xswarm_deploy.verification import canary

STEP: Final = "worker"
"""Whose changes they are."""
NEW: Final = "(new version)"
"""Stands in a plan for the id that the upload will give."""

Split = Mapping[str, float]
NOT_TAKEN: Final = "10026"
"""Cloudflare's code for a deployment that it never takes, such as one of a version too old."""
DEPLOYABLE: Final = 100
"""So many versions, the newest, Cloudflare deploys; an older one that is live just stays it."""


def live_split(site: Site) -> dict[str, float]:
    """Return today's split of the traffic: version → percent above 0; empty: no Worker."""
    deployments = site.cloudflare.deployments(site.worker)
    return met(deployments[0].split) if deployments else {}


def deployable(site: Site) -> list[str]:
    """Return the versions that Cloudflare would deploy, newest first."""
    return [version.id for version in site.cloudflare.versions(site.worker)]


def roll_out(
    site: Site, live: Split, version: str, listed: Sequence[str], *, back: bool = False
) -> list[Change]:
    """Return how the traffic moves to a version: at 0 % first, then step by step to 100 %.

    Args:
        site: the environment.
        live: today's split.
        version: an id, or :data:`NEW`.
        listed: what :func:`deployable` gives.
        back: whether it was live before: no canary steps, and only the quick routes verified,
            since it need not have those that came later.

    Raises:
        Refused: another gradual deployment is under way; or Cloudflare deploys this version no
            more.
    """
    old = to_leave(site, live, listed)
    if set(live) == {version}:
        return []
    if not can_share(site, live, version, listed):
        return [leaping(site, live, version, quick=back)]
    project = site.settings.project
    steps = [s for s in (project.worker.canary if not back else ()) if 0 < s.percent < 100]
    splits = [
        {old: 100.0},
        *({old: 100 - p, version: p} for p in (0.0, *(step.percent for step in steps), 100.0)),
    ]
    soaks = [None, *(project.soak(step) for step in steps), None]
    return [
        moving(site, before, after, version, dict(live), quick=back, soak=soak)
        for (before, after), soak in zip(pairwise(splits), soaks, strict=True)
    ]


def to_leave(site: Site, live: Split, listed: Sequence[str]) -> str:
    """Return the version that is to be left, or one of several that cannot all be deployed again.

    Raises:
        Refused: several share the traffic, and a person can end that.
    """
    if set(live) <= set(listed):
        return only(live, site.worker)
    return next(iter(live))


def only(live: Split, worker: str) -> str:
    """Return the version that has all of the traffic.

    Raises:
        Refused: several share it, and a person has to end that.
    """
    if len(live) > 1:
        shares = ", ".join(f"{version[:8]} {percent:g} %" for version, percent in live.items())
        raise Refused(
            f"a gradual deployment of {worker} is under way",
            shares,
            "inv worker.promote, or inv worker.abort; then repeat the command",
        )
    return next(iter(live))


def can_share(site: Site, live: Split, version: str, listed: Sequence[str]) -> bool:
    """Return whether what is live can be deployed together with another version.

    Raises:
        Refused: Cloudflare deploys the other one no more.
    """
    if version == NEW:
        return set(live) <= set(listed[: DEPLOYABLE - 1])  # the new one will be of the newest, too
    if version not in listed:
        remedy = f"check out the commit it was made from, then: {site.deploy_command}"
        raise too_old(site, f"version {version[:8]} is too old to be deployed again", remedy)
    return set(live) <= set(listed)


def too_old(site: Site, what: str, remedy: str) -> Refused:
    """Return the refusal of what a version is too old for."""
    why = f"Cloudflare deploys the newest {DEPLOYABLE}, and {site.worker} got more since"
    return Refused(what, why, remedy)


def moving(
    site: Site,
    before: Split,
    after: Split,
    version: str,
    live: Split,
    *,
    quick: bool = False,
    verified: bool = False,
    soak: float | None = None,
) -> Change:
    """Return how traffic moves.

    Args:
        site: the environment.
        before: the split it moves from.
        after: the split it moves to.
        version: the one this is about.
        live: the split that undoing brings back.
        quick: verify the quick routes alone.
        verified: verify the version although it has traffic already.
        soak: seconds to watch it as a canary; None: not at all.
    """
    return Change(
        STEP,
        f"traffic of {site.worker}",
        "shift",
        before={"split": dict(before)},
        after={
            "split": dict(after),
            "version": version,
            "quick": quick,
            "verified": verified,
            "soak": soak,
        },
        undo={"split": dict(live)},
    )


def leaping(site: Site, live: Split, version: str, *, quick: bool) -> Change:
    """Return how all of the traffic moves at once, since what is live cannot stay beside it.

    Raises:
        Refused: versions of the Worker have no preview host, where it could be verified first.
    """
    left = {old: percent for old, percent in live.items() if old != version}
    if not site.cloudflare.worker_subdomain(site.worker).previews_enabled:
        raise Refused(
            f"version {', '.join(old[:8] for old in left)}, which is live, is too old to share the"
            " traffic",
            f"Cloudflare deploys the newest {DEPLOYABLE}, and the Worker has no preview URLs where"
            " the other one could be verified",
            f"switch them on (Cloudflare: {site.worker}, Settings, Domains), then repeat",
        )
    return Change(
        STEP,
        f"traffic of {site.worker}",
        "leap",
        before={"split": dict(live)},
        after={"split": {version: 100.0}, "version": version, "quick": quick},
        undo={"split": dict(live)},
        irreversible=_no_longer(left),
    )


def named(site: Site, split: Split) -> dict[str, float]:
    """Put the id of this release's version in the place of :data:`NEW`."""
    return {_named(site, version): float(percent) for version, percent in split.items()}


def shift(site: Site, split: Split, message: str, *, force: bool = False) -> None:
    """Move the traffic and read back that it moved.

    A version that is live, but no longer among the newest hundred, is refused in a new deployment
    (10026), and at times Cloudflare takes none: where the traffic goes as wanted already, that
    harms nobody.

    Raises:
        ServiceError: the API did not take the deployment.
        StepFailed: it took it, but does not show it.
    """
    wanted = {version: float(percent) for version, percent in split.items()}
    now = _newest_split(site)
    if now == wanted:
        return
    try:
        site.cloudflare.deploy(site.worker, wanted, message, force)
    except ServiceError:
        if met(now) == met(wanted) and set(wanted) <= set(now):
            return
        raise
    seen = _newest_split(site)
    if met(seen) != met(wanted):
        raise StepFailed(f"the traffic of {site.worker} did not move", f"it is {seen}")


def bring_back(site: Site, change: Change) -> None:
    """Move the traffic back, or find it where it was.

    Raises:
        MovedForGood: it has moved, and Cloudflare deploys what had it no more.
    """
    try:
        shift(site, change.undo["split"], "brought back", force=True)
    except Invalid as error:
        if NOT_TAKEN not in error.codes:
            raise
        again = f"inv {site.settings.environment} rollback --version {change.after['version']}"
        raise MovedForGood(
            f"the traffic of {site.worker} stays where it is",
            change.irreversible or _no_longer(change.undo["split"]),
            f"mend what failed, then: {site.deploy_command}"
            if not change.after["quick"]
            else f"mend what failed, then repeat it, with its flags: {again}",
        ) from None


def _no_longer(split: Split) -> str:
    names = ", ".join(version[:8] for version in split)
    return f"version {names} is not among the newest {DEPLOYABLE}: Cloudflare deploys it no more"


def _shift(site: Site, change: Change) -> Facts:
    """Move the traffic one step; before any user meets the version, verify it at 0 % of traffic."""
    version = _named(site, str(change.after["version"]))
    split, before = named(site, change.after["split"]), named(site, change.before["split"])
    if before.get(version) == 0.0 or change.after["verified"]:
        verify.gate(site, verify.dark(site, version), quick=bool(change.after["quick"]))
    # An older version brings its secrets back, which is meant (error 10220).
    shift(site, split, message(site), force=bool(change.after["quick"]))
    if change.after["soak"] is None:
        return {"version": version}
    from xswarm_deploy.verification import canary

    old = next(name for name in split if name != version)
    pair, soak = canary.Pair(old, version), float(change.after["soak"])
    return {"version": version, **_judged(site, pair, split[version], soak)}


def _leap(site: Site, change: Change) -> Facts:
    """Move all of the traffic at once, to a version that was verified on its preview host."""
    version, quick = _named(site, str(change.after["version"])), bool(change.after["quick"])
    split = named(site, change.after["split"])
    if _newest_split(site) != split:
        verify.gate(site, verify.preview(site, version), quick=quick)
    shift(site, split, message(site), force=quick)
    return {"version": version}


def _judged(site: Site, pair: canary.Pair, percent: float, soak: float) -> Facts:
    """Watch the version while it has its share; go on only when it is as good as the old one.

    Raises:
        StepFailed: it is not, or it cannot be told.
    """
    from xswarm_deploy.steps import notify
    from xswarm_deploy.verification import canary

    verdict = canary.watch(site, pair, soak)
    name = f"canary at {percent:g} %"
    notify.announce(site, f"{name} of version {pair.new[:8]}: {verdict.outcome}", str(verdict))
    if verdict.outcome == "pass":
        return {name: str(verdict), "soaked": float(site.facts.get("soaked", 0.0)) + soak}
    environment = site.settings.environment
    if verdict.outcome == "inconclusive" and verdict.limited:
        raise StepFailed(
            f"{name}: version {pair.new[:8]} was not judged: the Worker limits its callers (429)",
            "; ".join((verdict.limited, *verdict.reasons)),
            "let the Worker recognise signed probes (deployment/docs/guide/verification.md), or"
            f" raise deploy.worker.canary_patience in invoke.yaml, then: {site.deploy_command}",
        )
    word = "is not as good as the old one" if verdict.outcome == "fail" else "is inconclusive"
    raise StepFailed(
        f"{name}: version {pair.new[:8]} {word}",
        "; ".join(verdict.reasons),
        f"fix it, or, if it cannot be told: inv {environment} worker.canary --soak 600,"
        f" then: inv {environment} worker.promote",
    )


def _newest_split(site: Site) -> dict[str, float]:
    deployments = site.cloudflare.deployments(site.worker)
    return dict(deployments[0].split) if deployments else {}


def _named(site: Site, version: str) -> str:
    return str(site.facts["version"]) if version == NEW else version


def message(site: Site) -> str:
    """Return a person's words for the release, for Cloudflare's own lists."""
    return str(site.facts.get("message") or f"release {site.facts['release']}")


VERBS: Final[Mapping[str, Callable[[Site, Change], Facts]]] = {"shift": _shift, "leap": _leap}
