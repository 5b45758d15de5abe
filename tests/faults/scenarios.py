"""What is done to the world: a release of each kind, as its task would do it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from tests.faults.interception import Interception, Killed, intercepting
from tests.faults.world import World
from xswarm_deploy.model.rollback_request import RollbackRequest
from xswarm_deploy.release import records, rollback, steps, takeover
from xswarm_deploy.release.transaction import transaction
from xswarm_deploy.settings.project import CanaryStep
from xswarm_deploy.site import Site
from xswarm_deploy.steps import secrets

PHASES: Final = ("backup", "migrate", "secrets", "worker", "pages")


def deploy(world: World, site: Site, phases: Sequence[str] = PHASES) -> None:
    """Release all of the checkout."""
    with transaction(site, "deploy", "a release", phases, world.console()) as running:
        running.site.state.uploads = True
        for phase in phases:
            running.perform(steps.step_named(phase))


def ahead(world: World, site: Site, phases: Sequence[str] = PHASES) -> None:
    """Release all of the checkout, planned ahead, and what no user meets made ahead."""
    with transaction(site, "deploy", "a release", phases, world.console()) as running:
        running.site.state.uploads = True
        running.ahead.begin(running.site, phases)
        for phase in phases:
            running.perform(steps.step_named(phase))


def failing(world: World, site: Site) -> None:
    """Release a version that turns out not to be good when it is verified."""
    world.good = lambda: False
    deploy(world, site)


def gradually(world: World, site: Site) -> None:
    """Release by a canary."""
    worker = site.settings.project.worker._replace(canary=(CanaryStep(10), CanaryStep(50)))
    project = site.settings.project._replace(worker=worker)
    object.__setattr__(site.settings, "project", project)
    deploy(world, site)


def go_back(world: World, site: Site) -> None:
    """Go back to the release before the last one."""
    first = [r for r in records.read(site.database, "local") if r.version][-1]
    wish = RollbackRequest(first.version, migrations=True)
    shown = world.console()
    reading = rollback.reading_for(site, wish)
    with rollback.locking(site, wish, agreed=True) as taking:
        chosen = rollback.chosen(shown, site, wish, reading, agreed=True)
        with transaction(site, "rollback", "", rollback.PHASES, shown, taking) as running:
            rollback.run(running, chosen)


def restore(world: World, site: Site) -> None:
    """Put the latest backup back."""
    site.facts["restore"] = {"name": "latest"}
    with transaction(site, "restore", "", ("restore",), world.console()) as running:
        running.perform(steps.step_named("restore"))


def resume(world: World, site: Site) -> None:
    """Finish a release whose deployer died."""
    takeover.resume(site, console=world.console())


def abort(world: World, site: Site) -> None:
    """Undo a release whose deployer died."""
    takeover.abort(site, console=world.console())


def rotate(world: World, site: Site) -> None:
    """Rotate a secret, in the environment file and in the Worker."""
    with transaction(site, "secrets", console=world.console()) as running:
        running.make(secrets.plan_rotation(running.site, "JWT_SECRET"), "secrets")


def minting(world: World, site: Site) -> None:
    """Release with webhooks that there were none of: their secrets are made with the version."""
    ahead(world, site, (*PHASES, "webhooks"))


def webhooks(world: World, site: Site) -> None:
    """Let the webhooks bring other events, and elsewhere."""
    with transaction(site, "webhooks", "", ("webhooks",), world.console()) as running:
        running.perform(steps.step_named("webhooks"))


def die(world: World) -> None:
    """Let a release die when half of it is made."""
    interception = Interception(world.project)
    site = world.site()
    interception.before = lambda: _die_at(interception, 40)
    with intercepting(interception), suppress(Killed):
        deploy(world, site)
    expire(world)


def _die_at(interception: Interception, number: int) -> None:
    if len(interception.seen) >= number:
        interception.kill()


def _earlier(world: World) -> Site:
    """Open an environment whose webhooks bring other events, and elsewhere."""
    other = {
        "stripe_events": ["charge.refunded"],
        "email_events": ["bounce"],
        "sms_path": "/sms",
        "voice_path": "/voice",
    }
    world.settings = {**_DELIVERED, "webhooks": {**_DELIVERED["webhooks"], **other}}
    return world.site()


def expire(world: World) -> None:
    """Let the lease of a dead deployer run out."""
    site = world.site(elsewhere=True)
    site.database.execute("UPDATE _release_lock SET expires_at = 0")


SCENARIOS: Final[Mapping[str, Callable[[World, Site], None]]] = {
    "release": deploy,
    "release ahead": ahead,
    "failing release": failing,
    "canary": gradually,
    "rollback": go_back,
    "restore": restore,
    "resume": resume,
    "abort": abort,
    "rotate": rotate,
    "minting": minting,
    "webhooks": webhooks,
}
PREPARED: Final[Mapping[str, Callable[[World], object]]] = {
    "rollback": lambda world: deploy(world, world.site()),
    "restore": lambda world: deploy(world, world.site()),
    "resume": die,
    "abort": die,
    "webhooks": lambda world: minting(world, _earlier(world)),
}
"""What stands before the scenario begins, where that is more than the old release."""
_DELIVERED: Final[Mapping[str, Any]] = {
    "uses": "stripe,sendgrid,twilio",
    "webhooks": {
        "stripe_path": "/stripe/webhook",
        "stripe_events": ["invoice.paid"],
        "sms_path": "/sms/boss",
        "voice_path": "/voice/boss",
        "status_path": "/voice/boss/status",
        "email_path": "/email/events",
        "email_events": ["delivered", "dropped"],
        "email_hostname": "parse.xswarm.test",
    },
}
SETTINGS: Final[Mapping[str, Mapping[str, Any]]] = {"minting": _DELIVERED, "webhooks": _DELIVERED}
"""What a scenario's checkout has in its invoke.yaml beside the usual."""
SETTLING: Final = ("resume", "abort")
"""Scenarios that settle a release: it stays interrupted where they fail before they took over."""
HERE: Final = ("rotate", *SETTLING)
"""Scenarios that need a file of this very checkout, whoever goes on."""
