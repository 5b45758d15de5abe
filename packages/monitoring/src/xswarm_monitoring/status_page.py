"""The settings of the public status page: the key ``monitor.status_page`` of invoke.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from xswarm_monitoring.alert import Severity

WORKER = "worker"
"""The component that stands for the service itself."""
NEVER = "never"


@dataclass(frozen=True)
class StatusPage:
    """What the public status page shows.

    Args:
        title: what customers call the service; empty: the service's own name.
        components: the public name of each component that is shown, by the name of its check;
            ``worker`` is the service itself. What is not named here is never shown.
        incidents_from: the severity from which an alert opens an incident by itself, or
            ``never``: only an operator opens one.
        version: whether the page names the version that runs.
        contact: the address where customers get help; empty: none is shown.
    """

    title: str = ""
    components: Mapping[str, str] = field(default_factory=lambda: {WORKER: "Service"})
    incidents_from: str = NEVER
    version: bool = False
    contact: str = ""

    @property
    def severity(self) -> Severity | None:
        """Return the severity from which alerts open incidents; None: never."""
        return Severity.__members__.get(self.incidents_from.upper())

    @classmethod
    def read(cls, values: Any) -> StatusPage | None:
        """Make it of plain values; None where there is no such page.

        Raises:
            ValueError: an unknown key, or a value that does not fit; the message names it.
        """
        if values is None:
            return None
        if not isinstance(values, Mapping):
            raise ValueError("monitor.status_page must be a block of `key: value` lines")  # noqa: TRY004 - a file's value
        known = {each.name for each in fields(cls)}
        unknown = sorted(set(map(str, values)) - known)
        if unknown:
            listed = ", ".join(sorted(known))
            raise ValueError(f"unknown monitor.status_page.{unknown[0]}; it has: {listed}")
        given = dict(values)
        if "components" in given:
            given["components"] = _components(given["components"])
        for name, check in (("title", _text), ("contact", _address), ("version", _flag)):
            if name in given:
                given[name] = check(name, given[name])
        if "incidents_from" in given:
            given["incidents_from"] = _severity(given["incidents_from"])
        return cls(**given)


def _components(value: Any) -> dict[str, str]:
    pairs = value.items() if isinstance(value, Mapping) else ()
    found = {str(key): name for key, name in pairs if isinstance(name, str) and name.strip()}
    if not found or len(found) != len(value):
        raise ValueError(
            "monitor.status_page.components must be lines of `check: public name`, at least one"
        )
    return found


def _severity(value: Any) -> str:
    allowed = (NEVER, *(each.name.lower() for each in Severity))
    if value not in allowed:
        told = ", ".join(allowed)
        raise ValueError(f"monitor.status_page.incidents_from is one of {told}, not {value!r}")
    return str(value)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"monitor.status_page.{name} must be a text, not {value!r}")  # noqa: TRY004 - a file's value
    return value


def _address(name: str, value: Any) -> str:
    if value and not str(value).startswith(("https://", "http://", "mailto:")):
        raise ValueError(
            f"monitor.status_page.{name} must begin with https:// or mailto:, not {value!r}"
        )
    return str(value or "")


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"monitor.status_page.{name} must be true or false, not {value!r}")  # noqa: TRY004 - a file's value
    return value
