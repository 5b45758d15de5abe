"""Stripe's webhook endpoint: one for the Worker, with the events of invoke.yaml.

Stripe gives an endpoint's signing secret once, in the reply to its creation. So the
endpoint is made before the Worker's version that is to carry the secret: it is minted.
Until that version is live Stripe's deliveries are refused, and Stripe repeats them.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final

from xswarm_deploy.errors import Refused, StepFailed
from xswarm_deploy.model.step import Change, Facts
from xswarm_deploy.webhooks.hook import STEP, Hook, address, compared

if TYPE_CHECKING:
    from xswarm_deploy.services.stripe import Endpoint
    from xswarm_deploy.site import Site

PROVIDER: Final = "stripe"
SECRET: Final = "STRIPE_WEBHOOK_SECRET"  # noqa: S105 - its name


def used(site: Site) -> bool:
    """Return whether the project has Stripe deliver anything."""
    webhooks = site.settings.project.webhooks
    used = PROVIDER in site.settings.project.parts
    return used and bool(webhooks.stripe_path and webhooks.stripe_events)


def plan_minting(site: Site) -> list[Change]:
    """Return whether an endpoint has to be made, so that the Worker's version gets its secret.

    Raises:
        Refused: the environment names a signing secret, but Stripe has no such endpoint.
    """
    found, named = current(site), bool(site.settings.secret(SECRET))
    if named and found is None:
        raise Refused(
            f"{SECRET} is set, but Stripe has no webhook endpoint for the Worker",
            f"none delivers to {_wanted(site)['url']}",
            f"empty {SECRET} in {site.settings.source}: the release makes endpoint and secret",
        )
    if named or (found and SECRET in site.cloudflare.secrets(site.worker)):
        return []
    changes = [_creation(site)]
    # Nobody has the secret of an endpoint that stands there already: it can serve no more.
    return [*changes, _change(found, {**_wanted(site), "enabled": False})] if found else changes


def plan(site: Site) -> list[Change]:
    """Return how the endpoint differs from what is wanted; where there is none, it is minted."""
    found = current(site)
    wanted = {**_wanted(site), "enabled": True}
    if found is None or _state(found) == wanted:
        return []
    return [_change(found, wanted)]


def apply(site: Site, change: Change) -> Facts:
    """Create the endpoint and stage its secret, or set what differs."""
    after = change.after
    if change.action == "create":
        return _create(site, after)
    site.stripe.update_endpoint(after["id"], after["url"], after["events"], after["enabled"])
    _require(site, after["id"], after)
    return {"stripe_endpoint": after["id"]} if after["enabled"] else {}


def undo(site: Site, change: Change) -> None:
    """Delete what was created; return what was updated its earlier settings."""
    before = change.undo
    if change.action == "create":
        site.stripe.delete_attempt(before["attempt"])
        return
    site.stripe.update_endpoint(before["id"], before["url"], before["events"], before["enabled"])
    _require(site, before["id"], before)


def listed(site: Site) -> list[Hook]:
    """Compare the endpoint with what is wanted."""
    found = current(site)
    wanted = {**_wanted(site), "enabled": True}
    return [compared(PROVIDER, "endpoint", wanted, _state(found) if found else None)]


def current(site: Site) -> Endpoint | None:
    """Find the endpoint that delivers to the Worker: the one just made, or an enabled one."""
    url = _wanted(site)["url"]
    ours = [endpoint for endpoint in site.stripe.endpoints() if endpoint.url == url]
    made = site.facts.get("stripe_endpoint")
    ours.sort(key=lambda endpoint: (endpoint.id == made, endpoint.enabled), reverse=True)
    return ours[0] if ours else None


def _creation(site: Site) -> Change:
    attempt = secrets.token_hex(16)
    after = {"provider": PROVIDER, "attempt": attempt, **_wanted(site)}
    undoing = {"provider": PROVIDER, "attempt": attempt}
    return Change(STEP, f"stripe endpoint {after['url']}", "create", after=after, undo=undoing)


def _change(found: Endpoint, wanted: dict[str, Any]) -> Change:
    place = {"provider": PROVIDER, "id": found.id}
    before = {**place, **_state(found)}
    after = {**place, **wanted}
    return Change(STEP, f"stripe endpoint {found.id}", "update", before, after, before)


def _create(site: Site, after: dict[str, Any]) -> Facts:
    description = f"{site.worker} ({site.settings.environment})"
    made = site.stripe.create_endpoint(after["url"], after["events"], after["attempt"], description)
    if made.secret is None:
        raise StepFailed("Stripe gave no signing secret with the new endpoint", made.id)
    site.staged[SECRET] = made.secret
    return {"stripe_endpoint": made.id}


def _require(site: Site, endpoint_id: str, wanted: dict[str, Any]) -> None:
    """Read back: nothing is called done that was not seen."""
    seen = next((one for one in site.stripe.endpoints() if one.id == endpoint_id), None)
    if seen is None or any(wanted[key] != value for key, value in _state(seen).items()):
        raise StepFailed(f"stripe endpoint {endpoint_id} is not as it was set")


def _wanted(site: Site) -> dict[str, Any]:
    webhooks = site.settings.project.webhooks
    return {
        "url": address(site, webhooks.stripe_path),
        "events": sorted(webhooks.stripe_events),
    }


def _state(endpoint: Endpoint) -> dict[str, Any]:
    return {"url": endpoint.url, "events": list(endpoint.events), "enabled": endpoint.enabled}
