"""A Worker's monitor, asked as it answers: reports, refusals, silence."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
from responses import matchers

from xswarm_deploy.secret import Secret
from xswarm_deploy.services.errors import Invalid, NotFound, Unauthorised, UnexpectedReply
from xswarm_deploy.services.http import Http, bearer
from xswarm_deploy.services.monitor import Health, Monitor
from xswarm_deploy.settings.project import HEALTH_BUDGETS

HOST = "https://worker.test"
TOKEN = "an-admin-token-of-32-characters!"
REPORT = {"status": "pass", "service": "boss-ai", "version": "1"}
FIGURES: dict[str, Any] = {
    "scope": "all",
    "incomplete": "",
    "requests": {"total": 1},
    "database": {},
    "business": {},
}


@pytest.fixture
def monitor(fake_time: Any) -> Monitor:
    headers = {"Authorization": bearer(Secret(TOKEN, "ADMIN_TOKEN"))}
    return Monitor(Http("The Worker", HOST, headers, retries=0, clock=fake_time.clock))


def test_a_report_is_read_with_the_token(monitor: Monitor, api: Any) -> None:
    sent = matchers.header_matcher({"Authorization": f"Bearer {TOKEN}"})
    api.get(f"{HOST}/health", json=REPORT, match=[sent])
    found = monitor.health("/health")
    assert (found.reported, found.verdict, found.status, found.budget) == (True, "pass", 200, 50)


def test_a_503_is_an_answer_and_is_asked_once(monitor: Monitor, api: Any) -> None:
    api.get(f"{HOST}/health/ready", json=REPORT | {"status": "fail"}, status=503)
    found = monitor.health("/health/ready")
    assert (found.reported, found.verdict, found.status) == (True, "fail", 503)
    assert len(api.calls) == 1


@pytest.mark.parametrize(
    ("status", "body"),
    [(404, "not here"), (200, "<html>"), (200, "[]"), (200, '{"status": "ok"}'), (200, "")],
)
def test_what_is_no_report_failed(monitor: Monitor, api: Any, status: int, body: str) -> None:
    api.get(f"{HOST}/health", body=body, status=status)
    found = monitor.health("/health")
    assert (found.reported, found.verdict, found.status) == (False, "fail", status)


def test_silence_is_told_without_anything_secret(monitor: Monitor, api: Any) -> None:
    api.get(f"{HOST}/health", body=requests.ConnectionError(f"to {HOST} with {TOKEN}"))
    found = monitor.health("/health")
    assert (found.status, found.verdict, found.reported) == (0, "fail", False)
    assert found.error
    assert TOKEN not in str(found.as_json())


def test_all_endpoints_are_asked_on_an_open_connection(monitor: Monitor, api: Any) -> None:
    for path in HEALTH_BUDGETS:
        api.get(f"{HOST}{path}", json=REPORT)
    assert [each.path for each in monitor.everything()] == list(HEALTH_BUDGETS)
    assert [call.request.path_url for call in api.calls] == ["/health", *HEALTH_BUDGETS]


def test_a_budget_is_kept_or_not() -> None:
    assert Health("/health", 200, 50.0, REPORT, budget=50).in_time
    assert not Health("/health", 200, 50.1, REPORT, budget=50).in_time


def test_metrics_are_asked_for_a_window(monitor: Monitor, api: Any) -> None:
    asked = {"window": "5m", "points": "60", "format": "json"}
    api.get(f"{HOST}/api/metrics", match=[matchers.query_param_matcher(asked)], json=FIGURES)
    assert monitor.metrics("5m", 60) == FIGURES


@pytest.mark.parametrize("report", [{"a": 1}, FIGURES | {"scope": None}, FIGURES | {"requests": 3}])
def test_figures_of_another_s_monitor_are_none_of_ours(
    monitor: Monitor, api: Any, report: dict[str, Any]
) -> None:
    api.get(f"{HOST}/api/metrics", json=report)
    with pytest.raises(UnexpectedReply, match="no report of this monitor's"):
        monitor.metrics("5m")


@pytest.mark.parametrize("levels", [100, 500, 100_000])
def test_a_report_that_is_nested_for_ever_ends_no_watch(
    monitor: Monitor, api: Any, levels: int
) -> None:
    body = '{"status": "pass", "system": {"x": ' + "[" * levels + "]" * levels + "}}"
    api.get(f"{HOST}/health", body=body)
    found = monitor.health("/health").body
    assert found.get("status") == "pass" or levels > 500  # what Python itself cannot read is none
    json.dumps(dict(found))


def test_a_remedy_names_the_worker_as_a_sentence_would(monitor: Monitor, api: Any) -> None:
    api.get(f"{HOST}/api/metrics", status=401)
    with pytest.raises(Unauthorised) as caught:
        monitor.metrics("5m")
    assert caught.value.remedy.startswith("put a valid Worker credential into")


@pytest.mark.parametrize(("status", "kind"), [(400, Invalid), (401, Unauthorised), (404, NotFound)])
def test_refused_metrics_are_errors(
    monitor: Monitor, api: Any, status: int, kind: type[Exception]
) -> None:
    api.get(f"{HOST}/api/metrics", status=status, json={"error": "window is a number"})
    with pytest.raises(kind, match="window is a number"):
        monitor.metrics("5x")
