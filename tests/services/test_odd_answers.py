"""Whatever answers: one error with a cause and a next step, nothing secret, and an end."""

from __future__ import annotations

import gzip
import json
import time
import zlib
from typing import Any

import pytest

from tests.support.answering import Answer, answering, reply
from xswarm_deploy.errors import DeployError
from xswarm_deploy.secret import Secret
from xswarm_deploy.services.envelope import unwrap
from xswarm_deploy.services.errors import (
    Forbidden,
    Obstructed,
    RateLimited,
    ServiceError,
    ServiceUnavailable,
    UnexpectedReply,
)
from xswarm_deploy.services.http import Http, bearer

CANARY = "canary-of-a-provider-71c2"
GOOD = json.dumps({"success": True, "errors": [], "messages": [], "result": {"id": "x"}})
PACKED = gzip.compress(GOOD.encode())


def page(title: str) -> str:
    return f"<!DOCTYPE html><html><head><title>{title}</title></head><body>…</body></html>"


def chunked(*lines: str, end: str = "0\r\n\r\n") -> bytes:
    head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
    size = f"{len(GOOD):x}"
    text = f"{head}{''.join(lines)}Connection: close\r\n\r\n{size}\r\n{GOOD}\r\n{end}"
    return text.encode()


UNDERSTOOD: dict[str, Answer] = {
    "gzip": reply(PACKED, "Content-Encoding: gzip"),
    "gzip of two parts": reply(
        gzip.compress(GOOD[:9].encode()) + gzip.compress(GOOD[9:].encode()),
        "Content-Encoding: gzip",
    ),
    "bare deflate": reply(zlib.compress(GOOD.encode())[2:-4], "Content-Encoding: deflate"),
    "trailers": chunked(end="0\r\nX-Late: 1\r\n\r\n"),
    "chunks and a length": chunked("Content-Length: 5\r\n"),
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + GOOD.encode(),
    "100": b"HTTP/1.1 100 Continue\r\n\r\n" + reply(GOOD),
    "102": b"HTTP/1.1 102 Processing\r\n\r\n" * 3 + reply(GOOD),
    "103": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + reply(GOOD),
    "a byte order mark": reply(b"\xef\xbb\xbf" + GOOD.encode()),
    "headers of Latin": reply(GOOD, "X-Ä: ü"),
}


def http(url: str) -> Http:
    headers = {"Authorization": bearer(Secret(CANARY, "TOKEN"))}
    return Http("Example", url, headers, timeout=(1.0, 1.0), budget=1.5, retries=0)


@pytest.mark.parametrize("answer", UNDERSTOOD.values(), ids=UNDERSTOOD)
def test_what_http_allows_is_understood(answer: Answer) -> None:
    with answering(answer) as server:
        assert unwrap(http(server.url).get("/x"), dict[str, str]) == {"id": "x"}
        assert unwrap(http(server.url).post("/x"), dict[str, str]) == {"id": "x"}


EDGE = "error code: 1020"
ECHO = json.dumps({"errors": [{"message": CANARY}]})
ODD: dict[str, tuple[Answer, type[ServiceError], str]] = {
    "gzip cut off": (
        reply(PACKED[:-12], "Content-Encoding: gzip"),
        ServiceUnavailable,
        "cut short",
    ),
    "not packed": (
        reply("no gzip at all", "Content-Encoding: gzip"),
        ServiceUnavailable,
        "unpacked",
    ),
    "brotli": (reply(b"\x8b\x00", "Content-Encoding: br"), ServiceUnavailable, "cut short"),
    "shorter than said": (reply(GOOD, length="999"), ServiceUnavailable, "broke"),
    "longer than said": (reply(GOOD, length="9"), ServiceUnavailable, "cut short"),
    "two lengths": (reply(GOOD, "Content-Length: 5"), ServiceUnavailable, "."),
    "a bad chunk": (chunked(end="zz\r\n\r\n"), ServiceUnavailable, "broke"),
    "no last chunk": (chunked(end=""), ServiceUnavailable, "broke"),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.6\r\n", ServiceUnavailable, "does not speak HTTP"),
    "TLS": (b"\x15\x03\x01\x00\x02\x02\x16", ServiceUnavailable, "does not speak HTTP"),
    "no status": (b"HTTP/1.1 abc OK\r\n\r\n", ServiceUnavailable, "does not speak HTTP"),
    "closed": (b"", ServiceUnavailable, "broke"),
    "300 headers": (reply("", *[f"X-{n}: y" for n in range(300)]), ServiceUnavailable, "head"),
    "a long header": (reply("", "X: " + "y" * 70_000), ServiceUnavailable, "head"),
    "a switch of protocols": (b"HTTP/1.1 101 S\r\nUpgrade: x\r\n\r\n", ServiceUnavailable, "."),
    "204 with a body": (reply(GOOD, status="204 No Content"), UnexpectedReply, "no JSON"),
    "nothing": (reply(""), UnexpectedReply, "no JSON"),
    "a login": (reply(page("Sign in"), kind="text/html"), UnexpectedReply, "in HTML: Sign in"),
    "to a login": (reply("", "Location: http://login", status="302 Found"), Obstructed, "302"),
    "to https": (reply("", "Location: https://x", status="301 Moved"), Obstructed, "301"),
    "a proxy's login": (reply("", status="407 Proxy Auth"), Obstructed, "407"),
    "a firewall": (
        reply("error code: 1020", status="403 x", kind="text/plain"),
        Obstructed,
        "1020",
    ),
    "a firewall's page": (
        reply(page("Denied"), status="403 x", kind="text/html"),
        Obstructed,
        "Den",
    ),
    "a permission": (
        reply('{"success": false, "errors": [{"code": 9109, "message": "no"}]}', status="403 x"),
        Forbidden,
        "9109",
    ),
    "520": (reply(page("520: error"), status="520 x", kind="text/html"), ServiceUnavailable, "520"),
    "1015": (reply("error code: 1015", "Retry-After: 5000", status="429 x"), RateLimited, "1015"),
    "nested": (reply("[" * 200_000), ServiceUnavailable, "."),
    "a huge number": (reply('{"success": ' + "9" * 9_999 + "}"), ServiceUnavailable, "."),
    "no result": (reply('{"success": true, "result": null}'), UnexpectedReply, "null"),
    "errors as text": (reply('{"success": false, "errors": "no"}'), ServiceError, "no"),
    "odd errors": (
        reply('{"errors": [1, null, {"code": {}, "message": []}]}', status="400 x"),
        ServiceError,
        "400",
    ),
    "half a character": (
        reply('{"errors": [{"message": "\\ud800\\u001b[2J"}]}', status="400 x"),
        ServiceError,
        "400",
    ),
    "the key": (reply(ECHO, status="400 x"), ServiceError, "400"),
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_odd_answer_is_one_error(name: str, method: str) -> None:
    answer, kind, told = ODD[name]
    began = time.monotonic()
    with answering(answer) as server, pytest.raises(kind, match=told) as caught:
        unwrap(http(server.url).call(method, "/x"), dict[str, Any])
    assert time.monotonic() - began < 10
    text = caught.value.render()
    assert CANARY not in text
    assert "\x1b" not in text
    if not isinstance(caught.value, ServiceUnavailable):
        return
    assert "next:" in text


@pytest.mark.parametrize(
    "asked",
    [
        "-5",
        "1.5",
        "\u00b2",  # what str.isdigit takes, and float does not
        "9" * 400,
        "9" * 5_000,
        "Wed, 21 Oct 2015 07:28:00 GMT",
        "Wed, 21 Oct 2099 07:28:00",
        "Wed, 99 Zzz 99999 99:99:99 GMT",
        "Fri, 31 Dec 9999 23:59:59 -2359",
        "soon",
    ],
)
@pytest.mark.parametrize("status", ["429 Too Many", "503 Unavailable"])
def test_whatever_it_asks_to_wait(asked: str, status: str) -> None:
    """A date of the year 9999 is not waited for, and none of them ends in a traceback."""
    began = time.monotonic()
    answer = reply("{}", f"Retry-After: {asked}", status=status)
    with answering(answer) as server, pytest.raises(DeployError) as caught:
        http(server.url).get("/x")
    assert time.monotonic() - began < 10
    assert "next:" in caught.value.render()
