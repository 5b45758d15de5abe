"""The tasks as a person types them, on a real host."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.project import LOCAL_VALUES, PROJECT
from tests.support.ssh import Server
from xswarm_deploy.errors import ExitCode

pytestmark = pytest.mark.slow

SLACK = "https://hooks.slack.com/services/T0/B0/canary-hook-17aa"


class Person:
    """Somebody at a shell, with ssh set up for the host, and an environment file."""

    def __init__(self, home: Path, server: Server) -> None:
        self.home, self.host = home, server.host
        ssh = home / ".ssh"
        ssh.mkdir(parents=True)
        (ssh / "known_hosts").write_text(server.known_hosts.read_text())
        (ssh / "config").write_text(f"Host *\n  IdentityFile {server.key}\n")
        self.file = home / "staging.env"
        values = {**LOCAL_VALUES, "ENVIRONMENT": "staging", "SLACK_WEBHOOK_URL": SLACK}
        values |= {"WORKER_URL": "https://staging.boss.example"}
        self.file.write_text("".join(f'{name}="{value}"\n' for name, value in values.items()))

    def types(self, *words: str) -> subprocess.CompletedProcess[str]:
        keep = {"PATH": os.environ["PATH"], "HOME": str(self.home)}
        return subprocess.run(
            [sys.executable, "-m", "invoke", "staging", *words],
            cwd=PROJECT,
            env={**keep, "DEPLOY_ENV_FILE": str(self.file)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def person(tmp_path: Path, server: Server) -> Person:
    return Person(tmp_path / "home", server)


@pytest.mark.needs("promtool", "amtool")
def test_install_twice_and_uninstall(person: Person, tmp_path: Path) -> None:
    place = ("--host", person.host, "--prefix", str(tmp_path / "root"))

    dry = person.types("--dry", "monitor.install", *place)
    assert (dry.returncode, (tmp_path / "root").exists()) == (0, False)
    assert re.search(r"\d+ files would be written", dry.stdout)

    unasked = person.types("monitor.install", *place)
    assert unasked.returncode == ExitCode.REFUSED
    assert "--yes" in unasked.stdout + unasked.stderr
    assert not (tmp_path / "root").exists()

    first = person.types("monitor.install", *place, "--yes")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "checked by promtool check config" in first.stdout
    secrets = list((tmp_path / "root/etc").glob("*-monitoring/secrets/*"))
    # There is no one to mail to, and no SMS: the keys for that have no business on the host.
    assert {path.name: path.read_text() for path in secrets} == {
        "admin-token": LOCAL_VALUES["ADMIN_TOKEN"],
        "slack-url": SLACK,
    }

    again = person.types("monitor.install", *place, "--yes")
    assert (again.returncode, again.stdout.strip().splitlines()[-1]) == (
        0,
        "nothing to do: all files are as they should be",
    )
    gone = person.types("monitor.uninstall", *place, "--yes")
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert [path for path in (tmp_path / "root").rglob("*") if path.is_file()] == []
    said = "".join(each.stdout + each.stderr for each in (dry, unasked, first, again, gone))
    assert SLACK not in said


def test_files_are_written_without_a_secret(person: Person, tmp_path: Path) -> None:
    ended = person.types("monitor.files", "--to", str(tmp_path / "made"))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    made = {path.name: path.read_text() for path in (tmp_path / "made").iterdir()}
    assert {"prometheus.yml", "rules.yml", "alertmanager.yml", "grafana.json"} <= made.keys()
    assert not [name for name, text in made.items() if SLACK in text]
