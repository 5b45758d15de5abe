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
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Final

from xswarm_deploy import fence
from xswarm_deploy.environment import Environment
from xswarm_deploy.errors import DeployError, Refused, StepFailed
from xswarm_deploy.model.step import Action, AnyAction, Change, Facts
from xswarm_deploy.secret import Secret
from xswarm_deploy.settings import environment_file
from xswarm_deploy.settings.settings import ENDPOINTS, env_file
from xswarm_deploy.settings.variables import BY_NAME, LOCAL
from xswarm_deploy.site import Site
from xswarm_deploy.webhooks import stripe

OWN: Final = ("JWT_SECRET", "ADMIN_TOKEN")
"""Secrets nobody but this project gives out."""
PREVIOUS: Final = "_PREVIOUS"


@dataclass(frozen=True)
class Named:
    """Which secret."""

    name: str


def require_own(environment: Environment, name: str) -> Path:
    """Return the environment file of a secret that can be made here.

    Raises:
        Refused: it is a provider's, it does not stand in the file, or it is being rotated.
    """
    if name not in OWN:
        raise Refused(
            f"{name} is not made here",
            f"{', '.join((*OWN, stripe.SECRET))} can be rotated",
            f"make a new one at its provider, put it into {environment.settings.source}:"
            " inv secrets",
        )
    file = _file(environment, name)
    if os.environ.get(name):
        raise Refused(f"{name} comes from the process environment", "", "change it there")
    if environment_file.read(file, name) != environment.settings.secret(name):
        where = f"{file.name} has another value than is used"
        raise Refused(f"{name} does not stand in {file.name}", where, "change it where it stands")
    if environment_file.read(file, name + PREVIOUS):
        raise Refused(
            f"the last rotation of {name} is not finished",
            f"{file.name} still has {name}{PREVIOUS}",
            f"inv secrets.rotate {name} --finish",
        )
    return file


def plan(environment: Environment, name: str) -> Change:
    """Report that a secret of our own gets a new value, in the environment file."""
    file = require_own(environment, name)
    return ROTATE.change(f"{name} in {file.name}", after=Named(name), undo=Named(name))


def plan_finish(environment: Environment, name: str) -> Change:
    """Report that the old value is forgotten.

    Raises:
        Refused: there is none.
    """
    file = _file(environment, name)
    if not environment_file.read(file, name + PREVIOUS):
        raise Refused(f"no rotation of {name} is under way", f"no {name}{PREVIOUS} in {file.name}")
    resource = f"{name}{PREVIOUS} in {file.name}"
    why = "it is the value that was replaced"
    return FORGET.change(resource, after=Named(name), irreversible=why)


def rotate(site: Site, change: Change) -> Facts:
    """Make a new value, write it beside the old one, and stage both for the Worker."""
    name = ROTATE.after_of(change).name
    file = _file(site, name)
    old = environment_file.read(file, name)
    kept = environment_file.read(file, name + PREVIOUS)
    if not kept:  # else the file was written before: the value stands there already
        fresh = Secret(secrets.token_urlsafe(48), name)
        _write(file, {name: fresh, name + PREVIOUS: old})
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
    name = ROTATE.undo_of(change).name
    file = _file(site, name)
    if not file.is_file():
        raise StepFailed(f"{file.name} is not on this machine", f"{name} was rotated elsewhere")
    old = environment_file.read(file, name + PREVIOUS)
    if old:
        environment_file.write(file, {name: old, name + PREVIOUS: Secret("")})
    for staged in (name, name + PREVIOUS):
        site.staged.pop(staged, None)


def forget(environment: Environment, change: Change) -> Facts:
    """Take the old value out of the environment file."""
    name = FORGET.after_of(change).name
    _write(_file(environment, name), {name + PREVIOUS: Secret("")})
    return {}


def _write(file: Path, values: Mapping[str, Secret]) -> None:
    """Write while the lock is held; what was written after it was lost is taken back.

    The file is no provider, whose calls are held back by themselves.
    """
    before = {name: environment_file.read(file, name) for name in values}
    fence.require_held()
    environment_file.write(file, values)
    try:
        fence.require_held()
    except DeployError:
        if all(environment_file.read(file, name) == value for name, value in values.items()):
            environment_file.write(file, before)
        raise


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
    return [stripe.creation(site, found.url, found.events)], [stripe.switching_off(found)]


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


def _file(environment: Environment, name: str) -> Path:
    """Return the file that holds a secret: for the twin its own, where that one has it."""
    settings = environment.settings
    endpoints = settings.path(str(ENDPOINTS))
    twin = settings.environment == LOCAL and endpoints.is_file()
    if twin and environment_file.read(endpoints, name):
        return endpoints
    return env_file(settings.environment, settings.root, os.environ)


ROTATE: Final = Action("secrets", "rotate", NoneType, Named, Named)
FORGET: Final = Action("secrets", "forget", NoneType, Named, NoneType)
VERBS: Final[Mapping[AnyAction, Callable[[Site, Change], Facts]]] = {
    ROTATE: rotate,
    FORGET: forget,
}
