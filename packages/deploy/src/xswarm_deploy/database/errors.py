"""What a database says when it refuses, in one vocabulary for both homes."""

from __future__ import annotations

from typing import Literal

from xswarm_deploy.errors import DeployError, ExitCode

Kind = Literal[
    "constraint",  # a key, a CHECK, a foreign key, NOT NULL
    "syntax",  # the statement is wrong, or names what is not there
    "value",  # a value that cannot be carried, or the wrong number of them
    "busy",  # another connection holds the lock
    "readonly",
    "corrupt",
    "full",
    "too large",
    "unauthorised",
    "unavailable",  # no answer, or an answer that is none
    "failed",  # anything else
]


class DatabaseError(DeployError):
    """A statement was refused, or the database did not answer.

    Args:
        kind: the class of the refusal, the same from both homes.
        why: the database's own words.
        statement: the place of the failing statement in its transaction, from 0.
        in_doubt: the request may have been carried out although no reply came.
        remedy: what to type or change next.
        passing: the connection broke, or what lies between had no answer: asking once more may
            help, where that is harmless.
    """

    def __init__(
        self,
        kind: Kind,
        why: str,
        *,
        statement: int | None = None,
        in_doubt: bool = False,
        remedy: str = "",
        passing: bool = False,
    ) -> None:
        self.kind: Kind = kind
        self.passing = passing
        self.statement = statement
        self.in_doubt = in_doubt
        self.exit_code = ExitCode.UNAVAILABLE if kind == "unavailable" else ExitCode.REFUSED
        super().__init__(f"The database refused ({kind})", why, remedy or _REMEDIES.get(kind, ""))


_REMEDIES: dict[str, str] = {
    "busy": "wait for the other writer, then run it again",
    "unauthorised": "check TURSO_AUTH_TOKEN, then: inv check",
    "unavailable": "check TURSO_DATABASE_URL and the network (the local twin: inv sandbox.up)",
}

# SQLite's own result codes, and the codes sqld adds; the longest match wins.
_KINDS: tuple[tuple[str, Kind], ...] = (
    ("SQLITE_CONSTRAINT", "constraint"),
    ("SQLITE_BUSY", "busy"),
    ("SQLITE_LOCKED", "busy"),
    ("TRANSACTION_TIMEOUT", "busy"),
    ("SQLITE_READONLY", "readonly"),
    ("SQLITE_CORRUPT", "corrupt"),
    ("SQLITE_NOTADB", "corrupt"),
    ("SQLITE_FULL", "full"),
    ("SQLITE_TOOBIG", "too large"),
    ("RESPONSE_TOO_LARGE", "too large"),
    ("SQLITE_MISMATCH", "value"),
    ("SQLITE_RANGE", "value"),
    ("ARGS_", "value"),
    ("SQLITE_AUTH", "unauthorised"),
    ("AUTH_", "unauthorised"),
    ("SQLITE_CANTOPEN", "unavailable"),
    ("SQLITE_IOERR", "unavailable"),
    ("SQL_", "syntax"),
    ("SQLITE_ERROR", "syntax"),
    ("SQLITE_UNKNOWN", "syntax"),  # sqld's name for SQLITE_ERROR
)


def kind_of(code: str) -> Kind:
    """Return the kind for a result code such as ``SQLITE_CONSTRAINT_UNIQUE``."""
    return next((kind for prefix, kind in _KINDS if code.startswith(prefix)), "failed")
