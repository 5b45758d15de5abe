"""What the order asked for, line by line, and what keeps each; ACCEPTANCE.md is made of it.

``python -m tests.acceptance`` writes the document anew. A line is kept by tests
(``file::name``), and is seen by a command. Where it is kept in part, the reason stands there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[1]
DOCUMENT: Final = ROOT / "deployment/docs/ACCEPTANCE.md"
HEAD: Final = """\
# Acceptance

Each line of the order, the command that shows it, and the tests that keep it.
`python -m tests.acceptance` writes this document; `tests/test_acceptance.py` holds it to the list
in `tests/acceptance.py`, and the list to the tests and commands that there are.

✅ kept; ◐ kept in part, with the reason.
"""


class Line(NamedTuple):
    """One line of the order.

    Args:
        says: what was promised.
        command: shows it, without ``./inv``; empty: there is none to type.
        tests: keep it, each as ``file::name`` below tests/.
        partly: why it is kept in part only; empty: it is kept.
    """

    says: str
    command: str
    tests: tuple[str, ...]
    partly: str = ""

    def row(self) -> str:
        """Return the line of the document."""
        shown = f"`inv {self.command}`" if self.command else ""
        kept = ", ".join(f"`{test}`" for test in self.tests)
        mark = f"◐ {self.partly}" if self.partly else "✅"
        return f"| {self.says} | {shown} | {kept} | {mark} |"


CHECK: Final = "preflight/test_check_table.py::test_each_thing_in_each_way_gets_its_answer"
PROVIDERS: Final = "services/test_providers.py::test_a_key_is_proved_by_one_free_read"
TEMPLATES: Final = (
    "deploy/test_templates.py::test_two_releases_in_a_row_succeed_and_a_bad_one_is_stopped"
)
BROKEN: Final = "deploy/test_deploy.py::test_a_broken_worker_never_serves"
BACK: Final = (
    "deploy/test_deploy.py::"
    "test_a_second_run_makes_a_second_version_and_rollback_brings_the_first_back"
)
FIRST: Final = "deploy/test_deploy.py::test_the_first_deployment_answers"
SOUND: Final = "verification/test_verify.py::test_a_sound_service_passes_everything"
BAD: Final = "verification/test_verify.py::test_each_way_of_being_bad_is_a_critical_failure"
NO_TERMINAL: Final = "cli/test_console.py::test_without_a_terminal_the_answer_is_no"
ON_ALL: Final = "worker/test_everywhere.py::test_health"
TIMES: Final = "time is measured by `inv benchmark`, on loopback; the network's is not ours"

PARTS: Final[dict[str, tuple[Line, ...]]] = {
    "Pre-deployment check": (
        Line("validates all variables and keys", "production check --only variables", (CHECK,)),
        Line(
            "tests Anthropic, OpenAI, Stripe, SendGrid, Twilio",
            "check --only providers",
            (PROVIDERS, CHECK),
        ),
        Line("verifies database and schema", "check --only database", (CHECK,)),
        Line("checks the Workers configuration", "check --only configuration", (CHECK,)),
        Line("validates R2 access", "check --only cloudflare", (CHECK,)),
        Line("verifies webhooks", "check --only webhooks", (CHECK,)),
        Line("tests DNS and TLS", "check --only domains", (CHECK,)),
        Line(
            "exits with an error; the sample of 13, 10 and 2 is printed",
            "check",
            (
                "preflight/test_check.py::test_ten_of_twenty_three_print_the_sample_of_the_first_system",
            ),
        ),
    ),
    "Migrations": (
        Line(
            "in dependency order",
            "migrate.status",
            (
                "database/test_migrations.py::test_the_services_files_run_in_the_order_it_always_had",
                "database/test_migrations.py::test_order_is_by_dependency_then_name",
            ),
        ),
        Line(
            "tracks checksums, refuses modified files",
            "migrate.status",
            ("database/test_migrate.py::test_an_edited_file_is_refused_with_the_difference",),
        ),
        Line(
            "idempotent", "migrate", ("database/test_migrate.py::test_only_what_is_new_is_applied",)
        ),
        Line(
            "dry run",
            "migrate.plan",
            ("database/test_migrate.py::test_a_rehearsal_says_how_long_and_changes_nothing",),
        ),
        Line("rollback", "migrate.down", ("steps/test_migrate.py::test_down_and_its_undo",)),
        Line(
            "verification",
            "migrate.verify",
            ("steps/test_migrate.py::test_drift_and_broken_keys_are_named",),
        ),
    ),
    "Production deployment": (
        Line("one command, end to end", "deploy.prod", (FIRST, TEMPLATES)),
        Line(
            "a check, and a verified backup, before anything else",
            "deploy.plan",
            ("database/test_backup.py::test_a_backup_restores_into_the_same_home", CHECK),
        ),
        Line(
            "migrations",
            "deploy.prod",
            ("deploy/test_deploy.py::test_a_broken_migration_leaves_nothing",),
        ),
        Line(
            "secrets are synced",
            "secrets",
            (
                "deploy/test_secrets_alone.py::test_a_changed_secret_is_a_version_that_is_verified_and_live",
            ),
        ),
        Line(
            "Worker and static pages",
            "worker",
            (FIRST, "deploy/test_deploy.py::test_the_site_is_served_with_its_headers"),
        ),
        Line(
            "webhooks of Stripe, Twilio, SendGrid",
            "webhooks",
            ("steps/test_webhooks.py::test_an_endpoint_that_differs_is_set_and_brought_back",),
        ),
        Line("verified afterwards", "verify", (SOUND, BAD)),
        Line(
            "logged, and people are told",
            "deploy.list",
            (
                "tasks/test_deploy.py::test_releases_are_listed_and_shown",
                "steps/test_notify.py::test_nobody_is_called_and_no_link_is_hidden_by_what_a_person_wrote",
            ),
        ),
        Line(
            "rolls back by itself on failure",
            "deploy.show RELEASE",
            (
                BROKEN,
                "deploy/test_deploy.py::test_a_migration_without_a_way_down_is_undone_by_the_backup",
            ),
        ),
        Line(
            "no downtime",
            "deploy.prod",
            ("deploy/test_canary_load.py::test_wrk_meets_no_failure_whatever_happens",),
        ),
        Line("with the shipped templates, twice in a row", "deploy.staging", (TEMPLATES,)),
        Line(
            "quick in an emergency",
            "deploy.prod --fast",
            ("deploy/test_templates.py::test_fast_soaks_nothing_and_is_told_in_plan_and_audit",),
        ),
    ),
    "Verification": (
        Line(
            "health endpoints and database",
            "verify",
            (SOUND, "verification/test_verify.py::test_each_component_that_does_not_work_is_named"),
        ),
        Line(
            "all routes",
            "verify.suggest",
            (
                "deploy/test_monitor.py::test_all_routes_of_the_workers_router_are_asked_and_one_that_is_not_is_named",
                "verification/test_coverage.py::test_what_is_asked",
            ),
        ),
        Line("the authentication flow", "verify", (SOUND,)),
        Line(
            "webhook endpoints",
            "webhooks.test",
            ("steps/test_webhooks.py::test_a_worker_that_believes_everything_fails",),
        ),
        Line(
            "performance",
            "verify",
            (
                "verification/test_verify.py::test_a_slower_version_is_caught_beside_the_one_that_serves",
            ),
        ),
        Line(
            "external services",
            "verify",
            ("verification/test_verify.py::test_a_critical_one_fails_the_release_by_its_name",),
        ),
        Line(
            "a quick mode",
            "verify --quick",
            ("verification/test_verify.py::test_quick_asks_only_what_is_marked",),
        ),
    ),
    "Rollback": (
        Line(
            "lists versions and backups",
            "deploy.list",
            (
                "tasks/test_deploy.py::test_releases_are_listed_and_shown",
                "tasks/test_backup.py::test_a_backup_is_made_listed_and_verified",
            ),
        ),
        Line("reverts the Worker, and verifies it", "rollback --version VERSION", (BACK,)),
        Line(
            "restores the database",
            "rollback --restore-db latest",
            ("database/test_backup.py::test_a_restore_that_fails_changes_nothing",),
        ),
        Line(
            "updates webhooks",
            "rollback",
            ("steps/test_webhooks.py::test_the_numbers_earlier_urls_come_back",),
        ),
        Line(
            "asks a person",
            "rollback",
            (
                "tasks/test_rollback.py::test_an_environment_is_named_by_a_flag_and_asked_for",
                NO_TERMINAL,
            ),
        ),
        Line("within 5 minutes", "benchmark --name deployments", (BACK,), TIMES),
    ),
    "Health": (
        Line("/health, /health/live: 50 ms", "monitor.status", (ON_ALL,)),
        Line(
            "/health/ready: database and R2, 503 when one is down, 200 ms",
            "monitor.status",
            (
                "worker/test_app.py::test_being_ready_asks_the_database_and_the_bucket",
                "monitoring/test_asgi.py::test_only_a_critical_component_makes_a_report_fail",
            ),
        ),
        Line(
            "/health/detailed: all components, 500 ms",
            "monitor.status",
            (
                "worker/test_everywhere.py::test_details_are_for_administrators",
                "monitoring/test_health.py::test_only_a_critical_component_takes_the_service_down",
            ),
        ),
    ),
    "Metrics": (
        Line(
            "requests: totals, times, rates, statuses, methods",
            "monitor.metrics",
            (
                "monitoring/test_report.py::test_rates_routes_and_statuses_add_up",
                "deploy/test_monitor.py::test_metrics_are_those_of_the_requests",
            ),
        ),
        Line(
            "database: queries, slow queries, rows, percentiles",
            "monitor.metrics",
            ("monitoring/test_report.py::test_the_database_and_its_slow_queries_are_told",),
        ),
        Line(
            "business: signups, subscriptions, payments, features, customers",
            "monitor.metrics",
            ("monitoring/test_report.py::test_the_business_is_told",),
        ),
        Line(
            "structured logs with correlation ids",
            "logs --follow",
            (
                "monitoring/test_logs.py::test_a_line_is_one_json_object",
                "worker/test_everywhere.py::test_a_request_is_found_by_its_id",
            ),
        ),
        Line(
            "Prometheus and JSON",
            "monitor.metrics --json",
            ("worker/test_everywhere.py::test_prometheus_reads_both_formats",),
        ),
        Line(
            "Datadog, New Relic, OpenTelemetry",
            "monitor.push",
            (
                "worker/test_push.py::test_each_target_gets_what_it_reads",
                "monitoring/test_exporters.py::test_a_real_prometheus_scrapes_and_takes_remote_writes",
            ),
        ),
        Line(
            "windows to choose",
            "monitor.metrics --window 7d",
            ("monitoring/test_metrics.py::test_a_window_holds_what_fell_into_it_and_nothing_else",),
        ),
        Line(
            "less than 1 ms a request",
            "benchmark --name monitoring",
            ("monitoring/test_metrics.py::test_the_business_is_counted",),
            TIMES,
        ),
    ),
    "Alerts": (
        Line(
            "e-mail, SMS and Slack by severity",
            "monitor.test-alert",
            (
                "monitoring/test_notifier.py::test_each_severity_takes_its_channels",
                "deploy/test_monitor.py::test_a_test_alert_really_arrives",
            ),
        ),
        Line(
            "outages, errors above 5 %, P95 above 2 s, database, payments",
            "monitor.watch --once",
            (
                "monitoring/test_rules.py::test_more_than_five_percent_of_errors_are_too_many",
                "monitoring/test_rules.py::test_two_seconds_are_too_slow",
                "monitoring/test_rules.py::test_the_database_is_judged_by_speed_and_refusals",
                "monitoring/test_rules.py::test_payments_that_fail_in_number_are_an_alert",
            ),
        ),
        Line(
            "thresholds to set",
            "monitor.watch --once",
            (
                "settings/test_settings.py::test_the_rules_of_invoke_yaml_travel_to_the_worker_that_has_a_monitor",
            ),
        ),
        Line(
            "a history",
            "monitor.alerts",
            ("monitoring/test_alert_state.py::test_the_history_keeps_the_last_hundred",),
        ),
        Line(
            "failed logins, API abuse, unusual patterns",
            "monitor.metrics",
            (
                "monitoring/test_rules.py::test_abuse_is_told_from_its_threshold_on",
                "monitor/test_monitor.py::test_each_sign_of_abuse_has_its_line_and_its_runbook",
            ),
        ),
    ),
    "Security": (
        Line(
            "no secret in code, argv, logs, reports",
            "config.show",
            (
                "deploy/test_deploy.py::test_no_secret_is_anywhere",
                "cli/test_console.py::test_what_is_printed_is_redacted",
            ),
        ),
        Line(
            "separate test and live keys",
            "check --only variables",
            ("settings/test_settings.py::test_secrets_are_read_by_the_workers_names", CHECK),
        ),
        Line(
            "destructive operations ask",
            "backup.restore latest",
            (NO_TERMINAL,),
            "the local twin never asks: its data is nobody's",
        ),
        Line(
            "rate limits, CORS, secure cookies",
            "verify",
            (
                "worker/test_app.py::test_a_caller_over_the_limit_is_told_when_to_come_again",
                "worker/test_app.py::test_another_origin_may_not",
            ),
        ),
        Line(
            "an audit trail of all operations",
            "audit",
            (
                "release/test_audit.py::test_every_change_is_told_with_who_when_and_from_where",
                "tasks/test_backup.py::test_what_is_expired_is_removed_once_agreed",
            ),
        ),
        Line(
            "secrets are rotated, old ones named",
            "check --only custody",
            ("deploy/test_secrets_alone.py::test_a_rotation_goes_live_and_is_finished", CHECK),
        ),
        Line(
            "encrypted backups",
            "check --only custody",
            ("database/test_backup.py::test_an_encrypted_backup_opens_with_public_tools",),
            "where BACKUP_AGE_RECIPIENT is set; the check says when it is not",
        ),
        Line(
            "signed webhooks",
            "webhooks.test",
            ("worker/test_app.py::test_a_webhook_without_a_valid_signature_is_refused",),
        ),
    ),
    "Configuration and commands": (
        Line(
            "templates for production and staging",
            "config.examples",
            ("settings/test_settings.py::test_the_examples_are_made_from_the_table",),
        ),
        Line(
            "the earlier commands: check, migrate, prod, verify, list, rollback",
            "deploy.check",
            ("tasks/test_each.py::test_it_is_called_directly_without_a_subprocess",),
        ),
        Line(
            "Worker logs, live and past; `wrangler tail`",
            "logs --since 1h",
            (
                "deploy/test_monitor.py::test_logs_are_followed_until_ctrl_c_with_their_version",
                "tasks/test_logs.py::test_past_logs_are_found_whole_and_masked",
                "twin/cloudflare/test_wrangler.py::test_a_worker_from_its_first_deployment_to_its_end",
            ),
        ),
        Line(
            "retention acts by itself",
            "backup.prune",
            ("database/test_retention.py::test_the_last_of_each_day_week_and_month_stays",),
        ),
        Line(
            "every documented command works",
            "",
            ("deploy/test_words.py::test_a_documented_command_does_what_it_says",),
        ),
    ),
}


def document() -> str:
    """Return ACCEPTANCE.md."""
    text = HEAD
    for part, lines in PARTS.items():
        rows = "".join(f"{line.row()}\n" for line in lines)
        text += f"\n## {part}\n\n| the order | shown by | kept by | |\n|---|---|---|---|\n{rows}"
    return text


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
