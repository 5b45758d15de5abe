"""Whatever a caller sends to any route: an answer, and never a 500.

A few hundred requests here; ``FUZZ_EXAMPLES=20000`` in the environment makes it hours.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode

import pytest
from boss.app import ROUTES
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.accounts import bearer, sign_up
from tests.support.hostile import anything, mutated
from tests.support.signatures import SendGrid, stripe_header
from tests.worker.isolate import SECRETS, Answer, Isolate
from tests.worker.test_webhooks import CHECKOUT, deliver, letter, news, subscription, twilio, user
from xswarm_deploy.database.client import Database

pytestmark = pytest.mark.slow
__all__ = ["user"]  # the fixture
EXAMPLES: Final = int(os.environ.get("FUZZ_EXAMPLES", "40"))
MONITOR: Final = (
    "/health",
    "/health/ready",
    "/health/live",
    "/health/detailed",
    "/api/metrics",
    "/api/metrics/routes",
    "/api/metrics/tail",
    "/api/slo",
    "/api/alerts",
    "/status",
)
TEXTS: Final = (
    *(
        "",
        " ",
        "\x00",
        "%00",
        "%",
        "%zz",
        "..",
        "../..",
        "'",
        '"',
        "<script>",
        "é",
        "\ud800",
        "\u2028",
    ),
    *(
        "a" * 5000,
        "a-" * 3750,
        "9" * 5000,
        "-1",
        "1e999",
        "NaN",
        "null",
        "[" * 2000,
        "=",
        "&" * 900,
    ),
    *("@", "a@b", "+" * 300, "\x1b[2J", "; DROP TABLE users", "%F0%9F%98%80", "\U0001f600"),
)
NAMES: Final = (
    *("email", "password", "name", "category", "title", "body", "text", "id", "page", "limit"),
    *("cursor", "q", "sort", "window", "points", "since", "route", "priority", "description"),
)
HEADERS: Final = (
    *("authorization", "cookie", "content-type", "content-length", "host", "origin", "accept"),
    *("range", "if-none-match", "x-request-id", "traceparent", "tracestate", "user-agent"),
    *("cf-connecting-ip", "x-forwarded-for", "x-deployment-probe", "stripe-signature", "referer"),
    *("x-twilio-signature", "accept-encoding", "x-twilio-email-event-webhook-signature"),
    *("x-twilio-email-event-webhook-timestamp",),
)
VALUES: Final = (
    *("application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"),
    *("multipart/form-data", "text/plain; charset=nope", "Bearer a.b.c", "Basic Og==", "t=1,v1=0"),
    *("Bearer " + SECRETS["ADMIN_TOKEN"], "session=a.b.c", "bytes=0-", "*/*;q=x", "[::1", "a:b:c"),
    *("00-" + "0" * 32 + "-" + "0" * 16 + "-00", "application/openmetrics-text", "https://example"),
)
BODIES: Final = (b"[" * 100_000, b'{"a":' * 5000, b"\xff\xfe", b'{"a":1,"a":2}', b'"\\ud800"', b"")

texts = st.one_of(st.sampled_from(TEXTS), st.text(max_size=20))
documents = st.dictionaries(st.sampled_from(NAMES), st.one_of(anything, texts), max_size=6)
bodies = st.one_of(
    st.sampled_from(BODIES),
    st.binary(max_size=300),
    st.one_of(documents, anything).map(lambda value: json.dumps(value).encode()),
)
headers = st.dictionaries(
    st.sampled_from(HEADERS), st.one_of(st.sampled_from(VALUES), texts), max_size=5
)
routes = st.one_of(
    st.sampled_from([(route.method, route.template) for route in ROUTES]),
    st.tuples(st.sampled_from(["GET", "POST", "HEAD", "OPTIONS"]), st.sampled_from(MONITOR)),
    st.tuples(st.sampled_from(["GET", "POST", "PUT", "PATCH", "BREW"]), st.just("/{id}")),
)
ENDS: Final = (("DELETE", "/api/auth/me"), ("POST", "/api/auth/logout"))
"""What ends the customer's session."""
queries = st.dictionaries(st.sampled_from(NAMES), texts, max_size=4)
fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
POSTMAN: Final = SendGrid()


class Asked(NamedTuple):
    """A request: a route, what stands in its path, and all that goes along."""

    route: tuple[str, str]
    inside: str
    query: Mapping[str, str]
    body: bytes
    sent: Mapping[str, str]


@pytest.fixture
def service(start: Callable[..., Isolate], database: Database) -> Isolate:
    keys = ("SENDGRID_WEBHOOK_PUBLIC_KEY", "SENDGRID_PARSE_PUBLIC_KEY")
    return start(TURSO_DATABASE_URL=database.url, **dict.fromkeys(keys, POSTMAN.public_key))


@pytest.fixture
def customer(service: Isolate) -> dict[str, str]:
    """Return the session of somebody who has an account."""
    return bearer(sign_up(service))


@fuzzed
@given(asked=st.builds(Asked, routes, texts, queries, bodies, headers))
def test_a_stranger_is_answered(service: Isolate, asked: Asked) -> None:
    require_answered(_answered(service, asked))


@fuzzed
@given(
    asked=st.builds(
        Asked, routes.filter(lambda route: route not in ENDS), texts, queries, bodies, headers
    )
)
def test_a_customer_is_answered(
    service: Isolate, customer: Mapping[str, str], asked: Asked
) -> None:
    require_answered(_answered(service, asked._replace(sent={**asked.sent, **customer})))


@fuzzed
@given(told=st.one_of(mutated(CHECKOUT), mutated(subscription("active", 1_700_000_001))))
def test_any_event_of_stripe_is_answered(service: Isolate, user: str, told: Any) -> None:
    body = json.dumps(told).encode()
    signed = stripe_header(body, SECRETS["STRIPE_WEBHOOK_SECRET"], int(time.time()))
    require_answered(service.ask("POST", "/stripe/webhook", body, {"stripe-signature": signed}))


@fuzzed
@given(told=mutated([news("delivered"), news("bounce", reason="full")]))
def test_any_event_of_sendgrid_is_answered(service: Isolate, told: Any) -> None:
    require_answered(deliver(service, POSTMAN, json.dumps(told).encode()))


@fuzzed
@given(place=st.integers(0, 900), put=st.one_of(st.binary(max_size=40), st.just(b"\r\n--b\r\n")))
def test_any_letter_is_answered(service: Isolate, user: str, place: int, put: bytes) -> None:
    body, kind = letter("b")
    require_answered(deliver(service, POSTMAN, body[:place] + put + body[place:], kind))


@fuzzed
@given(
    path=st.sampled_from(["/voice/zoe/status", "/voice/zoe", "/sms/zoe"]),
    fields=st.dictionaries(
        st.sampled_from(["CallSid", "CallStatus", "From", "To", "Body", "MessageSid", "Digits"]),
        st.one_of(
            st.sampled_from([text for text in TEXTS if text != "\ud800"]), st.text(max_size=20)
        ),
    ),
)
def test_any_call_of_twilio_is_answered(
    service: Isolate, path: str, fields: dict[str, str]
) -> None:
    require_answered(twilio(service, path, fields))


def require_answered(answer: Answer) -> None:
    assert answer.status < 500 or answer.status == 503, answer.body[:500]


def _answered(service: Isolate, asked: Asked) -> Answer:
    method, template = asked.route
    named = quote(asked.inside, safe="%", errors="surrogatepass")
    path = template.replace("{id}", named).replace("{user}", named)
    query = "?" + urlencode(asked.query, errors="surrogatepass") if asked.query else ""
    raw = {
        name: value.encode("utf-8", "surrogatepass").decode("latin-1")
        for name, value in asked.sent.items()
    }
    return service.ask(method, path + query, asked.body, raw)
