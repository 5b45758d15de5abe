"""The example of an environment file: a line for what a release of one Worker needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from xswarm_deploy.errors import typed_program
from xswarm_deploy.settings import examples, settings
from xswarm_deploy.settings.project import Project
from xswarm_deploy.settings.variables import BY_NAME, ENVIRONMENTS, VARIABLES, Sent, Variable

_NOTIFIED: Final = "SLACK_WEBHOOK_URL"


def text(
    named: Project, environment: str, known: Mapping[str, str], also: Iterable[str] = ()
) -> str:
    """Return the example.

    Args:
        named: the project, as invoke.yaml has it for the environment.
        environment: production or staging.
        known: values by name, e.g. what wrangler's file tells.
        also: names that get a line all the same.
    """
    kept = {*also}
    asked = settings.asked(_candidates(named), known.get(settings.DATABASE, ""))
    wanted = [v for v in asked if _is_wanted(v, named) or kept & set(_names(v))]
    filled = (_filled(variable, environment, known) for variable in wanted)
    return examples.render(environment, list(filled), typed_program())


def _candidates(named: Project) -> list[Variable]:
    """Return all variables there are, as this project has them, and its Worker's own."""
    used = {variable.name: variable for variable in settings.used(named)}
    own = [variable for name, variable in used.items() if name not in BY_NAME]
    return [*(used.get(variable.name, variable) for variable in VARIABLES), *own]


def _is_wanted(variable: Variable, named: Project) -> bool:
    if variable.name not in {each.name for each in settings.used(named)}:
        return False
    sent = {each.name for each in settings.sent(named)}
    here = variable.sent is Sent.HERE and bool(variable.example)
    return variable.required or here or variable.name in sent or variable.name == _NOTIFIED


def _names(variable: Variable) -> list[str]:
    return [variable.file_name(environment) for environment in ENVIRONMENTS]


def _filled(variable: Variable, environment: str, known: Mapping[str, str]) -> Variable:
    """Put in what is known; where nothing need stand, a placeholder is left out."""
    name = variable.file_name(environment)
    value = known.get(name) or variable.example.get(environment)
    if value is None:
        ours = variable.name in BY_NAME
        return variable if ours else variable._replace(example={environment: ""})
    if not variable.required and any(mark in value for mark in settings.PLACEHOLDERS):
        value = known.get(name, "")
    return variable._replace(example={environment: value})
