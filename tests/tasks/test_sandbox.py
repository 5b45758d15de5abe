"""The twin's tasks, beside a twin that only notes what it is asked."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import pytest
from invoke.config import Config
from invoke.context import Context, MockContext

from xswarm_deploy.errors import Refused
from xswarm_deploy.release import audit
from xswarm_deploy.tasks import sandbox
from xswarm_twin import code, fault_injection, supervisor
from xswarm_twin.faults import Fault
from xswarm_twin.state import Process, State

UP = State(pid=1, endpoints={"WORKER_URL": "http://127.0.0.1:1"})


def test_up_serves_the_workers_of_all_environments(
    c: Context, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    c.config.deploy.environments = {"staging": {"worker": {"name": "boss-staging"}}}
    up = Mock(return_value=UP)
    monkeypatch.setattr(supervisor, "up", up)
    sandbox.up(c)
    assert up.call_args.args[1] == ["boss-ai", "boss-staging"]
    assert "up: http://127.0.0.1:1" in capsys.readouterr().out


def test_without_a_project_nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "up", lambda *_, **__: pytest.fail("it was started"))
    with pytest.raises(Refused, match="no Worker is named"):
        sandbox.up(MockContext(Config()))


def test_status_shows_what_runs(
    c: Context, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(supervisor, "status", lambda _root: State())
    monkeypatch.setattr(supervisor, "summary", lambda _root: {"up": False})
    sandbox.status(c)
    assert capsys.readouterr().out == "the sandbox is down; ./inv sandbox.up starts it\n"
    sandbox.status(c, json=True)
    assert json.loads(capsys.readouterr().out) == {"up": False}


def test_logs_are_shown_with_their_process(
    c: Context, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(supervisor, "logs", lambda *_, **__: [("sqld", "listening")])
    sandbox.logs(c)
    sandbox.logs(c, name="sqld")
    assert capsys.readouterr().out == "sqld       listening\nlistening\n"


def test_down_says_how_many_ended(
    c: Context, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(supervisor, "down", lambda _root, **_: 3)
    sandbox.down(c)
    assert "down: 3 process(es) ended" in capsys.readouterr().out


def test_a_reset_is_asked_for_first(
    c: Context, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done: list[str] = []
    monkeypatch.setattr(supervisor, "reset", lambda _root, **_: done.append("reset"))
    monkeypatch.setattr(audit, "forget_kept", lambda _folder, name: done.append(name))
    with pytest.raises(Refused, match="Delete the local twin"):
        sandbox.reset(c)
    assert done == []
    sandbox.reset(c, yes=True)
    assert done == ["reset", "local"]


def test_a_fault_is_put_and_cleared(c: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[Any] = []
    monkeypatch.setattr(fault_injection, "put", lambda _root, *given: done.append(given))
    monkeypatch.setattr(fault_injection, "clear", lambda _root, provider: done.append(provider))
    sandbox.fault(c, "stripe", "429", times=2)
    sandbox.fault(c, "stripe", "off")
    assert done == [("stripe", Fault("429", 2, "GET")), "stripe"]


def test_status_tells_of_a_twin_that_runs_other_code(
    c: Context, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    process = Process("cloudflare", 1, 0.0, 1, "http://127.0.0.1:1", "log", "ready")
    for stamp, told in ((code.stamp(), False), ("earlier", True)):
        now = replace(UP, code=stamp, processes=(process,))
        monkeypatch.setattr(supervisor, "status", lambda _root, now=now: now)
        sandbox.status(c)
        printed = capsys.readouterr()
        assert ("other code than is installed" in printed.out + printed.err) is told
