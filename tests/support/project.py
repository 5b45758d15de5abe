"""What a scratch project is made of: values in good order, and every part in use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from yaml import safe_load

PROJECT = Path(__file__).resolve().parents[2]

LOCAL_VALUES = {
    "ENVIRONMENT": "local",
    "WORKER_URL": "http://127.0.0.1:1",
    "BASE_URL": "http://127.0.0.1:2",
    "ANTHROPIC_API_KEY": "sk-ant-canary-0123456789",
    "OPENAI_API_KEY": "sk-canary-9876543210",
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "TWILIO_AUTH_TOKEN_TEST": "0123456789abcdef" * 2,
    "TWILIO_PHONE_NUMBER": "+15005550006",
    "SENDGRID_API_KEY_TEST": "SG.canary.0123456789",
    "SENDGRID_FROM_EMAIL": "boss@xswarm.test",
    "STRIPE_SECRET_KEY_TEST": "sk_test_canary0123456789",
    "TURSO_AUTH_TOKEN": "canary-database-token",
    "JWT_SECRET": "canary-signing-key-0123456789-abcdef",
    "ADMIN_TOKEN": "canary-admin-token-0123456789-abcdef",
    "CLOUDFLARE_API_TOKEN": "canary-cloudflare-token-0123",
    "CLOUDFLARE_ACCOUNT_ID": "0123456789abcdef" * 2,
    "S3_ACCESS_KEY_ID": "CANARYACCESSKEY0123",
    "S3_SECRET_ACCESS_KEY": "canarysecretaccesskey0123456789",
}

_OWN = safe_load((PROJECT / "invoke.yaml").read_text(encoding="utf-8"))["deploy"]["worker"]

USING_EVERYTHING: dict[str, Any] = {
    "worker": {"secrets": _OWN["secrets"], "variables": _OWN["variables"]},
    "uses": "anthropic,openai,stripe,twilio,sendgrid,r2,monitoring",
    "pages": {"directory": "site"},
    "migrations": {"directory": "migrations"},
    "webhooks": {
        "stripe_path": "/stripe/webhook",
        "voice_path": "/voice/boss",
        "sms_path": "/sms/boss",
        "status_path": "/voice/boss/status",
        "email_path": "/email/inbound",
    },
    "verify": {"version_path": "/health", "performance_path": "/health"},
}
"""A project that has all parts, as this one; what a test gives is laid over it."""


def using_everything(project: dict[str, Any] | None = None) -> dict[str, Any]:
    """Lay a project over one that uses everything."""
    merged = dict(USING_EVERYTHING)
    for name, value in (project or {}).items():
        below = merged.get(name)
        merged[name] = {**below, **value} if isinstance(below, dict) else value
    return merged
