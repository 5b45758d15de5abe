"""Stripe's webhook endpoint: one for the Worker, with the events of invoke.yaml.

Stripe gives an endpoint's signing secret once, in the reply to its creation. So the
endpoint is made before the Worker's version that is to carry the secret: it is minted.
Until that version is live Stripe's deliveries are refused, and Stripe repeats them.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, Literal

from xswarm_deploy.errors import Refused, StepFailed
from xswarm_deploy.model import disturbance
from xswarm_deploy.model.step import Action, Change, Facts
from xswarm_deploy.settings.variables import BY_NAME
from xswarm_deploy.webhooks.hook import STEP, Hook, address, compared

if TYPE_CHECKING:
    from xswarm_deploy.environment import Environment
    from xswarm_deploy.services.stripe import Endpoint
    from xswarm_deploy.site import Site

PROVIDER: Final[Literal["stripe"]] = "stripe"
SECRET: Final = "STRIPE_WEBHOOK_SECRET"  # noqa: S105 - its name


@dataclass(frozen=True)
class State:
    """An endpoint as it is, or as it is to be."""

    id: str
    url: str
    events: tuple[str, ...]
    enabled: bool
    provider: Literal["stripe"] = PROVIDER


@dataclass(frozen=True)
class Creation:
    """An endpoint to be made; the attempt names it, so that it is made once."""

    attempt: str
    url: str
    events: tuple[str, ...]
    provider: Literal["stripe"] = PROVIDER
    api_version: str = ""


@dataclass(frozen=True)
class Attempt:
    """What was made by an attempt."""

    attempt: str
    provider: Literal["stripe"] = PROVIDER


def used(environment: Environment) -> bool:
    """Return whether the project has Stripe deliver anything."""
    webhooks = environment.settings.project.webhooks
    used = PROVIDER in environment.settings.project.parts
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
            f"empty {BY_NAME[SECRET].file_name(site.settings.environment)} in"
            f" {site.settings.source}: the release makes endpoint and secret",
        )
    if named or (found and SECRET in site.cloudflare.secrets(site.worker)):
        return []
    wanted = _wanted(site)
    changes = [creation(site, wanted["url"], wanted["events"])]
    # Nobody has the secret of an endpoint that stands there already: it can serve no more.
    return [*changes, _change(found, {**wanted, "enabled": False})] if found else changes


def plan(site: Site) -> list[Change]:
    """Return how the endpoint differs from what is wanted; where there is none, it is minted."""
    found = current(site)
    wanted = {**_wanted(site), "enabled": True}
    if found is None or _state(found) == wanted:
        return []
    return [_change(found, wanted)]


def apply(site: Site, change: Change) -> Facts:
    """Create the endpoint and stage its secret, or set what differs."""
    if CREATE.owns(change):
        return _create(site, CREATE.after_of(change))
    after = UPDATE.after_of(change)
    _set(site, after)
    return {"stripe_endpoint": after.id} if after.enabled else {}


def undo(environment: Environment, change: Change) -> str:
    """Delete what was created; return what was updated its earlier settings.

    One that somebody else has set or deleted meanwhile is left, and told.
    """
    if CREATE.owns(change):
        environment.stripe.delete_attempt(CREATE.undo_of(change).attempt)
        return ""
    before, after = UPDATE.undo_of(change), UPDATE.after_of(change)
    seen = _seen(environment, before.id)
    if seen not in (before, after):
        return disturbance.left(
            f"{seen.url}, {'on' if seen.enabled else 'off'}" if seen else "gone"
        )
    if seen != before:
        _set(environment, before)
    return ""


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


def other_version(site: Site) -> str:
    """Return the API version of the endpoint where it is not the wanted one; empty: it is."""
    wanted = site.settings.project.webhooks.stripe_api_version
    found = current(site) if wanted else None
    return (
        (found.api_version or "the account's own") if found and found.api_version != wanted else ""
    )


def creation(environment: Environment, url: str, events: Iterable[str]) -> Change:
    """Report that an endpoint is made; its secret goes into the Worker's next version."""
    attempt = secrets.token_hex(16)
    version = environment.settings.project.webhooks.stripe_api_version
    after = Creation(attempt, url, tuple(events), api_version=version)
    return CREATE.change(f"stripe endpoint {url}", after=after, undo=Attempt(attempt))


def switching_off(found: Endpoint) -> Change:
    """Report that an endpoint is switched off, which can be taken back."""
    return _change(found, {"enabled": False})


def _change(found: Endpoint, wanted: dict[str, Any]) -> Change:
    before = State(found.id, found.url, found.events, found.enabled)
    after = replace(before, **wanted)
    return UPDATE.change(f"stripe endpoint {found.id}", before=before, after=after, undo=before)


def _create(site: Site, after: Creation) -> Facts:
    description = f"{site.worker} ({site.settings.environment})"
    made = site.stripe.create_endpoint(
        after.url, after.events, after.attempt, description, after.api_version
    )
    if made.secret is None:
        raise StepFailed("Stripe gave no signing secret with the new endpoint", made.id)
    site.staged[SECRET] = made.secret
    return {"stripe_endpoint": made.id}


def _set(environment: Environment, wanted: State) -> None:
    """Set an endpoint, and read back: nothing is called done that was not seen."""
    environment.stripe.update_endpoint(wanted.id, wanted.url, wanted.events, wanted.enabled)
    if _seen(environment, wanted.id) != wanted:
        raise StepFailed(f"stripe endpoint {wanted.id} is not as it was set")


def _seen(environment: Environment, endpoint: str) -> State | None:
    """Return an endpoint as it is now; None: there is none of that id."""
    seen = next((one for one in environment.stripe.endpoints() if one.id == endpoint), None)
    return State(seen.id, seen.url, tuple(seen.events), seen.enabled) if seen else None


def _wanted(environment: Environment) -> dict[str, Any]:
    webhooks = environment.settings.project.webhooks
    return {
        "url": address(environment, webhooks.stripe_path),
        "events": tuple(sorted(webhooks.stripe_events)),
    }


def _state(endpoint: Endpoint) -> dict[str, Any]:
    return {"url": endpoint.url, "events": tuple(endpoint.events), "enabled": endpoint.enabled}


CREATE: Final = Action(STEP, "create", NoneType, Creation, Attempt, secret=True)
UPDATE: Final = Action(STEP, "update", State, State, State, replan=True)
ACTIONS: Final = (CREATE, UPDATE)
