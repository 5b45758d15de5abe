"""A house of one's own: a copy of this project with its own twin, ended when the tests end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from deployment.sandbox.rehearsal import copied

PROJECT = Path(__file__).resolve().parents[2]
STARTED = "import gc; gc.disable(); from deployment.cli.program import main; main()"  # as in ./inv


@dataclass(frozen=True)
class House:
    """A copy of the project, and the commands run in it."""

    root: Path

    def inv(
        self, *words: str, check: bool = True, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run ``inv`` with these words, without a terminal."""
        ended = subprocess.run(
            self.command(*words),
            cwd=self.root,
            env=self.environment(**environment),
            text=True,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=240,
            check=False,
        )
        if check and ended.returncode:
            raise AssertionError(
                f"inv {' '.join(words)}: {ended.returncode}\n{ended.stdout}{ended.stderr}"
            )
        return ended

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
        return {**kept, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}", **more}

    def json(self, *words: str) -> Any:
        return json.loads(self.inv(*words, "--json").stdout)

    @property
    def url(self) -> str:
        return str(self.status["worker_url"])

    @property
    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.root / ".sandbox/state.json").read_text())
        return {**found["endpoints"], **self.json("sandbox.status")}

    def version(self) -> str:
        """Ask the Worker which version answers."""
        reply = requests.get(f"{self.url}/health", timeout=10)
        reply.raise_for_status()
        return str(reply.json()["version"])

    def releases(self) -> list[dict[str, Any]]:
        return list(self.json("deploy.list"))


def build(target: Path) -> House:
    """Copy the project; what was installed is linked, not copied."""
    return House(copied(PROJECT, target))


@contextmanager
def temporary_house() -> Iterator[House]:
    """Give a house in a folder of its own for a while; whatever is started in it is ended."""
    with tempfile.TemporaryDirectory(prefix="house-") as folder:
        made = build(Path(folder) / "house")
        try:
            yield made
        finally:
            made.inv("sandbox.down")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Give a house whose twin is down; whatever the tests start is ended."""
    made = build(tmp_path_factory.mktemp("house") / "project")
    yield made
    made.inv("sandbox.down")


@pytest.fixture(scope="module")
def deployed(house: House) -> House:
    """Give a house that was deployed once."""
    house.inv("deploy.local", "--message", "first")
    return house
