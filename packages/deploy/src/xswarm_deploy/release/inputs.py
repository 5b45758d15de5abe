"""What a release is made from, as digests: another checkout resumes it only with the same."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from xswarm_deploy import git
from xswarm_deploy.bundling import digests as of_files
from xswarm_deploy.release import steps
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.steps import fingerprints

_OF_VERSION: Final = frozenset({"worker", "secrets"})
"""What a version is made of: not needed any more once it is made."""


def digests(settings: Settings) -> dict[str, str]:
    """Return name → digest: worker, migrations, site, settings, secrets."""
    return {name: take(settings) for name, take in _TAKEN.items()}


def facts(settings: Settings, phases: Sequence[str]) -> dict[str, object]:
    """Return what a release notes of its inputs: of those that finishing it would need.

    Args:
        settings: the environment's.
        phases: its parts; none: it is never finished by another, and notes no inputs.
    """
    taken = {name: _TAKEN[name](settings) for name in sorted(_of(phases))}
    return {"inputs": taken, "commit": commit(settings.root)}


def commit(root: Path) -> str:
    """Return the commit that is checked out; empty: none is, or files differ from it."""
    status = git.output(root, "status", "--porcelain=v2", "--branch", "--untracked-files=no")
    head, *changed = [line for line in status.splitlines() if not _is_of_branch(line)] or [""]
    named = head.removeprefix("# branch.oid ")
    return named if re.fullmatch(r"[0-9a-f]{40,64}", named) and not changed else ""


def _is_of_branch(line: str) -> bool:
    return line.startswith("# branch.") and not line.startswith("# branch.oid ")


def needed(phases: Sequence[str], *, made: bool) -> list[str]:
    """Name what finishing a release needs to be as it was.

    Args:
        phases: those of its parts that are not done.
        made: whether its version of the Worker is.
    """
    return sorted({"settings"} | _of(phases) - (_OF_VERSION if made else frozenset()))


def _of(phases: Iterable[str]) -> set[str]:
    """Name what these parts of a release are made from; one that is no step, from settings."""
    made = (
        steps.step_named(phase).INPUTS if phase in steps.STEPS else ("settings",)
        for phase in phases
    )
    return {name for names in made for name in names}


def different(
    recorded: Mapping[str, str], now: Mapping[str, str], needed: Iterable[str]
) -> list[str]:
    """Name what is not as it was when the release began, of what is still needed."""
    return [name for name in needed if recorded.get(name, now[name]) != now[name]]


def _worker(settings: Settings) -> str:
    """Digest the folders of the configuration and of the code, and the workspace's own packages."""
    # A release without a Worker needs none of them.
    from xswarm_deploy.bundling import bundle, library, node_packages

    config = settings.path(settings.project.worker.config)
    home = node_packages.home(config.parent, settings.root)
    parts = {"worker": config.parent, **_code(settings), **node_packages.linked(home)}
    named = bundle.requirements(settings)
    if named and library.is_named(named):
        parts["library"] = library.FOLDER
    return _hash([_folder(name, folder) for name, folder in parts.items()])


def _code(settings: Settings) -> dict[str, Path]:
    """Return the folder of the code, where it is not within that of the configuration."""
    from xswarm_deploy.bundling import wrangler

    file = wrangler.file(settings)
    main = str(wrangler.read(settings).get("main") or "") if file.is_file() else ""
    folder = (file.parent / main).resolve().parent
    within = not main or folder.is_relative_to(file.parent.resolve())
    return {} if within else {"code": folder}


def _migrations(settings: Settings) -> str:
    folder = settings.project.migrations.directory
    return _hash([_folder("migrations", settings.path(folder))] if folder else [])


def _site(settings: Settings) -> str:
    """Digest what a deployment would hold; the pages step reads the same files once."""
    from xswarm_deploy.steps import pages

    folder = settings.project.pages.directory
    return pages.digest(settings) if folder and settings.path(folder).is_dir() else _hash([])


def _settings(settings: Settings) -> str:
    """Digest what is not secret: invoke.yaml and the Worker's variables.

    What has its default is left out: a setting that a later version of this tool adds, and that
    nobody has set, keeps no release of before from being finished.
    """
    project = settings.project._replace(fast=False)  # says how long is watched, not what is made
    return _hash([_set(project), settings.worker_variables()])


def _set(value: Any) -> Any:
    """Return what of a part of invoke.yaml is not as by default, by its names."""
    if isinstance(value, tuple) and hasattr(value, "_field_defaults"):
        part, none = cast(NamedTuple, value), object()
        defaults, held = part._field_defaults, zip(part._fields, value, strict=True)
        return {name: _set(one) for name, one in held if one != defaults.get(name, none)}
    return [_set(one) for one in value] if isinstance(value, tuple) else value


def _secrets(settings: Settings) -> str:
    return _hash([fingerprints.of(settings.worker_secrets(), settings)])


def _folder(name: str, folder: Path) -> list[list[str]]:
    """Return each file's path and hash; what no Worker is made from is left out."""
    return [
        [f"{name}/{path.relative_to(folder).as_posix()}", of_files.of_file(path)]
        for path in of_files.files(folder)
    ]


def _hash(content: object) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, default=dict)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


_TAKEN: Final[Mapping[str, Callable[[Settings], str]]] = {
    "worker": _worker,
    "migrations": _migrations,
    "site": _site,
    "settings": _settings,
    "secrets": _secrets,
}
