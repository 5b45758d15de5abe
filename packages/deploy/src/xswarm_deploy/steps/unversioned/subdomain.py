"""Whether the Worker answers on workers.dev, and whether its versions have preview URLs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from xswarm_deploy.frozen import frozen
from xswarm_deploy.model.step import Action
from xswarm_deploy.steps.unversioned.resource import STEP, Transition, Value

if TYPE_CHECKING:
    from xswarm_deploy.site import Site


@frozen
class Switches:
    """What is on."""

    enabled: bool
    previews: bool


def _told(after: Switches) -> str:
    on = {True: "on", False: "off"}
    return f"workers.dev {on[after.enabled]}, preview URLs {on[after.previews]}"


ACTION: Final = Action(STEP, "subdomain", Switches, Switches, Switches, describe=_told)


def resource(worker: str) -> str:
    """Return what is changed, in a person's words."""
    return f"workers.dev address and preview URLs of {worker}"


def described(content: Mapping[str, Any], _worker: str) -> Value:
    """Return what the file says, with wrangler's defaults.

    Without ``workers_dev`` the address is on where there are no routes; without
    ``preview_urls`` they are as the address is.
    """
    routed = bool(content.get("routes") or content.get("route"))
    enabled = content.get("workers_dev")
    enabled = not routed if enabled is None else bool(enabled)
    previews = content.get("preview_urls")
    return {"enabled": enabled, "previews": enabled if previews is None else bool(previews)}


def transition(site: Site, wanted: Value | None, _formerly: Value | None) -> Transition | None:
    """Return what would change; None: nothing."""
    if wanted is None:
        return None
    there, after = _there(site), Switches(bool(wanted["enabled"]), bool(wanted["previews"]))
    return None if there == after else Transition(there, after)


def put(site: Site, value: Switches, _other: Switches) -> None:
    """Switch both."""
    site.cloudflare.set_subdomain(site.worker, value.enabled, value.previews)


def holds(site: Site, value: Switches, _other: Switches) -> bool:
    """Read back whether it is so."""
    return _there(site) == value


def _there(site: Site) -> Switches:
    found = site.cloudflare.worker_subdomain(site.worker)
    return Switches(found.enabled, found.previews_enabled)
