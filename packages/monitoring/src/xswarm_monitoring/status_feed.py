"""The incidents as an Atom feed (RFC 4287)."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

from xswarm_monitoring.clock import iso
from xswarm_monitoring.incident import Incident
from xswarm_monitoring.printable import printable
from xswarm_monitoring.status_report import StatusReport

_NO_XML = re.compile("[\ud800-\udfff\ufffe\uffff]")
MEDIA_TYPE = "application/atom+xml; charset=utf-8"


def feed(report: StatusReport, address: str = "") -> str:
    """Return the feed.

    Args:
        report: what the page says.
        address: the page's; empty: it does not know its own.
    """
    changed = [each.updates[-1].time for each in report.incidents]
    link = f'<link rel="alternate" type="text/html" href={quoteattr(address)}/>' if address else ""
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">'
        f"<id>{_id(report)}</id><title>{_text(report.title)}: status</title>"
        f"<author><name>{_text(report.title)}</name></author>"
        f"<updated>{iso(max(changed, default=0.0))}</updated>{link}"
        f"{''.join(_entries(report, link))}</feed>\n"
    )


def _entries(report: StatusReport, link: str) -> Iterator[str]:
    for each in report.incidents:
        state = each.updates[-1].state
        yield (
            f"<entry><id>{_id(report, each)}</id>"
            f"<title>{_text(each.title)} ({_text(state)})</title>"
            f"<published>{iso(each.begun)}</published>"
            f"<updated>{iso(each.updates[-1].time)}</updated>{link}"
            f'<category term="{each.severity.name.lower()}"/>'
            f'<content type="text">{_content(report, each)}</content></entry>'
        )


def _content(report: StatusReport, incident: Incident) -> str:
    affected = ", ".join(report.affected(incident))
    head = [f"Affected: {affected}."] if affected else []
    told = [f"{iso(u.time)} {u.state}: {u.text}" for u in reversed(incident.updates)]
    return _text("\n".join([*head, *told]))


def _id(report: StatusReport, incident: Incident | None = None) -> str:
    """Return an id that stays the same, wherever the page is."""
    parts = ("xswarm-status", report.title, report.environment)
    own = () if incident is None else (str(incident.id), iso(incident.begun))
    return uuid.uuid5(uuid.NAMESPACE_URL, "\n".join((*parts, *own))).urn


def _text(text: str) -> str:
    """Return a text without what XML cannot hold."""
    return escape(_NO_XML.sub("\ufffd", printable(text)))
