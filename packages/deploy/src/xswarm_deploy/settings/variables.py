"""Every variable of an environment file: its name, group, form and comment, once.

The examples in deployment/config are made from this table (``inv config.examples``),
and the loader, the check and the secrets step read it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final, NamedTuple

PRODUCTION: Final = "production"
STAGING: Final = "staging"
LOCAL: Final = "local"
ENVIRONMENTS: Final = (PRODUCTION, STAGING, LOCAL)
PREVIOUS: Final = "JWT_SECRET_PREVIOUS"
"""Whose Worker reads it has its signing key rotated by this tool, which then must have it."""


class Sent(Enum):
    """Where a variable goes."""

    WORKER_SECRET = "a secret of the Worker"
    WORKER_VARIABLE = "a plain variable of the Worker"
    HERE = "read here only"


class Variable(NamedTuple):
    """Describe one variable of the environment file.

    Args:
        name: as it stands in the file, without ``_LIVE`` or ``_TEST``.
        group: the heading it stands under.
        comment: one line for the example file.
        secret: whether the value must never be shown.
        required: whether a release is blocked without it.
        sent: where it goes.
        split: whether the file has it twice, ``_LIVE`` (production) and ``_TEST``.
        pattern: the form of the whole value, a regular expression; empty: any.
        live: prefixes only a live value has; refused outside production.
        test: prefixes only a test value has; refused in production.
        shortest: the least length in characters.
        default: the value where the file has none.
        example: what the example file shows, by environment.
        part: what a project must use to have it (``uses`` in invoke.yaml); empty: all have it.
        workers_own: the Worker alone reads it: without a value here the one that it has stays,
            but where this tool rotates it (:data:`PREVIOUS`).
    """

    name: str
    group: str
    comment: str
    secret: bool = False
    required: bool = False
    sent: Sent = Sent.HERE
    split: bool = False
    pattern: str = ""
    live: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    shortest: int = 0
    default: str = ""
    example: Mapping[str, str] = MappingProxyType({})
    part: str = ""
    workers_own: bool = False

    def file_name(self, environment: str) -> str:
        """Return the name under which the environment's file holds it."""
        if not self.split:
            return self.name
        return f"{self.name}_{'LIVE' if environment == PRODUCTION else 'TEST'}"


_URL = r"https?://[^\s\\/][^\s\\]*"
# http, which is for this machine alone, is judged on the parsed address (settings.judge)
_FLAG = r"true|false"
_NUMBER = r"\d+"
_E164 = r"\+[1-9]\d{6,14}"
_MAIL = r"[^@\s,;<>]++@[^@\s,;<>][^@\s.,;<>]*+\.[^@\s,;<>]++"
_CRON = r"(\S+\s+){4}\S+"


def _listed(pattern: str) -> str:
    """Return the form of one value or several, by comma."""
    return rf"{pattern}(\s*,\s*{pattern})*"


def _same(value: str) -> dict[str, str]:
    return dict.fromkeys(ENVIRONMENTS, value)


def _service() -> Iterator[Variable]:
    group = "Service"
    to_worker = Sent.WORKER_VARIABLE
    yield Variable(
        "ENVIRONMENT",
        group,
        "Which environment this file is for: production, staging or local.",
        required=True,
        sent=to_worker,
        pattern="production|staging|local",
        example={name: name for name in ENVIRONMENTS},
    )
    yield Variable(
        "WORKER_URL",
        group,
        "Where the Worker answers; https://none.invalid if nowhere. Verification asks there.",
        required=True,
        sent=to_worker,
        pattern=_URL,
        example={PRODUCTION: "https://boss.xswarm.ai", STAGING: "https://staging.boss.xswarm.ai"},
    )
    yield Variable(
        "BASE_URL",
        group,
        "Where the static site answers.",
        required=True,
        sent=to_worker,
        pattern=_URL,
        example={PRODUCTION: "https://xswarm.ai", STAGING: "https://staging.xswarm.ai"},
        part="site",
    )
    yield Variable(
        "API_URL",
        group,
        "Where the API answers; usually the Worker.",
        sent=to_worker,
        pattern=_URL,
        example={PRODUCTION: "https://boss.xswarm.ai", STAGING: "https://staging.boss.xswarm.ai"},
    )


def _intelligence() -> Iterator[Variable]:
    group = "AI"
    yield Variable(
        "ANTHROPIC_API_KEY",
        group,
        "Anthropic key (console: API keys); begins with sk-ant-.",
        secret=True,
        required=True,
        sent=Sent.WORKER_SECRET,
        pattern=r"sk-ant-[\w-]{8,}",
        example=_same("sk-ant-xxxxx"),
        part="anthropic",
    )
    yield Variable(
        "OPENAI_API_KEY",
        group,
        "OpenAI key (platform: API keys); begins with sk-.",
        secret=True,
        required=True,
        sent=Sent.WORKER_SECRET,
        pattern=r"sk-(?!ant-)[\w-]{8,}",
        example=_same("sk-xxxxx"),
        part="openai",
    )


def _twilio() -> Iterator[Variable]:
    group = "Twilio"
    yield Variable(
        "TWILIO_ACCOUNT_SID",
        group,
        "Twilio account SID; begins with AC.",
        required=True,
        sent=Sent.WORKER_VARIABLE,
        pattern=r"AC[0-9a-fA-F]{32}",
        example=_same("ACxxxxx"),
        part="twilio",
    )
    yield Variable(
        "TWILIO_AUTH_TOKEN",
        group,
        "Twilio auth token.",
        secret=True,
        required=True,
        sent=Sent.WORKER_SECRET,
        split=True,
        pattern=r"[0-9a-fA-F]{32}",
        example=_same("xxxxx"),
        part="twilio",
    )
    yield Variable(
        "TWILIO_PHONE_NUMBER",
        group,
        "The number that sends and receives, as +15551234567.",
        required=True,
        sent=Sent.WORKER_VARIABLE,
        pattern=_E164,
        example=_same("+1xxxxx"),
        part="twilio",
    )


def _sendgrid() -> Iterator[Variable]:
    group = "SendGrid"
    yield Variable(
        "SENDGRID_API_KEY",
        group,
        "SendGrid key; begins with SG. and has three parts.",
        secret=True,
        required=True,
        sent=Sent.WORKER_SECRET,
        split=True,
        pattern=r"SG\.[\w-]+\.[\w-]+",
        example=_same("SG.xxxxx"),
        part="sendgrid",
    )
    yield Variable(
        "SENDGRID_FROM_EMAIL",
        group,
        "The verified sender of all mail.",
        required=True,
        sent=Sent.WORKER_VARIABLE,
        pattern=_MAIL,
        example=_same("boss@xswarm.ai"),
        part="sendgrid",
    )
    yield Variable(
        "SENDGRID_FROM_NAME",
        group,
        "The sender's name that people see beside the address in alerts by mail.",
        sent=Sent.WORKER_VARIABLE,
        example=_same("xSwarm Boss"),
        part="sendgrid",
    )
    yield Variable(
        "SENDGRID_WEBHOOK_PUBLIC_KEY",
        group,
        "Public key of SendGrid's signed webhooks. Leave empty: the release fetches it.",
        sent=Sent.WORKER_SECRET,
        secret=True,
        example=_same(""),
        part="sendgrid",
    )
    yield Variable(
        "SENDGRID_PARSE_PUBLIC_KEY",
        group,
        "Public key by which SendGrid signs inbound mail. Leave empty: the release fetches it.",
        sent=Sent.WORKER_SECRET,
        secret=True,
        example=_same(""),
        part="sendgrid",
    )


def _stripe() -> Iterator[Variable]:
    group = "Stripe"
    yield Variable(
        "STRIPE_SECRET_KEY",
        group,
        "Stripe secret (sk_) or restricted (rk_) key.",
        secret=True,
        required=True,
        sent=Sent.WORKER_SECRET,
        split=True,
        pattern=r"(sk|rk)_(live|test)_\w{8,}",
        live=("sk_live_", "rk_live_"),
        test=("sk_test_", "rk_test_"),
        example={PRODUCTION: "sk_live_xxxxx", STAGING: "sk_test_xxxxx"},
        part="stripe",
    )
    yield Variable(
        "STRIPE_PUBLISHABLE_KEY",
        group,
        "Stripe publishable key (pk_), not a secret.",
        sent=Sent.WORKER_VARIABLE,
        split=True,
        pattern=r"pk_(live|test)_\w{8,}",
        live=("pk_live_",),
        test=("pk_test_",),
        example={PRODUCTION: "pk_live_xxxxx", STAGING: "pk_test_xxxxx"},
        part="stripe",
    )
    yield Variable(
        "STRIPE_WEBHOOK_SECRET",
        group,
        "Signing secret (whsec_) of an endpoint that exists. Leave empty: the release makes both.",
        secret=True,
        sent=Sent.WORKER_SECRET,
        split=True,
        pattern=r"whsec_\w{8,}",
        example=_same(""),
        part="stripe",
    )


def _database() -> Iterator[Variable]:
    group = "Database"
    yield Variable(
        "TURSO_DATABASE_URL",
        group,
        "libsql:// address of the database (turso db show); or d1:NAME, or d1: and its binding.",
        required=True,
        sent=Sent.WORKER_VARIABLE,
        pattern=r"(libsql|https?)://[^\s]+|file:.+|d1:[^\s/?#]+",
        example={
            PRODUCTION: "libsql://your_database.turso.io",
            STAGING: "libsql://your_staging_database.turso.io",
        },
    )
    yield Variable(
        "TURSO_AUTH_TOKEN",
        group,
        "Database token (turso db tokens create).",
        secret=True,
        required=True,
        sent=Sent.WORKER_SECRET,
        example=_same("your_token"),
    )


def _auth() -> Iterator[Variable]:
    group = "Auth"
    yield Variable(
        "JWT_SECRET",
        group,
        "Signs sessions: openssl rand -hex 32. Empty: the one that the Worker has already stays.",
        secret=True,
        required=True,
        workers_own=True,
        sent=Sent.WORKER_SECRET,
        shortest=32,
        example=_same("your_secret"),
    )
    yield Variable(
        PREVIOUS,
        group,
        "The signing secret before a rotation; accepted until it is finished. Leave empty.",
        secret=True,
        sent=Sent.WORKER_SECRET,
        shortest=32,
        example=_same(""),
    )
    yield Variable(
        "JWT_EXPIRES_IN",
        group,
        "How long a session lasts: a number and s, m, h or d.",
        sent=Sent.WORKER_VARIABLE,
        pattern=r"\d+[smhd]",
        default="7d",
        example=_same("7d"),
    )
    yield Variable(
        "ADMIN_TOKEN",
        group,
        "Shows /health/detailed and /api/metrics; 32 characters or more.",
        secret=True,
        required=True,
        sent=Sent.WORKER_SECRET,
        shortest=32,
        example=_same("your_admin_token"),
        part="monitoring",
    )


def _cloudflare() -> Iterator[Variable]:
    group = "Cloudflare"
    yield Variable(
        "CLOUDFLARE_API_TOKEN",
        group,
        "API token, no Global API Key: edit Workers, what you have of D1, Pages, R2; read Zone.",
        secret=True,
        required=True,
        pattern=r"[\w-]{20,}",
        example=_same("your_token"),
    )
    yield Variable(
        "CLOUDFLARE_ACCOUNT_ID",
        group,
        "Account id: 32 hexadecimal digits.",
        required=True,
        pattern=r"[0-9a-f]{32}",
        example=_same("your_account_id"),
    )
    yield Variable(
        "ACCESS_CLIENT_ID",
        group,
        "Id of a service token, where Cloudflare Access guards what is verified; else empty.",
        secret=True,
        pattern=r"[\w.-]{8,}",
    )
    yield Variable(
        "ACCESS_CLIENT_SECRET",
        group,
        "Its secret; both go with each request of verification, to no other host.",
        secret=True,
        pattern=r"[\w-]{8,}",
    )
    yield Variable(
        "S3_ACCESS_KEY_ID",
        group,
        "R2 access key (R2: Manage API tokens).",
        secret=True,
        required=True,
        pattern=r"\w{16,}",
        example=_same("your_access_key"),
        part="r2",
    )
    yield Variable(
        "S3_SECRET_ACCESS_KEY",
        group,
        "R2 secret access key.",
        secret=True,
        required=True,
        pattern=r"[\w/+=-]{16,}",
        example=_same("your_secret_access_key"),
        part="r2",
    )


def _alerts() -> Iterator[Variable]:
    group = "Alerts"
    yield Variable(
        "ADMIN_EMAIL",
        group,
        "Who gets mail about errors; several by comma.",
        sent=Sent.WORKER_VARIABLE,
        pattern=_listed(_MAIL),
        example=_same("admin@xswarm.ai"),
    )
    yield Variable(
        "ADMIN_PHONE",
        group,
        "Who gets a text message about outages, as +15551234567; several by comma.",
        sent=Sent.WORKER_VARIABLE,
        pattern=_listed(_E164),
        example=_same("+1xxxxx"),
    )
    yield Variable(
        "SLACK_WEBHOOK_URL",
        group,
        "Incoming webhook for alerts and release messages.",
        secret=True,
        sent=Sent.WORKER_SECRET,
        pattern=_URL,
        example=_same("https://hooks.slack.com/services/xxxxx"),
    )
    yield Variable(
        "HEARTBEAT_URL",
        group,
        "A dead-man's switch that is told of each round of the alerts, e.g. of healthchecks.io.",
        secret=True,
        sent=Sent.WORKER_SECRET,
        pattern=_URL,
    )


def _limits_and_flags() -> Iterator[Variable]:
    sent = Sent.WORKER_VARIABLE
    group = "Rate limit"
    yield Variable(
        "RATE_LIMIT_ENABLED",
        group,
        "Whether requests are limited.",
        sent=sent,
        pattern=_FLAG,
        default="true",
        example=_same("true"),
    )
    yield Variable(
        "RATE_LIMIT_REQUESTS_PER_MINUTE",
        group,
        "Requests a minute and client.",
        sent=sent,
        pattern=_NUMBER,
        default="60",
        example={PRODUCTION: "60", STAGING: "120"},
    )
    yield Variable(
        "RATE_LIMIT_REQUESTS_PER_HOUR",
        group,
        "Requests an hour and client.",
        sent=sent,
        pattern=_NUMBER,
        default="1000",
        example={PRODUCTION: "1000", STAGING: "5000"},
    )
    group = "Flags"
    for name, words in (
        ("VOICE", "calls are answered, and not rejected"),
        ("SMS", "text messages are kept and answered"),
        ("EMAIL", "letters and SendGrid's events are kept"),
        ("TEAMS", "users can ask for their teams"),
        ("MARKETPLACE", "the marketplace can be asked"),
    ):
        yield Variable(
            f"{name}_ENABLED",
            group,
            f"Whether {words}.",
            sent=sent,
            pattern=_FLAG,
            default="true",
            example=_same("true"),
        )
    group = "Logging"
    yield Variable(
        "LOG_LEVEL",
        group,
        "debug, info, warning or error.",
        sent=sent,
        pattern="debug|info|warn|warning|error",
        default="info",
        example={PRODUCTION: "info", STAGING: "debug"},
    )
    yield Variable(
        "STRUCTURED_LOGGING",
        group,
        "Whether logs are JSON lines.",
        sent=sent,
        pattern=_FLAG,
        default="true",
        example=_same("true"),
    )


def _security_and_performance() -> Iterator[Variable]:
    sent = Sent.WORKER_VARIABLE
    group = "Security"
    yield Variable(
        "CORS_ALLOWED_ORIGINS",
        group,
        "Origins that may call the API, by comma.",
        sent=sent,
        example={PRODUCTION: "https://xswarm.ai", STAGING: "https://staging.xswarm.ai"},
    )
    yield Variable(
        "SESSION_COOKIE_SECURE",
        group,
        "Whether cookies need https.",
        sent=sent,
        pattern=_FLAG,
        default="true",
        example=_same("true"),
    )
    yield Variable(
        "SESSION_COOKIE_SAMESITE",
        group,
        "strict, lax or none.",
        sent=sent,
        pattern="strict|lax|none",
        default="strict",
        example={PRODUCTION: "strict", STAGING: "lax"},
    )
    group = "Performance"
    yield Variable(
        "API_TIMEOUT_MS",
        group,
        "Time limit of the Worker's calls to the database and to providers, milliseconds.",
        sent=sent,
        pattern=_NUMBER,
        default="30000",
        example=_same("30000"),
    )
    yield Variable(
        "MAX_REQUEST_SIZE_MB",
        group,
        "Largest request body, megabytes.",
        sent=sent,
        pattern=_NUMBER,
        default="10",
        example=_same("10"),
    )


def _backup() -> Iterator[Variable]:
    group = "Backup"
    yield Variable(
        "BACKUP_ENABLED",
        group,
        "Whether a release backs the database up first.",
        pattern=_FLAG,
        default="true",
        example=_same("true"),
    )
    yield Variable(
        "BACKUP_SCHEDULE",
        group,
        "When cron runs `inv backup` (five fields, UTC); the check warns when it did not.",
        pattern=_CRON,
        default="0 2 * * *",
        example={PRODUCTION: "0 2 * * *", STAGING: "0 4 * * *"},
    )
    yield Variable(
        "BACKUP_RETENTION_DAYS",
        group,
        "How long every backup is kept, days; a release removes what no rule keeps.",
        pattern=_NUMBER,
        default="30",
        example={PRODUCTION: "30", STAGING: "7"},
    )
    yield Variable(
        "BACKUP_AGE_RECIPIENT",
        group,
        "age public key (age1…) that backups are encrypted to; empty: not encrypted.",
        pattern=r"age1[0-9a-z]{58}",
        example=_same(""),
    )
    yield Variable(
        "BACKUP_AGE_IDENTITY",
        group,
        "age secret key (AGE-SECRET-KEY-1…), to verify and restore encrypted backups.",
        secret=True,
        pattern=r"AGE-SECRET-KEY-1[0-9A-Z]{58}",
        example=_same(""),
    )
    yield Variable(
        "BACKUP_SIGNING_KEY",
        group,
        "Signs the manifests of backups (openssl rand -hex 32); new ones first, by comma.",
        secret=True,
        pattern=r"[A-Za-z0-9+/=_-]{32,}(,[A-Za-z0-9+/=_-]{32,})*",
        example=_same(""),
    )


def _audit() -> Iterator[Variable]:
    yield Variable(
        "AUDIT_SIGNING_KEY",
        "Audit trail",
        "Seals the audit trail's events (openssl rand -hex 32); new ones first, by comma.",
        secret=True,
        pattern=r"[A-Za-z0-9+/=_-]{32,}(,[A-Za-z0-9+/=_-]{32,})*",
        example=_same(""),
    )


def _addresses() -> Iterator[Variable]:
    group = "Service addresses (leave out: the defaults are the real services)"
    for name, default, owner in (
        ("CLOUDFLARE_API_BASE_URL", "https://api.cloudflare.com/client/v4", "Cloudflare"),
        ("ANTHROPIC_BASE_URL", "https://api.anthropic.com", "Anthropic"),
        ("OPENAI_BASE_URL", "https://api.openai.com", "OpenAI"),
        ("STRIPE_API_BASE", "https://api.stripe.com", "Stripe"),
        ("TWILIO_API_BASE", "https://api.twilio.com", "Twilio"),
        ("SENDGRID_API_BASE", "https://api.sendgrid.com", "SendGrid"),
    ):
        # The Worker asks these five for its health, and tells people by two of them.
        asked = owner != "Cloudflare"
        sent = Sent.WORKER_VARIABLE if asked else Sent.HERE
        part = owner.lower() if asked else ""
        yield Variable(
            name, group, f"{owner}'s API.", pattern=_URL, default=default, sent=sent, part=part
        )
    yield Variable(
        "S3_ENDPOINT_URL", group, "R2's S3 API; default: made from the account id.", pattern=_URL
    )


VARIABLES: Final[tuple[Variable, ...]] = (
    *_service(),
    *_intelligence(),
    *_twilio(),
    *_sendgrid(),
    *_stripe(),
    *_database(),
    *_auth(),
    *_cloudflare(),
    *_alerts(),
    *_limits_and_flags(),
    *_security_and_performance(),
    *_backup(),
    *_audit(),
    *_addresses(),
)

BY_NAME: Final = {variable.name: variable for variable in VARIABLES}
