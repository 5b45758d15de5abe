"""Cloudflare Workflows: which class of which Worker runs one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from xswarm_deploy.services.envelope import unwrap
from xswarm_deploy.services.http import Http
from xswarm_deploy.services.settle import unless_missing

MISSING = "10200"


class Workflows:
    """The workflows of an account.

    Args:
        http: the way to the API.
        account: the account's path, ``/accounts/{id}``.
    """

    def __init__(self, http: Http, account: str) -> None:
        self._http = http
        self._path = f"{account}/workflows"

    def find(self, name: str) -> dict[str, object] | None:
        """Return a workflow as the API describes it; None where there is none of that name."""
        return unless_missing(
            lambda: unwrap(self._http.get(self._one(name)), dict[str, object]), {MISSING}
        )

    def put(self, name: str, described: Mapping[str, Any]) -> None:
        """Create a workflow, or change it.

        Args:
            name: the workflow's.
            described: ``script_name``, ``class_name``, and limits, schedules and the like.
        """
        self._http.put(self._one(name), json=dict(described))

    def delete(self, name: str) -> None:
        """Delete a workflow with its instances; one that is not there is right as well."""
        unless_missing(lambda: self._http.delete(self._one(name)), {MISSING})

    def _one(self, name: str) -> str:
        return f"{self._path}/{quote(name, safe='')}"
