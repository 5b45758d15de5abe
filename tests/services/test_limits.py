"""Limits of the rate: read, respected before they are reached, waited out by a release."""

from __future__ import annotations

from typing import Any

import pytest
import responses

from xswarm_deploy.services import calls, quota
from xswarm_deploy.services.errors import RateLimited, ServiceUnavailable
from xswarm_deploy.services.http import Http
from xswarm_deploy.services.patience import Patience, patient
from xswarm_deploy.services.quota import Quota

BASE = "https://api.example.test"
POLICY = '"default";q=1200;w=300'


def http(fake_time: Any, **options: Any) -> Http:
    return Http("Example", BASE, {}, clock=fake_time.clock, **options)


@pytest.mark.parametrize(
    ("said", "policy", "found"),
    [
        ('"default";r=50;t=30', "", Quota(50, 30)),
        ('"default";r=50;t=30', POLICY, Quota(50, 30, 1200)),
        ('"a";r=50;t=30, "b";r=2;t=9', '"a";q=100;w=60, "b";q=5;w=10', Quota(2, 9, 5)),
        ('"default"; r=0; t=299', POLICY, Quota(0, 299, 1200)),
        ("", POLICY, None),
        ("nonsense", "nonsense", None),
        ('"default";t=30', POLICY, None),
        ('"default";r=-1;t=x', POLICY, None),
        ('"default";r=' + "9" * 5000 + ";t=1", POLICY, None),
    ],
)
def test_quotas_are_read(said: str, policy: str, found: Quota | None) -> None:
    assert quota.read({"Ratelimit": said, "Ratelimit-Policy": policy}) == found


def test_what_is_kept_for_undoing_depends_on_the_quota() -> None:
    assert [Quota(0, 0, calls).reserve for calls in (0, 10, 100, 1200)] == [0, 0, 5, 20]


@responses.activate
def test_a_block_of_five_minutes_is_waited_out_by_a_release(fake_time: Any) -> None:
    responses.post(BASE, status=429, headers={"Retry-After": "300"})
    responses.post(BASE, json={})
    told: list[tuple[str, float]] = []
    with patient(Patience(330, lambda what, left: told.append((what, left)))):
        http(fake_time).post("")
    assert sum(fake_time.slept) == pytest.approx(300)
    assert told[0] == ("Example limits the rate of calls", 300)
    assert len(told) == 300


@responses.activate
def test_refusals_that_ask_for_a_second_each_are_waited_out_alike(fake_time: Any) -> None:
    ends = fake_time.now() + 240

    def answer(_request: Any) -> tuple[int, dict[str, str], str]:
        limited = fake_time.now() < ends
        return (429, {"Retry-After": "1"}, "") if limited else (200, {}, "{}")

    responses.add_callback(responses.GET, BASE, answer)
    with patient(Patience(330, lambda *_: None)):
        assert http(fake_time).get("").json() == {}


@responses.activate
def test_patience_ends(fake_time: Any) -> None:
    responses.get(BASE, status=429, headers={"Retry-After": "200"})
    with patient(Patience(330, lambda *_: None)), pytest.raises(RateLimited) as caught:
        http(fake_time).get("")
    assert sum(fake_time.slept) == pytest.approx(200)
    assert caught.value.retry_after == 200


@responses.activate
def test_patience_is_not_for_outages(fake_time: Any) -> None:
    responses.get(BASE, status=503, headers={"Retry-After": "200"})
    with patient(Patience(330, lambda *_: None)), pytest.raises(ServiceUnavailable):
        http(fake_time).get("")
    assert fake_time.slept == []


@responses.activate
def test_a_release_waits_before_the_last_calls_are_gone(fake_time: Any) -> None:
    last = {"Ratelimit": '"default";r=20;t=60', "Ratelimit-Policy": POLICY}
    responses.get(BASE, json={}, headers=last)
    client = http(fake_time)
    with patient(Patience(330, lambda *_: None)):
        client.get("")
        assert fake_time.slept == []
        client.get("")
    assert sum(fake_time.slept) == pytest.approx(60)


@responses.activate
def test_undoing_uses_them(fake_time: Any) -> None:
    last = {"Ratelimit": '"default";r=20;t=60', "Ratelimit-Policy": POLICY}
    responses.get(BASE, json={}, headers=last)
    client = http(fake_time)
    with patient(Patience(600, lambda *_: None, reserve=False)):
        client.get("")
        client.get("")
    assert fake_time.slept == []


@responses.activate
def test_nobody_calls_when_none_are_left(fake_time: Any) -> None:
    """One call more would block them all for five minutes."""
    responses.get(BASE, json={}, headers={"Ratelimit": '"default";r=0;t=200'})
    client = http(fake_time)
    client.get("")
    with pytest.raises(RateLimited, match="0 calls remain for 200 s"):
        client.get("")
    assert len(responses.calls) == 1
    fake_time.seconds += 201
    client.get("")


@responses.activate
def test_a_doubt_stays_where_no_further_try_is_allowed(fake_time: Any) -> None:
    none_left = {"Ratelimit": '"default";r=0;t=200'}
    responses.put(BASE, status=503, headers=none_left)
    with pytest.raises(RateLimited) as caught:
        http(fake_time).put("", json={})
    assert caught.value.in_doubt


@responses.activate
def test_calls_are_counted_by_service_with_every_try(fake_time: Any) -> None:
    responses.get(BASE, status=500)
    responses.get(BASE, json={})
    before = calls.made()
    http(fake_time).get("")
    assert calls.made() - before == {"Example": 2}
