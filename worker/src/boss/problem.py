"""What the service says when it cannot do what was asked: one shape for every error."""

from __future__ import annotations

from collections.abc import Mapping


class Problem(Exception):
    """A request ends with this error instead of an answer.

    Args:
        status: the HTTP status.
        kind: the error's stable name, for programs.
        message: one sentence, for people; never a secret or a statement.
        fields: what is wrong with each input, by its name.
        headers: headers the answer carries besides the usual ones.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        message: str,
        *,
        fields: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.message = message
        self.fields = dict(fields or {})
        self.headers = dict(headers or {})


def invalid(fields: Mapping[str, str]) -> Problem:
    """Make the problem of input that does not fit, naming each field."""
    return Problem(400, "invalid_input", "Some fields are missing or wrong.", fields=fields)


def unauthenticated(message: str = "Sign in first.") -> Problem:
    """Make the problem of a request without valid credentials."""
    return Problem(401, "unauthenticated", message, headers={"www-authenticate": "Bearer"})


def not_found(what: str = "There is nothing here.") -> Problem:
    """Make the problem of something that does not exist."""
    return Problem(404, "not_found", what)
