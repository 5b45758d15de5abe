"""What watches a service from outside: Prometheus, Alertmanager and Grafana, and where they live.

Everything the other modules of this room write is derived from a :class:`Stack`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formataddr
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from xswarm_deploy.errors import Refused
from xswarm_deploy.secret import Secret
from xswarm_monitoring.alert import Severity
from xswarm_monitoring.alert_state import Policy
from xswarm_monitoring.instruments import SECONDS
from xswarm_monitoring.rules import Thresholds
from xswarm_monitoring.slo import Slo

if TYPE_CHECKING:
    from xswarm_deploy.settings.settings import Settings

ADMIN_TOKEN: Final = "admin-token"  # noqa: S105 - a file's name
SLACK_URL: Final = "slack-url"
SMTP_PASSWORD: Final = "smtp-password"  # noqa: S105 - a file's name
SMS_TOKEN: Final = "sms-token"  # noqa: S105 - a file's name
TWILIO_TOKEN: Final = "twilio-token"  # noqa: S105 - a file's name
HEARTBEAT_URL: Final = "heartbeat-url"

_UNITS: Final = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


@dataclass(frozen=True)
class Timing:
    """How often is looked, over how long, and when people are told; all in seconds.

    Args:
        scrape: between two readings of the service, and between two judgements.
        window: over which rates and quantiles are taken; at least four scrapes.
        payments: the same for payments and customers' calls, of which there are fewer.
        pending: how long a condition must hold before it is an alert.
        outage: the same for what is down.
        group_wait: how long alerts of one group are collected before people are told.
        group_interval: between two messages about a group that changed.
        repeat: between two messages about a group that did not, by severity.
    """

    scrape: float = 15.0
    window: float = 300.0
    payments: float = 3600.0
    pending: float = 120.0
    outage: float = 60.0
    group_wait: float = 30.0
    group_interval: float = 300.0
    repeat: Mapping[Severity, float] = field(default_factory=lambda: Policy().repeat)


@dataclass(frozen=True)
class Sms:
    """How a telephone is told, through Twilio; the auth token is a secret of its own.

    Args:
        account: Twilio's account SID.
        sender: the number it is from.
        recipient: the number it is for.
        base: Twilio's base URL.
    """

    account: str
    sender: str
    recipient: str
    base: str = "https://api.twilio.com"


@dataclass(frozen=True)
class Contacts:
    """Whom Alertmanager notifies; what is empty is not used.

    Args:
        slack: whether there is a Slack webhook; its URL is a secret of its own.
        mail_to: the address mails go to.
        mail_from: the address they come from.
        smtp: host and port of the mail server.
        smtp_user: the name to log in with.
        smtp_tls: whether the server must speak TLS.
        sms: the telephone that CRITICAL alerts are told to.
    """

    slack: bool = False
    mail_to: str = ""
    mail_from: str = ""
    smtp: str = "smtp.sendgrid.net:587"
    smtp_user: str = "apikey"
    smtp_tls: bool = True
    sms: Sms | None = None


@dataclass(frozen=True)
class Places:
    """Where things are on the host.

    Args:
        name: of the folders and the units, e.g. ``boss-ai-monitoring``.
        prefix: a folder that stands for the root; empty: the host itself.
        prometheus: the address Prometheus listens on.
        alertmanager: the address Alertmanager listens on.
        bridge: the address the SMS bridge listens on.
        user: who runs all of them, and may read their secrets.
        managed: whether the host's systemd runs the units; else there are files only.
    """

    name: str
    prefix: str = ""
    prometheus: str = "127.0.0.1:9090"
    alertmanager: str = "127.0.0.1:9093"
    bridge: str = "127.0.0.1:9095"
    user: str = "prometheus"
    managed: bool = True

    @property
    def configuration(self) -> PurePosixPath:
        """The folder of the configuration."""
        return self._under("/etc") / self.name

    @property
    def data(self) -> PurePosixPath:
        """The folder of what is measured."""
        return self._under("/var/lib") / self.name

    @property
    def library(self) -> PurePosixPath:
        """The folder of the bridge's modules."""
        return self._under("/usr/local/lib") / self.name

    @property
    def units(self) -> PurePosixPath:
        """The folder of systemd's units."""
        return self._under("/etc/systemd/system")

    def secret(self, name: str) -> PurePosixPath:
        """Return the file of a secret."""
        return self.configuration / "secrets" / name

    def _under(self, folder: str) -> PurePosixPath:
        return PurePosixPath(f"{self.prefix.rstrip('/')}{folder}")


@dataclass(frozen=True)
class Stack:
    """What is watched, by which measure, and who is told.

    Args:
        service: the service's name.
        environment: production, staging or local.
        url: the Worker's, https, or http on loopback.
        contacts: who is told.
        places: where things are on the host.
        thresholds: where wrong begins; the same as of ``inv monitor.watch``.
        timing: how often, and how long.
        calls_per_minute: what a customer may call the API; 0: there is no limit.
        critical: the components that a service cannot do without that does not say so itself.
        secrets: by the names of their files.
        runbook: the address of what to do about an alert; ``{name}`` in it is its name.
        dashboard: the address of the figures.
        slo: the objectives of the service.
    """

    service: str
    environment: str
    url: str
    contacts: Contacts
    places: Places
    thresholds: Thresholds = field(default_factory=Thresholds)
    timing: Timing = field(default_factory=Timing)
    calls_per_minute: int = 0
    critical: tuple[str, ...] = ("database", "configuration")
    secrets: dict[str, Secret] = field(default_factory=dict, repr=False)
    runbook: str = ""
    dashboard: str = ""
    slo: Slo = field(default_factory=Slo)

    @property
    def beats(self) -> bool:
        """Whether a dead-man's switch is told that all of this works."""
        return HEARTBEAT_URL in self.secrets

    @property
    def bridged(self) -> bool:
        """Whether there is something to tell that Alertmanager cannot tell by itself."""
        return self.beats or self.contacts.sms is not None

    def links(self, alert: str) -> dict[str, str]:
        """Return an alert's annotations that say where to look."""
        runbook = self.runbook.replace("{name}", alert)
        given = {"runbook_url": runbook, "dashboard_url": self.dashboard}
        return {name: address for name, address in given.items() if address}

    def templates(self, alert: str) -> dict[str, str]:
        """Return the same as templates of Prometheus', which obey nothing in them."""
        return {name: text.replace("{{", '{{"{{"}}') for name, text in self.links(alert).items()}

    @property
    def window(self) -> str:
        """The window of rates, as Prometheus writes it."""
        return duration(self.timing.window)

    @property
    def payments_window(self) -> str:
        """The window of payments, as Prometheus writes it."""
        return duration(self.timing.payments)


def watching(window: float, policy: Policy) -> Timing:
    """Return the timing that judges and repeats as ``inv monitor.watch`` does.

    Args:
        window: seconds that are judged.
        policy: when people are told.
    """
    return Timing(
        scrape=min(15.0, window / 4), window=window, pending=policy.hold, repeat=policy.repeat
    )


def duration(seconds: float) -> str:
    """Write a length of time as Prometheus does: ``5m``, ``15s``, ``500ms``."""
    for unit, size in _UNITS:
        if seconds >= size and seconds % size == 0:
            return f"{int(seconds // size)}{unit}"
    return f"{round(seconds * 1000)}ms"


def of(
    settings: Settings,
    thresholds: Thresholds | None = None,
    timing: Timing | None = None,
    *,
    prefix: str = "",
) -> Stack:
    """Return the stack that watches an environment's Worker.

    Args:
        settings: the environment.
        thresholds: where wrong begins.
        timing: how often is looked, and over how long.
        prefix: a folder of the host that stands for its root; empty: the host itself.

    Raises:
        Refused: the Worker's URL or its admin token is missing, or nobody would be told.
    """
    admin = settings.secret("ADMIN_TOKEN")
    secrets = {
        ADMIN_TOKEN: admin,
        SLACK_URL: settings.secret("SLACK_WEBHOOK_URL"),
        SMTP_PASSWORD: settings.secret("SENDGRID_API_KEY"),
        SMS_TOKEN: _bridge_token(admin),
        TWILIO_TOKEN: settings.secret("TWILIO_AUTH_TOKEN"),
        HEARTBEAT_URL: settings.secret("HEARTBEAT_URL"),
    }
    service, contacts = settings.project.worker.name, _contacts(settings, secrets)
    stack = Stack(
        service=service,
        environment=settings.environment,
        url=settings.text("WORKER_URL"),
        contacts=contacts,
        places=places(service, prefix),
        thresholds=thresholds or Thresholds(),
        timing=timing or Timing(),
        calls_per_minute=_calls_per_minute(settings),
        secrets={name: secrets[name] for name in _used(contacts, secrets) if secrets[name]},
    )
    require_sound(stack)
    return stack


def places(service: str, prefix: str = "") -> Places:
    """Return the places of a service's stack.

    Args:
        service: its name.
        prefix: a folder that stands for the host's root; then nothing runs there.
    """
    return Places(f"{service}-monitoring", prefix, managed=not prefix)


def _contacts(settings: Settings, secrets: dict[str, Secret]) -> Contacts:
    mail = bool(secrets[SMTP_PASSWORD] and settings.text("SENDGRID_FROM_EMAIL"))
    return Contacts(
        slack=bool(secrets[SLACK_URL]),
        mail_to=settings.text("ADMIN_EMAIL") if mail else "",
        mail_from=formataddr(
            (settings.text("SENDGRID_FROM_NAME"), settings.text("SENDGRID_FROM_EMAIL"))
        ),
        sms=_sms(settings) if secrets[TWILIO_TOKEN] else None,
    )


def _bridge_token(admin: Secret) -> Secret:
    """Return what Alertmanager proves itself by to the bridge: the same each time."""
    made = hmac.new(admin.reveal().encode(), b"the SMS bridge", hashlib.sha256).hexdigest()
    return Secret(made if admin else "", SMS_TOKEN)


def _sms(settings: Settings) -> Sms | None:
    names = ("TWILIO_ACCOUNT_SID", "TWILIO_PHONE_NUMBER", "ADMIN_PHONE", "TWILIO_API_BASE")
    given = [settings.text(name) for name in names]
    return Sms(*given) if all(given) else None


def _used(contacts: Contacts, secrets: Mapping[str, Secret]) -> list[str]:
    """Name the secrets that are used; others have no business on the host."""
    used = {
        ADMIN_TOKEN: True,
        SLACK_URL: contacts.slack,
        SMTP_PASSWORD: bool(contacts.mail_to),
        SMS_TOKEN: contacts.sms is not None or bool(secrets[HEARTBEAT_URL]),
        TWILIO_TOKEN: contacts.sms is not None,
        HEARTBEAT_URL: True,
    }
    return [name for name, is_used in used.items() if is_used]


def _calls_per_minute(settings: Settings) -> int:
    if not settings.flag("RATE_LIMIT_ENABLED"):
        return 0
    return settings.number("RATE_LIMIT_REQUESTS_PER_MINUTE")


def require_sound(stack: Stack) -> None:
    """Refuse a stack that could not watch, or would tell nobody.

    Raises:
        Refused: what is missing is named.
    """
    if not urlsplit(stack.url).hostname:
        raise Refused("it is not set what to watch", f"WORKER_URL is {stack.url!r}")
    if ADMIN_TOKEN not in stack.secrets:
        raise Refused("the metrics cannot be read", "ADMIN_TOKEN is missing")
    _require_measurable(stack.thresholds)
    told = stack.contacts
    if not (told.slack or told.mail_to or told.sms):
        raise Refused(
            "nobody would be told of an alert",
            "there is no Slack webhook, no mail address and no telephone",
            "set SLACK_WEBHOOK_URL, or ADMIN_EMAIL with SENDGRID_FROM_EMAIL and its key",
        )


def _require_measurable(limits: Thresholds) -> None:
    """Refuse a threshold beyond the histogram, which Prometheus would never see passed."""
    for name in ("response_p95", "query_p95"):
        if getattr(limits, name) >= SECONDS[-1]:
            raise Refused(
                f"Prometheus would never tell of monitor.thresholds.{name}",
                f"it is {getattr(limits, name):g} s, and the histogram ends at {SECONDS[-1]:g} s",
                f"set one below {SECONDS[-1]:g}",
            )
