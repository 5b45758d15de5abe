"""Fixtures that several rooms share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from yaml import safe_load

from deployment.settings import CONFIG, Settings, load

# What an example takes says how busy the machine is, and nothing of what is judged.
hypothesis_settings.register_profile(
    "unhurried", hypothesis_settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("unhurried")

PROJECT = Path(__file__).resolve().parents[1]

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


@pytest.fixture
def environment_file(tmp_path: Path) -> Callable[..., Path]:
    """Write an environment file of a scratch project: good local values, then those given."""

    def write(environment: str = "local", **values: str) -> Path:
        file = tmp_path / CONFIG / f"{environment}.env"
        file.parent.mkdir(parents=True, exist_ok=True)
        database = f"file:{tmp_path / 'app.db'}"
        merged = {**LOCAL_VALUES, "TURSO_DATABASE_URL": database, **values}
        file.write_text("".join(f'{name}="{value}"\n' for name, value in merged.items()))
        return file

    return write


@pytest.fixture
def settings(tmp_path: Path, environment_file: Callable[..., Path]) -> Callable[..., Settings]:
    """Give settings of a scratch project in good order, with plain values given."""

    def make(project: dict[str, Any] | None = None, **values: str) -> Settings:
        environment_file("local", **values)
        return load("local", using_everything(project), tmp_path, {})

    return make


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a developer's own settings out of the tests."""
    for name in ("INVOKE_DEPLOY_ENV", "DEPLOY_ENV_FILE", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
