"""Hrana 3 over HTTP, the protocol libSQL servers speak: how values and statements are written.

Source: Hrana over HTTP specification, version 3 (``POST /v3/pipeline`` and its twin ``/v2``).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Value = None | bool | int | float | str | bytes
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Statement:
    """One SQL statement with its parameters.

    Args:
        sql: the statement, its parameters as ``?``.
        parameters: their values.
    """

    sql: str
    parameters: Sequence[Value] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What a statement gave: its rows, and how many rows it changed."""

    rows: tuple[Row, ...]
    affected: int


def batch(statements: Sequence[Statement]) -> dict[str, Any]:
    """Write statements as one pipeline: all are done, or none.

    A single statement is a transaction by itself; several are put between BEGIN and COMMIT,
    each on condition that the one before succeeded.
    """
    steps = [_statement(statement) for statement in statements]
    if len(steps) > 1:
        steps = [_plain("BEGIN IMMEDIATE"), *steps, _plain("COMMIT")]
    chain = [_step(stmt, index) for index, stmt in enumerate(steps)]
    if len(steps) > 1:
        chain.append(_rollback(len(steps) - 1))
    return {"requests": [{"type": "batch", "batch": {"steps": chain}}, {"type": "close"}]}


def result(raw: Mapping[str, Any]) -> Result:
    """Read what the server says of one statement."""
    names = [column["name"] for column in raw["cols"]]
    rows = tuple(dict(zip(names, map(decode, row), strict=True)) for row in raw["rows"])
    return Result(rows, int(raw["affected_row_count"]))


def encode(value: Value) -> dict[str, Any]:
    """Write a parameter's value.

    Raises:
        ValueError: an integer beyond 64 bits, or a float that is no number.
    """
    match value:
        case None:
            return {"type": "null"}
        case bool() | int():
            return {"type": "integer", "value": str(_integer(int(value)))}
        case float():
            return {"type": "float", "value": value}
        case str():
            return {"type": "text", "value": value}
        case _:
            return {"type": "blob", "base64": base64.b64encode(value).decode().rstrip("=")}


def decode(value: Mapping[str, Any]) -> Value:
    """Read a value of a row."""
    match value["type"]:
        case "null":
            return None
        case "integer":
            return int(value["value"])
        case "blob":
            text = value["base64"]
            return base64.b64decode(text + "=" * (-len(text) % 4))
        case _:
            plain: Value = value["value"]
            return plain


def _integer(value: int) -> int:
    if not -(2**63) <= value < 2**63:
        raise ValueError("an integer beyond 64 bits")
    return value


def _statement(statement: Statement) -> dict[str, Any]:
    arguments = [encode(value) for value in statement.parameters]
    return {"sql": statement.sql, "args": arguments, "want_rows": True}


def _plain(sql: str) -> dict[str, Any]:
    return {"sql": sql, "args": [], "want_rows": False}


def _step(statement: Mapping[str, Any], index: int) -> dict[str, Any]:
    if index == 0:
        return {"stmt": statement}
    return {"stmt": statement, "condition": {"type": "ok", "step": index - 1}}


def _rollback(commit: int) -> dict[str, Any]:
    failed = {"type": "not", "cond": {"type": "ok", "step": commit}}
    begun = {"type": "ok", "step": 0}
    return {"stmt": _plain("ROLLBACK"), "condition": {"type": "and", "conds": [begun, failed]}}
