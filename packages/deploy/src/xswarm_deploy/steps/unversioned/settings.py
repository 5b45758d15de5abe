"""The script settings: observability, Logpush, tail consumers, and tags.

As wrangler does, observability that the file does not name is switched off; Logpush and tail
consumers that it does not name are left as they are. The tags group the environments of one
Worker in Cloudflare's dashboard; tags of another kind stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from xswarm_deploy.frozen import frozen
from xswarm_deploy.model.step import Action
from xswarm_deploy.steps.unversioned.resource import STEP, Transition, Value, covers

if TYPE_CHECKING:
    from xswarm_deploy.site import Site


@frozen
class ScriptSettings:
    """What is set, by the API's names; what is not named stays as it is."""

    named: Mapping[str, object]


def _told(after: ScriptSettings) -> str:
    return ", ".join(name for name, value in after.named.items() if value) or "none"


ACTION: Final = Action(
    STEP, "settings", ScriptSettings, ScriptSettings, ScriptSettings, describe=_told
)
_SERVICE: Final = "cf:service="
_ENVIRONMENT: Final = "cf:environment="
_OFF: Final[Mapping[str, Any]] = {
    "observability": {"enabled": False},
    "logpush": False,
    "tail_consumers": [],
    "tags": [],
}
"""What a Worker has where nothing was set."""


def resource(worker: str) -> str:
    """Return what is changed, in a person's words."""
    return f"logs and tags of {worker}"


def described(content: Mapping[str, Any], _worker: str) -> Value:
    """Return what the file says; what it leaves as it is, is not there."""
    named = {key: content[key] for key in ("logpush", "tail_consumers") if key in content}
    observability = content.get("observability") or _OFF["observability"]
    return {"observability": observability, **named, "tags": _tags(content)}


def transition(site: Site, wanted: Value | None, formerly: Value | None) -> Transition | None:
    """Return what would change; None: nothing.

    The API adds defaults, so that an option which the file no longer has is told by what the
    live version's release recorded.
    """
    if wanted is None:
        return None
    there = _there(site, wanted)
    dropped = formerly is not None and formerly["observability"] != wanted["observability"]
    if covers(there, wanted) and not dropped:
        return None
    return Transition(ScriptSettings(there), ScriptSettings(wanted))


def put(site: Site, value: ScriptSettings, _other: ScriptSettings) -> None:
    """Set what the value names; tags of another kind stay."""
    found = site.cloudflare.script_settings(site.worker)
    there, ours = (cast("list[str]", held.get("tags") or []) for held in (found, value.named))
    tags = [*_foreign(there), *ours]
    site.cloudflare.set_script_settings(site.worker, {**value.named, "tags": tags})


def holds(site: Site, value: ScriptSettings, _other: ScriptSettings) -> bool:
    """Read back whether it is so."""
    return covers(_there(site, value.named), value.named)


def _there(site: Site, asked: Value) -> Value:
    """Return what is set of what is asked for."""
    found = site.cloudflare.script_settings(site.worker)
    set_: dict[str, Any] = {key: found.get(key) or _OFF[key] for key in asked}
    return {**set_, "tags": [tag for tag in set_["tags"] if not _is_foreign(tag)]}


def _tags(content: Mapping[str, Any]) -> list[str]:
    """Return the tags that wrangler sets, where the file has environments."""
    service, chosen = content.get("topLevelName"), content.get("targetEnvironment")
    if not content.get("definedEnvironments") or not service:
        return []
    return [f"{_SERVICE}{service}", *([f"{_ENVIRONMENT}{chosen}"] if chosen else [])]


def _foreign(tags: Iterable[str]) -> list[str]:
    return [tag for tag in tags if _is_foreign(tag)]


def _is_foreign(tag: str) -> bool:
    return not tag.startswith((_SERVICE, _ENVIRONMENT))
