"""Rehearse a release: on a twin of its own, on a copy of a backup, with the way back.

The project is copied, so that neither its own twin nor its files are touched. The copy gets an
environment file of its own, whose services are the twin's; those of the project are not copied.
There the commands are run that a person would type, but for canaries, which do not soak.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from xswarm_deploy import child, running
from xswarm_deploy.adoption import siblings
from xswarm_deploy.console import Console
from xswarm_deploy.database import own
from xswarm_deploy.errors import StepFailed, typed_program
from xswarm_deploy.release import copies
from xswarm_deploy.settings.settings import load, of_the_twin
from xswarm_deploy.site import Site

Say = Callable[[str], None]

_TASKS: Final = {"production": ("deploy.prod", "LIVE"), "staging": ("deploy.staging", "TEST")}
_TAKEN_OVER: Final = ("TWILIO_AUTH_TOKEN", "SENDGRID_API_KEY")
"""Keys of the twin's that do not tell live from test."""
_CONFIG: Final = "deployment/config"
_SOAK: Final = re.compile(r"soak: *[\d.]+")
_SECONDS: Final = 900.0  # for one command


@dataclass(frozen=True)
class Rehearsed:
    """What a rehearsal showed.

    Args:
        release: seconds that the release took.
        rollback: seconds that going back took.
        different: tables that do not hold after it what they held before.
    """

    release: float
    rollback: float
    different: tuple[str, ...]


@dataclass(frozen=True)
class RehearsalRequest:
    """What is to be rehearsed.

    Args:
        environment: production or staging.
        worker: the Worker's name there.
        pages: the Pages project's name there.
        backup: the file whose data is released over.
        identity: age's secret key, where the backup is encrypted.
        commit: of what is live now; empty: not known, then the project as it is stands for it.
        secrets: values for the Worker's own secrets there, by the names of the environment file.
    """

    environment: str
    worker: str
    pages: str
    backup: Path
    identity: str = field(default="", repr=False)
    commit: str = ""
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class _House:
    """A copy of the project, and the commands run in it."""

    root: Path
    say: Say

    def inv(self, *words: str) -> str:
        """Run a command, tell what it says, and return it.

        Raises:
            StepFailed: it failed.
        """
        self.say(f"$ {typed_program()} {' '.join(words)}")
        failed = f"the rehearsal failed at: inv {' '.join(words)}"
        try:
            ended = running.run(
                child.tool(*words), cwd=self.root, env=_environment(), timeout=_SECONDS
            )
        except subprocess.TimeoutExpired:
            why = f"it did not end within {_SECONDS / 60:.0f} minutes"
            raise StepFailed(failed, why, "inv deploy.rehearse") from None
        if "--json" not in words:
            for line in (ended.stdout + ended.stderr).splitlines():
                self.say(f"  {line}")
        if ended.returncode:
            raise StepFailed(
                failed,
                f"exit code {ended.returncode}, see above",
                "fix it, then: inv deploy.rehearse",
            )
        return ended.stdout

    def timed(self, *words: str) -> float:
        """Run a command, and return how many seconds it took."""
        began = time.monotonic()
        self.inv(*words)
        return time.monotonic() - began

    def held(self, environment: str) -> Mapping[str, Any]:
        """Back the database up, and return what each table holds, by the backup's manifest."""
        self.inv(environment, "backup")
        newest = json.loads(self.inv(environment, "backup.list", "--json"))[0]["file"]
        manifest = json.loads((self.root / ".backups" / f"{newest}.json").read_text())
        tables: dict[str, Any] = manifest["content"]["tables"]
        return {
            n: rows
            for n, rows in tables.items()
            if n not in own.ALL and not n.startswith("sqlite_")
        }


def rehearse(root: Path, wanted: RehearsalRequest, say: Say) -> Rehearsed:
    """Release the project as it is, over what is live now, and go back.

    Args:
        root: the project's folder.
        wanted: what is to be rehearsed.
        say: told each line.

    Raises:
        Refused: the commit is not here, or has no such project.
        StepFailed: a command failed; what it said was told.
    """
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as folder:
        new = _House(copies.of_project(root, Path(folder) / "new"), say)
        old = new
        if wanted.commit:
            old = _House(copies.of_commit(root, wanted.commit, Path(folder) / "old"), say)
        try:
            new.inv("sandbox.up")
            values = _values(new.root, wanted)
            for house in {new.root: new, old.root: old}.values():
                _settle_in(house.root, wanted.environment, values)
            _bring_siblings(new.root, wanted.environment)
            return _there_and_back(old, new, wanted)
        finally:
            new.inv("sandbox.down")


def _there_and_back(old: _House, new: _House, wanted: RehearsalRequest) -> Rehearsed:
    environment, (deploy, _) = wanted.environment, _TASKS[wanted.environment]
    new.inv(environment, "backup.restore", str(wanted.backup), "--yes")
    old.inv(deploy, "--yes", "--skip-backup", "--message", "what is live")
    listed = json.loads(new.inv(environment, "deploy.list", "--json"))
    live = next(str(release["version"]) for release in listed if release["live"])
    before = new.held(environment)
    release = new.timed(deploy, "--yes", "--message", "what comes next")
    rollback = new.timed(environment, "rollback", "--version", live, "--migrations", "--yes")
    new.inv(environment, "verify", "--quick")
    after = new.held(environment)
    names = sorted({*before, *after})
    return Rehearsed(release, rollback, tuple(n for n in names if before.get(n) != after.get(n)))


def _values(root: Path, wanted: RehearsalRequest) -> dict[str, str]:
    """Return the variables of an environment whose services are the twin's."""
    local = of_the_twin(_read(root / _CONFIG / "local.env"), _read(root / ".sandbox/endpoints.env"))
    ports = json.loads((root / ".sandbox/state.json").read_text())["ports"]
    suffix = _TASKS[wanted.environment][1]
    own = {f"{name}_{suffix}": local[f"{name}_TEST"] for name in _TAKEN_OVER}
    worker, pages = (
        f"http://127.0.0.1:{ports[name]}"
        for name in (f"worker:{wanted.worker}", f"pages:{wanted.pages}")
    )
    return {
        **local,
        **own,
        **wanted.secrets,
        "ENVIRONMENT": wanted.environment,
        "WORKER_URL": worker,
        "API_URL": worker,
        "BASE_URL": pages,
        "CORS_ALLOWED_ORIGINS": pages,
        **({"BACKUP_AGE_IDENTITY": wanted.identity} if wanted.identity else {}),
    }


def _settle_in(root: Path, environment: str, values: Mapping[str, str]) -> None:
    """Write a copy's environment file, and canaries that do not soak."""
    file = root / _CONFIG / f"{environment}.env"
    file.touch(0o600)
    file.write_text("".join(f'{name}="{value}"\n' for name, value in values.items() if value))
    project = root / "invoke.yaml"
    project.write_text(_SOAK.sub("soak: 0", project.read_text()))


def _bring_siblings(root: Path, environment: str) -> None:
    """Deploy the Workers that the environment's own is bound to; the twin has the local one's."""
    content = yaml.safe_load((root / "invoke.yaml").read_text(encoding="utf-8"))
    siblings.deploy(Site(load(environment, content["deploy"], root, {})), Console())


def _read(file: Path) -> dict[str, str]:
    if not file.is_file():
        return {}
    lines = [line for line in file.read_text().splitlines() if "=" in line and line[0] != "#"]
    return {name: value.strip('"') for name, value in (line.split("=", 1) for line in lines)}


def _environment() -> dict[str, str]:
    """Return the commands what they need; nothing that would name another environment."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("DEPLOY_") and name != "INVOKE_DEPLOY_ENV"
    }
