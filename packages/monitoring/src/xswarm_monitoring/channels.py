"""The channels people are told by: each with its own format, limits and escapes.

A channel makes requests; it sends nothing itself.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import accumulate
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from xswarm_monitoring.alert import Severity
from xswarm_monitoring.alert_state import Notice, What
from xswarm_monitoring.clock import iso
from xswarm_monitoring.http_request import Outgoing, json_request

SLACK_SECTION = 3000
"""Characters that a section of Slack's may have."""
SLACK_HEADER = 150
SLACK_BLOCKS = 50
SLACK_MESSAGE = 9000
"""Characters of all sections: Slack refuses blocks of some 11,000 (``msg_blocks_too_long``)."""
SMS_BODY = 306
"""Characters: two messages' worth of the plain alphabet, of the ten that Twilio takes."""
SUBJECT = 150
SENDGRID, TWILIO = "https://api.sendgrid.com", "https://api.twilio.com"

_SIGNS = {
    Severity.INFO: "ℹ️",
    Severity.WARNING: "⚠️",
    Severity.ERROR: "❌",
    Severity.CRITICAL: "🚨",
}
_COLOURS = {
    Severity.INFO: "#1f6feb",
    Severity.WARNING: "#9a6700",
    Severity.ERROR: "#cf222e",
    Severity.CRITICAL: "#a40e26",
}
_SLACK_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_SLACK_LISTED = 40  # notices; each is a section, and two blocks more stand around them
_SLACK_LINES = 50  # of one notice
# What GSM 03.38 has not, and what counts as two there: one of the former halves what fits.
_GSM = str.maketrans("`^{}[]\\|~", "''()()//-")


class Channel(Protocol):
    """Makes the request that tells people of notices."""

    @property
    def name(self) -> str:
        """The channel's name, e.g. ``slack``."""
        ...

    def request(self, notices: Sequence[Notice]) -> Outgoing:
        """Make one request for all notices."""
        ...


@dataclass(frozen=True)
class Slack:
    """Send to a Slack channel by its incoming webhook.

    Args:
        url: the webhook, a secret.
        service: who is telling, e.g. ``boss-ai (production)``.
    """

    url: str = field(repr=False)
    service: str
    name: str = "slack"

    def request(self, notices: Sequence[Notice]) -> Outgoing:
        """Make a message of blocks, with its text for notifications."""
        title = headline(notices, self.service)
        body = {"text": title.translate(_SLACK_ESCAPES), "blocks": self._blocks(notices, title)}
        return json_request(self.url, body, {})

    def _blocks(self, notices: Sequence[Notice], title: str) -> list[dict[str, Any]]:
        header = {"type": "plain_text", "text": cut(title, SLACK_HEADER), "emoji": True}
        texts = [_slack_text(notice) for notice in notices[:_SLACK_LISTED]]
        lengths = zip(texts, accumulate(map(len, texts)), strict=True)
        listed = [_section(text) for text, so_far in lengths if so_far <= SLACK_MESSAGE]
        more = len(notices) - len(listed)
        rest = [_section(f"… and {more} more")] if more else []
        return [{"type": "header", "text": header}, *listed, *rest]


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def _slack_text(notice: Notice) -> str:
    """Return a notice as mrkdwn, cut before it is escaped so that no escape is cut."""
    lines = [f"{_SIGNS[notice.alert.severity]} *{_slack_line(title(notice))}*"]
    lines += [_slack_line(line) for line in facts(notice)][:_SLACK_LINES]
    links = [
        f"<{_slack_address(to)}|{_slack_line(name)}>" for name, to in notice.alert.links.items()
    ]
    lines += [" · ".join(links)] if links else []
    if notice.alert.remedy:
        lines.append(f"`{_slack_line(notice.alert.remedy)}`")
    while len("\n".join(lines)) > SLACK_SECTION:
        lines[lines.index(max(lines, key=len))] = "…"
    return "\n".join(lines)


def _slack_address(address: str) -> str:
    """Return an address as it stands in a link of Slack's, whose signs it must not have."""
    return quote(address, safe=":/?#[]@!$&'()*+,;=%~-._").translate(_SLACK_ESCAPES)


def _slack_line(text: str) -> str:
    # Formatting marks of the reason's own would be taken for ours.
    plain = text.replace("*", "∗").replace("`", "´").replace("_", "_\u2060").replace("~", "∼")
    return cut(" ".join(plain.split()), 500).translate(_SLACK_ESCAPES)


@dataclass(frozen=True)
class Email:
    """Send by e-mail, through SendGrid.

    Args:
        key: SendGrid's API key, a secret.
        sender: the address it is from.
        recipients: the addresses it is for.
        service: who is telling.
        base: SendGrid's base URL.
        sender_name: the name that people see beside the address; empty: none.
    """

    key: str = field(repr=False)
    sender: str
    recipients: tuple[str, ...]
    service: str
    base: str = SENDGRID
    sender_name: str = ""
    name: str = "email"

    def request(self, notices: Sequence[Notice]) -> Outgoing:
        """Make a mail in text and HTML."""
        body = {
            "personalizations": [{"to": [{"email": address} for address in self.recipients]}],
            "from": {
                "email": self.sender,
                **({"name": self.sender_name} if self.sender_name else {}),
            },
            "subject": cut(headline(notices, self.service), SUBJECT),
            "content": [
                {"type": "text/plain", "value": self._text(notices)},
                {"type": "text/html", "value": self._html(notices)},
            ],
        }
        headers = {"Authorization": f"Bearer {self.key}"}
        return json_request(f"{self.base}/v3/mail/send", body, headers)

    def _text(self, notices: Sequence[Notice]) -> str:
        parts = [
            "\n".join([title(each), *_told(each), each.alert.remedy, *_addresses(each)]).strip()
            for each in notices
        ]
        return "\n\n".join(parts) + f"\n\n{self.service}\n"

    def _html(self, notices: Sequence[Notice]) -> str:
        parts = "".join(_html(notice) for notice in notices)
        return (
            '<!doctype html><html lang="en"><body style="font:15px/1.5 system-ui,sans-serif">'
            f"{parts}<p>{escape(self.service)}</p></body></html>"
        )


def _told(notice: Notice) -> list[str]:
    """Return the facts, none of which forges a line of ours."""
    return ["\n    ".join(fact.splitlines()) for fact in facts(notice)]


def _addresses(notice: Notice) -> list[str]:
    return [f"{name}: {address}" for name, address in notice.alert.links.items()]


def _html(notice: Notice) -> str:
    colour = _COLOURS[notice.alert.severity]
    remedy = notice.alert.remedy
    links = " · ".join(
        f'<a href="{escape(address)}">{escape(name)}</a>'
        for name, address in notice.alert.links.items()
    )
    return (
        f'<h2 style="color:{colour};font-size:17px">{escape(title(notice))}</h2><p>'
        + "<br>".join(escape(line) for line in facts(notice))
        + (f"<br><code>{escape(remedy)}</code></p>" if remedy else "</p>")
        + (f"<p>{links}</p>" if links else "")
    )


@dataclass(frozen=True)
class Sms:
    """Send by SMS, through Twilio.

    Args:
        account: Twilio's account SID.
        token: its auth token, a secret.
        sender: the number it is from, as +15551234567.
        recipient: the number it is for.
        service: who is telling.
        base: Twilio's base URL.
    """

    account: str
    token: str = field(repr=False)
    sender: str
    recipient: str
    service: str
    base: str = TWILIO
    name: str = "sms"

    def request(self, notices: Sequence[Notice]) -> Outgoing:
        """Make one short message."""
        credentials = base64.b64encode(f"{self.account}:{self.token}".encode()).decode()
        form = {"From": self.sender, "To": self.recipient, "Body": self._body(notices)}
        return Outgoing(
            "POST",
            f"{self.base}/2010-04-01/Accounts/{quote(self.account, safe='')}/Messages.json",
            {
                "Authorization": f"Basic {credentials}",
                "Content-Type": "application/x-www-form-urlencoded",
            },
            urlencode(form).encode(),
        )

    def _body(self, notices: Sequence[Notice]) -> str:
        # One character beyond the plain alphabet would more than halve what fits.
        text = f"{self.service}: " + "; ".join(title(notice) for notice in notices)
        text = _plain(text).translate(_GSM)
        plain = "".join(sign if " " <= sign <= "~" else "?" for sign in text)
        return plain if len(plain) <= SMS_BODY else plain[: SMS_BODY - 3] + "..."


def _plain(text: str) -> str:
    return " ".join(text.replace("…", "...").replace("–", "-").split())


def headline(notices: Sequence[Notice], service: str) -> str:
    """Return one line for all notices: the worst first."""
    worst = max(
        notices, key=lambda notice: (notice.what is not What.RESOLVED, notice.alert.severity)
    )
    more = f" (and {len(notices) - 1} more)" if len(notices) > 1 else ""
    return " ".join(f"{service}: {title(worst)}{more}".split())


def title(notice: Notice) -> str:
    """Return a notice's first line."""
    alert = notice.alert
    if notice.what is What.RESOLVED:
        return f"RESOLVED: {alert.summary}"
    several = alert.several if notice.what is What.HAPPENED and notice.times > 1 else ""
    said = _summed(several, notice) if several else alert.summary
    states = {
        What.FIRING: "",
        What.HAPPENED: f" ({notice.times} times)" if notice.times > 1 and not several else "",
        What.STILL: f" (still, since {iso(notice.since)})",
        What.FLAPPING: " (comes and goes; you will be told when it stays away)",
    }
    return f"{alert.severity.name}: {said}{states[notice.what]}"


def _summed(several: str, notice: Notice) -> str:
    """Return the words for several events, with their number and what they amount to."""
    amounts = " and ".join(f"{sum_:,.2f} {unit}" for unit, sum_ in notice.alert.amounts.items())
    return several.replace("{times}", str(notice.times)).replace("{amounts}", amounts)


def facts(notice: Notice) -> list[str]:
    """Return what else is known, a line each."""
    alert = notice.alert
    summed = alert.several and notice.what is What.HAPPENED and notice.times > 1
    details = {} if summed else alert.details  # they are those of the last of several
    lines = [f"{name}: {value}" for name, value in alert.labels.items()]
    lines += [f"{name}: {value}" for name, value in details.items() if value]
    return [*lines, f"since: {iso(notice.since)}"]


def cut(text: str, limit: int) -> str:
    """Cut a text to a number of characters, and show that it was."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


NEEDED = {
    "slack": ("SLACK_WEBHOOK_URL",),
    "email": ("SENDGRID_API_KEY", "SENDGRID_FROM_EMAIL", "ADMIN_EMAIL"),
    "sms": ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_PHONE_NUMBER", "ADMIN_PHONE"),
}
"""The variables that set each channel up."""


def configured(value: Callable[[str], str], service: str) -> list[Channel]:
    """Return the channels whose variables are all there.

    Args:
        value: gives a variable's value by its name; an empty text where there is none.
        service: who is telling.
    """
    return [
        channel
        for name, needed in NEEDED.items()
        if all(value(each) for each in needed)
        for channel in _make(name, [value(each) for each in needed], value, service)
    ]


def _make(
    name: str, given: Sequence[str], value: Callable[[str], str], service: str
) -> list[Channel]:
    """Make a kind of channel; a text message goes to one number, so each has one of its own."""
    if name == "slack":
        return [Slack(given[0], service)]
    if name == "email":
        key, sender, to = given
        base = value("SENDGRID_API_BASE") or SENDGRID
        return [Email(key, sender, listed(to), service, base, value("SENDGRID_FROM_NAME"))]
    account, token, sender, to = given
    base = value("TWILIO_API_BASE") or TWILIO
    return [Sms(account, token, sender, number, service, base) for number in listed(to)]


def listed(text: str) -> tuple[str, ...]:
    """Return the values that stand in a text, by comma; of those alike but for case the first.

    SendGrid refuses a mail that has an address twice, whatever its case.
    """
    values: dict[str, str] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        values.setdefault(part.casefold(), part)
    return tuple(values.values())
