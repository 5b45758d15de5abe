"""Write the example files of deployment/config from the table of variables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from xswarm_deploy.settings.settings import CONFIG
from xswarm_deploy.settings.variables import PRODUCTION, STAGING, VARIABLES, Variable

_HEAD = """\
# The {environment} environment. Copy this file to {environment}.env (git ignores that), fill it
# in, then: {program} {environment} check
# A value with xxxxx or your_ in it is a placeholder, and fails the check. Values are taken
# literally: no ${{}} is replaced. Each may come from the process environment instead.
"""


def render(
    environment: str, variables: Sequence[Variable] = VARIABLES, program: str = "./inv"
) -> str:
    """Return the example file of an environment.

    Args:
        environment: production or staging.
        variables: what it has a line for.
        program: by which people call this tool.
    """
    lines = [_HEAD.format(environment=environment, program=program)]
    group = ""
    for variable in variables:
        if variable.group != group:
            group = variable.group
            lines.append(f"\n# --- {group}\n")
        lines.append(_entry(variable, environment))
    return "".join(lines)


def write(root: Path) -> list[Path]:
    """Write both example files, and return their paths."""
    written = []
    for environment in (PRODUCTION, STAGING):
        file = root / CONFIG / f"{environment}.env.example"
        file.write_text(render(environment), encoding="utf-8")
        written.append(file)
    return written


def _entry(variable: Variable, environment: str) -> str:
    name = variable.file_name(environment)
    need = "" if variable.required else " (optional)"
    if environment not in variable.example:
        return f"# {variable.comment}{need}\n# {name}={variable.default}\n"
    value = variable.example[environment]
    quoted = f'"{value}"' if " " in value else value
    return f"# {variable.comment}{need}\n{name}={quoted}\n"
