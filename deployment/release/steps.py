"""The list of steps; a new kind of resource is a new step, and one more line here."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from deployment.model.step import AnyAction, Change, Step, action_of, read

if TYPE_CHECKING:
    from deployment.steps import backup, migrate, pages, restore, secrets, webhooks, worker
    from deployment.steps.site import Site

    _CHECKED: tuple[Step[Site], ...] = (
        backup,
        migrate,
        secrets,
        worker,
        pages,
        webhooks,
        restore,
    )

STEPS: Final[dict[str, str]] = {
    "backup": "deployment.steps.backup",
    "migrate": "deployment.steps.migrate",
    "secrets": "deployment.steps.secrets",
    "worker": "deployment.steps.worker",
    "pages": "deployment.steps.pages",
    "webhooks": "deployment.steps.webhooks",
    "restore": "deployment.steps.restore",
}
"""Each step's name → its module, which is imported when it is first used."""


def step_named(name: str) -> Step[Site]:
    """Give the step of that name.

    Raises:
        ValueError: there is none.
    """
    if name not in STEPS:
        raise ValueError(f"there is no step {name}")
    return cast("Step[Site]", importlib.import_module(STEPS[name]))


def action_named(change: Change) -> AnyAction:
    """Give the action of a step whose change it is."""
    return action_of(change, step_named(change.step).ACTIONS)


def change_of(record: Mapping[str, Any]) -> Change:
    """Give a change that a journal or the ledger recorded.

    Raises:
        UnknownPayload: no step of this version reads it.
    """
    return read(record, step_named(str(record["step"])).ACTIONS)
