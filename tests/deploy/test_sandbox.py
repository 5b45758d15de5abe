"""The twin's tasks at the command line, in a copy of the project."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from xswarm_twin import folder, processes

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).resolve().parents[2]
COPIED = ("tasks.py", "invoke.yaml", "deployment/config", "worker")
KEYS = {
    "up",
    "worker_url",
    "pages_url",
    "api_url",
    "account_id",
    "api_token",
    "database_url",
    "processes",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a copy of the project; whatever a test does, nothing of it runs afterwards."""
    root = tmp_path_factory.mktemp("project")
    for name in COPIED:
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, root / name)
    try:
        yield root
    finally:
        processes.end(processes.marked(folder.of(root)), 5)


def inv(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "invoke", *words],
        cwd=project,
        text=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
        check=False,
    )


def test_a_day_with_the_twin(project: Path) -> None:
    down = inv(project, "sandbox.status")
    assert (down.returncode, "the sandbox is down" in down.stdout) == (0, True)

    started = inv(project, "sandbox.up")
    assert started.returncode == 0, started.stdout + started.stderr
    status = json.loads(inv(project, "sandbox.status", "--json").stdout)
    assert set(status) == KEYS
    assert status["up"] is True
    assert status["worker_url"] in started.stdout
    token = {"Authorization": f"Bearer {status['api_token']}"}
    verified = requests.get(status["api_url"] + "/user/tokens/verify", headers=token, timeout=60)
    assert verified.json()["result"]["status"] == "active"
    told = inv(project, "sandbox.status").stdout
    assert all(name in told for name in ("cloudflare", "sqld", "emulate", "providers"))
    assert status["api_token"] not in told

    assert "listening" in inv(project, "sandbox.logs", "--name", "sqld").stdout
    assert "emulate " in inv(project, "sandbox.logs", "--lines", "3").stdout
    unknown = inv(project, "sandbox.logs", "--name", "nobody")
    assert (unknown.returncode, "there is no log 'nobody'" in unknown.stderr) == (2, True)

    refused = inv(project, "sandbox.reset")
    assert (refused.returncode, "--yes" in refused.stderr) == (2, True)
    assert json.loads(inv(project, "sandbox.status", "--json").stdout)["up"] is True

    ended = inv(project, "sandbox.down")
    assert (ended.returncode, "ended" in ended.stdout) == (0, True)
    assert not processes.marked(folder.of(project))
    assert "was not up" in inv(project, "sandbox.down").stdout
    assert inv(project, "sandbox.reset", "--yes").returncode == 0
    assert not folder.of(project).path.exists()


def test_a_game_day(project: Path) -> None:
    down = inv(project, "sandbox.fault", "openai", "status:500")
    assert (down.returncode, "the sandbox is down" in down.stderr) == (6, True)
    assert inv(project, "sandbox.up").returncode == 0
    ports = json.loads(folder.of(project).state.read_text())["ports"]

    def models() -> int:
        url = f"http://127.0.0.1:{ports['openai']}/v1/models"
        return requests.get(url, timeout=60).status_code

    def zones() -> int:
        status = json.loads(inv(project, "sandbox.status", "--json").stdout)
        headers = {"Authorization": f"Bearer {status['api_token']}"}
        return requests.get(status["api_url"] + "/zones", headers=headers, timeout=60).status_code

    done = inv(project, "sandbox.fault", "openai", "status:503", "--times", "2")
    assert done.returncode == 0, done.stderr
    assert [models(), models(), models()] == [503, 503, 401]
    assert inv(project, "sandbox.fault", "openai", "status:503").returncode == 0
    assert inv(project, "sandbox.fault", "openai", "off").returncode == 0
    assert models() == 401

    done = inv(project, "sandbox.fault", "cloudflare", "status:500", "--path", "zones")
    assert done.returncode == 0, done.stderr
    assert [zones(), zones()] == [500, 200]

    endpoints = folder.of(project).endpoints
    assert inv(project, "sandbox.fault", "openai", "certificate").returncode == 0
    (moved,) = re.findall(r"(?m)^OPENAI_BASE_URL=(https://.+)$", endpoints.read_text())
    with pytest.raises(requests.exceptions.SSLError, match="certificate"):
        requests.get(moved, timeout=60)
    assert inv(project, "sandbox.fault", "openai", "off").returncode == 0
    assert f"OPENAI_BASE_URL=http://127.0.0.1:{ports['openai']}\n" in endpoints.read_text()

    refused = (("openai", "fire"), ("nobody", "reset"), ("cloudflare", "fire"))
    for words in (*refused, ("slack", "certificate")):
        assert inv(project, "sandbox.fault", *words).returncode == 2, words
    assert inv(project, "sandbox.reset", "--yes").returncode == 0
