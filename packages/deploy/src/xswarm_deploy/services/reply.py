"""What a service answered: wholly read, and taken apart by the shape that is expected."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar, cast

from xswarm_deploy import texts
from xswarm_deploy.services import shape as shapes
from xswarm_deploy.services.errors import UnexpectedReply
from xswarm_deploy.services.shape import Mismatch

READING = frozenset({"GET", "HEAD"})
Shape = TypeVar("Shape")


class Reply(NamedTuple):
    """What a service answered, wholly read."""

    service: str
    call: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """Return the body as text; what is no UTF-8 is replaced."""
        return self.body.decode("utf-8", "replace")

    @property
    def changing(self) -> bool:
        """Return whether the call was one that changes something."""
        return self.call.split(" ", 1)[0] not in READING

    def read(self, shape: type[Shape]) -> Shape:
        """Return the body as JSON of the given shape, a :class:`Wire` or a type of JSON.

        Raises:
            UnexpectedReply: it is none; a changing call is then in doubt.
        """
        try:
            content = json.loads(self.body)
        except (ValueError, RecursionError):
            other = texts.of_another(self.text)
            why = f"the reply is no JSON, but {other}" if other else "the reply is no JSON"
            raise self.unexpected(why) from None
        return self.shaped(content, shape)

    def shaped(self, content: object, shape: type[Shape]) -> Shape:
        """Return a part of the body by its shape; see :meth:`read`."""
        try:
            return cast("Shape", shapes.read(content, shape))
        except Mismatch as error:
            raise self.unexpected(str(error)) from None

    def unexpected(self, why: str) -> UnexpectedReply:
        """Return the error for a reply that is not what the API documents.

        Args:
            why: what is wrong with it.
        """
        return UnexpectedReply(
            self.service, self.call, status=self.status, message=why, in_doubt=self.changing
        )

    def json(self) -> Any:
        """Return the body as JSON of any shape.

        Raises:
            UnexpectedReply: it is none; a changing call is then in doubt.
        """
        return self.read(object)


def json_or_none(body: bytes) -> Any:
    """Return a body as JSON; None where it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
