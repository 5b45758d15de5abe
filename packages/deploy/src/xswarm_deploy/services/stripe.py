"""Stripe: the account behind the key, and its webhook endpoints.

The official SDK is the judge in the tests and not the client here: it takes 0.5 s to
import, and brings retries, time limits and connections of its own beside those of
:mod:`xswarm_deploy.services.http`, for the five calls needed. A 403 is a good key that
lacks a permission. The signing secret of an endpoint is in the reply to its creation and
nowhere else: only the same call, by its idempotency key, is answered with it again.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Required, TypedDict
from urllib.parse import quote

from xswarm_deploy.secret import Secret
from xswarm_deploy.services.errors import ServiceError
from xswarm_deploy.services.http import Http, bearer
from xswarm_deploy.services.paging import every
from xswarm_deploy.services.settle import unless_missing
from xswarm_deploy.services.shape import Wire

if TYPE_CHECKING:
    from xswarm_deploy.settings.settings import Settings

ENDPOINTS = "/v1/webhook_endpoints"
MISSING = frozenset({"resource_missing"})
ATTEMPT = "deployment_attempt"  # metadata that finds what a lost call has made


class _Balance(Wire):
    livemode: bool


class _Endpoint(Wire):
    id: str
    url: str
    status: str | None = None
    enabled_events: tuple[str, ...] | None = None
    livemode: bool | None = None
    description: str | None = None
    metadata: dict[str, str] | None = None
    secret: str | None = None
    api_version: str | None = None


class _Page(Wire):
    data: tuple[_Endpoint, ...]
    has_more: bool = False


class Account(TypedDict, total=False):
    """The account behind a key; what is not said is absent."""

    id: Required[str]
    charges_enabled: bool
    payouts_enabled: bool


class Endpoint(NamedTuple):
    """A webhook endpoint.

    ``secret`` is there only right after its creation; events have the form of ``api_version``,
    or, where that is empty, of the account's own version, whenever that changes.
    """

    id: str
    url: str
    events: tuple[str, ...]
    enabled: bool
    livemode: bool = False
    description: str = ""
    metadata: Mapping[str, str] = MappingProxyType({})
    secret: Secret | None = None
    api_version: str = ""


class Stripe:
    """Stripe's API, as far as a deployment needs it."""

    @classmethod
    def of(cls, settings: Settings) -> Stripe:
        """Return the client of an environment."""
        headers = {"Authorization": bearer(settings.secret("STRIPE_SECRET_KEY"))}
        return cls(Http("Stripe", settings.text("STRIPE_API_BASE"), headers))

    def __init__(self, http: Http) -> None:
        self.http = http

    def open_ahead(self) -> None:
        """Begin to open a connection."""
        self.http.open_ahead(1)

    def livemode(self) -> bool:
        """Return whether the key moves real money."""
        return self.http.get("/v1/balance").read(_Balance).livemode

    def account(self) -> Account:
        """Read the account: id, charges_enabled, payouts_enabled."""
        return self.http.get("/v1/account").read(Account)

    def endpoints(self) -> list[Endpoint]:
        """List all webhook endpoints of the account."""

        def fetch(after: str) -> tuple[Sequence[_Endpoint], str | None]:
            query = {"limit": 100, **({"starting_after": after} if after else {})}
            page = self.http.get(ENDPOINTS, query=query).read(_Page)
            return page.data, page.data[-1].id if page.has_more and page.data else None

        monotonic = self.http.clock.monotonic
        listed = every(self.http.service, f"GET {ENDPOINTS}", "", fetch, monotonic)
        return [_endpoint(item) for item in listed]

    def create_endpoint(
        self,
        url: str,
        events: Iterable[str],
        attempt: str,
        description: str = "",
        api_version: str = "",
    ) -> Endpoint:
        """Create an endpoint and give it with its signing secret.

        What an earlier call of the same attempt has made is deleted first: a secret that nobody
        got is gone for good. A call that is repeated, or delivered late, is answered as before,
        by its key; where Stripe keeps a failure under that, another one is tried.

        Source: Stripe API reference, "Idempotent requests".

        Args:
            url: where Stripe delivers.
            events: which ones.
            attempt: kept in the endpoint's metadata; unique for each endpoint wanted.
            description: shown in Stripe's dashboard.
            api_version: whose form the events have, for good; empty: the account's.
        """
        form = {**_form(url, events), "description": description, f"metadata[{ATTEMPT}]": attempt}
        form |= {"api_version": api_version} if api_version else {}
        self.delete_attempt(attempt)
        try:
            return self._created(form)
        except ServiceError as error:
            if not error.in_doubt:
                raise
        self.delete_attempt(attempt)
        return self._created(form)

    def _created(self, form: Mapping[str, Any]) -> Endpoint:
        key = secrets.token_hex(16)
        return _endpoint(self.http.post(ENDPOINTS, form=form, idempotency_key=key).read(_Endpoint))

    def delete_attempt(self, attempt: str) -> None:
        """Delete every endpoint that calls with this attempt have made."""
        for endpoint in self.endpoints():
            if endpoint.metadata.get(ATTEMPT) == attempt:
                self.delete_endpoint(endpoint.id)

    def update_endpoint(
        self, endpoint_id: str, url: str, events: Iterable[str], enabled: bool = True
    ) -> Endpoint:
        """Set an endpoint's URL, events and state; its signing secret stays the same."""
        form = {**_form(url, events), "disabled": str(not enabled).lower()}
        reply = self.http.post(f"{ENDPOINTS}/{quote(endpoint_id, safe='')}", form=form, safe=True)
        return _endpoint(reply.read(_Endpoint))

    def delete_endpoint(self, endpoint_id: str) -> None:
        """Delete an endpoint; one that is not there is deleted already."""
        path = f"{ENDPOINTS}/{quote(endpoint_id, safe='')}"
        unless_missing(lambda: self.http.delete(path), MISSING)


def _form(url: str, events: Iterable[str]) -> dict[str, Any]:
    return {"url": url, "enabled_events[]": sorted(events)}


def _endpoint(item: _Endpoint) -> Endpoint:
    return Endpoint(
        id=item.id,
        url=item.url,
        events=tuple(sorted(item.enabled_events or ())),
        enabled=item.status == "enabled",
        livemode=bool(item.livemode),
        description=item.description or "",
        metadata=item.metadata or {},
        secret=Secret(item.secret, "STRIPE_WEBHOOK_SECRET") if item.secret else None,
        api_version=item.api_version or "",
    )
