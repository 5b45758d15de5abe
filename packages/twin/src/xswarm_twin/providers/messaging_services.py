"""Twilio's Messaging Services, and the numbers in them; in production a host of their own.

Source: Twilio API reference, "Services resource" and "PhoneNumber resource" of Messaging v1,
"Paging"; "Error and warning dictionary".
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web

from xswarm_twin.providers.answers import twilio_error as error
from xswarm_twin.providers.records import Records

PATH: Final = re.compile(r"/v1/Services(?:/(MG\w+)(/PhoneNumbers(?:/(PN\w+))?)?)?")
_PAGE, _LARGEST_PAGE = 50, 1000
_FLAGS: Final = ("true", "false")


class MessagingServices:
    """Keep the services of one account.

    Args:
        records: where they are kept.
    """

    def __init__(self, records: Records) -> None:
        self._records = records
        self._services = records.table("services")

    async def answer(
        self, request: web.Request, has: Callable[[str], Awaitable[bool]]
    ) -> web.Response | None:
        """Answer a call; None: it is none of these.

        Args:
            request: the call of somebody who may make it.
            has: returns whether the account has a number of that SID.
        """
        found = PATH.fullmatch(request.path)
        if found is None:
            return None
        sid, of_numbers, number = found.groups()
        if sid and sid not in self._services:
            return _missing(request)
        form = {name: str(value) for name, value in (await request.post()).items()}
        if of_numbers:
            return await self._of_numbers(request, self._services[sid], number, form, has)
        if request.method == "POST":
            return self._made(sid, form)
        if sid and request.method == "DELETE":
            del self._services[sid]
            return self._saved(web.Response(status=204))
        if sid:
            return web.json_response(_told(self._services[sid]))
        return _page(request, "services", map(_told, self._services.values()))

    def _made(self, sid: str | None, form: dict[str, str]) -> web.Response:
        if not sid and not form.get("FriendlyName"):
            return error(400, "Missing required parameter FriendlyName in the post body", 20001)
        known = self._services.get(sid or "", {"numbers": [], "friendly_name": ""})
        before = str(known.get("use_inbound_webhook_on_number", False)).lower()
        given = form.get("UseInboundWebhookOnNumber", before).lower()
        if given not in _FLAGS:
            return error(400, f"'UseInboundWebhookOnNumber' is invalid: {given}", 20001)
        sid = sid or f"MG{uuid.uuid4().hex}"
        named = {"friendly_name": form.get("FriendlyName") or known.get("friendly_name", "")}
        flags = {"use_inbound_webhook_on_number": given == "true"}
        created = sid not in self._services
        self._services[sid] = {**known, "sid": sid, **named, **flags}
        told = _told(self._services[sid])
        return self._saved(web.json_response(told, status=201 if created else 200))

    async def _of_numbers(
        self,
        request: web.Request,
        service: dict[str, Any],
        number: str | None,
        form: dict[str, str],
        has: Callable[[str], Awaitable[bool]],
    ) -> web.Response:
        if number and number not in service["numbers"]:
            return _missing(request)
        if number and request.method == "DELETE":
            service["numbers"] = [one for one in service["numbers"] if one != number]
            return self._saved(web.Response(status=204))
        if number:
            return web.json_response(_member(service, number))
        if request.method == "POST":
            wanted = form.get("PhoneNumberSid", "")
            if not wanted or not await has(wanted):
                return error(400, f"Phone Number {wanted} is invalid", 21421)
            return self._joined(service, wanted)
        held = (_member(service, one) for one in service["numbers"])
        return _page(request, "phone_numbers", held)

    def _joined(self, service: dict[str, Any], number: str) -> web.Response:
        """Let a number be in a service, and in no other."""
        for other in self._services.values():
            if number in other["numbers"]:
                code = 21710 if other is service else 21712
                return error(409, "The number is in a Messaging Service already", code)
        service["numbers"] = [*service["numbers"], number]
        return self._saved(web.json_response(_member(service, number), status=201))

    def _saved(self, response: web.Response) -> web.Response:
        self._records.save()
        return response


def _page(request: web.Request, key: str, listed: Iterable[dict[str, Any]]) -> web.Response:
    """Return a page of a list, with the addresses of its neighbours."""
    items, here = list(listed), f"{request.scheme}://{request.host}{request.path}"
    size = min(max(1, _number(request, "PageSize", _PAGE)), _LARGEST_PAGE)
    page = _number(request, "Page", 0)

    def address(number: int) -> str:
        token = {"PageToken": f"P{number}"} if number else {}
        return f"{here}?{urlencode({'PageSize': size, 'Page': number, **token})}"

    meta = {
        "key": key,
        "page": page,
        "page_size": size,
        "url": address(page),
        "first_page_url": address(0),
        "previous_page_url": address(page - 1) if page else None,
        "next_page_url": address(page + 1) if (page + 1) * size < len(items) else None,
    }
    return web.json_response({key: items[page * size : (page + 1) * size], "meta": meta})


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, "")
    return int(text) if text.isdecimal() else default


def _told(service: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in service.items() if name != "numbers"}


def _member(service: dict[str, Any], number: str) -> dict[str, Any]:
    return {"sid": number, "service_sid": service["sid"]}


def _missing(request: web.Request) -> web.Response:
    return error(404, f"The requested resource {request.path} was not found", 20404)
