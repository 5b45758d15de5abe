"""A toy step on a toy resource: nothing but the list of steps has to know that it is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from xswarm_deploy.errors import DeployError, Refused
from xswarm_deploy.model.step import Action, Change, Facts
from xswarm_deploy.site import Site

NAME: Final = "toy"
INPUTS: Final = ("settings",)
lamp: dict[str, str] = {"colour": "red"}
"""The resource, as its provider keeps it."""
broken: list[str] = []
"""Verbs that fail next time, after they did what they do."""


@dataclass(frozen=True)
class Colour:
    """What the lamp shows."""

    colour: str


def observe(_site: Site) -> Facts:
    return {"lamp": lamp["colour"]}


def plan(_site: Site) -> list[Change]:
    if lamp["colour"] == "green":
        return []
    now = Colour(lamp["colour"])
    return [PAINT.change("lamp", before=now, after=Colour("green"), undo=now)]


def apply(_site: Site, change: Change) -> Facts:
    lamp["colour"] = PAINT.after_of(change).colour
    if "apply" in broken:
        raise DeployError("the lamp did not reply")
    return {"painted": lamp["colour"]}


def undo(_site: Site, change: Change, _outcome: Facts) -> str:
    lamp["colour"] = PAINT.undo_of(change).colour
    return f"it is {lamp['colour']} again"


def require_undisturbed(_site: Site, change: Change) -> None:
    if lamp["colour"] not in (PAINT.before_of(change).colour, PAINT.after_of(change).colour):
        raise Refused("somebody else has painted the lamp", lamp["colour"])


PAINT: Final = Action(NAME, "paint", Colour, Colour, Colour, describe=lambda after: after.colour)
ACTIONS: Final = (PAINT,)
