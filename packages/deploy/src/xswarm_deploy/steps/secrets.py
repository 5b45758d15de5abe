"""The Worker's secrets: what the environment file has, and what only a provider can make.

In a deployment they travel with the code, as one version. Alone, they become a version
that differs in secrets only, which goes the same way as any other: dark, verified, live.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from types import NoneType
from typing import Any, Final

from xswarm_deploy.environment import Environment
from xswarm_deploy.errors import Refused
from xswarm_deploy.model.payload import Nothing
from xswarm_deploy.model.record import noted
from xswarm_deploy.model.step import Action, AnyAction, Change, Facts, action_of
from xswarm_deploy.secret import Secret
from xswarm_deploy.services.errors import ServiceError
from xswarm_deploy.site import Site
from xswarm_deploy.steps import fingerprints, rotation, traffic, version, webhooks
from xswarm_deploy.webhooks import inbound, sendgrid, stripe

NAME: Final = "secrets"
INPUTS: Final = ("settings", "worker", "secrets")
LATEST_NOT_LIVE: Final = frozenset({"10214", "10215"})
_OVER: Final = "secrets over "  # marks, in a version's message, the live version it was made of


@dataclass(frozen=True)
class Difference:
    """How the environment's secrets differ from the Worker's; names only.

    Args:
        added: the Worker does not have them yet.
        changed: it has another value.
        unchanged: it has the same value.
        extra: it has them, the environment does not.
        minted: it has them from a provider's webhook, and nobody else does.
        unknown: it has them, but no release knows by which value.
    """

    added: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: tuple[str, ...]
    extra: tuple[str, ...]
    minted: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def sent(self) -> tuple[str, ...]:
        """Return the names that the Worker has to get."""
        return (*self.added, *self.changed, *self.unknown)

    def as_json(self) -> dict[str, list[str]]:
        """Return the names by kind."""
        return {name: list(getattr(self, name)) for name in self.__dataclass_fields__}


@dataclass(frozen=True)
class Sent:
    """Which secrets the Worker's next version gets, and how they compare; names only.

    Args:
        sent: those that it has to get.
        over: the version that it is made of; empty: of new code.
    """

    sent: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    minted: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    over: str = ""


@dataclass(frozen=True)
class Removed:
    """Which secrets the Worker's next version lacks, and the version that it is made of."""

    removed: tuple[str, ...]
    over: str = ""


def observe(_site: Site) -> Facts:
    """Return nothing: secrets come back with the version, and apply noted their fingerprints."""
    return {}


def plan(site: Site) -> list[Change]:
    """Return what would change: secrets a provider has to make, then the Worker's own."""
    with ThreadPoolExecutor(1, thread_name_prefix=NAME) as pool:
        compared = pool.submit(difference, site)
        minted = webhooks.plan_minting(site)
        found = compared.result()
    if not found.sent and not minted:
        return []
    if site.uploads:
        return [*minted, _change(site, STAGE, found)]
    return _alone(site, _change(site, UPDATE, found), before=minted)


def plan_prune(site: Site) -> list[Change]:
    """Return what removes the Worker's secrets that the environment does not have.

    Those that a provider's webhook minted stay: they are nowhere else.
    """
    extra = difference(site).extra
    return _alone(site, _removal(site, extra)) if extra else []


def plan_rotation(site: Site, name: str) -> list[Change]:
    """Return what gives a secret a new value, in a version of its own.

    Args:
        site: the environment.
        name: JWT_SECRET, ADMIN_TOKEN or STRIPE_WEBHOOK_SECRET.

    Raises:
        Refused: it is not made here, or its last rotation is not finished.
    """
    found = difference(site)
    update = _change(site, UPDATE, found, rotated=name)
    if name == stripe.SECRET:
        before, after = rotation.plan_stripe(site)
        return [*_alone(site, update, before=before), *after]
    return _alone(site, update, before=[rotation.plan(site, name)])


def plan_finish(environment: Environment, name: str) -> list[Change]:
    """Return what ends a rotation: the Worker no longer accepts the old value.

    Raises:
        Refused: none is under way.
    """
    forgotten = rotation.plan_finish(environment, name)
    old = name + rotation.PREVIOUS
    if old not in environment.cloudflare.secrets(environment.worker):
        return [forgotten]
    return [*_alone(environment, _removal(environment, (old,))), forgotten]


def apply(site: Site, change: Change) -> Facts:
    """Stage the secrets for the version to come, or make the version that carries them."""
    action = action_of(change, ACTIONS)
    if action in rotation.VERBS:
        return rotation.VERBS[action](site, change)
    removed = REMOVE.after_of(change).removed if action == REMOVE else ()
    values = {n: s for n, s in version.secrets(site).items() if n not in removed}
    marks = {"secrets": fingerprints.of(values, site.settings)}
    if action == STAGE:
        return marks
    sent = {**values, **dict.fromkeys(removed)}
    over = _over(change)
    made = _patched(site, sent, over)
    return {"commit": "", **noted(site.history(), over), **marks, "version": made}


def undo(site: Site, change: Change, _outcome: Facts) -> str:
    """Take a rotation back; else do nothing: the traffic went back, and secrets with it."""
    if rotation.ROTATE.owns(change):
        rotation.unrotate(site, change)
    return ""


def require_undisturbed(_site: Site, _change: Change) -> None:
    """Refuse nothing: a version is made of the one that the plan names."""


def difference(site: Site) -> Difference:
    """Compare by fingerprint with the release whose version is live."""
    wanted = fingerprints.of(version.secrets(site), site.settings)
    with ThreadPoolExecutor(1, thread_name_prefix="fingerprints") as pool:
        noted_then = pool.submit(_live_fingerprints, site)
        there = set(site.cloudflare.secrets(site.worker))
        known = noted_then.result()
    both = sorted(set(wanted) & there)
    others = there - set(wanted) - site.settings.own_secrets()  # named, kept as they are there
    return Difference(
        added=tuple(sorted(set(wanted) - there)),
        changed=tuple(n for n in both if n in known and known[n] != wanted[n]),
        unchanged=tuple(n for n in both if known.get(n) == wanted[n]),
        extra=tuple(sorted(others - _mintable(site))),
        minted=tuple(sorted(others & _mintable(site))),
        unknown=tuple(n for n in both if n not in known),
    )


def _mintable(site: Site) -> set[str]:
    """Return the secrets that come from a webhook of the project."""
    made = ((stripe, stripe.SECRET), (sendgrid, sendgrid.KEY), (inbound, inbound.KEY))
    return {name for provider, name in made if provider.used(site)}


def _live_fingerprints(site: Site) -> Mapping[str, Any]:
    """Return the fingerprints kept with the live version; empty where they are not known."""
    live = traffic.live_split(site)
    for record in site.history():
        if record.version in live:
            found: Mapping[str, Any] = record.facts.get("secrets", {})
            return found
    return {}


def _alone(environment: Environment, change: Change, before: Sequence[Change] = ()) -> list[Change]:
    """Return a change of secrets with its way to the traffic, for a Worker that serves."""
    live = traffic.live_split(environment)
    if not live:
        raise Refused(
            f"there is no worker {environment.worker} to hold secrets",
            "it was never deployed",
            environment.deploy_command,
        )
    over = traffic.only(live, environment.worker)
    _require_latest_live(environment, live)
    after = REMOVE.after_of(change) if REMOVE.owns(change) else UPDATE.after_of(change)
    placed = change._replace(after=replace(after, over=over))
    return [
        *before,
        placed,
        *traffic.roll_out(environment, live, traffic.NEW, traffic.deployable(environment)),
    ]


def _over(change: Change) -> str:
    """Return the version that the new one is made of."""
    return (REMOVE.after_of(change) if REMOVE.owns(change) else UPDATE.after_of(change)).over


def _change(
    environment: Environment,
    action: Action[None, Sent, Nothing],
    found: Difference,
    rotated: str = "",
) -> Change:
    sent = sorted({*found.sent, *([rotated] if rotated else [])})
    after = Sent(tuple(sent), **vars(found))
    return action.change(f"secrets of {environment.worker}", after=after, undo=Nothing())


def _removal(environment: Environment, names: Sequence[str]) -> Change:
    resource = f"{', '.join(names)} of {environment.worker}"
    return REMOVE.change(resource, after=Removed(tuple(names)), undo=Nothing())


def _patched(site: Site, sent: Mapping[str, Secret | None], over: str) -> str:
    """Make the version; blank values are refused, since they would take good ones' place."""
    blank = sorted(n for n, secret in sent.items() if secret is not None and not secret)
    if blank:
        raise Refused(f"{', '.join(blank)} would be a blank secret", "", "set it, or leave it out")
    tag = str(site.facts["release"])
    message = f"{'minted ' if _mintable(site) & set(site.staged) else ''}{_OVER}{over}"
    try:
        return site.cloudflare.patch_latest_secrets(site.worker, sent, message, tag)
    except ServiceError as error:
        if not LATEST_NOT_LIVE.intersection(error.codes):
            raise
        raise _latest_not_live(site, str(error)) from None


def _require_latest_live(environment: Environment, live: Mapping[str, float]) -> None:
    """Refuse where the API would build on code that is not live (errors 10214, 10215).

    A version that differs from the live one in secrets only, as an undone run leaves it, is
    as good: its secrets are all sent again. Minted ones could not be: nobody has them.
    """
    newest = environment.cloudflare.versions(environment.worker)[:1]
    if not newest or newest[0].id in live:
        return
    made_of = newest[0].annotations.get("workers/message", "").removeprefix(_OVER)
    if made_of not in live:
        shown = f"latest {newest[0].id[:8]}, live {', '.join(version[:8] for version in live)}"
        raise _latest_not_live(environment, shown)


def _latest_not_live(environment: Environment, why: str) -> Refused:
    return Refused(
        f"the latest version of {environment.worker} is not the live one",
        why,
        f"{environment.deploy_command} (code and secrets together)",
    )


STAGE: Final = Action(NAME, "stage", NoneType, Sent, Nothing)
UPDATE: Final = Action(NAME, "update", NoneType, Sent, Nothing, upload=True)
REMOVE: Final = Action(NAME, "remove", NoneType, Removed, Nothing, upload=True)
ACTIONS: Final[tuple[AnyAction, ...]] = (STAGE, UPDATE, REMOVE, *rotation.VERBS)
