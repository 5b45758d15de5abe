"""Invoke's executor, with a release around the graph of ``deploy.*``.

invoke.yaml names it (``tasks.executor_class``), so that plain ``inv`` runs the same.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from invoke import executor
from invoke.tasks import Call, Task

from xswarm_deploy import errors
from xswarm_deploy.cli import context, github
from xswarm_deploy.cli.catalogue import loaded
from xswarm_deploy.cli.given import require_useful
from xswarm_deploy.cli.graph import Agreed, Release, Step, order
from xswarm_deploy.cli.waiting import waited_for
from xswarm_deploy.loopback import is_nowhere
from xswarm_deploy.release import opening
from xswarm_deploy.release.steps import STEPS
from xswarm_deploy.settings.variables import LOCAL

_OLDER_TWIN: Final = "xswarm_deploy.cli.older_twin"

if TYPE_CHECKING:
    from xswarm_deploy.release import release


class Executor(executor.Executor):
    """Run tasks in their order; each release is confirmed first, and expanded on its own."""

    _acted_on = ""  # the environment, of the task that runs

    def execute(self, *tasks: Any) -> dict[Task[Any], Any]:
        """Run the tasks that were named; return what each returned."""
        require_useful(tasks)
        named = self.normalize(tasks)
        calls = self.expand_calls(named)
        wanted = self.dedupe(calls) if self.config.tasks.dedupe else calls
        try:
            return {call.task: self._run(call, named) for call in wanted}
        except Exception as error:
            refusal = errors.disk_refusal(error)
            self._annotate(refusal or error)
            if refusal:
                raise refusal from None
            raise

    def _annotate(self, error: Exception) -> None:
        if isinstance(error, errors.DeployError):
            github.annotate_error(error, context.ROOT)
            github.failed(error)
            self._tell_of_an_older_twin()

    def _tell_of_an_older_twin(self) -> None:
        """Print that the twin is of before an update, where it is what was acted on."""
        if self._acted_on != LOCAL:
            return
        with suppress(ImportError, OSError):  # no twin is installed, or it cannot be read
            if hint := import_module(_OLDER_TWIN).hint(context.ROOT):
                sys.stderr.write(f"⚠ {errors.typed(hint)}\n")

    def normalize(self, tasks: Any) -> list[Call]:
        """Return what was named as calls of the tasks themselves."""
        calls = super().normalize(tasks)
        return [Call(loaded(c.task), c.called_as, c.args, c.kwargs) for c in calls]

    def expand_calls(self, calls: Iterable[Any]) -> list[Call]:
        """Return calls with what Invoke runs before and after; a step named alone stays alone."""
        found: list[Call] = []
        for each in calls:
            call = each if isinstance(each, Call) else Call(loaded(each))
            alone = isinstance(call.task, Step | Release)
            found += [call] if alone else super().expand_calls([call])
        return found

    def _run(self, call: Call, named: Iterable[Call] = ()) -> Any:
        self.config.load_collection(self.collection.configuration(call.called_as))
        self.config.load_shell_env()
        c = call.make_context(self.config)
        self._acted_on = context.environment(c)
        if self._acted_on != LOCAL:
            errors.act_on(self._acted_on)
        returned = call.task(c, *call.args, **call.kwargs)
        if call.autoprint and call in named:
            print(returned)  # noqa: T201 - as Invoke does
        if isinstance(returned, Agreed):
            self._release(call.task, returned)
        return returned

    def _release(self, release: Task[Any], agreed: Agreed) -> None:
        """Run the graph before a release as one transaction."""
        opening.start(agreed.site)
        steps = order(release)
        phases = [s.name for s in steps if s.name in STEPS and s.name not in agreed.skipped]
        begin = partial(opening.deployment, agreed.site, agreed.message, agreed.skipped, phases)
        with waited_for(agreed.wait, begin) as running:
            for step in steps:
                self._run(Call(step))
        github.released(_outcome(running), running.seconds)


def _outcome(running: release.Release) -> dict[str, str]:
    site = running.site
    url = site.settings.text("WORKER_URL")
    return {
        "release": running.record.release,
        "version": str(site.facts.get("version", "")),
        "url": "" if is_nowhere(url) else url,
        "environment": site.settings.environment,
        "worker": site.worker,
    }
