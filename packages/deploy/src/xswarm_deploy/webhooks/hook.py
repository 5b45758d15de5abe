"""One webhook: as the provider has it now, against what the project wants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from xswarm_deploy.environment import Environment

STEP: Final = "webhooks"
State = Literal["as wanted", "differs", "missing", "overridden"]


class Hook(NamedTuple):
    """Compare one webhook with what is wanted.

    Args:
        provider: stripe, twilio or sendgrid.
        name: what it is for, e.g. ``sms`` or ``events``.
        state: how it compares.
        wanted: URL and settings it should have.
        found: URL and settings it has; empty: there is none.
        note: what a person must know, e.g. what overrides it.
    """

    provider: str
    name: str
    state: State
    wanted: Mapping[str, Any]
    found: Mapping[str, Any]
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the webhook for ``--json``."""
        return self._asdict()


def compared(
    provider: str, name: str, wanted: Mapping[str, Any], found: Mapping[str, Any] | None
) -> Hook:
    """Return how a webhook compares with what is wanted of it."""
    if found is None:
        return Hook(provider, name, "missing", wanted, {})
    shown = {key: found[key] for key in wanted}
    return Hook(provider, name, "as wanted" if shown == wanted else "differs", wanted, shown)


def address(environment: Environment, path: str) -> str:
    """Return the URL under which a provider reaches a path of the Worker."""
    return environment.settings.text("WORKER_URL").rstrip("/") + path
