"""The envelope around every answer of Cloudflare's API: ``{success, errors, result}``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, NamedTuple, TypeVar

from xswarm_deploy.services.errors import error_kind, read_error
from xswarm_deploy.services.reply import Reply, json_or_none
from xswarm_deploy.services.shape import Wire

Shape = TypeVar("Shape")


class Info(Wire):
    """What an answer says about further pages."""

    total_pages: int | None = None
    cursor: str | None = None


class _Envelope(Wire):
    success: bool
    result: object = None
    result_info: Info | None = None


class Result(NamedTuple, Generic[Shape]):
    """What was inside: the value, and what is said about further pages."""

    value: Shape
    info: Info


def refuses(reply: Reply) -> bool:
    """Return whether an answer to a change is a refusal although its status says success.

    What is empty, or JSON without an envelope (that of deletions), is none.

    Raises:
        UnexpectedReply: it is no JSON: a proxy, or a login page, answers in Cloudflare's place.
    """
    if not reply.changing or not reply.body.strip():
        return False
    content = reply.json()
    return isinstance(content, Mapping) and content.get("success") is False


def require_success(reply: Reply) -> None:
    """Open the envelope of an answer whose result does not matter.

    Raises:
        ServiceError: it says ``success: false``, or it is no envelope.
    """
    _opened(reply)


def unwrap(reply: Reply, shape: type[Shape]) -> Shape:
    """Return an answer's ``result`` by its shape; see :func:`result`."""
    return result(reply, shape).value


def result(reply: Reply, shape: type[Shape]) -> Result[Shape]:
    """Open the envelope.

    Args:
        reply: the answer.
        shape: of its ``result``.

    Raises:
        ServiceError: it says ``success: false``.
        UnexpectedReply: it is no envelope, or its result is of another shape.
    """
    opened = _opened(reply)
    return Result(reply.shaped(opened.result, shape), opened.result_info or Info())


def _opened(reply: Reply) -> _Envelope:
    opened = reply.read(_Envelope)
    if not opened.success:
        content: Any = json_or_none(reply.body)
        codes, message = read_error(content, reply.text)
        raise error_kind(reply.status)(
            reply.service, reply.call, status=reply.status, codes=codes, message=message
        )
    return opened
