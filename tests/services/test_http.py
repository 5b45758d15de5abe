"""The one way out: retries where they are safe, doubts where they are due, no leaks."""

from __future__ import annotations

import logging
import socket
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

import pytest
import responses

from xswarm_deploy.errors import Refused
from xswarm_deploy.loopback import is_loopback
from xswarm_deploy.secret import Secret
from xswarm_deploy.services.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    Obstructed,
    RateLimited,
    ServiceError,
    ServiceUnavailable,
    Unauthorised,
)
from xswarm_deploy.services.http import Http

BASE = "https://api.example.test/v1"
TOKEN = "canary-token-58c1e0"


def http(fake_time: Any, base: str = BASE, **options: Any) -> Http:
    headers = {"Authorization": Secret(f"Bearer {TOKEN}", "EXAMPLE_TOKEN")}
    return Http("Example", base, headers, clock=fake_time.clock, **options)


@responses.activate
def test_reads_json_and_sends_the_credential(fake_time: Any) -> None:
    responses.get(f"{BASE}/things", json={"a": 1})
    assert http(fake_time).get("/things").json() == {"a": 1}
    assert responses.calls[0].request.headers["Authorization"] == f"Bearer {TOKEN}"


@responses.activate
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Invalid),
        (401, Unauthorised),
        (402, Invalid),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (412, Conflict),
        (422, Invalid),
        (301, Obstructed),
    ],
)
def test_each_refusal_has_its_type_and_is_not_repeated(
    fake_time: Any, status: int, kind: type[ServiceError]
) -> None:
    responses.get(BASE, status=status, json={"errors": [{"code": 10007, "message": "no"}]})
    with pytest.raises(kind) as caught:
        http(fake_time).get("")
    assert (caught.value.status, caught.value.codes) == (status, ("10007",))
    assert len(responses.calls) == 1


@responses.activate
def test_a_page_of_an_edge_is_told_by_its_title(fake_time: Any) -> None:
    page = "<!DOCTYPE html>\n<html><head><title>521:\n Web server is down</title></head>"
    responses.get(BASE, status=404, body=page)
    with pytest.raises(ServiceError, match="a page in HTML: 521: Web server is down") as caught:
        http(fake_time).get("")
    assert "<" not in caught.value.said


@responses.activate
@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 521, 523, 529, 530])
def test_a_transient_answer_to_a_read_is_repeated(fake_time: Any, status: int) -> None:
    responses.get(BASE, status=status)
    responses.get(BASE, json=[])
    assert http(fake_time).get("").json() == []
    assert len(fake_time.slept) == 1


@responses.activate
def test_tries_are_bounded_and_waits_grow_with_jitter(fake_time: Any) -> None:
    responses.get(BASE, status=500)
    with pytest.raises(ServiceUnavailable) as caught:
        http(fake_time, jitter=lambda: 1.0).get("")
    assert len(responses.calls) == 4
    assert fake_time.slept == [0.25, 0.5, 1.0]
    assert not caught.value.in_doubt


@responses.activate
def test_a_failing_post_is_not_repeated_and_is_in_doubt(fake_time: Any) -> None:
    responses.post(BASE, status=500)
    with pytest.raises(ServiceUnavailable) as caught:
        http(fake_time).post("", json={})
    assert len(responses.calls) == 1
    assert caught.value.in_doubt
    assert "may have been applied" in str(caught.value)


@responses.activate
@pytest.mark.parametrize("option", [{"safe": True}, {"idempotency_key": "k1"}])
def test_a_post_said_to_be_safe_is_repeated(fake_time: Any, option: dict[str, Any]) -> None:
    responses.post(BASE, status=502)
    responses.post(BASE, json={"id": 1})
    assert http(fake_time).post("", **option).json() == {"id": 1}


@responses.activate
def test_a_rate_limited_post_is_repeated_as_it_was_not_processed(fake_time: Any) -> None:
    responses.post(BASE, status=429, headers={"Retry-After": "3"})
    responses.post(BASE, json={})
    http(fake_time).post("")
    assert fake_time.slept == [3.0]


@responses.activate
def test_retry_after_as_a_date(fake_time: Any) -> None:
    fake_time.seconds = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT
    responses.get(BASE, status=503, headers={"Retry-After": "Tue, 14 Nov 2023 22:13:25 GMT"})
    responses.get(BASE, json={})
    http(fake_time).get("")
    assert fake_time.slept == [5.0]


@responses.activate
def test_a_wait_beyond_the_cap_is_an_error_at_once(fake_time: Any) -> None:
    responses.get(BASE, status=429, headers={"Retry-After": "3600"})
    with pytest.raises(RateLimited) as caught:
        http(fake_time).get("")
    assert fake_time.slept == []
    assert caught.value.retry_after == 3600.0


@responses.activate
def test_waits_end_with_the_budget(fake_time: Any) -> None:
    responses.get(BASE, status=503, headers={"Retry-After": "4"})
    with pytest.raises(ServiceUnavailable):
        http(fake_time, budget=6.0).get("")
    assert fake_time.slept == [4.0]


@responses.activate
def test_doubt_outlives_the_attempt_that_raised_it(fake_time: Any) -> None:
    responses.put(BASE, status=504)
    responses.put(BASE, status=404)
    with pytest.raises(NotFound) as caught:
        http(fake_time).put("", json={})
    assert caught.value.in_doubt


def test_nothing_listens_is_no_doubt_and_is_repeated(fake_time: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(ServiceUnavailable) as caught:
        http(fake_time, url).post("/x")
    assert not caught.value.in_doubt
    assert caught.value.said == "no connection: connection refused"
    assert len(fake_time.slept) == 3


def test_a_reply_lost_after_sending_is_in_doubt(
    fake_time: Any, raw_server: Callable[..., Any]
) -> None:
    server = raw_server(lambda connection, received: None)
    with pytest.raises(ServiceUnavailable) as caught:
        http(fake_time, server.url).post("/x", json={"a": 1})
    assert caught.value.in_doubt
    assert len(server.requests) == 1


def test_a_read_is_never_in_doubt(fake_time: Any, raw_server: Callable[..., Any]) -> None:
    server = raw_server(*[lambda connection, received: None] * 4)
    with pytest.raises(ServiceUnavailable) as caught:
        http(fake_time, server.url).get("/x")
    assert not caught.value.in_doubt
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
        b"nonsense\r\n\r\n",
    ],
    ids=["cut short", "chunk cut short", "bad gzip", "no HTTP"],
)
def test_a_broken_reply_to_a_change_is_in_doubt(
    fake_time: Any, raw_server: Callable[..., Any], reply: bytes
) -> None:
    server = raw_server(lambda connection, received: connection.sendall(reply))
    with pytest.raises(ServiceUnavailable) as caught:
        http(fake_time, server.url).post("/x")
    assert caught.value.in_doubt


@responses.activate
def test_json_that_is_cut_short_is_read_again(fake_time: Any) -> None:
    responses.get(BASE, body='{"a": ', content_type="application/json; charset=utf-8")
    responses.get(BASE, json={"a": 1})
    assert http(fake_time).get("").json() == {"a": 1}


@responses.activate
@pytest.mark.parametrize("body", ["", "null", "0", "[]"])
def test_short_json_is_not_taken_for_cut(fake_time: Any, body: str) -> None:
    responses.post(BASE, body=body, content_type="application/json")
    assert http(fake_time).post("").text == body


def test_a_success_that_is_no_json_is_in_doubt(
    fake_time: Any, raw_server: Callable[..., Any]
) -> None:
    page = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>"
    server = raw_server(lambda connection, received: connection.sendall(page))
    reply = http(fake_time, server.url).post("/x")
    with pytest.raises(ServiceUnavailable) as caught:
        reply.json()
    assert caught.value.in_doubt


def test_a_trickle_cannot_outlast_the_budget(
    fake_time: Any, raw_server: Callable[..., Any]
) -> None:
    """Each byte takes two seconds of the clock; all of them, half an hour."""
    sent: list[int] = []

    def trickle(connection: socket.socket, received: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for number in range(1000):
            fake_time.seconds += 2
            try:
                connection.sendall(b"x")
            except OSError:
                return
            sent.append(number)
            time.sleep(0.02)

    server = raw_server(trickle)
    with pytest.raises(ServiceUnavailable, match="no complete answer in time"):
        http(fake_time, server.url, retries=0, budget=30).get("")
    assert len(sent) < 1000


def test_silence_ends_with_the_read_timeout(fake_time: Any, raw_server: Callable[..., Any]) -> None:
    left = threading.Event()
    server = raw_server(lambda connection, received: left.wait(60))
    with pytest.raises(ServiceUnavailable, match="no answer in time") as caught:
        http(fake_time, server.url, timeout=(60.0, 0.1)).post("")
    left.set()
    assert caught.value.in_doubt


def test_connections_are_used_again(fake_time: Any, raw_server: Callable[..., Any]) -> None:
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

    def twice(connection: socket.socket, received: bytes) -> None:
        connection.sendall(ok)
        assert b"GET /b" in connection.recv(65536)
        connection.sendall(ok)

    client = http(fake_time, raw_server(twice).url, retries=0)
    client.get("/a")
    client.get("/b")


def test_cookies_are_not_kept_and_redirects_not_followed(
    fake_time: Any, raw_server: Callable[..., Any]
) -> None:
    moved = (
        b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nSet-Cookie: a=b\r\n"
        b"Content-Length: 0\r\nConnection: close\r\n\r\n"
    )
    answer = lambda connection, received: connection.sendall(moved)  # noqa: E731
    server = raw_server(answer, answer)
    client = http(fake_time, server.url)
    assert client.get("/a", expect=(302,)).status == 302
    client.get("/b", expect=(302,))
    assert b"Cookie" not in server.requests[1]


def test_a_netrc_entry_does_not_replace_the_credential(
    fake_time: Any, raw_server: Callable[..., Any], tmp_path: Any, monkeypatch: Any
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password wrong\n")
    monkeypatch.setenv("NETRC", str(netrc))
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    server = raw_server(lambda connection, received: connection.sendall(ok))
    http(fake_time, server.url).get("")
    assert TOKEN.encode() in server.requests[0]


def test_a_proxy_is_not_asked_for_this_machine(
    fake_time: Any, raw_server: Callable[..., Any], monkeypatch: Any
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    server = raw_server(lambda connection, received: connection.sendall(ok))
    assert http(fake_time, server.url).get("").status == 200


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.test",
        "http://localhost.example.test",
        "ftp://127.0.0.1",
        "https://user:word@api.example.test",
        "https://api.example.test/?token=1",
        "api.example.test",
        "",
    ],
)
def test_a_base_url_that_would_leak_is_refused(url: str) -> None:
    with pytest.raises(Refused):
        Http("Example", url)


@pytest.mark.parametrize("host", ["[::1", "*.example.test", ".example.test", "h:99999"])
def test_a_base_url_that_nobody_can_ask_is_refused_and_not_shown(host: str) -> None:
    with pytest.raises(Refused, match="no host and port") as caught:
        Http("Example", f"https://{host}/services/canary-of-a-webhook")
    assert "canary" not in caught.value.render()


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://127.0.0.1:80", True),
        ("http://127.9.9.9", True),
        ("http://[::1]:80", True),
        ("http://localhost", True),
        ("http://boss-ai.localhost:8080/x", True),
        ("http://10.0.0.1", False),
        ("http://localhost.evil.test", False),
        ("http://128.0.0.1", False),
    ],
)
def test_loopback(url: str, loopback: bool) -> None:
    assert is_loopback(url) is loopback


@pytest.mark.parametrize("value", [f"{TOKEN}\nX-Evil: 1", f"{TOKEN}\r", f"{TOKEN}é", f"\t{TOKEN}"])
def test_a_token_that_cannot_be_sent_is_refused_by_name(fake_time: Any, value: str) -> None:
    client = Http("Example", BASE, {"X-Key": Secret(value, "EXAMPLE_KEY")}, clock=fake_time.clock)
    with pytest.raises(Refused, match="EXAMPLE_KEY") as caught:
        client.get("")
    assert TOKEN not in "".join(traceback.format_exception(caught.value))


def _chain(error: BaseException | None) -> list[BaseException]:
    chain: list[BaseException] = []
    while error is not None:
        chain.append(error)
        error = error.__cause__ or error.__context__
    return chain


def test_no_exception_of_requests_leaves_even_as_context(fake_time: Any) -> None:
    secret = Secret("canary-path-77aa01", "EXAMPLE_URL")
    query = {"token": "canary-query-1"}  # a traceback shows the lines of the call itself
    with pytest.raises(ServiceError) as caught:
        http(fake_time, "http://127.0.0.1:1").get(f"/{secret.reveal()}", query=query)
    assert [type(error) for error in _chain(caught.value)] == [ServiceUnavailable]
    text = "".join(traceback.format_exception(caught.value))
    assert "canary" not in text
    assert "[EXAMPLE_URL]" in str(caught.value)


@responses.activate
def test_a_provider_that_echoes_the_key_is_redacted(fake_time: Any) -> None:
    client = http(fake_time)
    responses.get(BASE, status=401, json={"error": {"message": f"bad key Bearer {TOKEN}\x1b[2J"}})
    with pytest.raises(Unauthorised) as caught:
        client.get("")
    assert TOKEN not in caught.value.render()
    assert "\x1b" not in caught.value.render()


def test_the_log_of_urllib3_is_redacted(
    fake_time: Any, raw_server: Callable[..., Any], caplog: Any
) -> None:
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    server = raw_server(lambda connection, received: connection.sendall(ok))
    with caplog.at_level(logging.DEBUG, "urllib3.connectionpool"):
        http(fake_time, server.url).get("/" + Secret("canary-log-31337", "HOOK").reveal())
    assert "[HOOK]" in caplog.text
    assert "canary" not in caplog.text


@responses.activate
@pytest.mark.parametrize(
    ("body", "codes", "message"),
    [
        ({"errors": [{"code": 10007, "message": "gone"}]}, ("10007",), "gone"),
        ({"errors": [{"field": None, "message": "denied"}]}, (), "denied"),
        ({"error": {"type": "t", "code": "c", "message": "m"}}, ("c", "t"), "m"),
        ({"code": 20003, "message": "Authenticate", "status": 401}, ("20003",), "Authenticate"),
        ({"ok": False, "error": "invalid_auth"}, (), "invalid_auth"),
    ],
)
def test_every_providers_errors_are_read(
    fake_time: Any, body: dict[str, Any], codes: tuple[str, ...], message: str
) -> None:
    responses.get(BASE, status=400, json=body)
    with pytest.raises(Invalid) as caught:
        http(fake_time).get("")
    assert (caught.value.codes, caught.value.said) == (codes, message)


@responses.activate
@pytest.mark.parametrize("field", ["code", "type", "message"])
@pytest.mark.parametrize("wrap", [{}, {"errors": []}, {"error": {}}])
def test_an_error_that_echoes_the_credential_shows_neither_it_nor_escapes(
    fake_time: Any, field: str, wrap: dict[str, Any]
) -> None:
    """Invoke itself prints the error, so it is clean from the moment it is made."""
    Secret("canary-of-a-code", "CANARY")
    said = {field: "no canary-of-a-code\x1b[2J\n✓ released " + "x" * 5_000}
    body = {name: [said] if isinstance(value, list) else said for name, value in wrap.items()}
    responses.get(BASE, status=400, json=body or said)
    with pytest.raises(Invalid) as caught:
        http(fake_time).get("")
    for text in (caught.value.render(), str(caught.value), *caught.value.codes):
        assert "canary-of" not in text
        assert "\x1b" not in text
        assert "\n✓" not in text
        assert len(text) < 1_000
