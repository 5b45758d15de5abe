"""The envelope around every answer of Cloudflare's API: ``{success, errors, result}``."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from xswarm_deploy.services.errors import ServiceUnavailable, error_kind, read_error
from xswarm_deploy.services.http import READING, Reply


class Result(NamedTuple):
    """What was inside: the value, and what is said about further pages."""

    value: Any
    info: Mapping[str, Any] = MappingProxyType({})


def unwrap(reply: Reply) -> Any:
    """Return an answer's ``result``; see :func:`result`."""
    return result(reply).value


def result(reply: Reply) -> Result:
    """Open the envelope.

    Raises:
        ServiceError: it says ``success: false``, or it is no envelope.
    """
    content = reply.json()
    if not isinstance(content, Mapping) or "success" not in content:
        changing = reply.call.split(" ", 1)[0] not in READING
        raise ServiceUnavailable(
            reply.service,
            reply.call,
            status=reply.status,
            message="the reply is no envelope of this API",
            in_doubt=changing,
        )
    if not content["success"]:
        codes, message = read_error(content, reply.text)
        raise error_kind(reply.status)(
            reply.service, reply.call, status=reply.status, codes=codes, message=message
        )
    return Result(content.get("result"), content.get("result_info") or {})
