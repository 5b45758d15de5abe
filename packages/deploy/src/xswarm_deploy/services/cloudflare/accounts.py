"""The account behind a token, and what it has."""

from __future__ import annotations

from typing import NamedTuple, NotRequired, TypedDict

from xswarm_deploy.services.cloudflare.client import (
    Client,
    quoted,
)
from xswarm_deploy.services.errors import NotFound, ServiceError
from xswarm_deploy.services.settle import unless_missing
from xswarm_deploy.services.shape import Wire

SUBDOMAIN_MISSING = "10007"
GONE = 410


class _Token(Wire):
    id: str
    status: str
    expires_on: str | None = None


class _AccountSubdomain(Wire):
    subdomain: str | None = None


class Account(TypedDict):
    """An account that a token reaches."""

    id: str
    name: NotRequired[str]


class Token(NamedTuple):
    """The API token in use: ``status`` must be ``active``."""

    id: str
    status: str
    expires_on: str = ""


class Accounts(Client):
    """Ask about the account."""

    def verify_token(self) -> Token:
        """Ask whether the token is active; a user's or an account's own.

        Raises:
            ServiceError: neither route knows the token, or there is no answer.
        """
        try:
            found = self._get("/user/tokens/verify", _Token)
        except ServiceError as error:
            if error.status not in (400, 401, 403, 404):
                raise
            found = self._get(f"{self._account}/tokens/verify", _Token)
        return Token(found.id, found.status, found.expires_on or "")

    def accounts(self) -> list[Account]:
        """List the accounts the token reaches: id and name."""
        return list(self._listed("/accounts", list[Account]))

    def account_subdomain(self) -> str:
        """Return the account's name under workers.dev; empty: it has registered none."""
        path = f"{self._account}/workers/subdomain"
        found = unless_missing(lambda: self._get(path, _AccountSubdomain), {SUBDOMAIN_MISSING})
        return (found.subdomain or "") if found else ""

    def has(self, path: str) -> bool:
        """Return whether the account has a resource, e.g. ``d1/database/ID``.

        What was deleted may be told as gone (410), which is to be missing as well.
        """
        below = "/".join(map(quoted, path.split("/")))
        try:
            self._get(f"{self._account}/{below}", object)
        except ServiceError as error:
            if isinstance(error, NotFound) or error.status == GONE:
                return False
            raise
        return True
