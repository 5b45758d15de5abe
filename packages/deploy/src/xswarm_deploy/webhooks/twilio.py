"""Twilio's phone number: where it sends messages and calls, and tells how calls ended.

Twilio ignores a number's URLs where an application, or for calls a trunk, is set; those
are left as they are, and said.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Literal

from xswarm_deploy.errors import Refused, StepFailed
from xswarm_deploy.frozen import frozen
from xswarm_deploy.model import disturbance
from xswarm_deploy.model.step import Action, Change, Facts
from xswarm_deploy.webhooks.hook import STEP, Hook, address, compared

if TYPE_CHECKING:
    from xswarm_deploy.environment import Environment
    from xswarm_deploy.services.twilio import Number

PROVIDER: Final[Literal["twilio"]] = "twilio"
NAMES: Final = {
    "sms": ("sms_url", "sms_method"),
    "voice": ("voice_url", "voice_method"),
    "status": ("status_callback", "status_callback_method"),
}
"""Twilio's names for the URL of each kind, and for its method."""


@frozen
class Urls:
    """Where a number sends what it gets: Twilio's names → URLs and methods."""

    sid: str
    urls: Mapping[str, str]
    provider: Literal["twilio"] = PROVIDER


def used(environment: Environment) -> bool:
    """Return whether the project has Twilio deliver anything."""
    return PROVIDER in environment.settings.project.parts and bool(_kinds(environment))


def plan(environment: Environment) -> list[Change]:
    """Return how the number's URLs differ from what is wanted."""
    number = owned(environment)
    wanted = _wanted(environment, number)
    now = {name: number.urls[name] for name in wanted}
    if now == wanted:
        return []
    before, after = Urls(number.sid, now), Urls(number.sid, wanted)
    resource = f"twilio number {number.number}"
    return [UPDATE.change(resource, before=before, after=after, undo=before)]


def apply(environment: Environment, change: Change) -> Facts:
    """Set the URLs, and read them back."""
    _set(environment, UPDATE.after_of(change))
    return {}


def undo(environment: Environment, change: Change) -> str:
    """Set the number's earlier URLs again, unless somebody else has set others meanwhile."""
    before, after = UPDATE.undo_of(change), UPDATE.after_of(change)
    seen = owned(environment).urls
    known = [{name: seen[name] for name in side.urls} == side.urls for side in (before, after)]
    if not any(known):
        return disturbance.left(", ".join(dict.fromkeys(filter(None, seen.values()))))
    if not known[0]:
        _set(environment, before)
    return ""


def listed(environment: Environment) -> list[Hook]:
    """Compare each URL with what is wanted; say what overrides it."""
    number = owned(environment)
    return [_compared(number, kind, url) for kind, url in _kinds(environment).items()]


def owned(environment: Environment) -> Number:
    """Return the project's number.

    Raises:
        Refused: the account does not own it.
    """
    wanted = environment.settings.text("TWILIO_PHONE_NUMBER")
    number = environment.twilio.number(wanted)
    if number is None:
        raise Refused(
            "Twilio's account does not own TWILIO_PHONE_NUMBER",
            wanted,
            f"buy it, or correct TWILIO_PHONE_NUMBER in {environment.settings.source}",
        )
    return number


def _set(environment: Environment, wanted: Urls) -> None:
    environment.twilio.update_number(wanted.sid, wanted.urls)
    seen = owned(environment).urls
    if any(seen[name] != value for name, value in wanted.urls.items()):
        raise StepFailed(f"twilio number {wanted.sid} is not as it was set")


def _kinds(environment: Environment) -> dict[str, str]:
    webhooks = environment.settings.project.webhooks
    paths = {
        "sms": webhooks.sms_path,
        "voice": webhooks.voice_path,
        "status": webhooks.status_path,
    }
    return {kind: address(environment, path) for kind, path in paths.items() if path}


def _wanted(environment: Environment, number: Number) -> dict[str, str]:
    wanted: dict[str, str] = {}
    for kind, url in _kinds(environment).items():
        if kind not in number.overridden_by:
            wanted |= dict(zip(NAMES[kind], (url, "POST"), strict=True))
    return wanted


def _compared(number: Number, kind: str, url: str) -> Hook:
    wanted = {"url": url, "method": "POST"}
    url_name, method_name = NAMES[kind]
    found = {"url": number.urls[url_name], "method": number.urls[method_name]}
    if kind in number.overridden_by:
        note = f"Twilio obeys {number.overridden_by[kind]} and ignores the number's URL"
        return Hook(PROVIDER, kind, "overridden", wanted, found, note)
    return compared(PROVIDER, kind, wanted, found)


UPDATE: Final = Action(STEP, "update", Urls, Urls, Urls, replan=True)
ACTIONS: Final = (UPDATE,)
