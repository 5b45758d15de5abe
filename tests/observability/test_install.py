from __future__ import annotations

import dataclasses
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.ssh import SECRETS, Server, free_port, make_key
from xswarm_deploy.errors import CheckFailed, Refused, Unavailable
from xswarm_deploy.observability import units
from xswarm_deploy.observability.host import Host, connected
from xswarm_deploy.observability.install import install, plan, uninstall
from xswarm_deploy.observability.stack import (
    ADMIN_TOKEN,
    HEARTBEAT_URL,
    SMS_TOKEN,
    TWILIO_TOKEN,
    Stack,
)
from xswarm_deploy.secret import Secret
from xswarm_monitoring.rules import Thresholds

pytestmark = pytest.mark.needs("promtool", "amtool")

LIBRARY = "usr/local/lib/boss-ai-monitoring/xswarm_monitoring"
MODULES = [
    *(
        f"{LIBRARY}/{name}.py"
        for name in (
            *("__init__", "alert", "alert_records", "alert_state", "bridge", "channels", "clock"),
            *("delivery", "heartbeat", "http_request", "notifier", "plain", "printable"),
            "redaction",
        )
    ),
]


@pytest.fixture
def host(server: Server) -> Iterator[Host]:
    with connected(server.host, known_hosts=server.known_hosts, key=server.key) as host:
        yield host


def managed(stack: Stack) -> Stack:
    """Return the stack as systemd runs it; its user is one that this machine has."""
    places = dataclasses.replace(stack.places, managed=True, user="daemon")
    return dataclasses.replace(stack, places=places)


def tree(stack: Stack) -> dict[str, tuple[int, bytes]]:
    root = Path(stack.places.prefix)
    return {
        str(path.relative_to(root)): (stat.S_IMODE(path.stat().st_mode), path.read_bytes())
        for path in root.rglob("*")
        if path.is_file()
    }


@pytest.mark.slow
def test_all_is_put_checked_and_read_back(host: Host, stack: Stack) -> None:
    done = install(host, stack)
    assert done.checked == ("promtool check config", "amtool check-config")
    there = tree(stack)
    assert set(there) == {
        *(f"etc/boss-ai-monitoring/secrets/{name}" for name in SECRETS),
        "etc/boss-ai-monitoring/prometheus.yml",
        "etc/boss-ai-monitoring/rules.yml",
        "etc/boss-ai-monitoring/alertmanager.yml",
        "etc/boss-ai-monitoring/grafana.json",
        "etc/boss-ai-monitoring/installed.json",
        "etc/boss-ai-monitoring/bridge.json",
        *MODULES,
        "etc/systemd/system/boss-ai-monitoring-sms.service",
        "etc/systemd/system/boss-ai-monitoring-prometheus.service",
        "etc/systemd/system/boss-ai-monitoring-alertmanager.service",
    }
    for name, value in SECRETS.items():
        assert there[f"etc/boss-ai-monitoring/secrets/{name}"] == (0o640, value.encode())


@pytest.mark.slow
def test_secrets_are_in_their_files_and_nowhere_else(host: Host, stack: Stack) -> None:
    done = install(host, stack)
    for path, (_, content) in tree(stack).items():
        if "/secrets/" not in path:
            assert not [name for name, value in SECRETS.items() if value.encode() in content], path
    assert not [value for value in SECRETS.values() if value in repr(done) + repr(stack)]


@pytest.mark.slow
def test_the_second_time_changes_nothing_and_says_so(host: Host, stack: Stack) -> None:
    install(host, stack)
    before = {path: path.stat().st_mtime_ns for path in Path(stack.places.prefix).rglob("*")}
    assert plan(host, stack) == []
    done = install(host, stack)
    assert done.changed == ()
    assert done.lines() == ["nothing to do: all files are as they should be"]
    after = {path: path.stat().st_mtime_ns for path in Path(stack.places.prefix).rglob("*")}
    assert after == before


@pytest.mark.slow
def test_only_what_differs_is_written(host: Host, stack: Stack) -> None:
    install(host, stack)
    stricter = dataclasses.replace(stack, thresholds=Thresholds(error_rate=0.01))
    done = install(host, stricter)
    names = {path.name for path in done.changed}
    assert names == {"rules.yml", "grafana.json", "installed.json"}


@pytest.mark.slow
def test_a_secret_that_became_readable_is_closed_again(host: Host, stack: Stack) -> None:
    install(host, stack)
    secret = Path(stack.places.secret(ADMIN_TOKEN))
    secret.chmod(0o644)
    assert [path.name for path in install(host, stack).changed] == [ADMIN_TOKEN]
    assert stat.S_IMODE(secret.stat().st_mode) == 0o640


@pytest.mark.slow
def test_a_fault_that_the_host_finds_changes_nothing(host: Host, stack: Stack) -> None:
    install(host, stack)
    before = tree(stack)
    places = dataclasses.replace(stack.places, bridge="no address at all")
    wrong = dataclasses.replace(stack, places=places, environment="production")
    with pytest.raises(CheckFailed, match="amtool check-config found a fault"):
        install(host, wrong)
    assert tree(stack) == before


@pytest.mark.slow
def test_a_fault_at_first_leaves_no_trace(host: Host, stack: Stack) -> None:
    places = dataclasses.replace(stack.places, bridge="no address at all")
    with pytest.raises(CheckFailed):
        install(host, dataclasses.replace(stack, places=places))
    assert tree(stack) == {}
    assert not Path(stack.places.configuration).exists()


@pytest.mark.slow
def test_it_is_removed_wholly_and_twice(host: Host, stack: Stack) -> None:
    install(host, stack)
    gone = uninstall(host, stack.places)
    assert len(gone.changed) == 14 + len(MODULES)
    assert tree(stack) == {}
    assert not Path(stack.places.configuration).exists()
    assert uninstall(host, stack.places).changed == ()


@pytest.mark.slow
def test_what_somebody_changed_is_kept(host: Host, stack: Stack) -> None:
    install(host, stack)
    theirs = Path(stack.places.configuration / "rules.yml")
    theirs.write_text("groups: []\n")
    foreign = Path(stack.places.configuration / "theirs.yml")
    foreign.write_text("# not ours\n")
    assert [path.name for path in uninstall(host, stack.places).kept] == ["rules.yml"]
    assert {path.name for path in Path(stack.places.configuration).iterdir()} == {
        "rules.yml",
        "theirs.yml",
    }


@pytest.mark.slow
def test_units_are_started_reloaded_and_stopped(host: Host, stack: Stack, server: Server) -> None:
    stack = managed(stack)
    names = units.names(stack.places)
    done = install(host, stack)
    assert done.running == names
    started = [f"{verb} {unit}" for unit in names for verb in _verbs("restart")]
    active = [f"is-active {unit}" for unit in names]
    assert server.arguments.splitlines() == ["daemon-reload", *started, *active]

    server.log.unlink()
    install(host, dataclasses.replace(stack, thresholds=Thresholds(error_rate=0.01)))
    read = [f"{verb} {unit}" for unit in names for verb in _verbs("reload-or-restart")]
    assert server.arguments.splitlines() == ["daemon-reload", *read, *active]

    server.log.unlink()
    uninstall(host, stack.places)
    stopped = [f"disable --now {unit}" for unit in reversed(names)]
    assert server.arguments.splitlines() == [*stopped, "daemon-reload"]


def _verbs(again: str) -> tuple[str, str, str]:
    return "enable", again, "is-active"


@pytest.mark.slow
def test_secrets_are_of_the_group_that_runs_it(host: Host, stack: Stack) -> None:
    stack = managed(stack)
    install(host, stack)
    status = Path(stack.places.secret(ADMIN_TOKEN)).stat()
    group = host.group("daemon")
    assert (status.st_gid, stat.S_IMODE(status.st_mode)) == (group, 0o640)
    assert group not in (None, os.getgid())


@pytest.mark.slow
def test_a_unit_that_does_not_start_undoes_it_all(host: Host, stack: Stack, server: Server) -> None:
    server.log.with_name("fails").write_text("restart\n")
    with pytest.raises(CheckFailed, match="restart was refused"):
        install(host, managed(stack))
    assert tree(stack) == {}


@pytest.mark.slow
def test_a_reload_that_fails_puts_the_old_files_back(
    host: Host, stack: Stack, server: Server
) -> None:
    stack = managed(stack)
    install(host, stack)
    before = tree(stack)
    server.log.with_name("fails").write_text("is-active\n")
    changed = dataclasses.replace(stack, secrets={**stack.secrets, ADMIN_TOKEN: Secret("x" * 20)})
    with pytest.raises(Exception, match="is-active"):
        install(host, changed)
    assert tree(stack) == before


@pytest.mark.slow
def test_a_host_without_prometheus_is_refused(host: Host, stack: Stack, server: Server) -> None:
    missing = dataclasses.replace(stack.places, managed=True)
    lacking = _Lacking(host)
    with pytest.raises(Refused, match="has no prometheus-alertmanager"):
        install(lacking, dataclasses.replace(stack, places=missing))
    assert tree(stack) == {}


class _Lacking(Host):
    """The host, as it were without Alertmanager."""

    def __init__(self, host: Host) -> None:
        self._connection, self._files = host._connection, host._files

    def has(self, program: str) -> bool:
        return program != "prometheus-alertmanager" and super().has(program)


def test_an_unknown_host_is_refused(server: Server, tmp_path: Path) -> None:
    empty = tmp_path / "known_hosts"
    empty.touch()
    with (
        pytest.raises(Refused, match="in no file of known hosts"),
        connected(server.host, known_hosts=empty, key=server.key),
    ):
        pass


def test_a_changed_host_key_is_refused(server: Server, tmp_path: Path) -> None:
    other = make_key(tmp_path / "other").with_suffix(".pub").read_text().split()[:2]
    known = tmp_path / "known_hosts"
    known.write_text(f"[127.0.0.1]:{server.port} {' '.join(other)}\n")
    with (
        pytest.raises(Refused, match="another than the known one"),
        connected(server.host, known_hosts=known, key=server.key),
    ):
        pass


@pytest.mark.slow
def test_a_key_that_the_host_does_not_know_is_refused(server: Server, tmp_path: Path) -> None:
    with (
        pytest.raises(Refused, match="lets us not in"),
        connected(server.host, known_hosts=server.known_hosts, key=make_key(tmp_path / "stranger")),
    ):
        pass


def test_a_host_that_is_not_there_is_said(server: Server) -> None:
    with (
        pytest.raises(Unavailable, match="does not answer"),
        connected(f"me@127.0.0.1:{free_port()}", known_hosts=server.known_hosts, key=server.key),
    ):
        pass


_OF_THE_BRIDGE = (SMS_TOKEN, TWILIO_TOKEN, HEARTBEAT_URL)


@pytest.mark.slow
def test_what_has_no_place_any_more_is_removed(host: Host, server: Server, stack: Stack) -> None:
    install(host, managed(stack))
    silent = dataclasses.replace(stack, contacts=dataclasses.replace(stack.contacts, sms=None))
    kept = {n: s for n, s in stack.secrets.items() if n not in _OF_THE_BRIDGE}
    done = install(host, managed(dataclasses.replace(silent, secrets=kept)))
    assert {path.name for path in done.changed} >= {TWILIO_TOKEN, "bridge.json", "bridge.py"}
    left = tree(stack)
    assert not [path for path in left if "sms" in path or "bridge" in path or "/lib/" in path]
    assert "disable --now boss-ai-monitoring-sms.service" in server.arguments
    assert plan(host, managed(dataclasses.replace(silent, secrets=kept))) == []


@pytest.mark.parametrize(
    "named", ["127.0.0.1:22x", "user@host:port", "a..b", ".", "x" * 64, "\u202eb"]
)
def test_a_host_of_another_form_is_refused(named: str) -> None:
    with pytest.raises(Refused, match="names no host"), connected(named):
        pass
