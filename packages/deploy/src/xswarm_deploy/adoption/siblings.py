"""Workers of the same repository that a Worker is bound to: the local twin gets them, too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, NamedTuple

from xswarm_deploy.adoption import places
from xswarm_deploy.bundling import calling, wrangler
from xswarm_deploy.console import Console
from xswarm_deploy.errors import DeployError
from xswarm_deploy.site import Site
from xswarm_deploy.steps.unversioned import twin


class Sibling(NamedTuple):
    """A Worker that a configuration of this repository describes.

    Args:
        at: the configuration.
        environment: the part of it; empty: its top level.
        content: what is deployed of it.
    """

    at: places.Configuration
    environment: str
    content: Mapping[str, Any]


def deploy(site: Site, console: Console) -> None:
    """Deploy to the twin, by its own wrangler, each Worker that it is asked for and has not.

    One that cannot be deployed is said; the check then names the binding.

    Args:
        site: the local environment.
        console: is told of each.
    """
    try:
        missing = [one for one in _bound(wrangler.read(site.settings)) if _lacks(site, one)]
    except DeployError:
        return  # the check says why it cannot be read
    if missing:
        known = _named(site)
        for one in missing:
            _bring(site, one, known, console)


def _lacks(site: Site, name: str) -> bool:
    return name != site.worker and not site.cloudflare.worker_exists(name)


def _bring(site: Site, name: str, known: dict[str, Sibling], console: Console) -> None:
    """Deploy a Worker after those that it is bound to itself; each is tried once."""
    sibling = known.pop(name, None)
    if sibling is None:
        return
    for one in _bound(sibling.content):
        if _lacks(site, one):
            _bring(site, one, known, console)
    _deploy(site, name, sibling, console)


def _bound(content: Mapping[str, Any]) -> Iterator[str]:
    """Return the Workers that service bindings, tails and classes of others lead to."""
    objects = (content.get("durable_objects") or {}).get("bindings") or ()
    listed = (content.get(kind) or () for kind in ("services", "tail_consumers", "workflows"))
    for one in (*chain.from_iterable(listed), *objects):
        if isinstance(one, Mapping) and (name := one.get("service") or one.get("script_name")):
            yield str(name)


def _named(site: Site) -> dict[str, Sibling]:
    """Return each Worker of the checkout by its name, of its environments, too."""
    found: dict[str, Sibling] = {}
    for at in places.everywhere(site.settings.root):
        for environment in ("", *(at.content.get("env") or {})):
            try:
                own = wrangler.environment(at.content, environment) if environment else at.content
            except DeployError:
                continue  # its own package's check says why
            found.setdefault(str(own.get("name") or ""), Sibling(at, environment, own))
    return found


def _deploy(site: Site, name: str, sibling: Sibling, console: Console) -> None:
    file = sibling.at.file
    try:
        twin.make(site, sibling.content)
        with console.step(name) as line:
            calling.wrangler(
                site,
                file.parent,
                *("deploy", "--config", str(file), "--env", sibling.environment),
                failed=f"{name}, which the Worker is bound to, was not deployed to the twin",
            )
            line.detail = f"deployed to the twin, as {file.parent.name} has it now"
    except DeployError as error:  # of another package, whose own check says more
        console.warn(error.render())
