"""Parameters of Stripe's API: what each takes, and the error that another value gets.

Source: Stripe API reference, "Errors", "Metadata"; "Error codes". What no document confirms is
listed in ``deployment/docs/guide/twin.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

Check = Callable[[str, Any], Any]
"""Takes a parameter's name and value, and returns the value as it is kept; raises Invalid."""

_LONGEST: Final = 5000  # characters
_MOST_KEYS, _LONGEST_KEY, _LONGEST_VALUE = 50, 40, 500
_FLAGS: Final = {"true": True, "false": False}


class Invalid(Exception):
    """A request the service refuses.

    Args:
        message: what a developer reads.
        status: the HTTP status.
        code: the short code that programs read.
        param: the parameter at fault.
    """

    def __init__(self, message: str, *, status: int = 400, code: str = "", param: str = "") -> None:
        super().__init__(message)
        self.message, self.status, self.code, self.param = message, status, code, param


def checked(
    given: Mapping[str, Any], known: Mapping[str, Check], required: Sequence[str] = ()
) -> dict[str, Any]:
    """Return parameters as they are kept.

    Args:
        given: as they came in a form or a query.
        known: what the endpoint takes.
        required: what must be there.

    Raises:
        Invalid: one is unknown, missing, empty, or of a wrong type.
    """
    unknown = [name for name in given if name not in known]
    if unknown:
        what = "parameters" if len(unknown) > 1 else "parameter"
        message = f"Received unknown {what}: {', '.join(unknown)}"
        raise Invalid(message, code="parameter_unknown", param=unknown[0])
    for name in required:
        if name not in given:
            message = f"Missing required param: {name}."
            raise Invalid(message, code="parameter_missing", param=name)
    return {name: known[name](name, value) for name, value in given.items()}


def text(name: str, value: Any) -> str:
    """Take a text that cannot be unset."""
    if value == "":
        message = (
            f"You passed an empty string for '{name}'. We assume empty values are an attempt to"
            f" unset a parameter; however '{name}' cannot be unset. You should remove '{name}'"
            " from your request or supply a non-empty value."
        )
        raise Invalid(message, code="parameter_invalid_empty", param=name)
    return clearable(name, value) or ""


def clearable(name: str, value: Any) -> str | None:
    """Take a text; an empty one unsets what was there."""
    if not isinstance(value, str):
        raise Invalid("Invalid string: must be a string", param=name)
    if len(value) > _LONGEST:
        message = f"Invalid string: must be at most {_LONGEST} characters"
        raise Invalid(message, param=name)
    return value or None


def flag(name: str, value: Any) -> bool:
    """Take true or false."""
    if str(value).lower() not in _FLAGS:
        raise Invalid(f"Invalid boolean: {value}", param=name)
    return _FLAGS[str(value).lower()]


def limit(name: str, value: Any) -> int:
    """Take the number of objects of a page, 1 to 100."""
    try:
        number = int(value)
    except (TypeError, ValueError):
        message = f"Invalid integer: {value}"
        raise Invalid(message, code="parameter_invalid_integer", param=name) from None
    if number < 1:
        message = "This value must be greater than or equal to 1."
        raise Invalid(message, code="parameter_invalid_integer", param=name)
    if number > 100:
        message = f"This value must be less than or equal to 100 (it currently is '{number}')."
        raise Invalid(message, code="parameter_invalid_integer", param=name)
    return number


def metadata(name: str, value: Any) -> dict[str, str]:
    """Take pairs of texts; an empty text unsets them all."""
    if value == "":
        return {}
    if not isinstance(value, dict):
        raise Invalid("Invalid object", param=name)
    if len(value) > _MOST_KEYS:
        raise Invalid(f"Metadata can have up to {_MOST_KEYS} keys", param=name)
    for key, held in value.items():
        if len(key) > _LONGEST_KEY:
            message = f"Metadata keys can have up to {_LONGEST_KEY} characters: {key}"
            raise Invalid(message, param=name)
        if len(str(held)) > _LONGEST_VALUE:
            message = (
                f"Metadata values can have up to {_LONGEST_VALUE} characters, but you passed in a"
                f" value that is {len(str(held))} characters."
            )
            raise Invalid(message, param=f"{name}[{key}]")
    return {key: str(held) for key, held in value.items()}


def nothing_to_expand(name: str, value: Any) -> list[str]:
    """Take ``expand`` where nothing of the object can be expanded."""
    if not isinstance(value, list):
        raise Invalid("Invalid array", param=name)
    if value:
        raise Invalid(f"This property cannot be expanded ({value[0]}).", param=name)
    return []
