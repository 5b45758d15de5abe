"""The Worker's variables and secrets, read from its environment once per request."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from boss.problem import Problem

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class Configuration:
    """Read typed values of the Worker's environment.

    Args:
        environment: ``scope["env"]`` of the Workers SDK: variables and secrets as attributes.
    """

    environment: Any

    def text(self, name: str, default: str = "") -> str:
        """Return a plain variable, or the default where it is absent or empty."""
        value = getattr(self.environment, name, None)
        return str(value) if value else default

    def required(self, name: str) -> str:
        """Return a variable that a route cannot do without.

        Raises:
            Problem: it is not set; the caller learns its name, which is no secret.
        """
        value = self.text(name)
        if not value:
            raise Problem(503, "not_configured", f"This service lacks its setting {name}.")
        return value

    def number(self, name: str, default: int) -> int:
        """Return a whole number."""
        return int(self.text(name, str(default)))

    def flag(self, name: str, default: bool) -> bool:
        """Return a variable that is true or false."""
        return self.text(name, str(default)).lower() == "true"

    @cached_property
    def largest_body(self) -> int:
        """Return the largest request body, bytes."""
        return self.number("MAX_REQUEST_SIZE_MB", 10) * 1024 * 1024

    @cached_property
    def time_limit(self) -> float:
        """Return the time limit of one call to another service, seconds."""
        return self.number("API_TIMEOUT_MS", 30_000) / 1000

    @cached_property
    def session_seconds(self) -> int:
        """Return how long a session lasts, seconds."""
        return duration(self.text("JWT_EXPIRES_IN", "7d"))

    @cached_property
    def allowed_origins(self) -> tuple[str, ...]:
        """Return the web origins that may call this service."""
        listed = self.text("CORS_ALLOWED_ORIGINS").split(",")
        return tuple(origin.strip().rstrip("/") for origin in listed if origin.strip())

    @cached_property
    def public_origins(self) -> tuple[str, ...]:
        """Return the origins under which providers know this service, the first preferred."""
        urls = (self.text(name) for name in ("WORKER_URL", "API_URL", "BASE_URL"))
        return tuple(dict.fromkeys(origin(url) for url in urls if url))


def duration(text: str) -> int:
    """Read a duration such as ``7d``, ``24h``, ``30m``, ``3600s`` or ``3600``, in seconds.

    Raises:
        ValueError: it has another form.
    """
    match = re.fullmatch(r"(\d+)([smhd]?)", text)
    if not match:
        raise ValueError("JWT_EXPIRES_IN is a number and s, m, h or d")
    return int(match[1]) * _UNITS[match[2]]


def origin(url: str) -> str:
    """Return the scheme and authority of a URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
