"""What SendGrid accepts as mail: its validation of POST /v3/mail/send.

Source: SendGrid's OpenAPI document tsg_mail_v3 and its "Mail Send errors" page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

UNVERIFIED: Final = (
    "The from address does not match a verified Sender Identity. Mail cannot be sent until this "
    "error is resolved. Visit https://sendgrid.com/docs/for-developers/sending-email/"
    "sender-identity/ to see the Sender Identity requirements"
)
_ADDRESS: Final = re.compile(r"[^@\s]++@[^@\s][^@\s.]*+\.[^@\s]++")
_MOST_PERSONALIZATIONS: Final = 1000
_ORDER: Final = ("text/plain", "text/x-amp-html", "text/html")


@dataclass(frozen=True)
class Problem:
    """What is wrong with a message, and where."""

    message: str
    field: str

    def describe(self) -> dict[str, str | None]:
        """Return it as the service answers."""
        return {"message": self.message, "field": self.field, "help": None}


def problems(message: dict[str, Any]) -> list[Problem]:
    """Return everything that keeps a message from being accepted; none: it is accepted."""
    return [
        *_personalizations(message),
        *_sender(message),
        *_subject(message),
        *_content(message),
    ]


def sandboxed(message: dict[str, Any]) -> bool:
    """Return whether a message is only to be checked."""
    settings = message.get("mail_settings")
    mode = settings.get("sandbox_mode") if isinstance(settings, dict) else None
    return bool(isinstance(mode, dict) and mode.get("enable"))


def _personalizations(message: dict[str, Any]) -> Iterator[Problem]:
    entries = message.get("personalizations")
    if not isinstance(entries, list) or not entries:
        yield Problem(
            "The personalizations field is required and must have at least one personalization.",
            "personalizations",
        )
        return
    if len(entries) > _MOST_PERSONALIZATIONS:
        yield Problem("There is a limit of 1000 personalizations per request.", "personalizations")
    for index, entry in enumerate(entries):
        yield from _recipients(entry, f"personalizations.{index}")


def _recipients(entry: Any, where: str) -> Iterator[Problem]:
    if not isinstance(entry, dict) or not isinstance(entry.get("to"), list) or not entry["to"]:
        yield Problem(
            "The to array is required for all personalization objects, and must have at least "
            "one email object with a valid email address.",
            f"{where}.to",
        )
        return
    seen: set[str] = set()
    for kind in ("to", "cc", "bcc"):
        for index, recipient in enumerate(entry.get(kind) or []):
            address = _address(recipient)
            if not address:
                yield Problem("Does not contain a valid address.", f"{where}.{kind}.{index}.email")
            elif address.lower() in seen:
                yield Problem(
                    "Each email address in the personalization block should be unique between "
                    f"to, cc, and bcc. We found the first duplicate instance of [{address}] in "
                    f"the {where}.{kind} field.",
                    where,
                )
            seen.add(address.lower())


def _sender(message: dict[str, Any]) -> Iterator[Problem]:
    if not isinstance(message.get("from"), dict) or not message["from"].get("email"):
        yield Problem(
            "The from object must be provided for every email send. It is an object that "
            "requires the email parameter, but may also contain a name parameter.  e.g. "
            '{"email" : "example@example.com"}  or {"email" : "example@example.com", '
            '"name" : "Example Recipient"}.',
            "from.email",
        )
    elif not _address(message["from"]):
        yield Problem("The from email does not contain a valid address.", "from.email")
    if "reply_to" in message and not _address(message["reply_to"]):
        yield Problem("The reply_to email does not contain a valid address.", "reply_to.email")


def _subject(message: dict[str, Any]) -> Iterator[Problem]:
    entries = message.get("personalizations")
    each = isinstance(entries, list) and all(
        isinstance(entry, dict) and entry.get("subject") for entry in entries
    )
    if not message.get("subject") and not message.get("template_id") and not (each and entries):
        yield Problem(
            "The subject is required. You can get around this requirement if you use a template "
            "with a subject defined or if every personalization has a subject defined.",
            "subject",
        )


def _content(message: dict[str, Any]) -> Iterator[Problem]:
    parts = message.get("content")
    if not isinstance(parts, list) or not parts:
        if not message.get("template_id"):
            yield Problem(
                "Unless a valid template_id is provided, the content parameter is required. "
                "There must be at least one defined content block.",
                "content",
            )
        return
    for index, part in enumerate(parts):
        for name in ("type", "value"):
            if not isinstance(part, dict) or not isinstance(part.get(name), str) or not part[name]:
                yield Problem(
                    f"The content {name} must be a string at least one character in length.",
                    f"content.{index}.{name}",
                )
    kinds = [part.get("type") for part in parts if isinstance(part, dict)]
    known = [_ORDER.index(kind) for kind in kinds if kind in _ORDER]
    if known != sorted(known):
        yield Problem(
            "If present, text/plain and text/html may only be provided once, in that order.",
            "content",
        )


def _address(value: Any) -> str:
    email = value.get("email") if isinstance(value, dict) else None
    return email if isinstance(email, str) and _ADDRESS.fullmatch(email) else ""
