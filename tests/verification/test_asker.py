"""Asking a target: what an answer's body is read as."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests
import responses

from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.site import Site
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
