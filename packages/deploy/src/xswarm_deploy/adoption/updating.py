"""What a newer version of this tool changes in the files that it wrote into a repository."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from xswarm_deploy import texts
from xswarm_deploy.adoption import environment_files, invoke_file, writing
from xswarm_deploy.adoption.changes import FileChange
from xswarm_deploy.settings import dotenv, project, schema, settings
from xswarm_deploy.settings.variables import ENVIRONMENTS, PRODUCTION, STAGING, VARIABLES

_LINE: Final = re.compile(r"^(?:# ?)?([\w.-]+)=", re.MULTILINE)


def files(root: Path, values: Mapping[str, Any]) -> list[FileChange]:
    """Return the files that are not as this version would write them.

    Environment files hold what people filled in: :func:`hints` tells of them, and they stay.

    Args:
        root: the project's folder.
        values: the key ``deploy`` of invoke.yaml.

    Raises:
        Refused: invoke.yaml has a setting that this version does not know.
    """
    made = [
        FileChange(root / invoke_file.SCHEMA, schema.text()),
        FileChange(root / ".gitignore", writing.gitignore(root)),
    ]
    for environment in (STAGING, PRODUCTION):
        file = _example(root, environment)
        if file.is_file():
            made.append(FileChange(file, _renewed(file, values, environment)))
    return [change for change in made if change.needed]


def hints(root: Path, values: Mapping[str, Any]) -> list[str]:
    """Return what a person has to do in the environment files, a line each."""
    return [hint for name in (STAGING, PRODUCTION) for hint in _hints(root, values, name)]


def _hints(root: Path, values: Mapping[str, Any], environment: str) -> Iterator[str]:
    file = root / settings.CONFIG / f"{environment}.env"
    if not file.is_file():
        return
    there = _read(file)
    named = project.read({**values, "env": environment}, environment)
    used = {variable.file_name(environment): variable for variable in settings.used(named)}
    asked = settings.asked(used.values(), there.get(settings.DATABASE, ""))
    for variable in asked:
        name = variable.file_name(environment)
        if variable.required and name not in there:
            yield f"{file.relative_to(root)} has no {name}: {variable.comment}"
    known = {v.file_name(each) for v in VARIABLES for each in ENVIRONMENTS} | set(used)
    for name in there:
        if name not in known:
            yield f"{file.relative_to(root)}: {name} is not read by this version; delete its line"


def _renewed(file: Path, values: Mapping[str, Any], environment: str) -> str:
    """Return an example as this version writes it; what it has a line for, it keeps."""
    named = project.read({**values, "env": environment}, environment)
    lines = _LINE.findall(texts.read(file))
    return environment_files.text(named, environment, _read(file), lines)


def _example(root: Path, environment: str) -> Path:
    return root / settings.CONFIG / f"{environment}.env.example"


def _read(file: Path) -> dict[str, str]:
    return dotenv.parsed(texts.read(file), file.name)
