"""Values as SQL, and statements with their values in them."""

from __future__ import annotations

import math
import re
from itertools import count
from typing import Final

from xswarm_deploy.database.errors import DatabaseError
from xswarm_deploy.database.rows import Statement, Value

_LONG: Final = 1_000_000  # bytes; libSQL's server reads a literal of more than 5 MB as NULL
_SAFE_DIGITS: Final = 15  # so many are a whole number below 2⁵³
_GREATEST_POWER: Final = 62  # of two, that is an integer of SQLite's
_WRITTEN: Final = 1_000  # characters up to which a text is written into its statement
_PLACE: Final = re.compile(
    r"(?P<skip>--[^\n]*|/\*(?s:.*?)(?:\*/|\Z)|'[^']*+(?:'|\Z)|\"[^\"]*+(?:\"|\Z)"
    r"|`[^`]*+(?:`|\Z)|\[[^\]]*+(?:\]|\Z))|\?(?P<number>\d*+)"
)


def literal(value: Value) -> str:
    """Write a value as SQL that every version of SQLite reads as that very value."""
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(value) if value > -(2**63) else "(-9223372036854775807 - 1)"
    if isinstance(value, float):
        return _real(value)
    if isinstance(value, bytes):
        return _blob(value)
    return _text(value)


def _blob(value: bytes) -> str:
    """Write bytes so that a server that cannot hold them says so, and does not store NULL."""
    text = f"X'{value.hex()}'"
    if len(value) < _LONG:
        return text
    return f"CASE WHEN length(zeroblob({len(value)})) THEN {text} END"


def is_utf8(text: str) -> bool:
    """Return whether a text is UTF-8; what is not is kept by surrogate escapes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _text(text: str) -> str:
    if not is_utf8(text):
        return f"CAST({_blob(text.encode('utf-8', 'surrogateescape'))} AS TEXT)"
    quoted_text = "'" + text.replace("'", "''") + "'"
    if "\0" not in text and "\r" not in text:
        return quoted_text
    # A NUL ends what SQLite reads, and sqlite3 reads a line end of Windows as another.
    for letter in ("\0", "\r"):
        if letter in text:
            stand_in = _stand_in(text)
            text += stand_in
            written = quoted_text.replace(letter, stand_in)
            quoted_text = f"replace({written}, '{stand_in}', char({ord(letter)}))"
    return quoted_text


def _stand_in(text: str) -> str:
    """Return letters that a text does not hold."""
    return next(found for number in count() if (found := f"\\{number};") not in text)


def _real(number: float) -> str:
    """Write a real number: as a fraction of powers of ten where that is exact, else of two.

    SQLite's reading of decimals differs by version and processor in the last place, even of
    9384.821911; a whole number below 2⁵³ it always reads exactly, and what it computes of two
    such numbers is rounded as IEEE 754 says.
    """
    if math.isinf(number):
        return "9e999" if number > 0 else "-9e999"
    short = repr(number)
    whole, _, decimals = short.partition(".")
    if "e" not in short and sum(map(str.isdigit, short)) <= _SAFE_DIGITS:
        return short if decimals == "0" else f"{whole}{decimals}.0/1{'0' * len(decimals)}.0"
    fraction, exponent = math.frexp(number)
    parts = [f"{int(fraction * 2**53)}.0"]
    power = exponent - 53
    sign = "*" if power > 0 else "/"
    for _ in range(abs(power) // _GREATEST_POWER):
        parts.append(str(2**_GREATEST_POWER))
    if abs(power) % _GREATEST_POWER:
        parts.append(str(2 ** (abs(power) % _GREATEST_POWER)))
    return sign.join(parts)


def with_literals(statement: Statement) -> tuple[str, list[str]]:
    """Return a statement with its values written in, and the texts that stay parameters.

    A number or bytes as a parameter of D1 would be a text. Long ones are sent as texts, too, bytes
    as hexadecimal digits: a statement may have 100,000 bytes only.

    Args:
        statement: its places are ``?`` each, or numbered: ``?1``.

    Raises:
        DatabaseError: there are more values than places, or fewer.
    """
    values = statement.parameters
    texts: list[str] = []
    last = 0  # the greatest number so far: a place without one is the next, as SQLite has it

    def written(found: re.Match[str]) -> str:
        nonlocal last
        if found["skip"]:
            return found["skip"]
        number = int(found["number"] or last + 1)
        last = max(last, number)
        value = values[number - 1 if number else len(values)]  # there is no ?0
        if isinstance(value, str) and len(value) > _WRITTEN:
            texts.append(value)
            return "?"
        if isinstance(value, bytes) and len(value) > _WRITTEN:
            texts.append(value.hex())
            return "unhex(?)"
        text = literal(value)
        return text if isinstance(value, (str, bytes)) or text.isalnum() else f"({text})"

    if not values and "?" not in statement.sql:
        return statement.sql, []
    try:
        sql = _PLACE.sub(written, statement.sql)
    except IndexError:
        raise DatabaseError("value", "there are more places than values") from None
    if last < len(values):
        raise DatabaseError("value", "there are more values than places")
    return sql, texts
