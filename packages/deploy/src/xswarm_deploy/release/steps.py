"""The list of steps; a new kind of resource is a new step, and one more line here."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from xswarm_deploy.errors import LATER, UPDATE

if TYPE_CHECKING:
    from xswarm_deploy.model.step import AnyAction, Change, PreparingStep, Step
    from xswarm_deploy.site import Site
    from xswarm_deploy.steps import backup, migrate, pages, restore, secrets, webhooks, worker

    _CHECKED: tuple[Step[Site], ...] = (
        backup,
        migrate,
        secrets,
        worker,
        pages,
        webhooks,
        restore,
    )
    _PREPARING: tuple[PreparingStep[Site], ...] = (migrate, worker, pages)

STEPS: Final[dict[str, str]] = {
    "backup": "xswarm_deploy.steps.backup",
    "migrate": "xswarm_deploy.steps.migrate",
    "secrets": "xswarm_deploy.steps.secrets",
    "worker": "xswarm_deploy.steps.worker",
    "pages": "xswarm_deploy.steps.pages",
    "webhooks": "xswarm_deploy.steps.webhooks",
    "restore": "xswarm_deploy.steps.restore",
}
"""Each step's name → its module, which is imported when it is first used."""

AHEAD: Final[dict[str, tuple[str, ...]]] = {
    "migrate": (),
    "secrets": (),
    "worker": (),
    "pages": (),
    "webhooks": ("secrets",),
}
"""What may be planned while earlier steps run → the steps upon whose changes its plan builds."""


class Preparing(NamedTuple):
    """What a step's preparation waits for.

    Args:
        minting: steps that must mint no secret for it.
        behind: steps whose own preparation has the uplink first.
    """

    minting: tuple[str, ...] = ()
    behind: tuple[str, ...] = ()


PREPARED: Final = {
    "migrate": Preparing(),
    "worker": Preparing(minting=("secrets",)),
    "pages": Preparing(behind=("worker",)),
}
"""What may be prepared while earlier steps run; each stands behind what it waits for."""


def step_named(name: str) -> Step[Site]:
    """Return the step of that name.

    Raises:
        ValueError: there is none.
    """
    if name not in STEPS:
        raise ValueError(f"there is no step {name}")
    return cast("Step[Site]", importlib.import_module(STEPS[name]))


def preparing(name: str) -> PreparingStep[Site]:
    """Return the step of that name, one of :data:`PREPARED`."""
    return cast("PreparingStep[Site]", step_named(name))


def action_named(change: Change) -> AnyAction:
    """Return the action of a step whose change it is."""
    from xswarm_deploy.model.step import action_of

    return action_of(change, step_named(change.step).ACTIONS)


def change_of(record: Mapping[str, Any]) -> Change:
    """Return a change that a journal or the ledger recorded.

    Raises:
        UnknownPayload: no step of this version reads it.
    """
    from xswarm_deploy.model.payload import UnknownPayload
    from xswarm_deploy.model.step import read

    name = str(record.get("step"))
    if name not in STEPS:
        what = f"the change of {record.get('resource')} cannot be read"
        why = f"there is no step {name}: {LATER}; nothing was changed"
        raise UnknownPayload(what, why, UPDATE)
    return read(record, step_named(name).ACTIONS)
