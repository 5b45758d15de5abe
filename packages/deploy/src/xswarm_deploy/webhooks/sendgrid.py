"""SendGrid's event webhook, signed; the mail it hands in is :mod:`hooks.inbound`.

The public key of the event webhook's signatures becomes a secret of the Worker, in the
same version as its code. Unlike Stripe's secret it can be read again at any time.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final

from xswarm_deploy.errors import Refused, StepFailed
from xswarm_deploy.model.step import Change, Facts
from xswarm_deploy.secret import Secret
from xswarm_deploy.webhooks import inbound
from xswarm_deploy.webhooks.hook import STEP, Hook, address, compared

if TYPE_CHECKING:
    from xswarm_deploy.services.sendgrid import EventWebhook
    from xswarm_deploy.site import Site

PROVIDER: Final = "sendgrid"
KEY: Final = "SENDGRID_WEBHOOK_PUBLIC_KEY"


def used(site: Site) -> bool:
    """Return whether the project has SendGrid deliver anything."""
    webhooks = site.settings.project.webhooks
    used = PROVIDER in site.settings.project.parts
    return used and bool(webhooks.email_path and webhooks.email_events)


def plan_minting(site: Site) -> list[Change]:
    """Return whether webhook or policy has to be made or signed, so that the version gets the keys.

    Raises:
        Refused: the environment names a key that is not the webhook's.
    """
    return [*_plan_key(site), *inbound.plan_minting(site)]


def plan(site: Site) -> list[Change]:
    """Return how webhook and inbound parse differ; a webhook that is missing is minted."""
    return [*_plan_events(site), *inbound.plan(site)]


def apply(site: Site, change: Change) -> Facts:
    """Make one change; see the verbs below."""
    return _VERBS[change.action](site, change.after)


def undo(site: Site, change: Change) -> None:
    """Bring the webhook or the inbound parse back to before."""
    _UNDO[change.action](site, change.undo)


def listed(site: Site) -> list[Hook]:
    """Compare webhook and inbound parse with what is wanted."""
    found = current(site)
    hooks = [compared(PROVIDER, "events", _wanted(site), _state(found) if found else None)]
    return [*hooks, *inbound.listed(site)]


def current(site: Site) -> EventWebhook | None:
    """Find the event webhook that delivers to the Worker."""
    url = _wanted(site)["url"]
    ours = [hook for hook in site.sendgrid.event_webhooks() if hook.url == url]
    return max(ours, key=lambda hook: hook.enabled, default=None)


# The event webhook


def _plan_key(site: Site) -> list[Change]:
    """Return what makes the Worker know the key of the webhook's signatures."""
    found = current(site)
    key = site.sendgrid.public_key(found.id) if found else ""
    if site.settings.secret(KEY):
        _require_named_key(site, key)
        return []
    if found is None:
        return [_creation(site)]
    if key and KEY in site.cloudflare.secrets(site.worker):
        return []
    return [_signing(found, bool(key))]


def _plan_events(site: Site) -> list[Change]:
    found, wanted = current(site), _wanted(site)
    if found is None or _state(found) == wanted:
        return []
    place = {"provider": PROVIDER, "id": found.id}
    before = {**place, **_state(found)}
    after = {**place, **wanted}
    return [Change(STEP, f"sendgrid event webhook {found.id}", "update", before, after, before)]


def _creation(site: Site) -> Change:
    name = f"{site.worker} {site.settings.environment} {secrets.token_hex(4)}"
    after = {"provider": PROVIDER, "name": name, **_wanted(site)}
    undoing = {"provider": PROVIDER, "name": name}
    resource = f"sendgrid event webhook {after['url']}"
    return Change(STEP, resource, "create", after=after, undo=undoing)


def _signing(found: EventWebhook, signed: bool) -> Change:
    before = {"provider": PROVIDER, "id": found.id, "signed": signed}
    after = {"provider": PROVIDER, "id": found.id, "signed": True}
    resource = f"signature of sendgrid event webhook {found.id}"
    return Change(STEP, resource, "sign", before, after, before)


def _create(site: Site, after: dict[str, Any]) -> Facts:
    made = _by_name(site, after["name"]) or site.sendgrid.create_event_webhook(
        after["url"], after["events"], after["name"]
    )
    return _sign(site, {"id": made.id})


def _sign(site: Site, after: dict[str, Any]) -> Facts:
    key = site.sendgrid.sign_event_webhook(after["id"])
    if not key or key != site.sendgrid.public_key(after["id"]):
        raise StepFailed("SendGrid gave no key for the webhook's signatures", after["id"])
    site.staged[KEY] = Secret(key, KEY)
    return {"sendgrid_webhook": after["id"]}


def _update(site: Site, state: dict[str, Any]) -> Facts:
    site.sendgrid.update_event_webhook(state["id"], state["url"], state["events"], state["enabled"])
    seen = next((one for one in site.sendgrid.event_webhooks() if one.id == state["id"]), None)
    if seen is None or any(state[key] != value for key, value in _state(seen).items()):
        raise StepFailed(f"sendgrid event webhook {state['id']} is not as it was set")
    return {}


def _uncreate(site: Site, before: dict[str, Any]) -> None:
    made = _by_name(site, before["name"])
    if made:
        site.sendgrid.delete_event_webhook(made.id)
    if _by_name(site, before["name"]):
        raise StepFailed(f"sendgrid event webhook {before['name']} is still there")


def _unsign(site: Site, before: dict[str, Any]) -> None:
    site.sendgrid.sign_event_webhook(before["id"], before["signed"])


def _by_name(site: Site, name: str) -> EventWebhook | None:
    return next((hook for hook in site.sendgrid.event_webhooks() if hook.name == name), None)


def _wanted(site: Site) -> dict[str, Any]:
    webhooks = site.settings.project.webhooks
    return {
        "url": address(site, webhooks.email_path),
        "events": sorted(webhooks.email_events),
        "enabled": True,
    }


def _state(hook: EventWebhook) -> dict[str, Any]:
    return {"url": hook.url, "events": list(hook.events), "enabled": hook.enabled}


def _require_named_key(site: Site, key: str) -> None:
    if site.settings.secret(KEY).reveal() == key:
        return
    raise Refused(
        f"{KEY} is not the key of SendGrid's webhook for the Worker",
        "it has another" if key else "SendGrid has no signed one",
        f"empty {KEY} in {site.settings.source}: the release fetches it",
    )


_VERBS: Final = {"create": _create, "sign": _sign, "update": _update, **inbound.VERBS}
_UNDO: Final = {"create": _uncreate, "sign": _unsign, "update": _update, **inbound.UNDO}
