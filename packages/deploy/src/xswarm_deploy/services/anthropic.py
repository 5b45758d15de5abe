"""Anthropic: whether the key is good, without sending a message that costs.

``GET /v1/models`` needs a valid key and nothing else. 401 is a bad key, 402 a billing
matter; 429 and 529 say nothing about the key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xswarm_deploy.secret import Secret
from xswarm_deploy.services.http import Http
from xswarm_deploy.services.shape import Wire

if TYPE_CHECKING:
    from xswarm_deploy.settings.settings import Settings

VERSION = "2023-06-01"


class _Model(Wire):
    id: str


class _Models(Wire):
    data: tuple[_Model, ...]


class Anthropic:
    """Anthropic's API, as far as a deployment needs it."""

    @classmethod
    def of(cls, settings: Settings) -> Anthropic:
        """Return the client of an environment."""
        headers: dict[str, str | Secret | None] = {
            "x-api-key": settings.secret("ANTHROPIC_API_KEY"),
            "anthropic-version": VERSION,
        }
        base_url = settings.text("ANTHROPIC_BASE_URL").rstrip("/").removesuffix("/v1")
        return cls(Http("Anthropic", base_url, headers))

    def __init__(self, http: Http) -> None:
        self.http = http

    def model(self) -> str:
        """Return the name of one model the key may use.

        Raises:
            ServiceError: the key is refused, or nothing can be said about it.
        """
        listed = self.http.get("/v1/models", query={"limit": 1}).read(_Models).data
        return listed[0].id if listed else ""
