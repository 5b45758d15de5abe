from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.project import using_everything
from xswarm_deploy.errors import Refused
from xswarm_deploy.settings import examples, project
from xswarm_deploy.settings.settings import (
    CONFIG,
    ENDPOINTS,
    Settings,
    judge,
    load,
    own_secret,
    used,
)
from xswarm_deploy.settings.variables import BY_NAME
from xswarm_deploy.site import Site
from xswarm_deploy.verification import target

PROJECT = Path(__file__).resolve().parents[2]
Write = Callable[..., Path]
Make = Callable[..., Settings]


def problem_names(found: Settings) -> dict[str, str]:
    return {problem.name: problem.state for problem in found.problems()}


def test_good_settings_have_no_problems(settings: Make) -> None:
    assert problem_names(settings()) == {}


def test_secrets_are_read_by_the_workers_names(tmp_path: Path, environment_file: Write) -> None:
    environment_file(
        "production", ENVIRONMENT="production", STRIPE_SECRET_KEY_LIVE="sk_live_12345678"
    )
    found = load("production", using_everything(), tmp_path, {})
    assert found.secret("STRIPE_SECRET_KEY").reveal() == "sk_live_12345678"
    assert found.worker_secrets()["STRIPE_SECRET_KEY"].reveal() == "sk_live_12345678"


def test_a_missing_file_names_the_example_to_copy(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no environment file") as caught:
        load("staging", using_everything(), tmp_path, {})
    assert "staging.env.example" in caught.value.remedy


def test_a_pipe_and_a_folder_are_no_environment_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "."):
        named = {"DEPLOY_ENV_FILE": str(tmp_path / name)}
        with pytest.raises(Refused, match="is no file") as caught:
            load("staging", using_everything(), tmp_path, named)
        assert "DEPLOY_ENV_FILE" in caught.value.remedy


def test_an_unknown_environment_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="unknown"):
        load("prodution", using_everything(), tmp_path, {})


def test_a_line_that_cannot_be_read_is_an_error(tmp_path: Path, environment_file: Write) -> None:
    file = environment_file()
    file.write_text(file.read_text() + 'BROKEN="no end\n')
    with pytest.raises(Refused, match="cannot be read"):
        load("local", using_everything(), tmp_path, {})


@pytest.mark.parametrize("name", ["JWT_SECRET", "WORKER_URL"])
def test_a_variable_that_is_no_utf8_is_named(
    tmp_path: Path, environment_file: Write, name: str
) -> None:
    environment_file("staging", ENVIRONMENT="staging")
    assert load("staging", using_everything(), tmp_path, {name: "caf\u00e9"})
    with pytest.raises(Refused, match=f"{name} of the process environment cannot be read"):
        load("staging", using_everything(), tmp_path, {name: "caf\udce9"})


def test_a_line_that_nothing_reads_is_named(tmp_path: Path, environment_file: Write) -> None:
    environment_file("local", MAPS_KEY="k", OTHER_KEY="k", EMPTY="", STRIPE_SECRET_KEY_LIVE="sk")
    project = {"worker": {"name": "shop", "secrets": ["OTHER_KEY"]}}
    assert load("local", project, tmp_path, {"MAPS_KEY": "k"}).unread == ("MAPS_KEY",)


def test_values_are_taken_literally(tmp_path: Path, environment_file: Write) -> None:
    environment_file(SENDGRID_FROM_NAME="${HOME} and $PATH")
    assert (
        load("local", using_everything(), tmp_path, {}).text("SENDGRID_FROM_NAME")
        == "${HOME} and $PATH"
    )


def test_the_process_environment_wins_over_the_file(
    tmp_path: Path, environment_file: Write
) -> None:
    environment_file("staging", ENVIRONMENT="staging")
    found = load(
        "staging", using_everything(), tmp_path, {"WORKER_URL": "https://from.process.test"}
    )
    assert found.text("WORKER_URL") == "https://from.process.test"


def test_what_the_process_environment_puts_in_the_place_of_another_value_is_named(
    tmp_path: Path, environment_file: Write
) -> None:
    env = environment_file("staging", ENVIRONMENT="staging", WORKER_URL="https://a.test")
    env.write_text(env.read_text() + "JWT_SECRET=xxxxx\nLOG_LEVEL=debug\n")
    shell = {"WORKER_URL": "https://b.test", "LOG_LEVEL": "debug", "JWT_SECRET": "s" * 40}
    found = load("staging", using_everything(), tmp_path, {**shell, "HOME": "/root"})
    assert found.given == {"WORKER_URL", "LOG_LEVEL", "JWT_SECRET"}
    assert found.replaced == ("WORKER_URL",)
    name = "deployment/config/staging.env"
    assert found.read_from == f"{name}, over it WORKER_URL of the process environment"
    assert load("staging", using_everything(), tmp_path, {}).read_from == name


def test_what_is_not_in_order_is_corrected_where_it_comes_from(
    tmp_path: Path, environment_file: Write
) -> None:
    environment_file("staging", ENVIRONMENT="staging", JWT_SECRET="short")
    found = load("staging", using_everything(), tmp_path, {"CLOUDFLARE_ACCOUNT_ID": "zzz"})
    with pytest.raises(Refused) as caught:
        found.require_sound()
    assert "CLOUDFLARE_ACCOUNT_ID (of the process environment): not in the" in caught.value.why
    corrected, way_on = "correct deployment/config/staging.env", "unset CLOUDFLARE_ACCOUNT_ID"
    assert caught.value.remedy == f"{corrected}, and {way_on}, then: inv staging check"


def test_the_local_environment_takes_nothing_from_the_process(
    tmp_path: Path, environment_file: Write
) -> None:
    environment_file()
    (tmp_path / ENDPOINTS).parent.mkdir()
    (tmp_path / ENDPOINTS).write_text("WORKER_URL=http://127.0.0.1:4711\n")
    found = load("local", using_everything(), tmp_path, {"WORKER_URL": "https://production.test"})
    assert found.text("WORKER_URL") == "http://127.0.0.1:4711"
    assert found.overlay == str(ENDPOINTS)
    assert found.read_from == f"deployment/config/local.env, over it {ENDPOINTS}"
    assert (found.given, found.replaced) == (frozenset(), ())


def test_only_the_local_environment_has_an_overlay(
    tmp_path: Path, environment_file: Write, settings: Make
) -> None:
    assert settings().overlay == ""
    environment_file("staging", ENVIRONMENT="staging")
    (tmp_path / ENDPOINTS).parent.mkdir()
    (tmp_path / ENDPOINTS).write_text("WORKER_URL=http://127.0.0.1:4711\n")
    assert load("staging", using_everything(), tmp_path, {}).overlay == ""


@pytest.mark.parametrize(
    ("environment", "values", "name", "state"),
    [
        ("local", {"ANTHROPIC_API_KEY": ""}, "ANTHROPIC_API_KEY", "missing"),
        ("local", {"ANTHROPIC_API_KEY": "sk-ant-xxxxx"}, "ANTHROPIC_API_KEY", "placeholder"),
        ("local", {"TURSO_AUTH_TOKEN": "your_token"}, "TURSO_AUTH_TOKEN", "placeholder"),
        ("local", {"ANTHROPIC_API_KEY": "sk-12345678"}, "ANTHROPIC_API_KEY", "format"),
        ("local", {"OPENAI_API_KEY": "sk-ant-12345678"}, "OPENAI_API_KEY", "format"),
        ("local", {"JWT_SECRET": "short"}, "JWT_SECRET", "weak"),
        ("local", {"JWT_SECRET": "a" * 40}, "JWT_SECRET", "weak"),
        ("local", {"WORKER_URL": "http://boss.example"}, "WORKER_URL", "format"),
        (
            "local",
            {"STRIPE_SECRET_KEY_TEST": "sk_live_12345678"},
            "STRIPE_SECRET_KEY_TEST",
            "wrong environment",
        ),
        (
            "staging",
            {"STRIPE_SECRET_KEY_TEST": "rk_live_12345678"},
            "STRIPE_SECRET_KEY_TEST",
            "wrong environment",
        ),
        (
            "production",
            {"STRIPE_SECRET_KEY_LIVE": "sk_test_12345678"},
            "STRIPE_SECRET_KEY_LIVE",
            "wrong environment",
        ),
        ("staging", {"ENVIRONMENT": "production"}, "ENVIRONMENT", "wrong environment"),
        ("local", {"TWILIO_PHONE_NUMBER": "555"}, "TWILIO_PHONE_NUMBER", "format"),
        ("local", {"BACKUP_SCHEDULE": "daily"}, "BACKUP_SCHEDULE", "format"),
    ],
)
def test_each_wrong_value_is_named_and_never_shown(
    tmp_path: Path,
    environment_file: Write,
    environment: str,
    values: dict[str, str],
    name: str,
    state: str,
) -> None:
    environment_file(environment, **{"ENVIRONMENT": environment, **values})
    found = load(environment, using_everything(), tmp_path, {})
    problems = {problem.name: problem for problem in found.problems()}
    assert problems[name].state == state
    value = next(iter(values.values()))
    if len(value) > 8 and state != "wrong environment":
        assert value not in f"{problems[name]} {found!r}"


def test_what_is_not_in_order_is_refused_with_every_name(settings: Make) -> None:
    found = settings(ANTHROPIC_API_KEY="sk-ant-xxxxx", JWT_SECRET="short")
    with pytest.raises(Refused) as caught:
        found.require_sound()
    assert "ANTHROPIC_API_KEY" in caught.value.why
    assert "JWT_SECRET" in caught.value.why


def test_no_secret_shows_in_the_settings(settings: Make) -> None:
    found = settings()
    shown = f"{found!r} {found.worker_secrets()!r}"
    assert not [s for s in found.worker_secrets().values() if s.reveal() in shown]


def test_a_secret_is_not_given_as_text(settings: Make) -> None:
    with pytest.raises(KeyError):
        settings().text("JWT_SECRET")


def test_blank_secrets_are_not_sent_to_the_worker(settings: Make) -> None:
    assert "STRIPE_WEBHOOK_SECRET" not in settings().worker_secrets()


def test_no_name_is_both_a_secret_and_a_variable_of_the_worker(settings: Make) -> None:
    found = settings()
    assert not set(found.worker_secrets()) & set(found.worker_variables())


@pytest.mark.parametrize("environment", ["production", "staging"])
def test_the_examples_are_made_from_the_table(environment: str) -> None:
    file = PROJECT / CONFIG / f"{environment}.env.example"
    assert file.read_text() == examples.render(environment), "run: ./inv config.examples"


@pytest.mark.parametrize("environment", ["production", "staging"])
def test_an_example_that_was_only_copied_blocks_a_release(tmp_path: Path, environment: str) -> None:
    file = tmp_path / CONFIG / f"{environment}.env"
    file.parent.mkdir(parents=True)
    file.write_text(examples.render(environment))
    states = problem_names(load(environment, using_everything(), tmp_path, {}))
    assert set(states.values()) == {"placeholder"}
    assert len(states) >= 12


def test_a_required_variable_that_is_missing_is_critical() -> None:
    assert judge(BY_NAME["JWT_SECRET"], "", "local")[0] == "missing"


def test_what_the_project_does_not_use_is_not_read(settings: Make) -> None:
    without = {"uses": "openai, r2", "pages": {"directory": ""}, "worker": {"variables": ""}}
    found = settings(without, STRIPE_SECRET_KEY_TEST="sk_live_wrong_place", BASE_URL="xxxxx")
    assert problem_names(found) == {}
    assert not {"STRIPE_SECRET_KEY", "ANTHROPIC_API_KEY"} & set(found.worker_secrets())
    assert "OPENAI_API_KEY" in found.worker_secrets()
    assert not {"BASE_URL", "SENDGRID_FROM_NAME"} & set(found.worker_variables())


def test_a_part_nobody_knows_is_refused(settings: Make) -> None:
    with pytest.raises(Refused, match="'strip'"):
        settings({"uses": "strip"})


def test_a_workers_own_secrets_are_read_and_one_without_a_value_is_named(
    tmp_path: Path, environment_file: Write
) -> None:
    environment_file("staging", ENVIRONMENT="staging", MAPS_KEY="canary-maps")
    project = using_everything({"worker": {"secrets": "MAPS_KEY, OTHER_KEY"}})
    found = load("staging", project, tmp_path, {"OTHER_KEY": "canary-other"})
    own = {name: found.worker_secrets()[name].reveal() for name in ("MAPS_KEY", "OTHER_KEY")}
    assert own == {"MAPS_KEY": "canary-maps", "OTHER_KEY": "canary-other"}
    missing = load("staging", project, tmp_path, {})
    assert missing.own_secrets() == {"MAPS_KEY", "OTHER_KEY"}  # the Worker may have it already
    assert "OTHER_KEY" not in {*problem_names(missing), *missing.worker_secrets()}


def test_a_key_of_a_service_that_only_the_worker_asks_is_its_own(
    tmp_path: Path, environment_file: Write
) -> None:
    environment_file("staging", ENVIRONMENT="staging", OPENAI_API_KEY="")
    names = ["TURSO_AUTH_TOKEN", "OPENAI_API_KEY"]
    found = load("staging", {"worker": {"name": "shop", "secrets": names}}, tmp_path, {})
    assert found.own_secrets() == {"OPENAI_API_KEY"}
    assert problem_names(found) == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SENTRY_DSN", "https://0123456789abcdef@o1.ingest.sentry.io/1"),  # a key as the user
        ("CORS_ALLOWED_ORIGINS", "https://shop.example, https://admin.example"),
        ("CORS_ALLOWED_ORIGINS", "https://shop.example:8443,https://admin.example"),
    ],
)
def test_what_begins_as_an_address_and_is_another_thing_is_not_judged_as_one(
    name: str, value: str
) -> None:
    assert judge(BY_NAME.get(name) or own_secret(name), value, "production") == ("", "", "")


def test_of_a_secret_that_no_release_makes_the_example_does_not_say_so() -> None:
    """Of Stripe's signing secret it would say that the release makes it: only with uses: stripe."""
    name = "STRIPE_WEBHOOK_SECRET"
    alone = project.read({"worker": {"name": "shop", "secrets": [name]}})
    managed = project.read({"worker": {"name": "shop", "secrets": [name]}, "uses": "stripe"})
    comments = [next(v.comment for v in used(each) if v.name == name) for each in (alone, managed)]
    assert ["the release makes both" in comment for comment in comments] == [False, True]


@pytest.mark.parametrize("name", ["apiKey", "api-key", "_x", "a.b", "MAPS_KEY"])
def test_any_name_that_cloudflare_takes_may_be_a_secret(
    tmp_path: Path, environment_file: Write, name: str
) -> None:
    environment_file("local", **{name: "canary-value"})
    found = load("local", {"worker": {"name": "shop", "secrets": [name]}}, tmp_path, {})
    assert found.worker_secrets()[name].reveal() == "canary-value"


def test_dev_vars_gives_the_local_worker_its_secrets_and_no_others(
    tmp_path: Path, environment_file: Write
) -> None:
    environment_file("local", OTHER="canary-of-the-file", CLOUDFLARE_API_TOKEN="canary-of-the-twin")
    environment_file("staging", ENVIRONMENT="staging")
    (tmp_path / "api").mkdir()
    text = "MAPS=canary-of-dev-vars\nOTHER=x\nCLOUDFLARE_API_TOKEN=mine\nUNNAMED=canary-unnamed\n"
    (tmp_path / "api/.dev.vars").write_text(text)
    worker = {"name": "shop", "config": "api/wrangler.jsonc", "secrets": ["MAPS", "OTHER"]}
    found = load("local", {"worker": worker}, tmp_path, {})
    sent = {name: secret.reveal() for name, secret in found.worker_secrets().items()}
    assert sent == {"MAPS": "canary-of-dev-vars", "OTHER": "canary-of-the-file"}
    assert found.secret("CLOUDFLARE_API_TOKEN").reveal() == "canary-of-the-twin"
    assert load("staging", {"worker": worker}, tmp_path, {}).worker_secrets() == {}


def test_a_signing_secret_of_dev_vars_is_not_that_of_the_twins_endpoint(
    tmp_path: Path, environment_file: Write
) -> None:
    """``stripe listen`` gave it; where a release makes the endpoint, it brings its own."""
    environment_file("local")
    (tmp_path / ".dev.vars").write_text("STRIPE_WEBHOOK_SECRET=whsec_0123456789abcdef\n")
    name = "STRIPE_WEBHOOK_SECRET"
    worker = {"name": "shop", "config": "wrangler.jsonc", "secrets": [name]}
    hooks = {"stripe_path": "/hook", "stripe_events": ["invoice.paid"]}
    by_release = {"worker": worker, "uses": "stripe", "webhooks": hooks}
    assert name not in load("local", by_release, tmp_path, {}).worker_secrets()
    assert name in load("local", {"worker": worker}, tmp_path, {}).worker_secrets()
    assert (
        name in load("local", {"worker": worker, "uses": "stripe"}, tmp_path, {}).worker_secrets()
    )


def test_the_workers_own_secret_keeps_what_is_quoted_to_its_last_line_end(
    tmp_path: Path, environment_file: Write
) -> None:
    file = environment_file("staging", ENVIRONMENT="staging")
    pem = "-----BEGIN CERTIFICATE-----\ncanary\n-----END CERTIFICATE-----\n"
    file.write_text(
        f'ENVIRONMENT=staging\nPEM="{pem}"\nSPACE=" "\nCLOUDFLARE_API_TOKEN=" canary "\n'
    )
    worker = {"name": "shop", "config": "w.jsonc", "secrets": ["PEM", "SPACE", "PIPED"]}
    found = load("staging", {"worker": worker}, tmp_path, {"PIPED": "canary-piped\n"})
    sent = {name: secret.reveal() for name, secret in found.worker_secrets().items()}
    assert sent == {"PEM": pem, "PIPED": "canary-piped"}
    assert found.secret("CLOUDFLARE_API_TOKEN").reveal() == "canary"


def test_a_name_with_two_values_is_told(
    tmp_path: Path, environment_file: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    file = environment_file("staging", ENVIRONMENT="staging")
    file.write_text("ENVIRONMENT=staging\nMAPS=canary-1\nSAME=1\nSAME=1\n\nMAPS=canary-2\n")
    worker = {"name": "shop", "config": "w.jsonc", "secrets": ["MAPS"]}
    found = load("staging", {"worker": worker}, tmp_path, {})
    assert found.worker_secrets()["MAPS"].reveal() == "canary-2"
    told = capsys.readouterr().err
    assert "MAPS in lines 2 and 6: the last one counts" in told
    assert "SAME" not in told
    assert "canary" not in told


def test_the_local_environment_needs_no_file_and_the_others_do(tmp_path: Path) -> None:
    project = {"worker": {"name": "shop", "config": "w.jsonc"}}
    assert load("local", project, tmp_path, {}).text("ENVIRONMENT") == "local"
    for environment in ("staging", "production"):
        with pytest.raises(Refused, match="no environment file"):
            load(environment, project, tmp_path, {})
    with pytest.raises(Refused, match="no environment file"):
        load("local", project, tmp_path, {"DEPLOY_ENV_FILE": str(tmp_path / "none.env")})


def test_dev_vars_of_an_environment_comes_first(tmp_path: Path, environment_file: Write) -> None:
    environment_file("local")
    (tmp_path / ".dev.vars").write_text("MAPS=canary-common")
    (tmp_path / ".dev.vars.try").write_text("MAPS=canary-of-try")
    worker = {"name": "shop", "config": "w.jsonc", "secrets": "MAPS", "environment": "try"}
    found = load("local", {"worker": worker}, tmp_path, {})
    assert found.worker_secrets()["MAPS"].reveal() == "canary-of-try"


def test_dev_vars_that_cannot_be_read_is_named(tmp_path: Path, environment_file: Write) -> None:
    environment_file("local")
    (tmp_path / ".dev.vars").write_text("MAPS='never ended\n")
    with pytest.raises(Refused, match=r"\.dev\.vars has a line that cannot be read"):
        load("local", {"worker": {"name": "shop", "config": "w.jsonc"}}, tmp_path, {})


@pytest.mark.parametrize("name", ["WORKER_URL", "CLOUDFLARE_API_TOKEN", "9a", "A B", "a=b"])
def test_a_name_that_cannot_be_the_workers_own_is_refused(settings: Make, name: str) -> None:
    with pytest.raises(Refused, match="cannot be a secret of the Worker's own"):
        settings({"worker": {"secrets": name}})


def test_the_rules_of_invoke_yaml_travel_to_the_worker_that_has_a_monitor(
    tmp_path: Path, environment_file: Write
) -> None:
    environment_file()
    rules = {"window": "10m", "thresholds": {"error_rate": 0.5}}
    found = load("local", using_everything(), tmp_path, {}, rules)
    assert json.loads(found.worker_variables()["MONITORING_RULES"]) == rules
    without = load("local", using_everything({"uses": ""}), tmp_path, {}, rules)
    assert "MONITORING_RULES" not in without.worker_variables()
    assert (
        "MONITORING_RULES" not in load("local", using_everything(), tmp_path, {}).worker_variables()
    )
    with pytest.raises(Refused, match=r"invoke\.yaml: unknown monitor\.windw"):
        load("local", using_everything(), tmp_path, {}, {"windw": "5m"}).worker_variables()


@pytest.mark.parametrize(
    ("name", "value", "good"),
    [
        ("ADMIN_EMAIL", "a@xswarm.test", True),
        ("ADMIN_EMAIL", "a@xswarm.test, b@xswarm.test", True),
        ("ADMIN_EMAIL", "a@xswarm.test,", False),
        ("ADMIN_EMAIL", "a@xswarm.test;b@xswarm.test", False),
        ("ADMIN_PHONE", "+15005550006,+15005550010", True),
        ("ADMIN_PHONE", "+15005550006 +15005550010", False),
    ],
)
def test_several_people_stand_by_comma(settings: Make, name: str, value: str, good: bool) -> None:
    assert (not settings(**{name: value}).problems()) is good


def test_a_worker_gets_what_it_asks_for_and_no_more(settings: Make) -> None:
    """Nothing that opens the database, the alerts or the sessions reaches it unasked."""
    quiet = {"uses": "stripe", "worker": {"secrets": "", "variables": ""}}
    found = settings(quiet, SLACK_WEBHOOK_URL="https://hooks.slack.com/services/a/b/c")
    assert set(found.worker_secrets()) == {"STRIPE_SECRET_KEY"}
    assert set(found.worker_variables()) == {"STRIPE_API_BASE"}
    assert settings({"uses": "", "worker": {"secrets": "", "variables": ""}}).worker_secrets() == {}
    asked = settings({"uses": "", "worker": {"secrets": "JWT_SECRET", "variables": "WORKER_URL"}})
    assert set(asked.worker_secrets()) == {"JWT_SECRET"}
    assert set(asked.worker_variables()) == {"WORKER_URL"}


def test_a_secret_of_the_worker_alone_is_required_of_whoever_asks_for_it(settings: Make) -> None:
    unasked = settings({"worker": {"secrets": "", "variables": ""}}, JWT_SECRET="")
    assert "JWT_SECRET" not in problem_names(unasked)
    assert "JWT_SECRET" in problem_names(settings(None, JWT_SECRET=""))
    # Nothing here rotates it: who adopts a Worker cannot read the key that signed its sessions.
    adopted = settings({"worker": {"secrets": "JWT_SECRET"}}, JWT_SECRET="")
    assert "JWT_SECRET" not in problem_names(adopted)
    assert adopted.own_secrets() == {"JWT_SECRET"}


def test_the_token_of_a_database_is_not_asked_for_where_it_is_d1(settings: Make) -> None:
    found = settings(None, TURSO_DATABASE_URL="d1:DB", TURSO_AUTH_TOKEN="")
    assert "TURSO_AUTH_TOKEN" not in {variable.name for variable in found.asked}
    assert not found.problems()


@pytest.mark.parametrize("name", ["JWT_SECRET", "NO_SUCH_NAME", "CLOUDFLARE_ACCOUNT_ID"])
def test_what_is_no_plain_variable_of_a_worker_is_refused(settings: Make, name: str) -> None:
    with pytest.raises(Refused, match="cannot be in deploy"):
        settings({"worker": {"variables": name}}).worker_variables()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1.evil.example",
        "http://localhost@evil.example",
        "http://evil.example\\@127.0.0.1",
        "http://evil.example",
    ],
)
@pytest.mark.parametrize("name", ["WORKER_URL", "STRIPE_API_BASE", "TURSO_DATABASE_URL"])
def test_http_is_for_this_machine_alone_whatever_the_address_looks_like(
    name: str, url: str
) -> None:
    assert judge(BY_NAME[name], url, "local")[0] == "format"
    assert judge(BY_NAME[name], "http://127.0.0.1:8787", "local")[0] == ""


def test_an_environment_file_that_others_could_read_is_closed_and_told(
    tmp_path: Path, environment_file: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    file = environment_file("staging", ENVIRONMENT="staging")
    file.chmod(0o644)
    load("staging", using_everything(), tmp_path, {})
    assert file.stat().st_mode & 0o777 == 0o600
    assert "could be read by others of this machine (mode 0644): it is now 0600" in (
        capsys.readouterr().err
    )
    load("staging", using_everything(), tmp_path, {})
    assert capsys.readouterr().err == ""


def test_what_is_pushed_travels_with_its_key_and_the_twin_keeps_to_this_machine(
    tmp_path: Path, environment_file: Write
) -> None:
    away = {"kind": "otlp", "endpoint": "https://otlp.test", "secret": "OTLP_KEY"}
    here = {"kind": "remote_write", "endpoint": "http://127.0.0.1:9090/w"}
    rules = {"push": [away, here]}
    environment_file("local")
    environment_file("staging", ENVIRONMENT="staging", OTLP_KEY="canary-of-the-push")
    own = using_everything({"worker": {"name": "shop", "secrets": ["OTLP_KEY"]}})

    def pushed(environment: str) -> list[str]:
        found = load(environment, own, tmp_path, {}, rules)
        told = json.loads(found.worker_variables()["MONITORING_RULES"])
        assert "canary-of-the-push" not in json.dumps(told)
        return [each["endpoint"] for each in told["push"]]

    assert pushed("local") == ["http://127.0.0.1:9090/w"]
    assert pushed("staging") == ["https://otlp.test", "http://127.0.0.1:9090/w"]
    with pytest.raises(Refused, match=r"does not get monitor\.push's OTLP_KEY") as told:
        load("staging", using_everything(), tmp_path, {}, rules).worker_variables()
    assert "deploy.worker.secrets" in told.value.remedy
    # A Worker without our monitor is pushed for by this tool, which has the key for itself.
    alone = load("staging", using_everything({"uses": ""}), tmp_path, {}, rules)
    assert alone.secret("OTLP_KEY").reveal() == "canary-of-the-push"
    assert "OTLP_KEY" not in alone.worker_secrets()


def test_nobody_is_spoken_to_with_a_placeholder(settings: Callable[..., Settings]) -> None:
    """The true reason, before a request fails for it: what to fill in, and where."""
    found = settings(CLOUDFLARE_API_TOKEN="your_token", CLOUDFLARE_ACCOUNT_ID="")
    asks: dict[str, Callable[[], object]] = {
        "CLOUDFLARE": lambda: Site(found).cloudflare,
        "d1": lambda: Site(found).d1,
        "WORKER_URL": lambda: target.live(Site(settings(WORKER_URL="https://your_a.example"))),
        "TURSO_DATABASE_URL": lambda: Site(settings(TURSO_DATABASE_URL="")).database,
    }
    for ask in asks.values():
        with pytest.raises(Refused, match=r"missing or invalid|twin is not up"):
            ask()
    with pytest.raises(Refused) as caught:
        found.require_filled("CLOUDFLARE_API_TOKEN", "CLOUDFLARE_ACCOUNT_ID")
    assert "CLOUDFLARE_API_TOKEN" in caught.value.why
    assert "CLOUDFLARE_ACCOUNT_ID" in caught.value.why


def test_without_a_twin_that_is_the_reason(tmp_path: Path) -> None:
    found = load("local", {"worker": {"name": "shop"}}, tmp_path, {})
    for refused in (found.require_sound, lambda: found.require_filled("WORKER_URL")):
        with pytest.raises(Refused, match="the local twin is not up") as caught:
            refused()
        assert caught.value.remedy == "inv sandbox.up"
