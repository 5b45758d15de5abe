"""Point the providers' webhooks at the Worker: Stripe, Twilio, SendGrid.

What the Worker needs to check their signatures is minted first, before the version that
carries it goes up (:func:`plan_minting`, used by the secrets step); the rest follows when
that version is live.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import TYPE_CHECKING, Final

from xswarm_deploy.errors import Refused
from xswarm_deploy.model.report import Report, run_probes
from xswarm_deploy.model.step import AnyAction, Change, Facts, action_of
from xswarm_deploy.site import Site
from xswarm_deploy.webhooks import probes, sendgrid, stripe, twilio
from xswarm_deploy.webhooks.hook import STEP, Hook

if TYPE_CHECKING:
    from xswarm_deploy.services.sendgrid import SendGrid
    from xswarm_deploy.services.stripe import Stripe
    from xswarm_deploy.services.twilio import Twilio

NAME: Final = STEP
_PROVIDERS: Final[tuple[ModuleType, ...]] = (stripe, twilio, sendgrid)
ACTIONS: Final[tuple[AnyAction, ...]] = (*stripe.ACTIONS, *twilio.ACTIONS, *sendgrid.ACTIONS)
INPUTS: Final = ("settings",)


def observe(_site: Site) -> Facts:
    """Return nothing: they point at the Worker, whichever version is live."""
    return {}


def plan_minting(site: Site) -> list[Change]:
    """Return which webhooks must be made now, so that the Worker's next version gets their secrets.

    Applying such a change puts the secret into ``site.staged``; it is nowhere else.

    Raises:
        Refused: the environment names a secret of a webhook that does not exist.
    """
    minting = [provider for provider in (stripe, sendgrid) if provider.used(site)]
    with ThreadPoolExecutor(2, thread_name_prefix="minting") as pool:
        planned = pool.map(lambda provider: provider.plan_minting(site), minting)
        return [change for changes in planned for change in changes]


def require_minted(site: Site) -> None:
    """Refuse to set webhooks alone where one is missing whose secret the Worker must get.

    Raises:
        Refused: it names them, and what makes both webhook and secret.
    """
    missing = [change.resource for change in plan_minting(site) if change.before is None]
    if missing:
        raise Refused(
            f"{', '.join(missing)} is missing",
            "its signing secret has to become a secret of the Worker",
            f"inv {site.settings.environment} secrets (it makes both)",
        )


def open_ahead(site: Site) -> None:
    """Begin to open a connection to each server that planning will ask."""
    for provider, client in _clients(site):
        if provider.used(site):
            client().open_ahead()


def plan(site: Site) -> list[Change]:
    """Return how the providers' webhooks differ from what invoke.yaml wants."""
    with ThreadPoolExecutor(len(_PROVIDERS), thread_name_prefix="webhooks") as pool:
        planned = pool.map(lambda provider: provider.plan(site), _used(site))
        return [change for changes in planned for change in changes]


def apply(site: Site, change: Change) -> Facts:
    """Make one change at its provider."""
    facts: Facts = _provider(change).apply(site, change)
    return facts


def undo(site: Site, change: Change, _outcome: Facts) -> str:
    """Bring one webhook back to before; what it needs stands in the change itself."""
    said: str | None = _provider(change).undo(site, change)
    return said or ""


def require_undisturbed(_site: Site, _change: Change) -> None:
    """Refuse nothing: planning again tells what is still to be changed."""


def listed(site: Site) -> list[Hook]:
    """Compare every webhook as it is with what is wanted."""
    return [hook for provider in _used(site) for hook in provider.listed(site)]


def probe(site: Site) -> Report:
    """Send probes to the Worker: signed ones must get in, all others must be refused."""
    return run_probes("webhooks", probes.probes(site))


def _clients(site: Site) -> list[tuple[ModuleType, Callable[[], Stripe | Twilio | SendGrid]]]:
    return [
        (stripe, lambda: site.stripe),
        (twilio, lambda: site.twilio),
        (sendgrid, lambda: site.sendgrid),
    ]


def _provider(change: Change) -> ModuleType:
    action = action_of(change, ACTIONS)
    return next(provider for provider in _PROVIDERS if action in provider.ACTIONS)


def _used(site: Site) -> list[ModuleType]:
    return [provider for provider in _PROVIDERS if provider.used(site)]
