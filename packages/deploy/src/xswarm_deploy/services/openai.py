"""OpenAI: whether the key is good. It proves neither credit nor scope.

``GET /v1/models`` is free. 401 is a bad key; 429 is the rate or the quota, which the
error's code tells apart (``insufficient_quota``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xswarm_deploy.services.http import Http, bearer
from xswarm_deploy.services.shape import Wire

if TYPE_CHECKING:
    from xswarm_deploy.settings.settings import Settings


class _Model(Wire):
    id: str


class _Models(Wire):
    data: tuple[_Model, ...]


class OpenAI:
    """OpenAI's API, as far as a deployment needs it."""

    @classmethod
    def of(cls, settings: Settings) -> OpenAI:
        """Return the client of an environment."""
        headers = {"Authorization": bearer(settings.secret("OPENAI_API_KEY"))}
        base_url = settings.text("OPENAI_BASE_URL").rstrip("/").removesuffix("/v1")
        return cls(Http("OpenAI", base_url, headers))

    def __init__(self, http: Http) -> None:
        self.http = http

    def model(self) -> str:
        """Return the name of one model the key may use.

        Raises:
            ServiceError: the key is refused, or nothing can be said about it.
        """
        listed = self.http.get("/v1/models").read(_Models).data
        return listed[0].id if listed else ""
