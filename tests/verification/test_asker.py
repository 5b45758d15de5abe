"""Asking a target: what an answer's body is read as."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable

import pytest
import requests
import responses

from xswarm_deploy.services.http import new_session
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.site import Site
from xswarm_deploy.verification import asker
from xswarm_deploy.verification.asker import Ask, Asker
from xswarm_deploy.verification.target import Target

URL = "https://worker.test"


@pytest.mark.parametrize(
    ("kind", "body", "text"),
    [
        ("application/json", '{"city": "Zürich"}'.encode(), '{"city": "Zürich"}'),
        ("text/html", "Zürich".encode(), "Zürich"),
        ("text/html; charset=ISO-8859-1", "Zürich".encode("latin-1"), "Zürich"),
        ("text/html; Charset=utf-8", "Zürich".encode(), "Zürich"),
        ("text/plain", b"\xff!", "\ufffd!"),
        ("", "Zürich".encode(), "Zürich"),
        ("application/problem+json", '\ufeff{"a": "ü"}'.encode(), '{"a": "ü"}'),
    ],
)
@responses.activate
def test_a_body_is_read_as_its_charset_says_and_never_guessed(
    kind: str,
    body: bytes,
    text: str,
    settings: Callable[..., Settings],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """requests takes text without a charset for Latin-1, and guesses all other by its bytes."""
    monkeypatch.setattr(requests.Response, "apparent_encoding", property(guessed))
    responses.get(f"{URL}/city", body, content_type=kind)
    with requests.Session() as session:
        assert Asker(Site(settings()), Target(URL), session).once(Ask("/city")).text == text


def guessed(_response: requests.Response) -> str:
    pytest.fail("the encoding was guessed")


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\nX-Long: ", b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n"]
)
def test_an_answer_that_drips_ends(settings: Callable[..., Settings], head: bytes) -> None:
    """A byte every twentieth of a second would be an answer for ever."""
    site = Site(settings({"verify": {"timeout_seconds": 0.5}}))
    with socket.create_server(("127.0.0.1", 0)) as listener, new_session() as session:
        thread = threading.Thread(target=_drip, args=(listener, head), daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        answer = Asker(site, Target(url), session).once(Ask("/"))
        thread.join(5)
    assert answer.status == 0
    assert answer.milliseconds < 5_000


@responses.activate
def test_an_answer_may_not_be_endless(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asker, "LARGEST_ANSWER", 1 << 20)
    responses.get(f"{URL}/large", b"x" * ((1 << 20) + 1))
    with requests.Session() as session:
        answer = Asker(site, Target(URL), session).once(Ask("/large"))
    assert (answer.status, answer.text) == (0, "it is larger than 1 MiB")


def _drip(listener: socket.socket, head: bytes) -> None:
    connection, _ = listener.accept()
    with connection, contextlib.suppress(OSError):
        connection.recv(65536)
        connection.sendall(head)
        for _ in range(1000):
            connection.sendall(b"x")
            time.sleep(0.05)
