"""A stack to look at, and a real sshd of this user's on a free port of loopback."""

from __future__ import annotations

import getpass
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.judges import find
from tests.support.needs import require
from tests.support.ssh import (
    SECRETS,
    SYSTEMCTL,
    Server,
    ended_at_last,
    free_port,
    listens,
    make_key,
    wait_for,
)
from xswarm_deploy.observability.stack import Contacts, Places, Sms, Stack
from xswarm_deploy.secret import Secret
from xswarm_monitoring.slo import Slo


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    """Return a stack that is put under a scratch folder, and run by nobody."""
    return Stack(
        service="boss-ai",
        environment="staging",
        url="https://boss.example",
        contacts=Contacts(
            slack=True,
            mail_to="admin@xswarm.test",
            mail_from="boss@xswarm.test",
            sms=Sms("AC1", "+15005550006", "+15551234567", "http://127.0.0.1:1"),
        ),
        places=Places("boss-ai-monitoring", str(tmp_path / "host"), managed=False),
        calls_per_minute=60,
        secrets={name: Secret(value, name) for name, value in SECRETS.items()},
        runbook="https://wiki.test/alerts#{name}",
        dashboard="https://boss.example/status",
        slo=Slo.read({"availability": 0.999, "latency": {"target": 0.95, "threshold": 0.5}}),
    )


@pytest.fixture(scope="session")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    require("sshd", "ssh-keygen")
    folder = tmp_path_factory.mktemp("sshd")
    if os.getuid() == 0:  # sshd separates its privileges there
        Path("/run/sshd").mkdir(exist_ok=True)
    host_key, key, port = make_key(folder / "host"), make_key(folder / "user"), free_port()
    programs = folder / "programs"
    programs.mkdir()
    server = Server(
        f"{getpass.getuser()}@127.0.0.1:{port}",
        port,
        key,
        folder / "known_hosts",
        programs,
        folder / "systemctl.log",
    )
    systemctl = programs / "systemctl"
    systemctl.write_text(SYSTEMCTL.format(log=server.log, fails=folder / "fails"))
    systemctl.chmod(0o755)
    public = " ".join(host_key.with_suffix(".pub").read_text().split()[:2])
    server.known_hosts.write_text(f"[127.0.0.1]:{port} {public}\n")
    configuration = folder / "sshd_config"
    configuration.write_text(
        f"""ListenAddress 127.0.0.1:{port}
HostKey {host_key}
AuthorizedKeysFile {key}.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
SetEnv PATH={programs}:/usr/local/bin:/usr/bin:/bin
Subsystem sftp internal-sftp
"""
    )
    with (folder / "sshd.log").open("wb") as log:
        command = [str(find("sshd")), "-D", "-e", "-f", str(configuration)]
        with ended_at_last(subprocess.Popen(command, stdout=log, stderr=log)):
            wait_for(lambda: listens(port), "sshd")
            yield server


@pytest.fixture
def server(_server: Server) -> Iterator[Server]:
    """Return the sshd, with nothing noted and nothing refused."""
    fails = _server.log.with_name("fails")
    for each in (fails, _server.log):
        each.unlink(missing_ok=True)
    yield _server
    fails.unlink(missing_ok=True)
