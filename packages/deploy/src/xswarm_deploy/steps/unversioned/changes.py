"""Plan, make and undo what is set beside the version; the same for all kinds of resources.

They are set once the new version has the traffic, addresses last. What each version's file said
is recorded, so that a rollback to it brings that back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, cast

from xswarm_deploy.bundling import wrangler
from xswarm_deploy.errors import StepFailed
from xswarm_deploy.model import disturbance
from xswarm_deploy.model.payload import encode
from xswarm_deploy.model.step import AnyAction, Change, Facts
from xswarm_deploy.steps.unversioned import (
    consumers,
    domains,
    reachable,
    routes,
    settings,
    subdomain,
    workflows,
)
from xswarm_deploy.steps.unversioned.resource import Resource, Transition, Value
from xswarm_deploy.verification import address

if TYPE_CHECKING:
    from xswarm_deploy.settings.settings import Settings
    from xswarm_deploy.site import Site

Described = Mapping[str, Value | None]
"""By the name of a resource's action: what a file says of it."""

_IN_ORDER: Final = (settings, workflows, consumers, domains, routes, subdomain)
_SEEN: Final = "_set"  # noted of a change that was read back
RESOURCES: Final[Mapping[str, Resource]] = {
    module.ACTION.name: cast("Resource", module) for module in _IN_ORDER
}


def described(chosen: Settings) -> Described:
    """Return what the configuration says of each resource; empty where there is no file."""
    if not wrangler.file(chosen).is_file():
        return {}  # who bundles it refuses it, and says why
    content = wrangler.read_tagged(chosen)
    name = chosen.project.worker.name
    return {action: one.described(content, name) for action, one in RESOURCES.items()}


def wanted_switches(chosen: Settings) -> subdomain.Switches:
    """Return how the configuration switches workers.dev and preview URLs; both on by default."""
    said = described(chosen).get(subdomain.ACTION.name) or {}
    return subdomain.Switches(bool(said.get("enabled", True)), bool(said.get("previews", True)))


def changes(site: Site, wanted: Described | None, formerly: Described | None) -> list[Change]:
    """Return how the resources would change.

    Args:
        site: the environment.
        wanted: what :func:`described` returned; None: not recorded, they stay as they are.
        formerly: the same of the version that is live.

    Raises:
        Refused: one belongs to another Worker, or cannot be found.
    """
    if wanted is None:
        return []
    earlier = formerly or {}

    def transition(action: str) -> Transition | None:
        return RESOURCES[action].transition(site, wanted.get(action), earlier.get(action))

    with ThreadPoolExecutor(len(RESOURCES), thread_name_prefix="unversioned") as pool:
        moved = zip(RESOURCES, pool.map(transition, RESOURCES), strict=True)
        return [_change(site, RESOURCES[action], one) for action, one in moved if one is not None]


def _change(site: Site, one: Resource, moved: Transition) -> Change:
    name, before = one.resource(site.worker), moved.before
    return one.ACTION.change(name, before=before, after=moved.after, undo=before)


def _apply(site: Site, change: Change) -> Facts:
    """Make a change, and read back that it is made; wait where it opens what users ask.

    Raises:
        StepFailed: the API took it, but does not show it; or nothing answers there.
    """
    _put(site, change, change.after, change.before)
    if reachable.among(site, _opened(change)):
        address.wait(site, str(site.facts.get("version") or ""))
    return {_SEEN: True}


def _opened(change: Change) -> set[str]:
    """Return the routes or custom domains that a change adds."""
    action = next((one for one in (domains.ACTION, routes.ACTION) if one.owns(change)), None)
    if action is None:
        return set()
    return set(action.after_of(change).zones) - set(action.before_of(change).zones)


def _undo(site: Site, change: Change, outcome: Facts) -> str:
    """Bring the resource back to before, and read back that it is.

    One that was seen as the release set it, and is not so any more, somebody else has set since.
    """
    one = RESOURCES[change.action]
    if outcome.get(_SEEN) and not one.holds(site, change.after, change.before):
        back = one.holds(site, change.undo, change.after)
        return "" if back else disturbance.left("not as the release set it")
    _put(site, change, change.undo, change.after)
    return ""


def _put(site: Site, change: Change, value: object, other: object) -> None:
    one = RESOURCES[change.action]
    one.put(site, value, other)
    if not one.holds(site, value, other):
        raise StepFailed(
            f"{change.resource} were not set", f"Cloudflare does not show {encode(value)}"
        )


VERBS: Final[Mapping[AnyAction, Callable[[Site, Change], Facts]]] = {
    one.ACTION: _apply for one in RESOURCES.values()
}
UNDOING: Final[Mapping[AnyAction, Callable[[Site, Change, Facts], str]]] = {
    one.ACTION: _undo for one in RESOURCES.values()
}
