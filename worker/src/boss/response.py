"""An answer, before ASGI turns it into messages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from boss.problem import Problem

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Response:
    """Hold a status, a body and its headers (lower-case names)."""

    status: int
    body: bytes
    headers: Headers

    def adding(self, *headers: tuple[str, str]) -> Response:
        """Return the same answer with more headers."""
        return Response(self.status, self.body, (*self.headers, *headers))


def json_response(value: Any, status: int = 200) -> Response:
    """Answer a value as JSON.

    Args:
        value: what ``json`` can write; NaN and infinity are refused, since they are no JSON.
        status: the HTTP status.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return _response(status, text.encode(), "application/json; charset=utf-8")


def empty_response(status: int = 204) -> Response:
    """Answer nothing but a status."""
    return Response(status, b"", ())


def xml_response(text: str) -> Response:
    """Answer TwiML, which Twilio reads as instructions."""
    return _response(200, text.encode(), "text/xml; charset=utf-8")


def bytes_response(body: bytes, media_type: str) -> Response:
    """Answer bytes that were stored under a media type."""
    return _response(200, body, media_type)


def problem_response(problem: Problem, request_id: str) -> Response:
    """Answer a problem in the one shape all errors have.

    Args:
        problem: what went wrong.
        request_id: the request's id, by which its log line is found.
    """
    error: dict[str, Any] = {"type": problem.kind, "message": problem.message}
    if problem.fields:
        error["fields"] = problem.fields
    if request_id:
        error["request_id"] = request_id
    return json_response({"error": error}, problem.status).adding(*_pairs(problem.headers))


def _response(status: int, body: bytes, media_type: str) -> Response:
    length = str(len(body))
    return Response(status, body, (("content-type", media_type), ("content-length", length)))


def _pairs(headers: Mapping[str, str]) -> Headers:
    return tuple((name.lower(), value) for name, value in headers.items())
