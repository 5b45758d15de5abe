"""What the local environment must know of its twin: addresses and keys, as variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from xswarm_twin.address import address
from xswarm_twin.credentials import TWILIO_ACCOUNT, TWILIO_NUMBER, Credentials

SLACK_TEAM, SLACK_BOT = "T000000001", "B000000001"  # emulate's own
_KEYS: Final = (
    "CLOUDFLARE_API_TOKEN",
    "S3_ACCESS_KEY_ID",
    "S3_SECRET_ACCESS_KEY",
    "STRIPE_SECRET_KEY_TEST",
    "STRIPE_SECRET_KEY_LIVE",
    "STRIPE_RESTRICTED_KEY_TEST",
    "TWILIO_AUTH_TOKEN_TEST",
    "SENDGRID_API_KEY_TEST",
    "ANTHROPIC_API_KEY",
    "OPENAI_API_KEY",
    "TURSO_AUTH_TOKEN",
    "JWT_SECRET",
    "ADMIN_TOKEN",
)


def public(
    ports: Mapping[str, int],
    credentials: Credentials,
    workers: Sequence[str],
    pages: Sequence[str],
) -> dict[str, str]:
    """Return the variables that are no secret."""
    services = {
        "CLOUDFLARE_API_BASE_URL": address(ports["api"]) + "/client/v4",
        "S3_ENDPOINT_URL": address(ports["objects"]),
        "TURSO_DATABASE_URL": address(ports["database"]),
        "STRIPE_API_BASE": address(ports["stripe"]),
        "TWILIO_API_BASE": address(ports["twilio"]),
        "SENDGRID_API_BASE": address(ports["sendgrid"]),
        "ANTHROPIC_BASE_URL": address(ports["anthropic"]),
        "OPENAI_BASE_URL": address(ports["openai"]),
        "CLOUDFLARE_ACCOUNT_ID": credentials["CLOUDFLARE_ACCOUNT_ID"],
        "STRIPE_PUBLISHABLE_KEY_TEST": credentials["STRIPE_PUBLISHABLE_KEY_TEST"],
        "TWILIO_ACCOUNT_SID": TWILIO_ACCOUNT,
        "TWILIO_PHONE_NUMBER": TWILIO_NUMBER,
    }
    return services | _served(ports, workers, pages)


def secret(ports: Mapping[str, int], credentials: Credentials) -> dict[str, str]:
    """Return the variables that are secrets."""
    hook = f"/services/{SLACK_TEAM}/{SLACK_BOT}/{credentials['SLACK_WEBHOOK_TOKEN']}"
    return {name: credentials[name] for name in _KEYS} | {
        "SLACK_WEBHOOK_URL": address(ports["slack"]) + hook
    }


def render(variables: Mapping[str, str]) -> str:
    """Write variables as a dotenv file; no value of the twin needs quotes."""
    lines = [f"{name}={value}" for name, value in sorted(variables.items())]
    return "\n".join(["# Written by sandbox.up; changes here are lost.", *lines, ""])


def _served(
    ports: Mapping[str, int], workers: Sequence[str], pages: Sequence[str]
) -> dict[str, str]:
    """Name the first Worker's and the first project's addresses."""
    found: dict[str, str] = {}
    if workers:
        url = address(ports[f"worker:{workers[0]}"])
        found |= {"WORKER_URL": url, "API_URL": url}
    if pages:
        url = address(ports[f"pages:{pages[0]}"])
        found |= {"BASE_URL": url, "PAGES_URL": url, "CORS_ALLOWED_ORIGINS": url}
    return found
