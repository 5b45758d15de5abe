"""Alertmanager's configuration: who is told of what, by which way.

INFO and WARNING go to Slack, ERROR to mail and Slack, CRITICAL to mail, SMS and Slack, as
:mod:`xswarm_monitoring.notifier` has it.
"""

from __future__ import annotations

from typing import Any

from xswarm_deploy.observability import bridge
from xswarm_deploy.observability.expressions import BY
from xswarm_deploy.observability.rules import WATCHDOG
from xswarm_deploy.observability.stack import (
    SLACK_URL,
    SMS_TOKEN,
    SMTP_PASSWORD,
    Places,
    Stack,
    Timing,
    duration,
)
from xswarm_monitoring.alert import Severity

CONFIGURATION = "alertmanager.yml"
HEARTBEAT = "heartbeat"
OF_THE_SERVICE = f'alertname!~"alerts-not-delivered|{WATCHDOG}"'
"""Matches all alerts but those that this stack gives of itself."""
SLACK, MAIL, SMS = "slack", "mail", "sms"
_WORST_FIRST = sorted(Severity, reverse=True)

WAYS = {
    Severity.INFO: (SLACK,),
    Severity.WARNING: (SLACK,),
    Severity.ERROR: (MAIL, SLACK),
    Severity.CRITICAL: (MAIL, SMS, SLACK),
}

_LISTED = 15  # alerts in one message; a text of Slack's takes 3,000 characters
_TITLE = (
    "{{ .Status | toUpper }}{{ if gt (len .Alerts) 1 }} ({{ len .Alerts }}){{ end }}:"
    " {{ .CommonLabels.alertname }} {{ .CommonLabels.service }} {{ .CommonLabels.environment }}"
)
# A customer's id, say, must not become a mention or a link of Slack's.
_ESCAPES = ("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")
_ONE_LINE = ' | reReplaceAll "\\\\s+" " "'  # nor forge a line of ours
_ESCAPED = "".join(f' | reReplaceAll "{sign}" "{escape}"' for sign, escape in _ESCAPES)


def _lines(escaped: str = "") -> str:
    """Return the template of an alert's two lines, for the first of many."""
    return (
        f"{{{{ range $number, $alert := .Alerts }}}}{{{{ if lt $number {_LISTED} }}}}"
        f"{{{{ .Labels.severity }}}}: {{{{ .Annotations.summary{_ONE_LINE}{escaped} }}}}"
        ' ({{ .Status }}, since {{ .StartsAt.UTC.Format "2006-01-02T15:04:05Z" }})\n'
        "{{ .Annotations.remedy }}\n"
        "{{ if .Annotations.runbook_url }}{{ .Annotations.runbook_url }}\n{{ end }}"
        "{{ if .Annotations.dashboard_url }}{{ .Annotations.dashboard_url }}\n{{ end }}"
        "{{ end }}{{ end }}"
    )


def file(stack: Stack) -> dict[str, Any]:
    """Return Alertmanager's configuration; secrets are in files beside it."""
    return {
        "global": _global(stack),
        "route": _route(stack),
        "inhibit_rules": _inhibitions(),
        "receivers": [*(_receiver(severity, stack) for severity in Severity), *_heartbeat(stack)],
    }


def _global(stack: Stack) -> dict[str, Any]:
    told, secret = stack.contacts, stack.places.secret
    mail = {
        "smtp_smarthost": told.smtp,
        "smtp_from": told.mail_from,
        "smtp_require_tls": told.smtp_tls,
        "smtp_auth_username": told.smtp_user,
        "smtp_auth_password_file": str(secret(SMTP_PASSWORD)),
    }
    slack = {"slack_api_url_file": str(secret(SLACK_URL))}
    return (mail if told.mail_to else {}) | (slack if told.slack else {})


def _route(stack: Stack) -> dict[str, Any]:
    timing = stack.timing
    return {
        "receiver": Severity.WARNING.name,
        "group_by": ["alertname", *BY],
        "group_wait": duration(timing.group_wait),
        "group_interval": duration(timing.group_interval),
        "repeat_interval": _repeat(Severity.WARNING, timing),
        "routes": [*_beats(stack), *(_told(severity, timing) for severity in _WORST_FIRST)],
    }


def _told(severity: Severity, timing: Timing) -> dict[str, Any]:
    return {
        "matchers": [f'severity="{severity.name}"'],
        "receiver": severity.name,
        "repeat_interval": _repeat(severity, timing),
    }


def _beats(stack: Stack) -> list[dict[str, Any]]:
    """Return the route of what is always on: to the dead-man's switch, each minute, alone."""
    if not stack.beats:
        return []
    minute = min(60.0, stack.timing.group_interval)
    each = {"group_interval": duration(minute), "repeat_interval": duration(minute / 2)}
    return [{"matchers": [f'alertname="{WATCHDOG}"'], "receiver": HEARTBEAT, **each}]


def _heartbeat(stack: Stack) -> list[dict[str, Any]]:
    if not stack.beats:
        return []
    hook = {**_bridged(stack, "/heartbeat"), "send_resolved": False}
    return [{"name": HEARTBEAT, "webhook_configs": [hook]}]


def _repeat(severity: Severity, timing: Timing) -> str:
    """Return after how long people are told again; Alertmanager looks once a group interval."""
    return duration(max(timing.repeat[severity], timing.group_interval))


def _inhibitions() -> list[dict[str, Any]]:
    """Leave out what an outage explains, and what a failing database explains."""
    return [
        # But not that people cannot be told of it.
        _inhibition('alertname="service-outage"', 'severity!="CRITICAL"', OF_THE_SERVICE),
        _inhibition('alertname="service-outage"', 'alertname="database-error"'),
        _inhibition('alertname="database-error"', 'alertname="slow-queries"'),
        _inhibition('alertname="database-error"', 'alertname="high-error-rate"'),
        _inhibition('alertname="payments-failing"', 'alertname="payment-failed"'),
        # The fastest burn tells of the slower ones; two objectives may burn at once.
        _slower('burn="14.4"', 'burn=~"6|1"'),
        _slower('burn="6"', 'burn="1"'),
    ]


def _inhibition(source: str, *target: str) -> dict[str, Any]:
    return {"source_matchers": [source], "target_matchers": list(target), "equal": list(BY)}


def _slower(source: str, target: str) -> dict[str, Any]:
    made = _inhibition(source, target)
    return {**made, "equal": [*made["equal"], "objective"]}


def _receiver(severity: Severity, stack: Stack) -> dict[str, Any]:
    there = _available(stack)
    # Who set up no Slack is still told of warnings, by the next best way.
    ways = [way for way in WAYS[severity] if way in there] or list(there)[:1]
    return {"name": severity.name} | {there[way][0]: [there[way][1]] for way in ways}


def _available(stack: Stack) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return the ways that are set up, the least intrusive first."""
    told, given = stack.contacts, {}
    if told.slack:
        given[SLACK] = ("slack_configs", _slack())
    if told.mail_to:
        given[MAIL] = ("email_configs", _mail(stack))
    if told.sms:
        given[SMS] = ("webhook_configs", _sms(stack))
    return given


def _mail(stack: Stack) -> dict[str, Any]:
    return {
        "to": stack.contacts.mail_to,
        "send_resolved": True,
        "headers": {"Subject": _TITLE},
        "text": _lines(),
    }


def _slack() -> dict[str, Any]:
    return {"send_resolved": True, "title": _TITLE, "text": _lines(_ESCAPED)}


def _sms(stack: Stack) -> dict[str, Any]:
    return {**_bridged(stack, "/"), "send_resolved": True, "max_alerts": 5}


def _bridged(stack: Stack, path: str) -> dict[str, Any]:
    token_file = str(stack.places.secret(SMS_TOKEN))
    authorization = {"type": "Bearer", "credentials_file": token_file}
    return {
        "url": bridge.url(stack.places, path),
        "http_config": {"authorization": authorization},
    }


def command(places: Places) -> list[str]:
    """Return the command that runs Alertmanager, alone: it has no peers to talk to."""
    return [
        "/usr/bin/prometheus-alertmanager",
        f"--config.file={places.configuration / CONFIGURATION}",
        f"--storage.path={places.data / 'alertmanager'}",
        f"--web.listen-address={places.alertmanager}",
        "--cluster.listen-address=",
    ]
