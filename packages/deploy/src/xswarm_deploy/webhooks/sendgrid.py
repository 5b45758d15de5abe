"""SendGrid's event webhook, signed; the mail it hands in is :mod:`hooks.inbound`.

The public key of the event webhook's signatures becomes a secret of the Worker, in the
same version as its code. Unlike Stripe's secret it can be read again at any time.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, Literal

from xswarm_deploy.errors import Refused, StepFailed
from xswarm_deploy.frozen import frozen
from xswarm_deploy.model.step import Action, AnyAction, Change, Facts, action_of
from xswarm_deploy.secret import Secret
from xswarm_deploy.webhooks import inbound
from xswarm_deploy.webhooks.hook import STEP, Hook, address, compared

if TYPE_CHECKING:
    from xswarm_deploy.environment import Environment
    from xswarm_deploy.services.sendgrid import EventWebhook
    from xswarm_deploy.site import Site

PROVIDER: Final[Literal["sendgrid"]] = "sendgrid"
KEY: Final = "SENDGRID_WEBHOOK_PUBLIC_KEY"


@frozen
class Creation:
    """An event webhook to be made, by a name of its own, so that it is made once."""

    name: str
    url: str
    events: tuple[str, ...]
    enabled: bool = True
    provider: Literal["sendgrid"] = PROVIDER


@frozen
class Named:
    """An event webhook by its name."""

    name: str
    provider: Literal["sendgrid"] = PROVIDER


@frozen
class State:
    """An event webhook as it is, or as it is to be."""

    id: str
    url: str
    events: tuple[str, ...]
    enabled: bool
    provider: Literal["sendgrid"] = PROVIDER


@frozen
class Signing:
    """Whether an event webhook is signed."""

    id: str
    signed: bool
    provider: Literal["sendgrid"] = PROVIDER


def used(environment: Environment) -> bool:
    """Return whether the project has SendGrid deliver anything."""
    webhooks = environment.settings.project.webhooks
    used = PROVIDER in environment.settings.project.parts
    return used and bool(webhooks.email_path and webhooks.email_events)


def plan_minting(environment: Environment) -> list[Change]:
    """Return whether webhook or policy has to be made or signed, so that the version gets the keys.

    Raises:
        Refused: the environment names a key that is not the webhook's.
    """
    return [*_plan_key(environment), *inbound.plan_minting(environment)]


def plan(environment: Environment) -> list[Change]:
    """Return how webhook and inbound parse differ; a webhook that is missing is minted."""
    return [*_plan_events(environment), *inbound.plan(environment)]


def apply(site: Site, change: Change) -> Facts:
    """Make one change; see the verbs below."""
    return _VERBS[action_of(change, ACTIONS)](site, change)


def undo(site: Site, change: Change) -> None:
    """Bring the webhook or the inbound parse back to before."""
    _UNDO[action_of(change, ACTIONS)](site, change)


def listed(environment: Environment) -> list[Hook]:
    """Compare webhook and inbound parse with what is wanted."""
    found = current(environment)
    hooks = [compared(PROVIDER, "events", _wanted(environment), _state(found) if found else None)]
    return [*hooks, *inbound.listed(environment)]


def current(environment: Environment) -> EventWebhook | None:
    """Find the event webhook that delivers to the Worker."""
    url = _wanted(environment)["url"]
    ours = [hook for hook in environment.sendgrid.event_webhooks() if hook.url == url]
    return max(ours, key=lambda hook: hook.enabled, default=None)


# The event webhook


def _plan_key(environment: Environment) -> list[Change]:
    """Return what makes the Worker know the key of the webhook's signatures."""
    found = current(environment)
    key = environment.sendgrid.public_key(found.id) if found else ""
    if environment.settings.secret(KEY):
        _require_named_key(environment, key)
        return []
    if found is None:
        return [_creation(environment)]
    if key and KEY in environment.cloudflare.secrets(environment.worker):
        return []
    return [_signing(found, bool(key))]


def _plan_events(environment: Environment) -> list[Change]:
    found, wanted = current(environment), _wanted(environment)
    if found is None or _state(found) == wanted:
        return []
    before = State(found.id, **_state(found))
    after = replace(before, **wanted)
    resource = f"sendgrid event webhook {found.id}"
    return [UPDATE.change(resource, before=before, after=after, undo=before)]


def _creation(environment: Environment) -> Change:
    name = f"{environment.worker} {environment.settings.environment} {secrets.token_hex(4)}"
    after = Creation(name, **_wanted(environment))
    return CREATE.change(f"sendgrid event webhook {after.url}", after=after, undo=Named(name))


def _signing(found: EventWebhook, signed: bool) -> Change:
    before, after = Signing(found.id, signed), Signing(found.id, True)
    resource = f"signature of sendgrid event webhook {found.id}"
    return SIGN.change(resource, before=before, after=after, undo=before)


def _create(site: Site, change: Change) -> Facts:
    after = CREATE.after_of(change)
    made = _by_name(site, after.name) or site.sendgrid.create_event_webhook(
        after.url, after.events, after.name
    )
    return _sign(site, made.id)


def _sign(site: Site, webhook: str) -> Facts:
    key = site.sendgrid.sign_event_webhook(webhook)
    if not key or key != site.sendgrid.public_key(webhook):
        raise StepFailed("SendGrid gave no key for the webhook's signatures", webhook)
    site.staged[KEY] = Secret(key, KEY)
    return {"sendgrid_webhook": webhook}


def _set(environment: Environment, wanted: State) -> None:
    environment.sendgrid.update_event_webhook(wanted.id, wanted.url, wanted.events, wanted.enabled)
    seen = next((one for one in environment.sendgrid.event_webhooks() if one.id == wanted.id), None)
    if seen is None or State(seen.id, **_state(seen)) != wanted:
        raise StepFailed(f"sendgrid event webhook {wanted.id} is not as it was set")


def _do_sign(site: Site, change: Change) -> Facts:
    return _sign(site, SIGN.after_of(change).id)


def _do_update(environment: Environment, change: Change) -> Facts:
    _set(environment, UPDATE.after_of(change))
    return {}


def _uncreate(environment: Environment, change: Change) -> None:
    name = CREATE.undo_of(change).name
    made = _by_name(environment, name)
    if made:
        environment.sendgrid.delete_event_webhook(made.id)
    if _by_name(environment, name):
        raise StepFailed(f"sendgrid event webhook {name} is still there")


def _unsign(environment: Environment, change: Change) -> None:
    before = SIGN.undo_of(change)
    environment.sendgrid.sign_event_webhook(before.id, before.signed)


def _unupdate(environment: Environment, change: Change) -> None:
    _set(environment, UPDATE.undo_of(change))


def _by_name(environment: Environment, name: str) -> EventWebhook | None:
    return next((hook for hook in environment.sendgrid.event_webhooks() if hook.name == name), None)


def _wanted(environment: Environment) -> dict[str, Any]:
    webhooks = environment.settings.project.webhooks
    return {
        "url": address(environment, webhooks.email_path),
        "events": tuple(sorted(webhooks.email_events)),
        "enabled": True,
    }


def _state(hook: EventWebhook) -> dict[str, Any]:
    return {"url": hook.url, "events": tuple(hook.events), "enabled": hook.enabled}


def _require_named_key(environment: Environment, key: str) -> None:
    if environment.settings.secret(KEY).reveal() == key:
        return
    raise Refused(
        f"{KEY} is not the key of SendGrid's webhook for the Worker",
        "it has another" if key else "SendGrid has no signed one",
        f"empty {KEY} in {environment.settings.source}: the release fetches it",
    )


CREATE: Final = Action(STEP, "create", NoneType, Creation, Named, secret=True)
SIGN: Final = Action(STEP, "sign", Signing, Signing, Signing, secret=True)
UPDATE: Final = Action(STEP, "update", State, State, State, replan=True)
_VERBS: Final[Mapping[AnyAction, Callable[[Site, Change], Facts]]] = {
    CREATE: _create,
    SIGN: _do_sign,
    UPDATE: _do_update,
    **inbound.VERBS,
}
_UNDO: Final[Mapping[AnyAction, Callable[[Site, Change], None]]] = {
    CREATE: _uncreate,
    SIGN: _unsign,
    UPDATE: _unupdate,
    **inbound.UNDO,
}
ACTIONS: Final = tuple(_VERBS)
