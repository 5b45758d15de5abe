"""The check: each thing it looks at, in each way it can be, and the answer given."""

from __future__ import annotations

import errno
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tests.steps.place import Failing, Place, backed_up, failed
from tests.steps.provider_fakes import SoundCloudflare
from xswarm_deploy import permissions
from xswarm_deploy.bundling import jsonc
from xswarm_deploy.database import d1_pending
from xswarm_deploy.errors import Refused
from xswarm_deploy.model import junit
from xswarm_deploy.model.report import Finding, Report
from xswarm_deploy.preflight import beside, check, domains
from xswarm_deploy.services.errors import (
    Forbidden,
    RateLimited,
    ServiceError,
    ServiceUnavailable,
    Unauthorised,
)
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.steps import webhooks


@pytest.fixture
def place(
    settings: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Place:
    return Place(settings, tmp_path, monkeypatch)


# The whole


def test_a_first_release_is_not_blocked(place: Place) -> None:
    place.parts["cloudflare"].bucket_names = []
    report = check.run(place.site())
    assert report.ok
    bad = {f.name: f.evidence for f in report.findings if f.status not in ("pass", "skip")}
    assert bad == {"git": "not a git checkout"}
    evidence = {finding.name: finding.evidence for finding in report.findings}
    assert evidence["Workers permission"] == "worker boss-ai is made by the release"
    assert evidence["Pages permission"] == "project xswarm-boss is made by the release"
    assert evidence["R2 permission"] == "bucket xswarm-boss is made by the release"
    assert evidence["tables"] == "users: made by the pending migrations"
    assert evidence["Stripe endpoint"] == "endpoint is made by the release"


BROKEN: dict[str, tuple[str, str]] = {
    "ANTHROPIC_API_KEY": ("", "Missing"),
    "OPENAI_API_KEY": ("your_key", "still the example's placeholder"),
    "TWILIO_AUTH_TOKEN_TEST": ("", "Missing"),
    "TWILIO_PHONE_NUMBER": ("555", "not in the expected form"),
    "SENDGRID_API_KEY_TEST": ("", "Missing"),
    "STRIPE_SECRET_KEY_TEST": ("sk_live_canary0123456789", "a live key in local"),
    "JWT_SECRET": ("short", "5 characters, at least 32 are needed"),
    "ADMIN_TOKEN": ("a" * 40, "only 1 different characters"),
    "CLOUDFLARE_API_TOKEN": ("xxxxx", "still the example's placeholder"),
    "S3_SECRET_ACCESS_KEY": ("", "Missing"),
}


def _broken() -> dict[str, Any]:
    return {name: value for name, (value, _) in BROKEN.items()}


def test_ten_of_them_broken_are_those_ten_and_nothing_else(place: Place) -> None:
    report = check.run(place.site(**_broken()))
    assert {finding.name for finding in report.failures} == set(BROKEN)
    lines = [text for text, _ in report.lines()]
    assert not any("canary" in line for line in lines)
    assert {f.status for f in report.findings if f.group == "webhooks"} == {"skip"}


def test_ten_of_twenty_three_print_the_sample_of_the_first_system(place: Place) -> None:
    """It had 13 passed, 10 failed, 2 warnings, then the ten; and so it looks here."""
    sound: dict[str, Any] = {"ADMIN_EMAIL": "a@xswarm.test", "ADMIN_PHONE": "+15005550006"}
    more: dict[str, Any] = {"API_URL": "http://127.0.0.1:1", "SENDGRID_FROM_NAME": "Boss"}
    doubtful: dict[str, Any] = {"LOG_LEVEL": "loud", "JWT_EXPIRES_IN": "soon"}
    broken = _broken()
    report = check.run(place.site(**sound, **more, **doubtful, **broken), only=["variables"])
    lines = [text for text, _ in report.lines()]
    end = lines.index("")
    assert lines[end:] == [
        "",
        "✅ Passed: 13",
        "❌ Failed: 10",
        "⚠️  Warnings: 2",
        "",
        "🚨 CRITICAL FAILURES (10):",
        *(f"   • {finding.name}: {BROKEN[finding.name][1]}" for finding in report.failures),
    ]
    told = [line for line in lines[:end] if not line.startswith("     →")]
    failed_lines = {f"❌ {name}: {why}" for name, (_, why) in BROKEN.items()}
    warned = {f"⚠️  {name}: not in the expected form" for name in doubtful}
    assert set(told) == failed_lines | warned
    assert len(told) == 12
    assert report.summary == "13 passed, 10 failed, 2 warnings"


def test_one_warning_is_one(place: Place) -> None:
    report = check.run(place.site(LOG_LEVEL="loud"), only=["variables"])
    assert report.summary.endswith(" 0 failed, 1 warning")


def test_the_wall_time_is_the_slowest_looks(place: Place) -> None:
    """Each of some answers when all are being looked at: one after another, none would."""
    slow = {"anthropic", "openai", "sendgrid", "stripe", "twilio"}
    looked_at: set[str] = set()
    all_are = threading.Event()

    class Slow:
        def __init__(self, name: str) -> None:
            self._name, self._sound = name, place.parts[name]

        def __getattr__(self, name: str) -> Any:
            looked_at.add(self._name)
            if looked_at == slow:
                all_are.set()
            assert all_are.wait(60)
            return getattr(self._sound, name)

    place.parts |= {name: Slow(name) for name in slow}
    assert check.run(place.site()).ok
    assert all_are.is_set()


def test_only_and_skip(place: Place) -> None:
    site = place.site()
    only = check.run(site, only=["Providers", "clock"])
    assert {finding.group for finding in only.findings} == {"providers", "machine"}
    skipped = check.run(site, only=["providers"], skip=["Slack", "openai"])
    assert not {"Slack", "OpenAI"} & {finding.name for finding in skipped.findings}


@pytest.mark.parametrize(
    ("name", "value", "only"),
    [
        ("CLOUDFLARE_API_TOKEN", "no token", "cloudflare"),
        ("WORKER_URL", "https://shop.example:99999", "domains"),
        ("WORKER_URL", "https://[::1", "routes"),
    ],
)
def test_what_cannot_be_looked_at_is_no_success(
    place: Place, name: str, value: str, only: str
) -> None:
    """Its variable is told, although it is of another group; with --skip it is not."""
    site = place.site({}, **{name: value})
    report = check.run(site, only=[only])
    assert [finding.name for finding in report.failures] == [name]
    assert check.run(site, only=[only], skip=["variables"]).ok


def test_wranglers_own_command_names_the_part_of_its_file(place: Place) -> None:
    """A binding of env.production is none of the top level."""
    place.write("worker/migrations/0001_users.sql", "CREATE TABLE users (id TEXT);")
    databases = [{"binding": "DB", "database_id": "4567"}]
    place.configure(env={"production": {"d1_databases": databases}})
    place.patch.setattr(d1_pending, "pending", lambda *_: ["0001_users.sql"])
    worker = {"config": "worker/wrangler.jsonc", "environment": "production"}
    report = check.run(place.site({"worker": worker}), only=["D1 migrations"])
    (finding,) = report.findings
    assert "d1 migrations apply DB --env production --remote" in finding.remedy


def test_a_secret_without_a_value_is_asked_for_by_the_name_that_the_file_has(place: Place) -> None:
    """Stripe's stands there as STRIPE_SECRET_KEY_TEST."""
    place.environment = "staging"
    place.configure(secrets={"required": ["OTHER_KEY"]})
    worker = {"config": "worker/wrangler.jsonc", "secrets": "STRIPE_SECRET_KEY,MAPS_KEY"}
    site = place.site({"worker": worker})
    (finding,) = check.run(site, only=["required secrets"]).findings
    assert finding.evidence == "required, without a value: OTHER_KEY, MAPS_KEY"
    way = ", and OTHER_KEY under deploy.worker.secrets; or take out of deploy.worker.secrets what"
    assert way in finding.remedy
    entered = beside._entered(site, ["MAPS_KEY", "STRIPE_SECRET_KEY"])
    assert entered.startswith("put MAPS_KEY, STRIPE_SECRET_KEY_TEST into ")


def test_a_misspelt_name_is_refused(place: Place) -> None:
    with pytest.raises(Refused, match="'provider'"):
        check.run(place.site(), only=["provider"])


def test_the_report_as_json_and_junit(place: Place) -> None:
    report = check.run(place.site(ANTHROPIC_API_KEY=""))
    data = json.loads(json.dumps(report.as_json()))
    assert (data["ok"], data["failed"]) == (False, 1)
    suite = ElementTree.fromstring(junit.render(report))
    assert suite.get("failures") == "1"
    failed = [case.get("name") for case in suite if case.find("failure") is not None]
    assert failed == ["ANTHROPIC_API_KEY"]


def test_a_look_that_breaks_is_a_failure(place: Place) -> None:
    place.parts["anthropic"] = None
    assert place.look("Anthropic").status == "fail"


# Providers


def test_a_wait_that_was_asked_for_is_told(place: Place) -> None:
    place.parts["openai"] = failed(RateLimited, 429, retry_after=42.0)
    assert "in 42 s" in place.look("OpenAI").remedy


def test_scopes_for_webhooks_only_where_there_are_webhooks(place: Place) -> None:
    place.parts["sendgrid"].granted = frozenset({"mail.send"})
    without = {"webhooks": {"email_path": "", "stripe_events": []}}
    assert place.look("SendGrid scopes", without).status == "pass"


# Cloudflare


# The database


def test_one_that_does_not_answer_is_one_failure(place: Place) -> None:
    place.values["TURSO_DATABASE_URL"] = "http://127.0.0.1:1"
    report = check.run(place.site(), only=["database"])
    assert [finding.name for finding in report.failures] == ["database"]
    rest = {(f.status, f.evidence) for f in report.findings if f.name != "database"}
    assert rest == {("skip", "skipped (the database does not answer)")}


def test_a_checkout_that_cannot_be_written_is_told_with_what_to_do(place: Place) -> None:
    made: Future[Any] = Future()
    made.set_exception(OSError(errno.EROFS, "Read-only file system", str(place.root)))
    place.parts["bundling"] = made
    report = check.run(place.site(), only=["wrangler's verdict", "code size"])
    assert [f.name for f in report.failures] == ["wrangler's verdict"]
    assert "the probe failed" not in report.failures[0].evidence
    assert "then repeat the command" in report.failures[0].remedy


def test_a_permission_that_a_token_lacks_is_one_failure(place: Place) -> None:
    told = permissions.remedy("GET /accounts/0/workers/scripts/boss-ai", 403, ["10000"], "")
    refused = Forbidden("Cloudflare", "GET /x", status=403, codes=("10000",), remedy=told)
    place.parts["cloudflare"] = Failing(refused)
    place.parts["cloudflare"].pages = place.parts["cloudflare"]
    report = check.run(place.site(), only=("cloudflare", "configuration"))
    assert [f.name for f in report.failures] == ["API token"]
    assert "Account, Workers Scripts: Edit" in report.failures[0].remedy


def test_another_account_is_one_failure_whatever_it_refuses(place: Place) -> None:
    told = permissions.remedy("GET /accounts/0/storage/kv/x", 403, ["10000"], "")
    refused = Forbidden("Cloudflare", "GET /kv", status=403, codes=("10000",), remedy=told)
    place.parts["cloudflare"].reached = ["0123"]
    place.patch.setattr(SoundCloudflare, "bucket", lambda *_: _raise(refused), raising=False)
    report = check.run(place.site(), only=("cloudflare",))
    assert [f.name for f in report.failures] == ["Workers permission"]
    assert report.failures[0].remedy == permissions.OTHER_ACCOUNT


def _raise(error: Exception) -> NoReturn:
    raise error


@pytest.mark.parametrize(
    ("kind", "status", "remedy"),
    [
        (Unauthorised, 401, "valid Cloudflare credential"),
        (ServiceUnavailable, 0, "see the Cloudflare status page"),
    ],
)
def test_a_cause_that_all_of_cloudflare_shares_is_one_failure(
    place: Place, kind: type[ServiceError], status: int, remedy: str
) -> None:
    place.values["CLOUDFLARE_API_BASE_URL"] = "https://api.cloudflare.test/client/v4"
    place.parts["cloudflare"] = Failing(kind("Cloudflare", "GET /x", status=status))
    place.parts["cloudflare"].pages = place.parts["cloudflare"]
    looked = ("cloudflare", "configuration")
    report = check.run(place.site(), only=looked)
    assert [f.name for f in report.failures] == ["API token"]
    (failure,) = report.failures
    assert remedy in failure.remedy
    skipped = [f.name for f in report.findings if f.evidence == "skipped: see API token"]
    assert {"Workers permission", "proof of the version"} <= set(skipped)
    place.values["CLOUDFLARE_API_BASE_URL"] = "http://127.0.0.1:1/client/v4"
    (failure,) = check.run(place.site(), only=looked).failures
    assert (failure.remedy == "inv sandbox.up") == (kind is ServiceUnavailable)


def test_failures_that_do_not_block_are_told_from_those_that_do() -> None:
    found = [Finding(str(n), "group", "fail", critical=n > 1) for n in range(3)]
    lines = [text for text, _ in Report("check", tuple(found)).lines()]
    assert "❌ Failed: 3 (1 critical)" in lines
    assert "❌ Failed: 1" in [text for text, _ in Report("check", tuple(found[2:])).lines()]


def test_what_was_skipped_for_one_reason_is_one_line() -> None:
    skipped = [Finding(name, "group", "skip", evidence="skipped: TOKEN is empty") for name in "abc"]
    found = (skipped[0], Finding("d", "group", "pass", evidence="good"), *skipped[1:])
    other = Finding("e", "group", "skip", evidence="skipped: URL is empty")
    lines = [text for text, _ in Report("check", (*found, other)).lines(verbose=True)]
    assert lines[:3] == [
        "·  a, b, c: skipped: TOKEN is empty",
        "✅ d: good",
        "·  e: skipped: URL is empty",
    ]


# The wrangler configuration


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("wrangler.toml", 'name = "boss-ai"\nmain = "main.js"\n[vars]\nA = "1"\n'),
        ("wrangler.json", '{"name": "boss-ai", /* so */ "main": "main.js",}'),
        ("wrangler.jsonc", '// so\n{"name": "boss-ai", "main": "main.js"}'),
    ],
)
def test_each_form_of_the_configuration_is_read(place: Place, name: str, text: str) -> None:
    place.write(f"worker/{name}", text)
    project = {"worker": {"config": f"worker/{name}"}}
    assert place.look("worker main", project).status == "pass"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("wrangler.toml", "name = "),
        ("wrangler.jsonc", '{"name": '),
        ("wrangler.json", "[]"),
        ("wrangler.yaml", "name: x"),
    ],
)
def test_one_that_cannot_be_read_is_one_failure(place: Place, name: str, text: str) -> None:
    place.write(f"worker/{name}", text)
    project = {"worker": {"config": f"worker/{name}"}}
    report = check.run(place.site(project), only=["configuration"])
    assert [finding.name for finding in report.failures] == ["wrangler configuration"]
    rest = {f.status for f in report.findings if f.name != "wrangler configuration"}
    assert rest == {"skip"}


VALUES = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(max_size=8),
    lambda inner: (
        some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(VALUES)
def test_jsonc_reads_all_json(value: Any) -> None:
    assert jsonc.loads(json.dumps(value)) == value
    assert jsonc.loads(json.dumps(value, indent=1, ensure_ascii=False)) == value


@given(VALUES, some.sampled_from(["// it's, }\n", "/* a ] */", "/* two\n lines, */", "\n\n"]))
def test_jsonc_reads_comments_and_trailing_commas(value: Any, comment: str) -> None:
    text = json.dumps({"a": [value, "// no comment"], "b": '/* nor this */ \\" ,]'})
    loose = f"{comment}{text[:-1]},{comment}}}{comment}"
    assert jsonc.loads(loose) == json.loads(text)


@pytest.mark.parametrize("text", ["{", "{,}", "[1 2]", '{"a": 1,, }', "", "/* open"])
def test_jsonc_is_not_lenient_beyond_that(text: str) -> None:
    with pytest.raises(ValueError, match="line"):
        jsonc.loads(text)


def test_jsonc_errors_keep_their_place() -> None:
    with pytest.raises(ValueError, match="line 3 column 9"):
        jsonc.loads('{ // a comment\n/* two\n */ "a" 1}')


# Domains


def test_an_address_of_this_machine_has_no_certificate(place: Place) -> None:
    found = check.run(place.site(), only=["domains"]).findings
    assert {finding.status for finding in found} == {"skip"}
    assert all("not applicable" in finding.evidence for finding in found)


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[Callable[..., tuple[int, str]]]:
    """Serve TLS on a port of this machine, by a certificate of so many days."""
    stopping = threading.Event()
    threads: list[threading.Thread] = []

    def serve(days: int, name: str = "localhost") -> tuple[int, str]:
        certificate, key = _self_signed(tmp_path, days, name)
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(certificate, key)
        import socket

        listener = socket.create_server(("127.0.0.1", 0))
        listener.settimeout(0.1)
        threads.append(
            threading.Thread(target=_serve_tls, args=(listener, server, stopping), daemon=True)
        )
        threads[-1].start()
        return int(listener.getsockname()[1]), str(certificate)

    yield serve
    stopping.set()
    for thread in threads:
        thread.join(5)


def _serve_tls(listener: Any, context: ssl.SSLContext, stopping: threading.Event) -> None:
    with listener:
        while not stopping.is_set():
            try:
                connection, _ = listener.accept()
                with context.wrap_socket(connection, server_side=True):
                    pass
            except OSError:
                continue


def _self_signed(folder: Path, days: int, name: str) -> tuple[Path, Path]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=400))
        .not_valid_after(now + timedelta(days=days, hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate, private


@pytest.mark.parametrize(
    ("days", "name", "status"),
    [(90, "localhost", "pass"), (3, "localhost", "warn"), (-2, "localhost", "fail")],
)
def test_a_certificates_days(
    place: Place,
    secured: Callable[..., tuple[int, str]],
    monkeypatch: Any,
    days: int,
    name: str,
    status: str,
) -> None:
    port, file = secured(days, name)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", file)
    seen = domains._certificate(place.site(), "localhost", port)
    found = seen if isinstance(seen, str) else seen.evidence
    assert ("pass" if isinstance(seen, str) else seen.status) == status
    assert ("TLSv1.3" in found) == (status != "fail")


def test_a_certificate_nobody_vouches_for(
    place: Place, secured: Callable[..., tuple[int, str]]
) -> None:
    port, _ = secured(90)
    seen = domains._certificate(place.site(), "localhost", port)
    assert not isinstance(seen, str)
    assert (seen.status, "not valid" in seen.evidence) == ("fail", True)


# The machine


@pytest.mark.parametrize(
    ("ages", "status"), [([], "skip"), ([1], "pass"), ([30], "warn"), ([30, 1], "pass")]
)
def test_the_age_of_the_newest_backup(place: Place, ages: list[float], status: str) -> None:
    for hours in ages:
        backed_up(place.site(), hours)
    seen = place.look("backup")
    assert seen.status == status
    if ages:
        assert f"the newest is {min(ages)} hours old" in seen.evidence


def test_only_the_environments_own_proven_backups_count(place: Place) -> None:
    backed_up(place.site(), 1, "staging")
    place.write(".backups/former.sql", "CREATE TABLE t (v);")
    assert place.look("backup").status == "skip"
    backed_up(place.site(), 30)
    assert place.look("backup").status == "warn"


def test_what_the_twin_offers_is_what_it_takes() -> None:
    from xswarm_deploy.preflight import bindings
    from xswarm_twin.cloudflare import bindings as twins

    types = {
        "r2_buckets": "r2_bucket",
        "assets": "assets",
        "version_metadata": "version_metadata",
        "kv_namespaces": "kv_namespace",
        "d1_databases": "d1",
        "durable_objects": "durable_object_namespace",
        "queues": "queue",
        "services": "service",
        "workflows": "workflow",
        "hyperdrive": "hyperdrive",
        "analytics_engine_datasets": "analytics_engine",
        "ratelimits": "ratelimit",
        "send_email": "send_email",
        "secrets_store_secrets": "secrets_store_secret",
        "ai": "ai",
        "browser": "browser",
        "images": "images",
        "vectorize": "vectorize",
        "pipelines": "pipelines",
        "mtls_certificates": "mtls_certificate",
        "dispatch_namespaces": "dispatch_namespace",
        "worker_loaders": "worker_loader",
    }
    assert set(types) == bindings.TWIN
    assert set(types.values()) == set(twins._FIELDS) - {*twins._VARIABLES}


def test_what_was_seen_before_its_turn_is_used_once_and_while_it_is_fresh(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []
    report = Report("check", ())
    monkeypatch.setattr(webhooks, "open_ahead", lambda _site: None)

    def looked(*_: object, **__: object) -> Report:
        looks.append("look")
        return report

    monkeypatch.setattr(check, "run", looked)
    before, release = place.site(), place.site()
    check.begin_ahead(before)
    check.begin_ahead(before)  # a second try to take the lock looks no second time
    check.hand_over(before, release)
    assert check.run_or_begun(release) is report
    assert looks == ["look"]
    check.run_or_begun(release)
    assert looks == ["look"] * 2, "at its turn it is looked at, where nothing was begun"
    check.begin_ahead(release)
    check.run_or_begun(release, only=["providers"])
    assert looks == ["look"] * 4, "a part of it is looked at by itself"
    monkeypatch.setattr(check, "FRESH", 0.0)
    check.begin_ahead(release)
    check.run_or_begun(release)
    assert looks == ["look"] * 6, "what is old is looked at again"


def test_what_fails_before_its_turn_is_raised_at_its_turn(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> Report:
        raise Refused("the local twin is not up", "", "inv sandbox.up")

    monkeypatch.setattr(webhooks, "open_ahead", lambda _site: None)
    monkeypatch.setattr(check, "run", refused)
    site = place.site()
    check.begin_ahead(site)
    with pytest.raises(Refused, match="not up"):
        check.run_or_begun(site)


def test_what_the_shell_gives_is_told_as_its_own(place: Place) -> None:
    place.values["LOG_LEVEL"] = "loud"
    made = place.site()
    names = frozenset({"LOG_LEVEL", "WORKER_URL"})
    shelled = replace(made.settings, given=names, replaced=("WORKER_URL",))
    found = check.run(replace(made, settings=shelled), only=["variables"]).findings
    said = {finding.name: finding.evidence for finding in found}
    assert said["LOG_LEVEL"] == "not in the expected form (of the process environment)"
    instead = f"in place of what {shelled.source} has"
    assert said["WORKER_URL"].endswith(f", by the process environment, {instead}")
    assert "process environment" not in said["CLOUDFLARE_API_TOKEN"]
