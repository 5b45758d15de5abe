"""Hrana, the protocol of libSQL's server, as data: what is sent, and what it answers.

Source: libSQL's HRANA_3_SPEC (pipelines, batches with conditions, cursors as JSON).
"""

from __future__ import annotations

import base64
import functools
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ParamSpec, TypeVar

from xswarm_deploy.database import asking, floats
from xswarm_deploy.database.errors import DatabaseError, kind_of
from xswarm_deploy.database.rows import Result, Row, Statement, Value, check

Json = dict[str, Any]
P = ParamSpec("P")
T = TypeVar("T")

_NOT_IN_TRANSACTION = "no transaction is active"


def encode(value: Value) -> Json:
    """Return a value as Hrana's JSON.

    Raises:
        DatabaseError: kind ``value``, for a number that JSON would carry as another.
    """
    if value is None:
        return {"type": "null"}
    if isinstance(value, int):
        return {"type": "integer", "value": str(int(value))}
    if isinstance(value, float):
        return {"type": "float", "value": _encode_float(value)}
    if isinstance(value, str):
        return {"type": "text", "value": value}
    return {"type": "blob", "base64": base64.b64encode(value).rstrip(b"=").decode()}


def _encode_float(number: float) -> str:
    token = None if math.isinf(number) else floats.token(number)
    if token is None:
        what = "an infinite number" if math.isinf(number) else f"the number {number!r}"
        raise DatabaseError(
            "value",
            f"{what} cannot be sent exactly as a parameter",
            remedy="write it in the statement itself (9e999 is infinite)",
        )
    return token


def with_exact_floats(body: bytes) -> bytes:
    """Turn the decimals :func:`encode` wrote as strings into JSON numbers.

    Within a JSON string every quote is escaped, so this finds no look-alike.

    Args:
        body: a request, as JSON.
    """
    return _FLOAT.sub(rb"\1\2", body)


_FLOAT = re.compile(rb'("type": "float", "value": )"([^"]*)"')


def decode(cell: Json, column: str) -> Value:
    """Return the value in a cell of an answer.

    Args:
        cell: Hrana's JSON.
        column: its column, for the error.

    Raises:
        DatabaseError: kind ``value``, for an infinite number, whose sign is lost.
    """
    kind = cell["type"]
    if kind == "null":
        return None
    if kind == "integer":
        return int(cell["value"])
    if kind == "float":
        return _decode_float(cell["value"], column)
    if kind == "text":
        return str(cell["value"])
    encoded: str = cell["base64"]
    return base64.b64decode(encoded + "=" * (-len(encoded) % 4))


def _decode_float(number: float | None, column: str) -> float:
    if number is None:
        raise DatabaseError(
            "value",
            f"column {column!r} holds an infinite number, whose sign the protocol loses",
            remedy=f"select CAST({column} AS TEXT)",
        )
    return float(number)


def statement(source: Statement) -> Json:
    """Return one statement as Hrana's JSON, checked."""
    check(source)
    encoded: Json = {"sql": source.sql}
    if source.parameters:
        encoded["args"] = [encode(value) for value in source.parameters]
    return encoded


def execute(sql: str) -> Json:
    """Return the request that runs one statement without parameters."""
    return {"type": "execute", "stmt": {"sql": sql}}


def understood(read: Callable[P, T]) -> Callable[P, T]:
    """Make a reader of answers tell of one that is not Hrana's by the error both homes share."""

    @functools.wraps(read)
    def reader(*given: P.args, **named: P.kwargs) -> T:
        try:
            return read(*given, **named)
        except asking.ODD:
            raise DatabaseError("unavailable", "the answer is not Hrana's", in_doubt=True) from None

    return reader


@understood
def position(answer: Json) -> str:
    """Return how far the server's log was when it ran a statement.

    Raises:
        DatabaseError: the server does not say.
    """
    found = answer.get("replication_index")
    if found is None:
        raise DatabaseError("failed", "the server does not say how far its log is")
    return str(found)


@understood
def is_refused(answer: Json) -> bool:
    """Return whether a request of a pipeline was refused as a whole."""
    return bool(answer["type"] == "error" and dict(answer["error"]))


@understood
def outcome(answer: Json) -> Json:
    """Return what one request of a pipeline brought about.

    Raises:
        DatabaseError: it was refused.
    """
    if answer["type"] == "error":
        raise failure(answer["error"])
    found: Json = answer["response"]["result"]
    return found


@understood
def result(answer: Json) -> Result:
    """Return what one statement did, from the answer to it."""
    columns = tuple(column["name"] or "" for column in answer["cols"])
    affected = int(answer["affected_row_count"])
    rowid = answer.get("last_insert_rowid")
    return Result(
        affected,
        int(rowid) if rowid is not None and affected else None,
        [
            Row(columns, [decode(cell, name) for cell, name in zip(row, columns, strict=True)])
            for row in answer["rows"]
        ],
        float(answer.get("query_duration_ms") or 0.0) / 1000,
    )


def atomic(
    statements: Iterable[Statement], *, begin: str, foreign_keys: bool, keep: bool
) -> Iterator[Json]:
    """Return the steps of a batch that runs all statements or none.

    Each statement runs only if the one before succeeded, COMMIT only if the last
    did, and ROLLBACK if COMMIT did not happen: so nothing remains of a failure,
    whether or not the client still lives.
    """
    opened = _opened(foreign_keys)
    if opened:
        yield {"stmt": {"sql": "PRAGMA foreign_keys = OFF"}}
    yield {"stmt": {"sql": begin}, **after(opened - 1)}
    last = opened
    for place, source in enumerate(statements):
        yield {"stmt": _at(place, source), **after(last)}
        last += 1
    yield {"stmt": {"sql": "COMMIT" if keep else "ROLLBACK"}, **after(last)}
    not_closed = {"type": "not", "cond": _ok(last + 1)}
    yield {
        "stmt": {"sql": "ROLLBACK"},
        "condition": {"type": "and", "conds": [_ok(opened), not_closed]},
    }


@understood
def atomic_results(answer: Json, *, foreign_keys: bool) -> list[Result]:
    """Return what the statements of an atomic batch did.

    Args:
        answer: the batch's answer.
        foreign_keys: as they were given to :func:`atomic`.

    Raises:
        DatabaseError: with the place of the one that failed; nothing remains.
    """
    first = _opened(foreign_keys) + 1
    errors, results = answer["step_errors"], answer["step_results"]
    closed = len(results) - 2
    for step, error in enumerate(errors):
        if error and _NOT_IN_TRANSACTION not in error["message"]:
            raise failure(error, step - first if first <= step < closed else None)
    if results[closed] is None:
        raise DatabaseError("failed", "the transaction did not end, and nothing says why")
    return [result(found) for found in results[first:closed]]


def _opened(foreign_keys: bool) -> int:
    """Return the place of BEGIN."""
    return 0 if foreign_keys else 1


def failure(error: Mapping[str, Any], place: int | None = None) -> DatabaseError:
    """Return the error both homes share, from Hrana's."""
    error = error if isinstance(error, Mapping) else {}
    message = str(error.get("message", "")).removeprefix("SQLite error: ")
    return DatabaseError(kind_of(str(error.get("code", ""))), message, statement=place)


def code(answer: Json) -> str:
    """Return the code of an answer that is an error; empty: Hrana lets it be null, or away."""
    error = answer.get("error")
    return str(error.get("code") or "") if isinstance(error, Mapping) else ""


def _at(place: int, source: Statement) -> Json:
    try:
        return statement(source)
    except DatabaseError as error:
        error.statement = place
        raise


def _ok(step: int) -> Json:
    return {"type": "ok", "step": step}


def after(step: int) -> Json:
    """Return the condition that a step succeeded; none for the place before the first."""
    return {"condition": _ok(step)} if step >= 0 else {}
