"""The variables of the environment file, one finding each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from xswarm_deploy.model.report import Finding, Probe, Status
from xswarm_deploy.settings.settings import PROCESS, sent
from xswarm_deploy.settings.variables import Variable

if TYPE_CHECKING:
    from xswarm_deploy.settings.settings import Problem, Settings
    from xswarm_deploy.site import Site

GROUP: Final = "variables"
UNREAD: Final = "to send it to the Worker, name {} under deploy.worker.secrets; else delete it"


def probes(site: Site) -> list[Probe]:
    """Look at every variable that is set, required, or wrong."""
    settings = site.settings
    problems = {problem.name: problem for problem in settings.problems()}
    looked = [
        _probe(settings, variable, problems.get(variable.file_name(settings.environment)))
        for variable in settings.asked
        if variable.required
        or variable.file_name(settings.environment) in problems
        or settings.has(variable)
    ]
    return [*looked, *(_unread(name) for name in settings.unread)]


def _unread(name: str) -> Probe:
    """Report a line of the environment file that does nothing: a misspelt name, or a secret's."""
    finding = Finding(name, GROUP, "warn", False, "nothing reads it", UNREAD.format(name))
    return Probe(name, GROUP, lambda: finding)


def _probe(settings: Settings, variable: Variable, problem: Problem | None) -> Probe:
    finding = _finding(settings, variable, problem)
    return Probe(finding.name, GROUP, lambda: finding)


def _finding(settings: Settings, variable: Variable, problem: Problem | None) -> Finding:
    name = variable.file_name(settings.environment)
    if problem is None:
        where = "sent to the Worker" if variable in sent(settings.project) else "used here"
        where += f", by {PROCESS}" if name in settings.given else ""
        where += f", in place of what {settings.source} has" if name in settings.replaced else ""
        return Finding(name, GROUP, "pass", variable.required, where)
    status: Status = "fail" if problem.critical else "warn"
    why = f"{problem.why} (of {PROCESS})" if name in settings.given else problem.why
    return Finding(name, GROUP, status, problem.critical, why, problem.remedy)
