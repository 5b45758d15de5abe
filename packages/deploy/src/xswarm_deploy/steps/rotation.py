"""A secret's new value: made, put into the environment file, and the old one kept meanwhile.

While a rotation is under way the environment file has the old value as ``<NAME>_PREVIOUS``.
From there an undone rotation takes it back, and there the Worker gets it from where it
still accepts what was signed with it (``JWT_SECRET_PREVIOUS``), until the rotation is
finished.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from xswarm_deploy.errors import Refused, StepFailed
from xswarm_deploy.model.step import Change, Facts
from xswarm_deploy.secret import Secret
from xswarm_deploy.settings import environment_file
from xswarm_deploy.settings.settings import ENDPOINTS, env_file
from xswarm_deploy.settings.variables import BY_NAME, LOCAL
from xswarm_deploy.site import Site
from xswarm_deploy.webhooks import stripe

OWN: Final = ("JWT_SECRET", "ADMIN_TOKEN")
"""Secrets nobody but this project gives out."""
PREVIOUS: Final = "_PREVIOUS"


def require_own(site: Site, name: str) -> Path:
    """Return the environment file of a secret that can be made here.

    Raises:
        Refused: it is a provider's, it does not stand in the file, or it is being rotated.
    """
    if name not in OWN:
        raise Refused(
            f"{name} is not made here",
            f"{', '.join((*OWN, stripe.SECRET))} can be rotated",
            f"make a new one at its provider, put it into {site.settings.source}: inv secrets",
        )
    file = _file(site, name)
    if os.environ.get(name):
        raise Refused(f"{name} comes from the process environment", "", "change it there")
    if environment_file.read(file, name) != site.settings.secret(name):
        where = f"{file.name} has another value than is used"
        raise Refused(f"{name} does not stand in {file.name}", where, "change it where it stands")
    if environment_file.read(file, name + PREVIOUS):
        raise Refused(
            f"the last rotation of {name} is not finished",
            f"{file.name} still has {name}{PREVIOUS}",
            f"inv secrets.rotate {name} --finish",
        )
    return file


def plan(site: Site, name: str) -> Change:
    """Report that a secret of our own gets a new value, in the environment file."""
    file = require_own(site, name)
    told = {"name": name}
    return Change("secrets", f"{name} in {file.name}", "rotate", after=told, undo=told)


def plan_finish(site: Site, name: str) -> Change:
    """Report that the old value is forgotten.

    Raises:
        Refused: there is none.
    """
    file = _file(site, name)
    if not environment_file.read(file, name + PREVIOUS):
        raise Refused(f"no rotation of {name} is under way", f"no {name}{PREVIOUS} in {file.name}")
    resource = f"{name}{PREVIOUS} in {file.name}"
    why = "it is the value that was replaced"
    return Change("secrets", resource, "forget", after={"name": name}, irreversible=why)


def rotate(site: Site, change: Change) -> Facts:
    """Make a new value, write it beside the old one, and stage both for the Worker."""
    name = str(change.after["name"])
    file = _file(site, name)
    old = environment_file.read(file, name)
    kept = environment_file.read(file, name + PREVIOUS)
    if not kept:  # else the file was written before: the value stands there already
        fresh = Secret(secrets.token_urlsafe(48), name)
        environment_file.write(file, {name: fresh, name + PREVIOUS: old})
        kept, old = old, fresh
    site.staged[name] = old
    if name + PREVIOUS in BY_NAME:
        site.staged[name + PREVIOUS] = Secret(kept.reveal(), name + PREVIOUS)
    return {}


def unrotate(site: Site, change: Change) -> None:
    """Put the old value back into the environment file.

    Raises:
        StepFailed: the file is not here: the rotation began on another machine.
    """
    name = str(change.undo["name"])
    file = _file(site, name)
    if not file.is_file():
        raise StepFailed(f"{file.name} is not on this machine", f"{name} was rotated elsewhere")
    old = environment_file.read(file, name + PREVIOUS)
    if old:
        environment_file.write(file, {name: old, name + PREVIOUS: Secret("")})
    for staged in (name, name + PREVIOUS):
        site.staged.pop(staged, None)


def forget(site: Site, change: Change) -> Facts:
    """Take the old value out of the environment file."""
    name = str(change.after["name"])
    environment_file.write(_file(site, name), {name + PREVIOUS: Secret("")})
    return {}


def plan_stripe(site: Site) -> tuple[list[Change], list[Change]]:
    """Return what gives Stripe's endpoint a new signing secret: before and after the version.

    Each event reaches both endpoints meanwhile, so that none is lost whichever secret the
    Worker knows. The old endpoint is switched off last, which can be taken back.

    Raises:
        Refused: there is no endpoint, or its secret stands in the environment file.
    """
    found = stripe.current(site) if stripe.used(site) else None
    if found is None:
        raise Refused("Stripe has no webhook endpoint for the Worker", "", "inv secrets")
    if site.settings.secret(stripe.SECRET):
        name = BY_NAME[stripe.SECRET].file_name(site.settings.environment)
        raise Refused(
            f"{name} stands in {site.settings.source}",
            "a release cannot know its successor's place",
            f"empty it there: the release then keeps {stripe.SECRET} in the Worker alone",
        )
    place = {"provider": stripe.PROVIDER, "id": found.id}
    before = {**place, "url": found.url, "events": list(found.events), "enabled": found.enabled}
    off = {**before, "enabled": False}
    switched_off = Change("webhooks", f"stripe endpoint {found.id}", "update", before, off, before)
    return [_new_endpoint(before)], [switched_off]


def remove_replaced(site: Site) -> int:
    """Delete Stripe's endpoints that were switched off for a newer one; return how many."""
    live = stripe.current(site)
    replaced = [
        one
        for one in site.stripe.endpoints()
        if live and one.url == live.url and one.id != live.id and not one.enabled
    ]
    for one in replaced:
        site.stripe.delete_endpoint(one.id)
    return len(replaced)


def _new_endpoint(like: Mapping[str, Any]) -> Change:
    attempt = secrets.token_hex(16)
    after = {
        "provider": stripe.PROVIDER,
        "attempt": attempt,
        "url": like["url"],
        "events": like["events"],
    }
    undo = {"provider": stripe.PROVIDER, "attempt": attempt}
    return Change("webhooks", f"stripe endpoint {like['url']}", "create", None, after, undo)


def _file(site: Site, name: str) -> Path:
    """Return the file that holds a secret: for the twin its own, where that one has it."""
    settings = site.settings
    endpoints = settings.path(str(ENDPOINTS))
    twin = settings.environment == LOCAL and endpoints.is_file()
    if twin and environment_file.read(endpoints, name):
        return endpoints
    return env_file(settings.environment, settings.root, os.environ)


VERBS: Final[Mapping[str, Callable[[Site, Change], Facts]]] = {"rotate": rotate, "forget": forget}
