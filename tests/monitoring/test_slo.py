from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.support.monitoring import Hands, SQLite
from xswarm_monitoring.alert import Severity, service_outage
from xswarm_monitoring.alert_state import AlertState, Policy
from xswarm_monitoring.answer import Answer, Request
from xswarm_monitoring.asgi import Monitor
from xswarm_monitoring.channels import Slack
from xswarm_monitoring.evaluation import DatabaseAlertStore
from xswarm_monitoring.http_request import Outgoing, Response
from xswarm_monitoring.metrics import Metrics
from xswarm_monitoring.rules import Rules
from xswarm_monitoring.scheduler import Scheduler
from xswarm_monitoring.slo import LATENCY, Slo
from xswarm_monitoring.window import Window

DAY = 86400.0
BOTH = {"availability": 0.999, "latency": {"target": 0.95, "threshold": 0.5}}


def served(hands: Hands, bad: int, good: int, *, slow: int = 0) -> Window:
    metrics = Metrics(clock=hands.clock)
    for status, seconds, number in ((503, 0.1, bad), (200, 0.1, good), (200, 0.9, slow)):
        for _ in range(number):
            metrics.requests.observe("/", "GET", status, seconds)
    return metrics.total()


def due(slo: Slo, windows: Mapping[float, Window]) -> list[tuple[str, Severity]]:
    async def read(seconds: float) -> Window:
        return windows[seconds]

    alerts = asyncio.run(slo.alerts(read))
    return [(each.labels["objective"], each.severity) for each in alerts]


def everywhere(measured: Window) -> dict[float, Window]:
    return dict.fromkeys((300.0, 1800.0, 3600.0, 6 * 3600.0, 3 * DAY), measured)


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        (150, [("availability", Severity.CRITICAL)]),
        (100, [("availability", Severity.ERROR)]),
        (20, [("availability", Severity.WARNING)]),
        (9, []),
    ],
)
def test_the_gravest_burn_is_told_and_what_may_be_is_not(
    hands: Hands, bad: int, expected: list[tuple[str, Severity]]
) -> None:
    assert due(Slo.read(BOTH), everywhere(served(hands, bad, 10_000 - bad))) == expected


def test_slow_answers_burn_the_budget_of_latency_alone(hands: Hands) -> None:
    slo = Slo.read(BOTH)
    assert due(slo, everywhere(served(hands, 0, 50, slow=150))) == [("latency", Severity.CRITICAL)]
    (_, latency) = slo.objectives
    count = latency.count(served(hands, 7, 10, slow=3))
    assert (count.bad, count.total) == (3, 13)  # an error is no slow answer


def test_what_is_over_wakes_nobody(hands: Hands) -> None:
    good, bad = served(hands, 0, 1000), served(hands, 900, 100)
    assert (
        due(Slo.read(BOTH), {**everywhere(bad), 300.0: good, 1800.0: good, 6 * 3600.0: good}) == []
    )


def test_a_handful_of_errors_at_little_traffic_wakes_nobody(hands: Hands) -> None:
    assert due(Slo.read(BOTH), everywhere(served(hands, 4, 36))) == []
    assert due(Slo.read(BOTH), everywhere(served(hands, 5, 5))) == []  # too few to make a rate


def test_a_budget_is_spent_in_proportion_to_the_whole_window(hands: Hands) -> None:
    slo = Slo.read({"availability": 0.99})
    measured = served(hands, 20, 980)
    measured.start = hands.now - 15 * DAY
    (half,) = slo.budgets([measured], hands.now)
    assert half.spent == pytest.approx(1.0)
    measured.start = hands.now - 30 * DAY
    (whole,) = slo.budgets([measured], hands.now)
    assert whole.spent == pytest.approx(2.0)
    assert whole.as_json()["left"] == pytest.approx(-1.0)
    (none,) = slo.budgets([], hands.now)
    assert (none.spent, none.as_json()["good_rate"]) == (0.0, None)


def test_a_threshold_is_a_boundary_of_the_histogram() -> None:
    slo = Slo.read({"latency": {"target": 0.9, "threshold": 0.3}})
    assert slo.objectives[0].boundary == pytest.approx(0.2973, abs=1e-4)
    assert Slo.read({"latency": {"target": 0.9, "threshold": 2}}).objectives[0].boundary == 2.0


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"availability": 99.9}, "from 0.5 and below 1"),
        ({"availability": 1}, "from 0.5 and below 1"),
        ({"availability": True}, "from 0.5 and below 1"),
        ({"uptime": 0.9}, "unknown monitor.slo.uptime"),
        ({"latency": 0.9}, "target and threshold"),
        ({"latency": {"target": 0.9, "threshold": "1s"}}, "must be seconds"),
        ({"latency": {"target": 0.9, "threshold": 0}}, "lies between"),
        ({"latency": {"target": 0.9, "threshold": 90}}, "lies between"),
        ({"window": "1h"}, "between 1d and 90d"),
        ({"window": "soon"}, "monitor.slo.window: it is a number"),
        ({"release": "maybe"}, "refuse or allow"),
        ([], None),
        ("99.9", "must be a block"),
    ],
)
def test_what_cannot_be_an_objective_is_refused(values: Any, words: str | None) -> None:
    if words is None:
        assert Rules.read({"slo": values}).slo == Slo()
        return
    with pytest.raises(ValueError, match=words):
        Rules.read({"slo": values})


def test_objectives_come_with_the_rules() -> None:
    read = Rules.read({"slo": {**BOTH, "window": "7d", "release": "allow"}}).slo
    assert (read.window, read.release) == (7 * DAY, "allow")
    assert [each.name for each in read.objectives] == ["availability", LATENCY]


def test_budgets_and_alerts_are_for_administrators(hands: Hands, sqlite: SQLite) -> None:
    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        raise AssertionError

    metrics = Metrics(clock=hands.clock)
    monitor = Monitor(
        app,
        service="s",
        admin_token=lambda _env: "t",
        metrics=metrics,
        execute=lambda _env: sqlite.execute,
        clock=hands.clock,
        slo=lambda _env: Slo.read(BOTH),
    )
    token = {b"authorization": b"Bearer t"}

    def asked(path: str) -> dict[str, Any]:
        async def answered(request: Request) -> Answer:
            return await monitor.endpoints.paths[path](request)

        assert asyncio.run(answered(Request())).status == 401
        answer = asyncio.run(answered(Request(headers=token)))
        told: dict[str, Any] = json.loads(answer.body)
        return told

    for status in (200, 200, 200, 503):
        metrics.requests.observe("/", "GET", status, 0.1)
    (availability, latency) = asked("/api/slo")["objectives"]
    assert (availability["requests"], availability["bad"], latency["bad"]) == (4, 1, 0)
    assert asked("/api/alerts") == {"on": [], "silences": [], "history": [], "incomplete": ""}
    state = AlertState(Policy(hold=0))
    state.advance([service_outage("database", "x")], hands.now)
    store = DatabaseAlertStore(sqlite.execute)
    asyncio.run(store.save(0, state.dump()))
    (alert,) = asked("/api/alerts")["on"]
    assert (alert["name"], alert["state"]) == ("service-outage", "firing")


def test_one_process_without_a_database_has_objectives_too(hands: Hands) -> None:
    """What it measured itself is all there is; nothing is missing that could be waited for."""
    sent: list[str] = []

    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        raise AssertionError

    async def send(request: Outgoing) -> Response:
        sent.append(json.loads(request.body)["text"])
        return Response(200)

    monitor = Monitor(
        app, service="s", clock=hands.clock, slo=lambda _env: Slo.read({"availability": 0.999})
    )
    slack = [Slack("https://slack.test/hook", "shop")]
    rounds = Scheduler(monitor, lambda _env: slack, send, asyncio.sleep)
    for _ in range(3):
        for status in (200,) * 96 + (503,) * 4:
            monitor.metrics.requests.observe("/", "GET", status, 0.1)
        asyncio.run(rounds.go(None, hands.now))
        hands.turn(60)
    (text,) = sent
    assert text.startswith("shop: CRITICAL: The error budget of availability burns 40.0 times")
