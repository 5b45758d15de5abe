"""Twilio: the account, and where the phone number sends its calls and messages.

The official library is the judge in the tests and not the client here: it brings a
session and retries of its own, and 30 MB of generated code, for five calls. Code 20429
means not processed, so it is repeated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl, quote, urlsplit

from xswarm_deploy.background import started
from xswarm_deploy.services.http import Http, basic
from xswarm_deploy.services.paging import every
from xswarm_deploy.services.settle import unless_missing
from xswarm_deploy.services.shape import Wire

if TYPE_CHECKING:
    from xswarm_deploy.settings.settings import Settings

API = "https://api.twilio.com"
MESSAGING = "https://messaging.twilio.com"
SERVICES = "/v1/Services"
NOT_FOUND = "20404"
URLS = {
    "sms_url": "SmsUrl",
    "sms_method": "SmsMethod",
    "voice_url": "VoiceUrl",
    "voice_method": "VoiceMethod",
    "status_callback": "StatusCallback",
    "status_callback_method": "StatusCallbackMethod",
}
"""The URLs of a number: as they are read, and as they are written."""


class _Account(Wire):
    status: str


class _Number(Wire):
    sid: str
    phone_number: str
    sms_url: str | None = None
    sms_method: str | None = None
    voice_url: str | None = None
    voice_method: str | None = None
    status_callback: str | None = None
    status_callback_method: str | None = None
    sms_application_sid: str | None = None
    voice_application_sid: str | None = None
    trunk_sid: str | None = None
    capabilities: dict[str, bool | None] | None = None


class _Numbers(Wire):
    incoming_phone_numbers: tuple[_Number, ...]


class _Service(Wire):
    sid: str
    use_inbound_webhook_on_number: bool | None = None


class _Meta(Wire):
    next_page_url: str | None = None


class _Services(Wire):
    services: tuple[_Service, ...]
    meta: _Meta


class Number(NamedTuple):
    """A phone number of the account.

    Args:
        sid: its id (PN…).
        number: as ``+15551234567``.
        urls: URLs and methods, by the names in :data:`URLS`.
        overridden_by: what makes Twilio ignore those URLs, by kind (``sms``, ``voice``,
            ``status``): an application, a trunk, or a Messaging Service that the number is in.
        capabilities: ``sms``, ``voice``, ``mms``, … and whether the number has them.
    """

    sid: str
    number: str
    urls: Mapping[str, str]
    overridden_by: Mapping[str, str] = MappingProxyType({})
    capabilities: Mapping[str, bool] = MappingProxyType({})


class Twilio:
    """Twilio's API, as far as a deployment needs it."""

    @classmethod
    def of(cls, settings: Settings) -> Twilio:
        """Return the client of an environment."""
        account_sid = settings.text("TWILIO_ACCOUNT_SID")
        headers = {"Authorization": basic(account_sid, settings.secret("TWILIO_AUTH_TOKEN"))}
        base = settings.text("TWILIO_API_BASE")
        messaging = Http("Twilio", base.replace(API, MESSAGING, 1), headers)
        return cls(Http("Twilio", base, headers), account_sid, messaging)

    def __init__(self, http: Http, account_sid: str, messaging: Http | None = None) -> None:
        self.http = http
        self._messaging = messaging or http
        self._account = f"/2010-04-01/Accounts/{quote(account_sid, safe='')}"

    def open_ahead(self) -> None:
        """Begin to open a connection to each of its hosts."""
        self.http.open_ahead(1)
        self._messaging.open_ahead(1)

    def account_status(self) -> str:
        """Return the account's state: ``active``, ``suspended`` or ``closed``."""
        return self.http.get(f"{self._account}.json").read(_Account).status

    def number(self, phone_number: str) -> Number | None:
        """Find a number of the account; None where it owns no such number."""
        query = {"PhoneNumber": phone_number}
        services = started(self._services, "twilio")  # of another host, and mostly asked for
        reply = self.http.get(f"{self._account}/IncomingPhoneNumbers.json", query=query)
        found = [_number(item) for item in reply.read(_Numbers).incoming_phone_numbers]
        number = next((number for number in found if number.number == phone_number), None)
        if number is None or "sms" in number.overridden_by:
            return number
        service = self._service_of(number.sid, services.result())
        overridden = {**number.overridden_by, **({"sms": service} if service else {})}
        return number._replace(overridden_by=overridden)

    def _service_of(self, number: str, services: Iterable[_Service]) -> str:
        """Return the Messaging Service that takes a number's messages; empty: the number does."""
        for service in services:
            if not service.use_inbound_webhook_on_number and self._has(service.sid, number):
                return service.sid
        return ""

    def _services(self) -> list[_Service]:
        """Return all Messaging Services of the account."""

        def fetch(query: str) -> tuple[Sequence[_Service], str | None]:
            asked = dict(parse_qsl(query)) or {"PageSize": "100"}
            page = self._messaging.get(SERVICES, query=asked).read(_Services)
            more = page.meta.next_page_url
            return page.services, urlsplit(more).query if more else None

        monotonic = self.http.clock.monotonic
        return list(every(self.http.service, f"GET {SERVICES}", "", fetch, monotonic))

    def _has(self, service: str, number: str) -> bool:
        path = f"{SERVICES}/{quote(service, safe='')}/PhoneNumbers/{quote(number, safe='')}"
        return unless_missing(lambda: self._messaging.get(path), {NOT_FOUND}) is not None

    def update_number(self, sid: str, urls: Mapping[str, str]) -> Number:
        """Set URLs and methods of a number, by the names in :data:`URLS`; the rest stays."""
        form = {URLS[name]: value for name, value in urls.items()}
        path = f"{self._account}/IncomingPhoneNumbers/{quote(sid, safe='')}.json"
        return _number(self.http.post(path, form=form, safe=True).read(_Number))


def _number(item: _Number) -> Number:
    return Number(
        sid=item.sid,
        number=item.phone_number,
        urls={name: getattr(item, name) or "" for name in URLS},
        overridden_by=_overrides(item),
        capabilities={key: bool(value) for key, value in (item.capabilities or {}).items()},
    )


def _overrides(item: _Number) -> dict[str, str]:
    """Return what Twilio obeys in place of the URLs: an application, or for calls a trunk."""
    calls = item.trunk_sid or item.voice_application_sid
    found = {"sms": item.sms_application_sid, "voice": calls, "status": calls}
    return {kind: sid for kind, sid in found.items() if sid}
