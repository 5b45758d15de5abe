"""Values of the runtime as Python sees them."""

from __future__ import annotations

from typing import Any


class JsDict(dict[str, Any]):
    """A dictionary whose keys are attributes too, as JavaScript objects become."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value


def to_python(value: Any) -> Any:
    """Make a JSON value what the runtime would hand over."""
    if isinstance(value, dict):
        return JsDict({name: to_python(item) for name, item in value.items()})
    if isinstance(value, list):
        return [to_python(item) for item in value]
    return value


class Env:
    """A Worker's bindings as attributes."""

    def __init__(self, bindings: dict[str, Any]) -> None:
        self.__dict__.update(bindings)

    def __repr__(self) -> str:
        return f"<env of {', '.join(sorted(self.__dict__))}>"
