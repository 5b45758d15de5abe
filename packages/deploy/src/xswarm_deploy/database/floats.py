"""Write floating-point numbers so that libSQL's server reads the very same ones.

Its JSON parser (serde_json without ``float_roundtrip``) reads the digits into 64
bits, rounds them to a double and scales that by a power of ten: two roundings, so
that about one in five random doubles arrives one unit in the last place off. Here
that arithmetic is repeated, and where the shortest decimal would arrive wrong,
another decimal of the same number is looked for that arrives right. For about one
in five hundred random doubles there is none.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

_POWERS = [float(f"1e{exponent}") for exponent in range(309)]
_GREATEST_DIGITS = 2**64 - 1
_MOST_DIGITS, _LEAST_DIGITS = 20, 16
_FINENESS = 64
_SHORTEST = re.compile(r"(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?")


def token(number: float) -> str | None:
    """Return a JSON number that the server reads as this number; None if there is none.

    Args:
        number: finite.
    """
    size = abs(number)
    if _read(*_digits(repr(size))) == size:
        return repr(number)
    candidates = list(_decimals(size))
    exact = (pair for pair in candidates if float(f"{pair[0]}e{pair[1]}") == size)
    found = next(exact, None) or next(iter(candidates), None)
    return found and f"{'-' if number < 0 else ''}{found[0]}e{found[1]}"


def _decimals(size: float) -> Iterator[tuple[int, int]]:
    """Return decimals near a number that the server reads as that number."""
    from decimal import Decimal  # few numbers come this far

    exact = Decimal(size)
    half_a_unit = (Decimal(math.nextafter(size, math.inf)) - exact) / 2
    for length in range(_MOST_DIGITS, _LEAST_DIGITS - 1, -1):
        exponent = exact.adjusted() - length + 1
        unit = Decimal(10) ** exponent
        middle, reach = int(exact / unit), int(half_a_unit / unit)
        for step in range(-2 * _FINENESS, 2 * _FINENESS + 1):
            digits = middle + reach * step // _FINENESS
            if 0 < digits <= _GREATEST_DIGITS and _read(digits, exponent) == size:
                yield digits, exponent


def _digits(shortest: str) -> tuple[int, int]:
    """Return the digits and the power of ten of a decimal."""
    found = _SHORTEST.fullmatch(shortest)
    if found is None:
        raise ValueError(f"no decimal: {shortest}")
    whole, fraction, exponent = found[1], found[2] or "", int(found[3] or 0)
    return int(whole + fraction), exponent - len(fraction)


def _read(digits: int, exponent: int) -> float:
    """Read a decimal as the server does."""
    number = float(digits)
    while abs(exponent) >= len(_POWERS):
        if exponent > 0 or number == 0:
            return number if number == 0 else math.inf
        number /= _POWERS[-1]
        exponent += len(_POWERS) - 1
    return number * _POWERS[exponent] if exponent >= 0 else number / _POWERS[-exponent]
