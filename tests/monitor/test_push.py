"""Pushing from here, what the store holds, and asking receivers whether they take it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.receiver import Receiver, receiving, remote_write_2, text_of
from xswarm_deploy.database.client import Database, connect
from xswarm_deploy.monitor import push
from xswarm_deploy.monitor.alert_store import execute
from xswarm_deploy.preflight import push as preflight
from xswarm_deploy.secret import Secret
from xswarm_deploy.settings.project import Names, Project
from xswarm_deploy.settings.settings import Settings
from xswarm_monitoring.metrics import Metrics
from xswarm_monitoring.storage import Storage


class Site:
    """As much of a site as pushing needs."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings, self.database = settings, database


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
def site(tmp_path: Path, receiver: Receiver) -> Iterator[Any]:
    targets = [
        {"kind": "otlp", "endpoint": receiver.url, "secret": "KEY", "temporality": "cumulative"},
        {"kind": "remote_write_2", "endpoint": f"{receiver.url}/w"},
        {"kind": "datadog", "endpoint": receiver.url, "secret": "KEY"},
    ]
    settings = Settings(
        "local",
        tmp_path,
        Project()._replace(uses=Names("")),
        "local.env",
        monitor={"push": targets},
        _values={"WORKER_URL": "https://shop.example"},
        _secrets={"KEY": Secret("canary-key", "KEY")},
    )
    with connect(f"file:{tmp_path / 'store.db'}") as database:
        measured = Metrics()
        for _ in range(3):
            measured.requests.observe("/orders", "GET", 200, 0.1)
        storage = Storage(execute(database), instance="i-1")
        asyncio.run(storage.prepare())
        asyncio.run(storage.flush(measured, "v1"))
        yield Site(settings, database)


def test_what_the_store_holds_is_pushed_once(site: Any, receiver: Receiver) -> None:
    assert [each.outcome for each in push.go(site)] == [push.SENT] * 3
    (message,) = receiver.metrics()
    named = text_of(message.resource_metrics[0].resource.attributes)
    assert named["service.instance.id"] == "shop.example:443"
    series = {each["labels"]["__name__"]: each for each in remote_write_2(receiver.bodies("/w")[0])}
    assert series["http_request_duration_seconds_count"]["value"] == 3
    assert [each.outcome for each in push.go(site)] == [push.EARLY] * 3
    assert len(receiver.metrics()) == 1


def test_a_worker_with_our_monitor_pushes_its_own_traces(site: Any, receiver: Receiver) -> None:
    project = site.settings.project._replace(uses=Names("monitoring"))
    site.settings = replace(site.settings, project=project)
    assert push.go(site)[0].outcome == push.WORKERS
    assert receiver.metrics() == []


def test_a_receiver_that_refuses_is_said(site: Any, receiver: Receiver) -> None:
    receiver.status = 403
    went = push.go(site)
    assert all(each.failed and "may not do this" in each.outcome for each in went)
    assert "canary-key" not in repr(went)


def test_the_check_asks_each_with_nothing_to_keep(site: Any, receiver: Receiver) -> None:
    def verdicts() -> dict[str, str]:
        return {each.name: _verdict(each) for each in preflight.probes(site)}

    assert verdicts()["push to otlp"] == verdicts()["push to remote_write_2"] == "pass"
    (path, headers, body) = receiver.came[0]
    assert (path, body) == ("/v1/metrics", b'{"resourceMetrics": []}')
    assert headers["authorization"] == "Bearer canary-key"
    receiver.status = 401
    assert set(verdicts().values()) == {"warn"}


def _verdict(probe: Any) -> str:
    found = probe.look()
    return str(found.status)
