"""Every variable of the templates acts: code reads it, and a test shows what it changes."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from xswarm_deploy.settings.variables import BY_NAME

PROJECT = Path(__file__).resolve().parents[1]

SHOWN_BY = {
    "steps/test_worker.py::test_another_environments_worker_is_not_replaced": ("ENVIRONMENT",),
    "worker/test_webhooks.py::test_any_of_our_public_origins_may_be_signed": (
        "WORKER_URL",
        "BASE_URL",
        "API_URL",
    ),
    "worker/test_rounds.py::test_every_provider_is_asked_by_its_key": (
        "ANTHROPIC_API_KEY",
        "OPENAI_API_KEY",
        "STRIPE_SECRET_KEY",
        "SENDGRID_API_KEY",
        "TWILIO_ACCOUNT_SID",
        "TWILIO_AUTH_TOKEN",
        "ANTHROPIC_BASE_URL",
        "OPENAI_BASE_URL",
        "STRIPE_API_BASE",
        "SENDGRID_API_BASE",
        "TWILIO_API_BASE",
    ),
    "preflight/test_check_table.py::test_each_thing_in_each_way_gets_its_answer": (
        "TWILIO_PHONE_NUMBER",
        "CLOUDFLARE_ACCOUNT_ID",
        "CLOUDFLARE_API_BASE_URL",
    ),
    "worker/test_rounds.py::test_several_people_are_told": (
        "SENDGRID_FROM_EMAIL",
        "SENDGRID_FROM_NAME",
        "ADMIN_EMAIL",
        "ADMIN_PHONE",
        "SLACK_WEBHOOK_URL",
    ),
    "worker/test_rounds.py::test_a_dead_mans_switch_hears_of_rounds_that_reached_people": (
        "HEARTBEAT_URL",
    ),
    "worker/test_webhooks.py::test_events_are_taken_once_each": ("SENDGRID_WEBHOOK_PUBLIC_KEY",),
    "worker/test_webhooks.py::test_a_letter_needs_the_key_of_letters": (
        "SENDGRID_PARSE_PUBLIC_KEY",
    ),
    "worker/test_app.py::test_pages_get_stripes_publishable_key_where_there_is_one": (
        "STRIPE_PUBLISHABLE_KEY",
    ),
    "worker/test_app.py::test_a_webhook_without_its_secret_says_which": ("STRIPE_WEBHOOK_SECRET",),
    "worker/test_app.py::test_an_insecure_database_address_is_not_used": ("TURSO_DATABASE_URL",),
    "database/test_client.py::test_a_wrong_token_is_unauthorised_and_not_shown": (
        "TURSO_AUTH_TOKEN",
    ),
    "worker/test_accounts.py::test_a_session_of_another_secret_is_refused": ("JWT_SECRET",),
    "worker/test_tokens.py::test_the_previous_secret_is_accepted_while_a_rotation_is_under_way": (
        "JWT_SECRET_PREVIOUS",
    ),
    "worker/test_accounts.py::test_the_cookie_is_as_configured": (
        "JWT_EXPIRES_IN",
        "SESSION_COOKIE_SECURE",
        "SESSION_COOKIE_SAMESITE",
    ),
    "worker/test_app.py::test_the_details_and_metrics_are_for_administrators": ("ADMIN_TOKEN",),
    "services/test_cloudflare.py::test_a_bad_token_is_unauthorised": ("CLOUDFLARE_API_TOKEN",),
    "services/test_r2.py::test_a_wrong_key_is_forbidden_and_not_shown": (
        "S3_ACCESS_KEY_ID",
        "S3_SECRET_ACCESS_KEY",
    ),
    "services/test_r2.py::test_objects_are_written_read_listed_and_deleted": ("S3_ENDPOINT_URL",),
    "worker/test_app.py::test_a_caller_over_the_limit_is_told_when_to_come_again": (
        "RATE_LIMIT_ENABLED",
        "RATE_LIMIT_REQUESTS_PER_MINUTE",
        "RATE_LIMIT_REQUESTS_PER_HOUR",
    ),
    "worker/test_webhooks.py::test_what_is_switched_off_is_not_taken": (
        "VOICE_ENABLED",
        "SMS_ENABLED",
    ),
    "worker/test_webhooks.py::test_with_email_switched_off_neither_letters_nor_events_are_kept": (
        "EMAIL_ENABLED",
    ),
    "worker/test_teams.py::test_teams_that_are_switched_off_are_not_there": ("TEAMS_ENABLED",),
    "worker/test_buzz.py::test_a_marketplace_that_is_switched_off_is_not_there": (
        "MARKETPLACE_ENABLED",
    ),
    "worker/test_app.py::test_the_log_heeds_its_level": ("LOG_LEVEL",),
    "worker/test_app.py::test_the_log_is_for_people_where_that_is_asked": ("STRUCTURED_LOGGING",),
    "worker/test_app.py::test_an_allowed_origin_may_call": ("CORS_ALLOWED_ORIGINS",),
    "worker/test_rounds.py::test_providers_have_as_long_as_api_timeout_ms": ("API_TIMEOUT_MS",),
    "worker/test_app.py::test_a_body_over_the_limit_is_refused": ("MAX_REQUEST_SIZE_MB",),
    "steps/test_backup.py::test_it_can_be_switched_off_but_not_for_a_restore": ("BACKUP_ENABLED",),
    "steps/test_backup_schedule.py::test_a_schedule_that_did_not_run_is_warned_of": (
        "BACKUP_SCHEDULE",
    ),
    "steps/test_backup.py::test_a_good_release_prunes_as_the_retention_says": (
        "BACKUP_RETENTION_DAYS",
    ),
    "steps/test_backup.py::test_an_encrypted_one_is_verified_with_the_identity": (
        "BACKUP_AGE_RECIPIENT",
        "BACKUP_AGE_IDENTITY",
    ),
    "steps/test_backup.py::test_a_signed_one_is_believed_and_another_doubted_or_refused": (
        "BACKUP_SIGNING_KEY",
    ),
    "verification/test_access.py::test_a_service_token_passes_it": (
        "ACCESS_CLIENT_ID",
        "ACCESS_CLIENT_SECRET",
    ),
    "release/test_seal.py::test_a_trail_of_an_earlier_version_goes_on_with_a_key": (
        "AUDIT_SIGNING_KEY",
    ),
}
"""A test → the variables whose effect it shows."""


@cache
def functions(module: Path) -> frozenset[str]:
    """Return the names of a module's functions."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


@cache
def code() -> str:
    """Return all code that may read a variable: not the table that declares them."""
    files = [
        file
        for folder in ("packages", "tasks", "worker/src")
        for file in sorted((PROJECT / folder).rglob("*.py"))
        if file.name != "variables.py" and "xswarm_twin" not in file.parts
    ]
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def test_each_variable_is_shown_to_act() -> None:
    shown = [name for names in SHOWN_BY.values() for name in names]
    assert sorted(shown) == sorted(BY_NAME)


@pytest.mark.parametrize("test", SHOWN_BY)
def test_what_shows_it_is_there(test: str) -> None:
    module, _, name = test.partition("::")
    assert name in functions(PROJECT / "tests" / module)


@pytest.mark.parametrize("name", BY_NAME)
def test_code_reads_it(name: str) -> None:
    """Flags are read by a name that is put together nowhere."""
    assert re.search(rf'"{name}"', code()), name
