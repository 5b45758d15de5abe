"""Twilio's Messaging Services, and the numbers in them; in production a host of their own.

Source: Twilio API reference, "Services resource" and "PhoneNumber resource" of Messaging v1.
"""

from __future__ import annotations

import re
import uuid
from typing import Any, Final

from aiohttp import web

from xswarm_twin.providers.records import Records

PATH: Final = re.compile(r"/v1/Services(?:/(MG\w+)(/PhoneNumbers(?:/(PN\w+))?)?)?")


class MessagingServices:
    """Keep the services of one account.

    Args:
        records: where they are kept.
    """

    def __init__(self, records: Records) -> None:
        self._records = records
        self._services = records.table("services")

    async def answer(self, request: web.Request) -> web.Response | None:
        """Answer a call; None: it is none of these."""
        found = PATH.fullmatch(request.path)
        if found is None:
            return None
        service, numbers, number = found.groups()
        form = {name: str(value) for name, value in (await request.post()).items()}
        if service and service not in self._services:
            return _missing(request)
        if numbers:
            return self._number(request, self._services[service], number, form)
        if request.method == "POST":
            return self._made(service, form)
        return web.json_response(_told(self._services[service]) if service else self._all())

    def _all(self) -> dict[str, Any]:
        return {
            "services": [_told(one) for one in self._services.values()],
            "meta": {"next_page_url": None, "key": "services"},
        }

    def _made(self, service: str | None, form: dict[str, str]) -> web.Response:
        sid = service or f"MG{uuid.uuid4().hex}"
        given = form.get("UseInboundWebhookOnNumber", "false")
        known = self._services.get(sid, {"numbers": []})
        changed = {**known, "sid": sid, "use_inbound_webhook_on_number": given == "true"}
        self._services[sid] = changed
        self._records.save()
        return web.json_response(_told(changed), status=200 if service else 201)

    def _number(
        self, request: web.Request, service: dict[str, Any], number: str, form: dict[str, str]
    ) -> web.Response:
        if request.method == "POST":
            number = form.get("PhoneNumberSid", "")
            service["numbers"] = [*service["numbers"], number]
            self._records.save()
            return web.json_response({"sid": number, "service_sid": service["sid"]}, status=201)
        if number not in service["numbers"]:
            return _missing(request)
        return web.json_response({"sid": number, "service_sid": service["sid"]})


def _told(service: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in service.items() if name != "numbers"}


def _missing(request: web.Request) -> web.Response:
    message = f"The requested resource {request.path} was not found"
    body = {"code": 20404, "message": message, "status": 404}
    return web.json_response(body, status=404)
