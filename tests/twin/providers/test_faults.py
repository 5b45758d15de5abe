"""Faults: what people may ask for, and how each is met."""

from __future__ import annotations

import time

import pytest
import requests

from tests.support.providers import Twin
from xswarm_twin.faults import Fault, Faults
from xswarm_twin.providers.host import KINDS

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("text", "name", "amount"),
    [
        ("status:429", "status", 429),
        ("slow:2.5", "slow", 2.5),
        ("reset", "reset", 0),
        ("reset_after", "reset_after", 0),
        ("revoked", "revoked", 0),
        ("bad_json", "bad_json", 0),
    ],
)
def test_what_people_may_ask_for(text: str, name: str, amount: float) -> None:
    fault = Fault(text, 2)
    fault.require_sound(KINDS)
    assert (fault.name, fault.amount) == (name, amount)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "status",
        "status:200",
        "status:x",
        "slow",
        "slow:0",
        "slow:x",
        "reset:1",
        "fire",
        "block:1",
    ],
)
def test_what_nobody_knows_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="unknown fault"):
        Fault(text).require_sound(KINDS)


def test_at_least_one_request_is_meant() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Fault("reset", 0).require_sound(KINDS)


def test_a_fault_is_gone_after_its_times() -> None:
    kept = Faults([Fault("reset", 2)])
    taken = [kept.take("GET", "/") for _ in range(3)]
    assert [bool(fault) for fault in taken] == [True, True, False]


def test_a_slow_answer_is_right(twin: Twin) -> None:
    twin.fault("openai", "slow:0.3")
    began = time.monotonic()
    answer = requests.get(
        twin.url("openai") + "/v1/models",
        headers={"Authorization": f"Bearer {twin.keys['OPENAI_API_KEY']}"},
        timeout=60,
    )
    assert answer.status_code == 200
    assert time.monotonic() - began >= 0.3


def test_a_reset_breaks_the_connection(twin: Twin) -> None:
    twin.fault("openai", "reset")
    with pytest.raises(requests.ConnectionError):
        requests.get(twin.url("openai") + "/v1/models", timeout=60)


def test_one_stand_in_switches_anothers_fault(twin: Twin) -> None:
    answer = requests.put(
        twin.url("stripe") + "/__sandbox/faults",
        json={"provider": "openai", "kind": "status:500", "times": 3},
        headers=twin.control,
        timeout=60,
    )
    assert answer.json() == {"faults": {"openai": {"kind": "status:500", "times": 3}}}
    assert requests.get(twin.url("openai") + "/v1/models", timeout=60).status_code == 500


@pytest.mark.parametrize(
    "body", ["", "[]", "{}", '{"kind": "fire"}', '{"kind": "reset", "provider": "nobody"}']
)
def test_a_bad_wish_is_refused(twin: Twin, body: str) -> None:
    url = twin.url("stripe") + "/__sandbox/faults"
    answer = requests.put(url, data=body, headers=twin.control, timeout=60)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_the_twins_own_routes_need_its_token_and_a_name_of_this_machine(twin: Twin) -> None:
    for path in ("faults", "received"):
        url = f"{twin.url('stripe')}/__sandbox/{path}"
        assert requests.get(url, timeout=60).status_code == 401
        elsewhere = {**twin.control, "Host": "evil.example"}
        assert requests.get(url, headers=elsewhere, timeout=60).status_code == 401
        assert requests.get(url, headers=twin.control, timeout=60).status_code == 200
