"""A step that records what is done to it, and the releases that run it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from invoke.config import Config
from invoke.context import Context

from xswarm_deploy import fence
from xswarm_deploy.errors import DeployError
from xswarm_deploy.model.payload import encode
from xswarm_deploy.model.step import Action, Change, Facts
from xswarm_deploy.release.release import Release
from xswarm_deploy.site import Site
from xswarm_deploy.steps import migrate, traffic, upload

UPDATE: Final = Action("fake", "update", str, str, str)
JOIN: Final = Action("fake", "join", str, str, str, joins=True)
HERE: Final = Action("fake", "keep", str, str, str, here=True)


@dataclass
class FakeStep:
    """Sets names in a mapping, as a provider would; can be told to fail."""

    NAME = "fake"
    ACTIONS = (
        *(UPDATE, JOIN, HERE),
        *(traffic.SHIFT, traffic.LEAP, upload.OPEN, migrate.DOWN),  # it stands for all
    )
    INPUTS = ("settings",)
    world: dict[str, str] = field(default_factory=dict)
    plans: list[Change] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    fail_apply: dict[str, BaseException] = field(default_factory=dict)
    fail_undo: dict[str, BaseException] = field(default_factory=dict)
    apply_then_fail: bool = False

    def observe(self, site: Site) -> Facts:
        return {}

    def plan(self, site: Site) -> list[Change]:
        return self.plans

    def apply(self, site: Site, change: Change) -> Facts:
        self.calls.append(f"apply {change.resource}")
        error = self.fail_apply.get(change.resource)
        if error and not self.apply_then_fail:
            raise error
        fence.require_held()  # as what leaves for a provider
        self.world[change.resource] = told(change.after)
        if error:
            raise error
        return {change.resource: encode(change.after)}

    def undo(self, site: Site, change: Change, outcome: Facts) -> str:
        self.calls.append(f"undo {change.resource}")
        if change.resource in self.fail_undo:
            raise self.fail_undo[change.resource]
        fence.require_held()
        self.world[change.resource] = told(change.undo)
        return ""

    def require_undisturbed(self, site: Site, change: Change) -> None:
        pass


def told(payload: object) -> str:
    """Name a state: as it is, or as a split names the version that has the traffic."""
    if isinstance(payload, str):
        return payload
    split = getattr(payload, "split", None)
    return next(iter(split)) if split else str(encode(payload))


def change(resource: str, after: Any = "new", action: Action[str, str, str] = UPDATE) -> Change:
    return action.change(resource, before="old", after=after, undo="old")


def failing(what: str = "it failed") -> DeployError:
    return DeployError(what, "because", "inv again")


def context() -> Context:
    return Context(Config(overrides={"deploy": {"env": "local"}}))


Begin = Callable[..., Release]
OLD = {"a": "old", "b": "old", "c": "old"}
NEW = {"a": "new", "b": "new", "c": "new"}


def kill(release: Release, site: Site) -> None:
    """Let a release die: its heart stops, and its lease runs out."""
    release.ledger.lease._ended.set()
    site.database.execute("UPDATE _release_lock SET expires_at = 0")
