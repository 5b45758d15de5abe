"""A step: one kind of resource, what a change of it says, and four verbs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, NamedTuple, Protocol, TypeVar, cast, get_origin

from xswarm_deploy.errors import LATER, UPDATE
from xswarm_deploy.model.payload import UnknownPayload, decode, encode

Facts = Mapping[str, Any]
"""JSON: strings, numbers, booleans, None, lists and mappings of them; no secrets."""

Effect = Literal["none", "traffic", "schema"]
"""What users notice of a change: other code answers them, the schema is another one, or nothing.

What was made before a change of traffic or schema goes with it: it is undone after it, and
stays where that change cannot be undone.
"""

Before = TypeVar("Before")
After = TypeVar("After")
Undo = TypeVar("Undo")
Environment_contra = TypeVar("Environment_contra", contravariant=True)

_KEPT: Final = ("step", "resource", "action", "irreversible")


class Change(NamedTuple):
    """What a step would do to one resource, before it is done.

    Args:
        step: the step's name, as in ``inv <step>``.
        resource: what is changed, in a person's words, e.g. ``worker boss-ai``.
        action: one of the step's actions, e.g. ``create``.
        before: the resource as it is (a payload, no secrets); None where there is none.
        after: the resource as it will be (a payload, no secrets).
        undo: what undoing needs (a payload); None where it cannot be undone.
        irreversible: why it cannot be undone, or only by restoring a backup.
        effect: what users notice of it.
        details: what a plan says of it beside the resource.
        waits: seconds that it watches what it did before the next change is made.
    """

    step: str
    resource: str
    action: str
    before: object = None
    after: object = None
    undo: object = None
    irreversible: str = ""
    effect: Effect = "none"
    details: str = ""
    waits: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Return the change as it stands in plan and journal."""
        payloads = {name: encode(getattr(self, name)) for name in ("before", "after", "undo")}
        return {**{name: getattr(self, name) for name in _KEPT}, **payloads}


@dataclass(frozen=True)
class Action(Generic[Before, After, Undo]):
    """One thing that a step does: its name, its payloads, and how a release treats it.

    Args:
        step: the step's name.
        name: its own.
        before: type of what a change of it says of the resource as it is.
        after: of the resource as it will be.
        undo: of what undoing needs.
        effect: what users notice of it.
        describe: what a plan says of a change beside its resource, by what it says of after.
        waits: the seconds that a change watches what it did, likewise.
        routine: whether every release makes it, so that alone it brings nothing new.
        secret: whether what came of it is in the deployer's memory only, until the Worker's
            version carries it: who takes the release over makes the change once more.
        replan: whether a lost reply is replaced by planning again; else ``apply`` asks first.
        upload: whether it makes a version of the Worker.
        here: whether it changes this machine only: its intent is durable in the journal here.
        joins: whether a change that nobody notices may be intended together with the one before:
            it follows at once, and undoing it finds out by itself whether it was ever made.
    """

    step: str
    name: str
    before: type[Before]
    after: type[After]
    undo: type[Undo]
    effect: Effect | Callable[[Before, After], Effect] = "none"
    describe: Callable[[After], str] | None = None
    waits: Callable[[After], float] | None = None
    routine: bool = False
    secret: bool = False
    replan: bool = False
    upload: bool = False
    here: bool = False
    joins: bool = False

    def change(
        self,
        resource: str,
        *,
        before: Before | None = None,
        after: After | None = None,
        undo: Undo | None = None,
        irreversible: str = "",
    ) -> Change:
        """Return a change of a resource; see :class:`Change` for the arguments."""
        effect = self.effect
        if not isinstance(effect, str):
            effect = effect(cast(Before, before), cast(After, after))
        said = self.describe(after) if self.describe and after is not None else ""
        waits = self.waits(after) if self.waits and after is not None else 0.0
        return Change(
            self.step, resource, self.name, before, after, undo, irreversible, effect, said, waits
        )

    def read(self, record: Mapping[str, Any]) -> Change:
        """Return a change as a journal recorded it.

        Raises:
            UnknownPayload: a payload does not fit.
        """
        return self.change(
            str(record["resource"]),
            before=_optional(self.before, record.get("before")),
            after=_optional(self.after, record.get("after")),
            undo=_optional(self.undo, record.get("undo")),
            irreversible=str(record.get("irreversible") or ""),
        )

    def owns(self, change: Change) -> bool:
        """Return whether a change is one of this action, payloads and all."""
        return (
            (change.step, change.action) == (self.step, self.name)
            and _fits(self.before, change.before)
            and _fits(self.after, change.after)
            and _fits(self.undo, change.undo)
        )

    def before_of(self, change: Change) -> Before:
        """Return what a change says of the resource as it is."""
        return _typed(self.before, change.before, self)

    def after_of(self, change: Change) -> After:
        """Return what a change says of the resource as it will be."""
        return _typed(self.after, change.after, self)

    def undo_of(self, change: Change) -> Undo:
        """Return what a change says of its undoing."""
        return _typed(self.undo, change.undo, self)


AnyAction = Action[Any, Any, Any]


class Step(Protocol[Environment_contra]):
    """The verbs of one kind of resource, and its vocabulary; nobody else compares its actions.

    Each module of xswarm_deploy.steps that stands in the list of steps is one.
    """

    @property
    def NAME(self) -> str:  # noqa: N802 - a constant of a module
        """Its name, as in ``inv <step>``."""
        ...

    @property
    def ACTIONS(self) -> Sequence[AnyAction]:  # noqa: N802
        """All that it does."""
        ...

    @property
    def INPUTS(self) -> Sequence[str]:  # noqa: N802
        """What of the checkout it is made from; see xswarm_deploy.release.inputs."""
        ...

    def observe(self, environment: Environment_contra) -> Facts:
        """Return what is there now that going back to it needs, and no outcome of apply tells.

        Reads only.
        """
        ...

    def plan(self, environment: Environment_contra) -> Sequence[Change]:
        """Return what would change; empty: nothing to do. Reads only."""
        ...

    def apply(self, environment: Environment_contra, change: Change) -> Facts:
        """Make one change, idempotently, and return what undo and later steps need."""
        ...

    def undo(
        self,
        environment: Environment_contra,
        change: Change,
        outcome: Facts,
    ) -> str:
        """Bring the resource back to before, idempotently, and read it back.

        ``outcome`` is what apply returned, or empty where its reply was lost. Return what a
        person should know of it, mostly nothing.
        """
        ...

    def require_undisturbed(self, environment: Environment_contra, change: Change) -> None:
        """Refuse to resume a change of what somebody else has changed since.

        Raises:
            Refused: the resource is neither what it was before, nor what it was to become.
        """
        ...


class PreparingStep(Step[Environment_contra], Protocol):
    """A step of whose changes a part may be made before their turn, since no user meets it."""

    def prepare(self, environment: Environment_contra, changes: Sequence[Change]) -> object:
        """Make what the first of these changes will take; what cannot be made, it does itself.

        It runs beside other steps, and shows how far it is by the environment's progress.
        """
        ...


def action_of(change: Change, actions: Iterable[AnyAction]) -> AnyAction:
    """Return the action whose change it is.

    Raises:
        UnknownPayload: it is none of these.
    """
    found = next((action for action in actions if action.owns(change)), None)
    if found is None:
        raise UnknownPayload(f"there is no {change.action} of step {change.step} like this")
    return found


def read(record: Mapping[str, Any], actions: Iterable[AnyAction]) -> Change:
    """Return a change that a journal recorded.

    Args:
        record: as :meth:`Change.as_json` returned it, maybe by an earlier version.
        actions: of its step.

    Raises:
        UnknownPayload: no action of the step reads it.
    """
    error = UnknownPayload(f"step {record.get('step')} has no action {record.get('action')}")
    for action in actions:
        if action.name != record.get("action"):
            continue
        try:
            return action.read(record)
        except UnknownPayload as found:
            error = found
    what = f"the change of {record.get('resource')} cannot be read"
    raise UnknownPayload(what, f"{error.what}: {LATER}; nothing was changed", UPDATE)


def _optional(kind: type[After], value: object) -> After | None:
    return None if value is None else decode(kind, value)


def _typed(kind: type[After], value: object, action: AnyAction) -> After:
    if value is None or not _fits(kind, value):
        found = type(value).__name__
        raise UnknownPayload(f"{action.step}: {action.name} needs {kind}, not {found}")
    return cast(After, value)


def _fits(kind: object, value: object) -> bool:
    plain = get_origin(kind) or kind
    return value is None or (isinstance(plain, type) and isinstance(value, plain))
