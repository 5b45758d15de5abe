"""Verify a deployed version by all that invoke.yaml expects of it; a gate.

What to look at is in :mod:`xswarm_deploy.verification`, one noun a file. Everything is
asked at once; the speed is measured afterwards, almost alone. What a project does not configure
is not asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from xswarm_deploy.background import started
from xswarm_deploy.errors import CheckFailed, DeployError
from xswarm_deploy.model.report import (
    UNPROVEN,
    Finding,
    Limited,
    Probe,
    Report,
    run_probes,
)
from xswarm_deploy.services import access
from xswarm_deploy.site import Site
from xswarm_deploy.verification.target import (
    OVERRIDE,
    Target,
    dark,
    has_none,
    is_own,
    live,
    preview,
)

if TYPE_CHECKING:
    from xswarm_deploy.verification.asker import Asker
    from xswarm_deploy.verification.proof import Proof

__all__ = [
    "NAME",
    "OVERRIDE",
    "Target",
    "at_once",
    "dark",
    "gate",
    "is_own",
    "live",
    "look_ahead",
    "open_ahead",
    "preview",
    "run",
]

NAME: Final = "verify"
AT_ONCE: Final = 32
"""So many requests at once, so that all is asked in few round trips; each over one connection."""
OPENED: Final = 36
"""Connections for that, and for what is asked beside it: who answers, and how fast."""
_RUNS: Final = 2
QUICK: Final = 10  # connections, for a look at the quick routes


def _nothing() -> None:
    """Begin nothing."""


def gate(
    site: Site,
    target: Target,
    *,
    quick: bool = False,
    first: bool = False,
    closing: Callable[[], None] = _nothing,
) -> Report:
    """Verify, and refuse to go on when a critical finding failed.

    What could not be told ends a release while it is the only verification of a version: before
    users meet it, or where they met it at once. Of a version that was proven good before its
    traffic it is said, and undoes nothing: to take back what is known to be good, because it
    cannot be seen just now, would be a change of its own.

    Args:
        site: the environment.
        target: where to ask.
        quick: only the quick routes.
        first: whether nobody has verified the version before, although users meet it.
        closing: called when all was asked but, once more, who answers: what is to be read right
            before the traffic moves is read beside that.

    Raises:
        CheckFailed: the failures are named.
    """
    report = run(site, target, quick=quick, closing=closing)
    if report.ok and report.untold and (target.unseen or first):
        raise _untold(site, target, report)
    if not report.ok:
        why = "; ".join(f"{f.name}: {f.evidence}" for f in report.failures)
        raise CheckFailed(
            f"version {target.version[:8] or 'live'} is not good",
            why,
            _remedy(site, target),
        )
    return report


def at_once(site: Site, target: Target) -> bool:
    """Return whether the quick routes are good, and each of their answers names the version.

    That takes one round trip, and proves as much as :func:`gate` does in three: no answer that
    counts is another version's. False: it is not known, and :func:`gate` tells.

    Args:
        site: the environment.
        target: a version that may be deployed at 0 % of the traffic.
    """
    from xswarm_deploy.verification.asker import Asker

    if not site.settings.project.verify.version_path or has_none(site) or target.alone:
        return False  # it names itself nowhere
    named: set[str] = set()
    asker = Asker(site, target, site.connections.session(), named=named)
    try:
        report = Report(NAME, tuple(_found(asker, _quick_probes(asker, reading=False))))
    except DeployError:
        return False
    finally:
        site.connections.returned()
    return report.ok and not report.untold and named == {target.version}


def _remedy(site: Site, target: Target) -> str:
    if not target.unseen:
        return "inv verify"
    logged = f"inv logs --since 10m --errors --version {target.version[:8]}"
    return f"fix it, then: {site.deploy_command}; no user met it; what it logged: {logged}"


def _untold(site: Site, target: Target, report: Report) -> CheckFailed:
    named = target.version[:8] or "live"
    why = "; ".join(f"{finding.name}: {finding.evidence}" for finding in report.untold)
    unproven = [f.remedy for f in report.untold if f.evidence.startswith(UNPROVEN)]
    if unproven:
        return CheckFailed(f"nothing proves that version {named} answers", why, unproven[0])
    again = site.deploy_command if target.unseen else "inv verify"
    walled = [f.remedy for f in report.untold if f.remedy == access.REMEDY]
    if walled:
        return CheckFailed(
            f"version {named} could not be verified: {access.WALLED}", why, walled[0]
        )
    return CheckFailed(
        f"version {named} could not be verified: the Worker limits its callers (429)",
        why,
        f"wait, then: {again}; or let the Worker recognise signed probes",
    )


def run(
    site: Site,
    target: Target,
    *,
    quick: bool = False,
    reading: bool = False,
    closing: Callable[[], None] = _nothing,
) -> Report:
    """Ask everything of invoke.yaml at once, then measure the speed.

    Args:
        site: the environment.
        target: where to ask.
        quick: only what invoke.yaml marks as quick, and no measuring.
        reading: besides what is quick, the routes that just read.
        closing: see :func:`gate`.
    """
    from xswarm_deploy.verification import nowhere
    from xswarm_deploy.verification import proof as proofs
    from xswarm_deploy.verification.asker import Asker

    reachable = nowhere.instead(site, target)
    if isinstance(reachable, Finding):
        return Report(NAME, (reachable,))
    asker = Asker(site, reachable, site.connections.session())
    with ExitStack() as stack:
        stack.callback(site.connections.returned)
        _open_ahead(reachable, site, quick=quick)
        try:
            proof = stack.enter_context(proofs.opened(asker))
        except Limited as error:
            return Report(NAME, (proofs.limited(error),))
        return _believed(proof, closing, quick=quick, reading=reading)


def open_ahead(site: Site) -> None:
    """Open connections, and import what asks, while something else is waited for, say an upload."""
    started(_import_ahead, "import")
    if not has_none(site):
        site.connections.open_ahead(site.settings.text("WORKER_URL"), OPENED)


def _import_ahead() -> None:
    """Import what a verification needs."""
    from xswarm_deploy.verification import (  # noqa: F401 - that is all
        assets,
        authentication,
        browsers,
        limits,
        performance,
        proof,
        routes,
    )
    from xswarm_deploy.webhooks import probes  # noqa: F401


def look_ahead(site: Site, target: Target, *, quick: bool = False) -> None:
    """Begin to ask which version answers at a target.

    It is asked for by :func:`run`, within seconds; only a good answer counts there.

    Args:
        site: the environment.
        target: where users are answered, or a version that may be deployed at 0 %.
        quick: whether the quick routes alone are asked then.
    """
    from xswarm_deploy.verification import version as word
    from xswarm_deploy.verification.asker import Asker

    path = site.settings.project.verify.version_path
    with suppress(DeployError):  # whatever it is, the verification says it
        if path and not has_none(site):
            _open_ahead(target, site, quick=quick)
            word.ask_ahead(Asker(site, target, site.connections.session()), path)


def _open_ahead(target: Target, site: Site, *, quick: bool) -> None:
    """Let connections be opened while it is found out who answers, so that no timing has it."""
    site.connections.open_ahead(target.url, QUICK if quick else OPENED)
    if target.site_url and not quick:
        from xswarm_deploy.verification import assets

        site.connections.open_ahead(target.site_url, assets.AT_ONCE)


def _believed(proof: Proof, closing: Callable[[], None], *, quick: bool, reading: bool) -> Report:
    """Ask everything, and once more where another version answered in between.

    Where it is not known who answers, nothing is asked that would prove nothing; unless that is
    allowed, or it is what users are answered by.
    """
    asked = proof.known or not (proof.failed or (proof.asker.target.unseen and not proof.allowed))
    if not asked:
        return Report(NAME, (proof.finding(),))
    for _ in range(_RUNS):
        attempt = proof.renewed()
        findings, told = _asked(attempt.asker, closing, quick=quick, reading=reading)
        after = attempt if told and proof.means == "word" else attempt.checked()
        if after.known == proof.known:
            return Report(NAME, (*findings, after.finding()))
    return Report(NAME, (after.finding(),))


class _Asked(NamedTuple):
    """What was found, and whether what was asked last, which is the speed, told the version."""

    findings: Sequence[Finding]
    told: bool = False


def _asked(asker: Asker, closing: Callable[[], None], *, quick: bool, reading: bool) -> _Asked:
    """Ask everything at once, then measure the speed.

    Beside the measuring goes what hardly burdens the Worker: the removal of the throw-away account,
    one request after the other, and the rest of a walk through the static site.
    """
    if quick:
        findings = _found(asker, _quick_probes(asker, reading=reading))
        closing()
        return _Asked(findings)
    from xswarm_deploy.verification import authentication, performance

    measured = performance.NAME not in _left_out(asker.site)
    with _walking(asker) as walk, authentication.visiting(asker) as stay:
        beside = started(lambda: performance.warmed(asker) if measured else None, performance.NAME)
        findings = _found(asker, [*stay.probes(), *_probes(asker)])
        other = beside.result()
        stay.leave()
        closing()
        speed = performance.measured(asker, other) if measured else performance.Measured()
        return _Asked((*stay.left(findings), *walk.result().findings, *speed.findings), speed.told)


def _found(asker: Asker, probes: Iterable[Probe]) -> list[Finding]:
    from xswarm_deploy.verification import routes

    report = run_probes(NAME, _chosen(asker.site, probes), AT_ONCE)
    return routes.timed_again(asker, report.findings)


def _quick_probes(asker: Asker, *, reading: bool) -> list[Probe]:
    from xswarm_deploy.verification import routes

    return routes.probes(asker, quick=True, reading=reading)


@contextmanager
def _walking(asker: Asker) -> Iterator[Future[Report]]:
    """Walk through the static site, which is another server, while the block runs."""
    from xswarm_deploy.verification import assets

    probes = _chosen(asker.site, assets.probes(asker))
    walk = started(lambda: run_probes(NAME, probes), assets.GROUP)
    try:
        yield walk
    finally:
        walk.exception()


def _probes(asker: Asker) -> list[Probe]:
    """Return what the Worker is asked, and of the static site what takes one request."""
    from xswarm_deploy.verification import browsers, limits, routes
    from xswarm_deploy.webhooks import probes as webhooks

    target = asker.target
    return [
        *routes.probes(asker, quick=False),
        *browsers.probes(asker),
        *limits.probes(asker),
        *webhooks.probes(asker.site, target.url, target.sent, asker.session),
    ]


def _chosen(site: Site, probes: Iterable[Probe]) -> list[Probe]:
    return [probe for probe in probes if probe.group not in _left_out(site)]


def _left_out(site: Site) -> frozenset[str]:
    """Return the groups that invoke.yaml leaves out."""
    return frozenset(name.strip() for name in site.settings.project.verify.skip.split(","))
