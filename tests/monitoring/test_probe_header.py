"""Who may say that a request is the deployment's own: whoever has the admin token, nobody else."""

from __future__ import annotations

import asyncio
import hmac
import json
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xswarm_monitoring import tail
from xswarm_monitoring.asgi import Monitor
from xswarm_monitoring.correlation import current
from xswarm_monitoring.metrics import Metrics
from xswarm_monitoring.probe_header import (
    EXEMPT,
    HEADER,
    LIMITED,
    VALID_SECONDS,
    VERSION,
    ProbedRequest,
    recognise,
    sign,
)
from xswarm_monitoring.report import report

NOW = 1_760_000_000.0
TOKEN = "an-admin-token-of-32-characters-or-more"
ASKED = ProbedRequest("boss.example", "GET", "/api/suggestions")


def test_a_genuine_header_is_recognised() -> None:
    for kind in (EXEMPT, LIMITED):
        assert recognise(sign([TOKEN], ASKED, NOW, kind=kind), TOKEN, ASKED, NOW) == kind


def test_the_signature_is_what_the_document_says() -> None:
    """Any Worker can recognise it: the formula is in the module and in the guide."""
    key = hmac.new(TOKEN.encode(), b"xswarm deployment probe v1", sha256).digest()
    lines = ("v1", "1760000000", "exempt", "-", "boss.example", "GET", "/api/suggestions")
    expected = hmac.new(key, "\n".join(lines).encode(), sha256).hexdigest()
    assert sign([TOKEN], ASKED, NOW) == f"v1;t=1760000000;k=exempt;v=-;s={expected}"


@pytest.mark.parametrize(
    ("token", "request_", "now", "version"),
    [
        ("another-token", ASKED, NOW, ""),
        ("", ASKED, NOW, ""),
        (TOKEN, ProbedRequest("other.example", "GET", "/api/suggestions"), NOW, ""),
        (TOKEN, ProbedRequest("boss.example", "POST", "/api/suggestions"), NOW, ""),
        (TOKEN, ProbedRequest("boss.example", "GET", "/api/auth/login"), NOW, ""),
        (TOKEN, ASKED, NOW + VALID_SECONDS + 1, ""),
        (TOKEN, ASKED, NOW - VALID_SECONDS - 1, ""),
        (TOKEN, ASKED, NOW, "another-version"),
    ],
)
def test_it_is_good_for_one_request_host_version_and_time(
    token: str, request_: ProbedRequest, now: float, version: str
) -> None:
    value = sign([TOKEN], ASKED, NOW, version="this-version")
    assert recognise(value, TOKEN, ASKED, NOW, "this-version") == EXEMPT
    assert recognise(value, token, request_, now, version or "this-version") == ""


def test_while_a_token_is_rotated_both_versions_recognise_it() -> None:
    value = sign(["the-new-token", TOKEN], ASKED, NOW)
    assert recognise(value, TOKEN, ASKED, NOW) == EXEMPT
    assert recognise(value, "the-new-token", ASKED, NOW) == EXEMPT


def test_without_a_token_nothing_is_signed() -> None:
    assert sign([""], ASKED, NOW) == ""
    assert recognise("v1;t=1;k=exempt;v=-;s=", "", ASKED, NOW) == ""


@given(st.text(max_size=700))
def test_whatever_comes_is_no_probe_and_no_error(value: str) -> None:
    assert recognise(value, TOKEN, ASKED, NOW) == ""


@given(st.data())
def test_a_changed_header_is_not_believed(data: st.DataObject) -> None:
    value = sign([TOKEN], ASKED, NOW)
    place = data.draw(st.integers(0, len(value) - 1))
    other = data.draw(st.characters(max_codepoint=126).filter(lambda sign: sign != value[place]))
    assert recognise(value[:place] + other + value[place + 1 :], TOKEN, ASKED, NOW) == ""


def test_a_client_signs_the_decoded_path_of_an_address() -> None:
    asked = ProbedRequest.of("GET", "https://boss.example/a%20b?c=d")
    assert asked == ProbedRequest("boss.example", "GET", "/a b")
    assert ProbedRequest.of("GET", "http://127.0.0.1:8787", "v-w.localhost").host == "v-w.localhost"


async def _served(scope: Any, receive: Any, send: Any) -> None:
    """Do what customers are counted by, and what people would be told of."""
    metrics = scope["metrics"]
    served = current()
    metrics.business.signup()
    metrics.business.activity(f"as {served.probe if served else ''}")
    metrics.business.payment(1.0, "usd", succeeded=False)
    metrics.database.observe("SELECT 1", 9.0, failed=True)
    await send({"type": "http.response.start", "status": 500, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.mark.parametrize(
    ("genuine", "version", "named"),
    [
        pytest.param(True, "this-version", [b"this-version"], id="a probe"),
        pytest.param(False, "this-version", [], id="anybody else"),
        pytest.param(True, "unknown", [], id="it is not known"),
        pytest.param(True, "one\r\nSet-Cookie: x", [], id="it is no header's text"),
    ],
)
def test_an_answer_to_a_probe_names_the_version(
    genuine: bool, version: str, named: list[bytes]
) -> None:
    monitor = Monitor(
        _served, service="s", admin_token=lambda _env: TOKEN, version=lambda _env: version
    )
    now = monitor.endpoints.clock.wall()
    value = sign([TOKEN if genuine else "forged"], ProbedRequest("h", "POST", "/x"), now)
    headers = [(b"host", b"h"), (HEADER.lower().encode(), value.encode())]
    scope = {"type": "http", "method": "POST", "path": "/x", "headers": headers}
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    asyncio.run(monitor({**scope, "metrics": monitor.metrics}, receive, send))
    found = [text for name, text in sent[0]["headers"] if name == VERSION.lower().encode()]
    assert found == named


@pytest.mark.parametrize("genuine", [True, False])
def test_what_a_probe_does_is_counted_apart(genuine: bool) -> None:
    monitor = Monitor(_served, service="s", admin_token=lambda _env: TOKEN)
    now = monitor.endpoints.clock.wall()
    value = sign([TOKEN if genuine else "forged"], ProbedRequest("h", "POST", "/x"), now)
    headers = [(b"host", b"h"), (HEADER.lower().encode(), value.encode())]
    scope = {"type": "http", "method": "POST", "path": "/x", "headers": headers}

    async def send(_message: Any) -> None: ...

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    asyncio.run(monitor({**scope, "metrics": monitor.metrics}, receive, send))
    found = report(monitor.metrics.frames(60), 60, now + 1)
    ours, theirs = found["probes"], found["requests"]
    assert (ours["total"], ours["errors"]) == ((1, 1) if genuine else (0, 0))
    assert (theirs["total"], theirs["errors"]) == ((0, 0) if genuine else (1, 1))
    customers = 0 if genuine else 1
    assert found["business"]["signups"]["total"] == customers
    assert len(found["business"]["payments"]) == customers
    assert found["database"]["queries"] == customers


@pytest.mark.parametrize(
    ("token", "later", "probes"), [(TOKEN, 0, 1), (TOKEN, 3600, 0), ("forged", 0, 0)]
)
def test_another_workers_tail_tells_probes_from_customers(
    token: str, later: float, probes: int
) -> None:
    url = "https://js.example/api/orders?page=2"
    mark = sign([token], ProbedRequest.of("GET", url), NOW)
    event = {
        "outcome": "ok",
        "eventTimestamp": (NOW + later) * 1000,
        "wallTime": 3,
        "event": {
            "request": {"url": url, "method": "GET", "headers": {HEADER.lower(): mark}},
            "response": {"status": 200},
        },
    }
    metrics = Metrics()
    assert tail.measure(json.dumps(event).encode(), metrics, TOKEN) == (1, 0)
    found = report(metrics.frames(60), 60, metrics.clock.wall() + 1)
    assert (found["probes"]["total"], found["requests"]["total"]) == (probes, 1 - probes)
