"""A copy of this project with a twin of its own, and the commands that are run in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import requests
import yaml

from tests.support import prefork
from tests.support.project import PROJECT
from xswarm_deploy.bundling.bundle import bundle
from xswarm_deploy.release.copies import of_project
from xswarm_deploy.settings.settings import load
from xswarm_twin import supervisor

STARTED = (
    "import gc; gc.disable(); from xswarm_deploy.cli.program import main; main()"  # as in ./inv
)


SKIPPED = "authentication"
"""What a house leaves out of its verifications that is about something else: see :class:`House`."""
SECONDS = 600.0
"""How long a command may take."""


@dataclass(frozen=True)
class House:
    """A copy of the project, and the commands run in it.

    Args:
        root: the copy.
        forking: each command is a fork of a process that has imported the tool, not a process that
            starts: for tests of what a command does, not of how it starts or how long it takes.
        skips: what its verifications leave out, by comma: hashing two passwords takes a third of a
            release's computing, and most tests are about something else.
    """

    root: Path
    forking: bool = False
    skips: str = ""

    def inv(
        self, *words: str, check: bool = True, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run ``inv`` with these words, without a terminal."""
        if self.forking and prefork.SUPPORTED:
            given = self.environment(**environment)
            ended = prefork.run(words, self.root, given, SECONDS)
        else:
            ended = self._started(words, environment)
        if check and ended.returncode:
            raise AssertionError(
                f"inv {' '.join(words)}: {ended.returncode}\n{ended.stdout}{ended.stderr}"
            )
        return ended

    def _started(
        self, words: Sequence[str], environment: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words),
            cwd=self.root,
            env=self.environment(**environment),
            text=True,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=SECONDS,
            check=False,
        )

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        """Start ``inv`` with these words, in a process group of its own."""
        return subprocess.Popen(
            self.command(*words),
            cwd=self.root,
            env=self.environment(**environment),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-c", STARTED, *words]

    def environment(self, **more: str) -> dict[str, str]:
        foreign = ("INVOKE_", "PYTHONDONTWRITEBYTECODE")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        kept = {"XSWARM_TWIN_CALLS": "0", **kept}  # no account makes so many releases a minute
        kept |= {"INVOKE_DEPLOY_VERIFY_SKIP": self.skips} if self.skips else {}
        return {**kept, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}", **more}

    def json(self, *words: str) -> Any:
        return json.loads(self.inv(*words, "--json").stdout)

    @property
    def url(self) -> str:
        return str(self.status["worker_url"])

    @property
    def status(self) -> dict[str, Any]:
        """Return what ``sandbox.status --json`` says of its twin, and where its parts answer."""
        found: dict[str, Any] = json.loads((self.root / ".sandbox/state.json").read_text())
        return {**found["endpoints"], **supervisor.summary(self.root)}

    def version(self) -> str:
        """Ask the Worker which version answers."""
        reply = requests.get(f"{self.url}/health", timeout=60)
        reply.raise_for_status()
        return str(reply.json()["version"])

    def releases(self) -> list[dict[str, Any]]:
        return list(self.json("deploy.list"))


def ask_canaries_one_route(root: Path, route: str = "/health/live") -> None:
    """Let a canary ask one route alone, by default one that needs no database: it tells as much.

    A canary asks what is not marked ``quick``; what a release verifies stays the same.
    """
    project = root / "invoke.yaml"
    text = project.read_text()
    for path in ("/api/buzz/categories", "/api/suggestions", "/api/buzz"):
        before = f"- {{path: {path}, "
        assert before in text, path
        if path != route:
            text = text.replace(before, f"- {{quick: true, path: {path}, ", 1)
    asked = f"{{path: {route}, quick: true}}"
    assert (asked in text) == (route == "/health/live"), route
    project.write_text(text.replace(asked, f"{{path: {route}}}"))


def build(target: Path, *, forking: bool = False, skips: str = "") -> House:
    """Copy the project; what was installed is linked, and what was bundled is copied."""
    _bundle_once()
    return House(of_project(PROJECT, target), forking, skips)


@cache
def _bundle_once() -> None:
    """Bundle this checkout's Worker, so that no house has to: it takes longer than a release."""
    values = yaml.safe_load((PROJECT / "invoke.yaml").read_text())["deploy"]
    bundle(load("local", values, PROJECT, {}))


@contextmanager
def temporary_house(*, forking: bool = False) -> Iterator[House]:
    """Return a house in a folder of its own for a while; whatever is started in it is ended."""
    with tempfile.TemporaryDirectory(prefix="house-") as folder:
        made = build(Path(folder) / "house", forking=forking)
        try:
            yield made
        finally:
            made.inv("sandbox.down")
