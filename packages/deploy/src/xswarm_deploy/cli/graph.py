"""The graph of a release: which step comes before which, as ``pre=`` on the tasks says.

In a release (``deploy.*``) the whole graph below it is run, each step once, what comes before
first. A step that is named alone on the command line runs alone: its ``pre`` says what comes
before it in a release, as an order-only prerequisite of a Makefile does, and it never starts
a second backup by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from invoke.context import Context
from invoke.tasks import Task, task

from xswarm_deploy.cli.catalogue import loaded
from xswarm_deploy.errors import Refused

if TYPE_CHECKING:
    from xswarm_deploy.site import Site


class Step(Task[Any]):
    """A task that is a step of a release; alone it runs without what comes before it there."""


class Release(Task[Any]):
    """A task that makes a release of the graph before it.

    Its own body comes first: it asks for confirmation, and returns what was agreed to, or None
    where nothing is to be run, as for ``--dry``. The executor then runs the graph as one
    transaction.
    """


@dataclass(frozen=True)
class Agreed:
    """What a person agreed to release.

    Args:
        site: the environment.
        message: their words for it.
        skipped: names of steps that are left out.
        wait: seconds to wait while another release is under way.
    """

    site: Site
    message: str = ""
    skipped: frozenset[str] = frozenset()
    wait: float = 0.0


@task
def require_executor(_c: Context) -> None:
    """Refuse to run steps by an executor that would run them one by one, without a release."""
    raise Refused(
        "this command runs steps without the release around them, so none was run",
        "Invoke was not told to use this project's executor",
        "use xswarm (./inv in its checkout), or write into invoke.yaml: "
        "tasks: {executor_class: xswarm_deploy.cli.executor.Executor}",
    )


def order(release: Task[Any]) -> list[Task[Any]]:
    """Return the steps before a release, each once, in the order in which they run."""
    return list(dict.fromkeys(_before(release)))


def _before(one: Task[Any]) -> Iterator[Task[Any]]:
    for each in one.pre:
        earlier = loaded(each)
        yield from _before(earlier)
        if isinstance(earlier, Step):
            yield earlier
