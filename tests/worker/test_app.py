"""What every request and every answer of the service has, whatever its route."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from tests.worker.isolate import Isolate
from xswarm_monitoring import probe_header
from xswarm_monitoring.probe_header import EXEMPT, HEADER, ProbedRequest, sign

Start = Callable[..., Isolate]


def test_health_answers_with_the_service_and_its_version(isolate: Isolate) -> None:
    answer = isolate.ask("GET", "/health")
    assert answer.status == 200
    assert answer.json()["status"] == "pass"


def test_being_alive_asks_no_dependency(isolate: Isolate) -> None:
    assert isolate.ask("GET", "/health/live").status == 200


def test_a_database_out_of_reach_makes_it_not_ready(isolate: Isolate) -> None:
    assert isolate.ask("GET", "/health/ready").status == 503


def test_being_ready_asks_the_database_and_the_bucket(isolate: Isolate) -> None:
    token = {"authorization": f"Bearer {isolate.environment['ADMIN_TOKEN']}"}
    checks = isolate.ask("GET", "/health/ready", headers=token).json()["checks"]
    assert {"database:responseTime", "storage:responseTime"} <= set(checks)


def test_the_details_and_metrics_are_for_administrators(isolate: Isolate) -> None:
    token = {"authorization": f"Bearer {isolate.environment['ADMIN_TOKEN']}"}
    assert isolate.ask("GET", "/api/metrics").status == 401
    assert isolate.ask("GET", "/api/metrics", headers=token).status == 200
    assert "checks" not in isolate.ask("GET", "/health/detailed").json()
    assert "checks" in isolate.ask("GET", "/health/detailed", headers=token).json()


def test_a_missing_setting_shows_in_the_details(start: Start) -> None:
    isolate = start(JWT_SECRET="")
    token = {"authorization": f"Bearer {isolate.environment['ADMIN_TOKEN']}"}
    text = isolate.ask("GET", "/health/detailed", headers=token).body.decode()
    assert "JWT_SECRET" in text


def test_the_api_says_what_it_is(start: Start) -> None:
    answer = start(VOICE_ENABLED="false").ask("GET", "/api/health").json()
    assert answer["status"] == "ok"
    assert answer["features"]["voice"] is False
    assert answer["features"]["sms"] is True


@pytest.mark.parametrize("path", ["/nowhere", "/api", "/api/buzz/categories/", "//", "/voice/"])
def test_an_unknown_path_is_a_typed_404(isolate: Isolate, path: str) -> None:
    answer = isolate.ask("GET", path)
    assert (answer.status, answer.error()) == (404, "not_found")
    assert answer.header("content-type") == "application/json; charset=utf-8"


def test_a_wrong_method_is_a_405_that_names_the_right_ones(isolate: Isolate) -> None:
    answer = isolate.ask("DELETE", "/api/suggestions")
    assert (answer.status, answer.error()) == (405, "method_not_allowed")
    assert answer.header("allow") == "GET, HEAD, OPTIONS, POST"


def test_head_has_the_headers_of_get_and_no_body(isolate: Isolate) -> None:
    got, headed = isolate.ask("GET", "/api/health"), isolate.ask("HEAD", "/api/health")
    assert headed.body == b""
    assert headed.status == 200
    assert headed.header("content-length") == got.header("content-length")


def test_errors_carry_the_requests_id(isolate: Isolate) -> None:
    answer = isolate.ask("GET", "/nowhere", headers={"x-request-id": "id-of-a-test"})
    assert answer.json()["error"]["request_id"] == "id-of-a-test"
    assert answer.header("x-request-id") == "id-of-a-test"


def test_a_database_out_of_reach_is_a_503_to_try_again(isolate: Isolate) -> None:
    answer = isolate.ask("GET", "/api/buzz/categories")
    assert (answer.status, answer.error()) == (503, "database_unavailable")
    assert answer.header("retry-after")


def test_an_insecure_database_address_is_not_used(start: Start) -> None:
    answer = start(TURSO_DATABASE_URL="http://db.example").ask("GET", "/api/buzz/categories")
    assert (answer.status, answer.error()) == (500, "database_error")


def test_a_failure_is_a_500_without_its_details(
    isolate: Isolate, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from boss import router

    def fail(*_: object) -> None:
        raise RuntimeError("a secret word")

    monkeypatch.setattr(router.Router, "match", fail)
    answer = isolate.ask("GET", "/api/health")
    assert (answer.status, answer.error()) == (500, "internal")
    assert "secret word" not in answer.body.decode()
    logged = capsys.readouterr().out
    assert "RuntimeError" in logged
    assert "secret word" not in logged


@pytest.mark.parametrize(
    ("level", "lines"), [("info", 1), ("debug", 1), ("warn", 0), ("error", 0), ("loud", 1), ("", 1)]
)
def test_the_log_heeds_its_level(
    start: Start, capsys: pytest.CaptureFixture[str], level: str, lines: int
) -> None:
    start(LOG_LEVEL=level).ask("GET", "/api/health")
    logged = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    answered = [line for line in logged if line["message"] == "request"]
    assert [line["path"] for line in answered] == ["/api/health"] * lines
    others = [line["level"] for line in logged if line not in answered]
    assert set(others) <= {"error"}, "there is no database here, and that is told at any level"


def test_the_log_is_for_people_where_that_is_asked(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    start(STRUCTURED_LOGGING="false").ask("GET", "/api/health")
    assert not capsys.readouterr().out.startswith("{")


@pytest.mark.parametrize("path", ["/health", "/api/health", "/nowhere", "/api/metrics"])
def test_every_answer_has_the_security_headers(isolate: Isolate, path: str) -> None:
    answer = isolate.ask("GET", path)
    assert answer.header("x-content-type-options") == "nosniff"
    assert answer.header("x-frame-options") == "DENY"
    assert "default-src 'none'" in answer.header("content-security-policy")
    assert answer.header("strict-transport-security")


def test_hsts_is_not_sent_without_https(isolate: Isolate) -> None:
    answer = isolate.ask("GET", "/health", scheme="http")
    assert not answer.header("strict-transport-security")


def test_an_allowed_origin_may_call(isolate: Isolate) -> None:
    answer = isolate.ask("GET", "/api/health", headers={"origin": "https://other.example"})
    assert answer.header("access-control-allow-origin") == "https://other.example"
    assert answer.header("access-control-allow-credentials") == "true"
    assert answer.header("vary") == "Origin"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://example.evil", "*"])
def test_another_origin_may_not(isolate: Isolate, origin: str) -> None:
    answer = isolate.ask("GET", "/api/health", headers={"origin": origin})
    assert not answer.header("access-control-allow-origin")
    assert answer.header("vary") == "Origin"


def test_any_origin_may_call_but_without_cookies_where_all_are_allowed(
    start: Start,
) -> None:
    isolate = start(CORS_ALLOWED_ORIGINS="*")
    answer = isolate.ask("GET", "/api/health", headers={"origin": "https://any.example"})
    assert answer.header("access-control-allow-origin") == "*"
    assert not answer.header("access-control-allow-credentials")


def test_a_preflight_tells_methods_and_headers(isolate: Isolate) -> None:
    asked = {"origin": "https://example", "access-control-request-method": "DELETE"}
    answer = isolate.ask("OPTIONS", "/api/auth/me", headers=asked)
    assert answer.status == 204
    assert "DELETE" in answer.header("access-control-allow-methods")
    assert "authorization" in answer.header("access-control-allow-headers")


def test_a_preflight_of_another_origin_allows_nothing(isolate: Isolate) -> None:
    answer = isolate.ask("OPTIONS", "/api/auth/me", headers={"origin": "https://evil.example"})
    assert not answer.header("access-control-allow-methods")


@pytest.mark.parametrize("chunk", [0, 65536])
def test_a_body_over_the_limit_is_refused(start: Start, chunk: int) -> None:
    isolate = start(MAX_REQUEST_SIZE_MB="1")
    answer = isolate.ask("POST", "/api/auth/login", b"x" * (1024 * 1024 + 1), chunk=chunk)
    assert (answer.status, answer.error()) == (413, "body_too_large")


def test_a_body_over_the_limit_is_refused_before_it_is_read(start: Start) -> None:
    isolate = start(MAX_REQUEST_SIZE_MB="1")
    answer = isolate.ask("POST", "/api/auth/login", b"{}", {"content-length": "9999999999"})
    assert answer.status == 413


@pytest.mark.parametrize("length", ["-1", "1e3", "²", ""])
def test_a_length_that_is_no_number_is_refused(isolate: Isolate, length: str) -> None:
    answer = isolate.ask("POST", "/api/auth/login", b"{}", {"content-length": length})
    assert (answer.status, answer.error()) == (400, "invalid_length")


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"{", b"\xff", b'"text"', b"[" * 100_000, b"{}" * 2]
)
def test_a_body_that_is_no_json_object_is_refused(isolate: Isolate, body: bytes) -> None:
    answer = isolate.ask("POST", "/api/auth/login", body)
    assert (answer.status, answer.error()) == (400, "invalid_json")


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded"])
def test_json_that_a_foreign_form_could_send_is_refused(isolate: Isolate, media_type: str) -> None:
    answer = isolate.ask(
        "POST",
        "/api/auth/login",
        {"email": "a@b.cd", "password": "x"},
        {"content-type": media_type},
    )
    assert (answer.status, answer.error()) == (400, "invalid_json")


LIMITED = {
    "RATE_LIMIT_ENABLED": "true",
    "RATE_LIMIT_REQUESTS_PER_MINUTE": "3",
    "RATE_LIMIT_REQUESTS_PER_HOUR": "100",
}


@pytest.mark.usefixtures("within_a_minute")
def test_a_caller_over_the_limit_is_told_when_to_come_again(start: Start) -> None:
    isolate = start(**LIMITED)
    told = [isolate.ask("GET", "/api/auth/me") for _ in range(4)]
    assert [answer.status for answer in told] == [401, 401, 401, 429]
    assert told[-1].error() == "rate_limited"
    assert 1 <= int(told[-1].header("retry-after")) <= 60
    assert told[-1].header("ratelimit-remaining") == "0"


def test_each_caller_has_its_own_limit(start: Start) -> None:
    isolate = start(**LIMITED)
    for number in range(8):
        caller = {"cf-connecting-ip": f"192.0.2.{number % 4}"}
        assert isolate.ask("GET", "/api/auth/me", headers=caller).status == 401


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/health"), ("GET", "/api/health"), ("POST", "/stripe/webhook")]
)
def test_health_and_webhooks_are_not_limited(start: Start, method: str, path: str) -> None:
    isolate = start(**LIMITED)
    assert 429 not in [isolate.ask(method, path).status for _ in range(6)]


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/stripe/webhook", {}),
        ("/stripe/webhook", {"stripe-signature": "t=1,v1=00"}),
        ("/voice/boss", {}),
        ("/voice/boss", {"x-twilio-signature": "AAAA"}),
        ("/sms/boss", {}),
        ("/sms/boss", {"x-twilio-signature": "AAAA"}),
        ("/email/inbound", {}),
        ("/email/inbound", {"x-twilio-email-event-webhook-signature": "AAAA"}),
    ],
)
def test_a_webhook_without_a_valid_signature_is_refused(
    isolate: Isolate, path: str, headers: dict[str, str]
) -> None:
    assert isolate.ask("POST", path, {}, headers).status == 401
    assert isolate.ask("POST", path, b"", headers).status == 401


def test_a_webhook_without_its_secret_says_which(start: Start) -> None:
    isolate = start(STRIPE_WEBHOOK_SECRET="")
    answer = isolate.ask("POST", "/stripe/webhook", b"{}", {"stripe-signature": "t=1,v1=0"})
    assert (answer.status, answer.error()) == (503, "not_configured")
    assert "STRIPE_WEBHOOK_SECRET" in answer.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/api/auth/signup", "/api/auth/login"])
def test_empty_credentials_are_refused_field_by_field(isolate: Isolate, path: str) -> None:
    answer = isolate.ask("POST", path, {})
    assert (answer.status, answer.error()) == (400, "invalid_input")
    assert answer.json()["error"]["fields"] == {"email": "is missing", "password": "is missing"}


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/api/auth/me"), ("DELETE", "/api/auth/me"), ("POST", "/api/suggestions")],
)
@pytest.mark.parametrize("credentials", ["", "Bearer", "Bearer x.y.z", "Basic YTpi", "Bearer é"])
def test_routes_of_users_need_a_valid_session(
    isolate: Isolate, method: str, path: str, credentials: str
) -> None:
    headers = {"authorization": credentials} if credentials else {}
    answer = isolate.ask(method, path, {}, headers)
    assert (answer.status, answer.error()) == (401, "unauthenticated")
    assert answer.header("www-authenticate") == "Bearer"


def probe(isolate: Isolate, path: str, kind: str = EXEMPT, token: str = "") -> dict[str, str]:
    """Sign a request as a release does."""
    request = ProbedRequest("boss.example", "GET", path)
    value = sign([token or isolate.environment["ADMIN_TOKEN"]], request, time.time(), kind=kind)
    return {"host": "boss.example", HEADER.lower(): value}


@pytest.mark.usefixtures("within_a_minute")
def test_a_signed_probe_is_not_limited_and_nobody_elses_is(start: Start) -> None:
    isolate, path = (
        start(RATE_LIMIT_REQUESTS_PER_MINUTE="2", RATE_LIMIT_ENABLED="true"),
        "/api/buzz",
    )
    for _ in range(5):
        answer = isolate.ask("GET", path, headers=probe(isolate, path))
        assert (answer.status != 429, answer.header("ratelimit-limit")) == (True, "")
    forged = [
        isolate.ask("GET", path, headers=probe(isolate, path, token="forged")).status
        for _ in range(5)
    ]
    assert forged[2:] == [429, 429, 429]
    assert isolate.ask("GET", path, headers=probe(isolate, path)).status != 429


@pytest.mark.usefixtures("within_a_minute")
def test_a_probe_of_the_limit_itself_is_counted_by_it(start: Start) -> None:
    isolate, path = (
        start(RATE_LIMIT_REQUESTS_PER_MINUTE="2", RATE_LIMIT_ENABLED="true"),
        "/api/buzz",
    )
    asked = [
        isolate.ask("GET", path, headers=probe(isolate, path, probe_header.LIMITED)).status
        for _ in range(3)
    ]
    assert asked[-1] == 429


def test_pages_get_stripes_publishable_key_where_there_is_one(start: Start) -> None:
    path = "/api/payments/configuration"
    answer = start(STRIPE_PUBLISHABLE_KEY="pk_test_canary").ask("GET", path)
    assert (answer.status, answer.json()) == (200, {"publishable_key": "pk_test_canary"})
    assert start().ask("GET", path).status == 404
