"""What a service can answer besides yes: one type for each kind of no."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from xswarm_deploy import texts
from xswarm_deploy.errors import DeployError, ExitCode
from xswarm_deploy.secret import redact

_LONGEST_CODE, _MOST_CODES = 80, 5  # characters and codes: a provider's are short and few
_LONGEST_MESSAGE = 300  # characters of a provider's own words that are worth reading


class ServiceError(DeployError):
    """A service refused a call, or did not answer it.

    Args:
        service: the service's name, as people write it.
        call: method and path, without query and host.
        status: the HTTP status; 0 where there was no reply.
        codes: the provider's own error codes, as text; kept redacted and shortened.
        message: the provider's own words; kept redacted and shortened as ``said``.
        in_doubt: the request may have been applied although this was raised.
        retry_after: seconds the service asked to wait, where it said so.
        remedy: what to do; empty: what the kind of error says.
    """

    what_failed = "{service} refused the call"
    remedy_text = ""

    def __init__(
        self,
        service: str,
        call: str,
        *,
        status: int = 0,
        codes: tuple[str, ...] = (),
        message: str = "",
        in_doubt: bool = False,
        retry_after: float | None = None,
        remedy: str = "",
    ) -> None:
        self.service, self.call = service, redact(call)
        self.status, self.in_doubt = status, in_doubt
        self.codes = tuple(_readable(code, _LONGEST_CODE) for code in codes[:_MOST_CODES])
        self.said = _readable(message)
        self.retry_after = retry_after
        what = self.what_failed.format(service=service)
        told = remedy or self.remedy_text.format(service=service.removeprefix("The "))
        super().__init__(what, self._evidence(), told)

    def _evidence(self) -> str:
        parts = [f"HTTP {self.status}" if self.status else "no reply"]
        if self.codes:
            parts.append(f"code {', '.join(self.codes)}")
        if self.said:
            parts.append(self.said)
        doubt = "; it may have been applied all the same" if self.in_doubt else ""
        return f"{', '.join(parts)} ({self.call}){doubt}"


class Unauthorised(ServiceError):
    """The credential is wrong, expired or revoked (401)."""

    what_failed = "{service} does not accept the credential"
    remedy_text = "put a valid {service} credential into the environment file, then: inv check"


class Forbidden(ServiceError):
    """The credential is good but lacks the permission (403)."""

    what_failed = "{service} accepts the credential but refuses this call"
    remedy_text = "give the {service} credential the missing permission, then: inv check"


class NotFound(ServiceError):
    """There is no such thing there (404)."""

    what_failed = "{service} has no such resource"


class Conflict(ServiceError):
    """The thing changed meanwhile, or exists already (409, 412)."""

    what_failed = "{service} reports a conflict"


class Invalid(ServiceError):
    """The service understood the call and refused its content."""

    what_failed = "{service} refused the content of the call"


class RateLimited(ServiceError):
    """Too many calls; nothing is known about the credential (429)."""

    exit_code = ExitCode.UNAVAILABLE
    what_failed = "{service} limits the rate of calls"
    remedy_text = "wait a minute and run the command again"


class ServiceUnavailable(ServiceError):
    """No reply, a 5xx, or a reply that cannot be read."""

    exit_code = ExitCode.UNAVAILABLE
    what_failed = "{service} did not give a usable reply"
    remedy_text = "see the {service} status page; run the command again"


class UnexpectedReply(ServiceUnavailable):
    """The reply is not of the form that the API documents, or has no end."""

    what_failed = "{service} sent a reply that cannot be used"
    remedy_text = "run the command again; if the reply stays so, report it with the line above"


def error_kind(status: int) -> type[ServiceError]:
    """Return the error type for an HTTP status that is no success."""
    kinds = {401: Unauthorised, 403: Forbidden, 404: NotFound, 409: Conflict, 412: Conflict}
    if status == 429:
        return RateLimited
    if status >= 500:
        return ServiceUnavailable
    return kinds.get(status, Invalid)


class Obstructed(ServiceUnavailable):
    """Somebody in between answered: a firewall, a proxy, or a network that wants a login."""

    what_failed = "{service} was not reached: something in between answers"
    remedy_text = texts.UNBLOCK


def of_another(status: int, text: str) -> tuple[type[ServiceError], str] | None:
    """Return what it means that somebody in between answered; None: it may be the service itself.

    No provider's API leads elsewhere, nor refuses a credential with a page in HTML.

    Args:
        status: of HTTP.
        text: the body.
    """
    if status == _PROXY_LOGIN or status in _MOVED:
        return Obstructed, ""
    return (Obstructed, "") if status in (401, 403) and texts.of_another(text) else None


_PROXY_LOGIN: Final = 407
_MOVED: Final = frozenset({301, 302, 303, 307, 308})


def read_error(content: Any, text: str) -> tuple[tuple[str, ...], str]:
    """Find the codes and the message in an error body of any of the providers.

    Known shapes: ``{"errors": [{code, message, field}]}`` (Cloudflare, SendGrid),
    ``{"error": {type, code, message}}`` (Stripe, OpenAI, Anthropic),
    ``{"code", "message"}`` (Twilio), ``<Code>`` and ``<Message>`` (S3); of a page in HTML its
    title (what an edge or a proxy answers in place of the service); else the text itself (Slack).
    """
    if not isinstance(content, Mapping):
        code, message = (_element(name, text) for name in ("Code", "Message"))
        return ((code,), message) if code else ((), texts.of_another(text) or text)
    found = content.get("errors") or content.get("error") or content
    entries = [entry for entry in _listed(found) if isinstance(entry, Mapping)]
    if not entries:
        return (), str(found)
    codes = [str(code) for entry in entries for code in _codes(entry)]
    messages = [str(entry["message"]) for entry in entries if entry.get("message")]
    return tuple(dict.fromkeys(codes)), "; ".join(messages)


def _element(name: str, text: str) -> str:
    found = re.search(rf"<{name}>([^<]*)</{name}>", text)
    return found[1] if found else ""


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _codes(entry: Mapping[str, Any]) -> list[Any]:
    return [entry[key] for key in ("code", "type") if entry.get(key)]


def _readable(message: str, longest: int = _LONGEST_MESSAGE) -> str:
    """Return words of a provider's on one line, redacted before anything of them is cut."""
    clean = redact(message)[: 4 * longest]
    words = " ".join("".join(c if c.isprintable() else " " for c in clean).split())
    return words if len(words) <= longest else words[: longest - 1] + "…"
