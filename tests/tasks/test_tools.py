from __future__ import annotations

import json
import subprocess

import pytest
from invoke.context import Context

from xswarm_deploy import running
from xswarm_deploy.errors import Unavailable
from xswarm_deploy.tasks import tools


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    ran: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        ran.append(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    return ran


def test_wrangler_is_installed_as_the_lock_says(
    c: Context, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        ran.append(command)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(running, "run", run)
    tools.install(c)
    assert ran[0][1:3] == ["install", "--no-save"]
    assert "✓ wrangler" in capsys.readouterr().out


def test_requirements_are_locked_with_hashes(c: Context, commands: list[list[str]]) -> None:
    tools.lock(c, upgrade=True)
    assert [command[-2] for command in commands] == [
        "requirements.in",
        "requirements-sandbox.in",
        "requirements-test.in",
    ]
    assert all({"--generate-hashes", "--upgrade"} <= set(command) for command in commands)


def test_a_lock_that_fails_is_told(c: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    failed: subprocess.CompletedProcess[bytes] = subprocess.CompletedProcess(["uv"], 2)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(Unavailable, match=r"requirements\.txt could not be written"):
        tools.lock(c)


def test_what_the_project_is_made_of_is_printed_with_hashes(
    c: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    tools.sbom(c)
    found = json.loads(capsys.readouterr().out)
    assert found["bomFormat"] == "CycloneDX"
    assert all(each["hashes"] for each in found["components"])
