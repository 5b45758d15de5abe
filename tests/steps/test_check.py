"""The check: each thing it looks at, in each way it can be, and the answer given."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as some

from deployment.database import backup as backups
from deployment.database.client import connect
from deployment.errors import Refused
from deployment.services.cloudflare import Token
from deployment.services.errors import (
    Forbidden,
    NotFound,
    RateLimited,
    ServiceError,
    ServiceUnavailable,
    Unauthorised,
)
from deployment.settings import Settings
from deployment.steps import backup, bundle, check, junit
from deployment.steps.checks import domains, jsonc
from deployment.steps.report import Finding
from deployment.steps.site import Site
from tests.steps.provider_fakes import (
    SoundCloudflare,
    SoundModels,
    SoundObjects,
    SoundSendGrid,
    SoundSlack,
    SoundStripe,
    SoundTwilio,
)

CONFIGURATION: dict[str, Any] = {
    "name": "boss-ai",
    "main": "main.js",
    "compatibility_date": "2026-01-01",
    "r2_buckets": [{"binding": "R2_BUCKET", "bucket_name": "xswarm-boss"}],
    "vars": {"PLAIN": "1"},
}
PROJECT: dict[str, Any] = {
    "worker": {"config": "worker/wrangler.jsonc"},
    "check": {"required_tables": ["users"]},
    "webhooks": {"stripe_events": ["charge.refunded"]},
}
TABLE = """\
-- migrate:up
CREATE TABLE users (id TEXT PRIMARY KEY);
-- migrate:down
DROP TABLE users;
"""


class Place:
    """A scratch project in good order, whose parts a test makes bad one by one."""

    def __init__(self, settings: Callable[..., Settings], root: Path) -> None:
        self.root = root
        self._settings = settings
        self.parts: dict[str, Any] = {
            "cloudflare": SoundCloudflare(),
            "stripe": SoundStripe(),
            "twilio": SoundTwilio(),
            "sendgrid": SoundSendGrid(),
            "anthropic": SoundModels(),
            "openai": SoundModels(),
            "slack": SoundSlack(),
            "objects": SoundObjects(),
        }
        self.configure(CONFIGURATION)
        self.write("worker/main.js", "export default {}")
        self.write("migrations/schema.sql", TABLE)

    def write(self, path: str, content: str) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        return file

    def configure(self, content: dict[str, Any]) -> None:
        self.write("worker/wrangler.jsonc", json.dumps(content))

    def site(self, project: dict[str, Any] | None = None, **values: str) -> Site:
        site = Site(self._settings({**PROJECT, **(project or {})}, **values))
        site.__dict__.update(self.parts)
        return site

    def look(self, name: str, project: dict[str, Any] | None = None, **values: str) -> Finding:
        """Give one finding by its name."""
        findings = check.run(self.site(project, **values), only=[name]).findings
        return next(finding for finding in findings if finding.name == name)


@pytest.fixture
def place(settings: Callable[..., Settings], tmp_path: Path, monkeypatch: Any) -> Place:
    monkeypatch.setattr(bundle, "node", lambda root: Path("/bin/true"))
    monkeypatch.setattr(bundle, "wrangler", lambda root: _fake_wrangler(tmp_path))
    monkeypatch.setattr("deployment.steps.checks.machine._node", lambda site: "v24.0.0")
    return Place(settings, tmp_path)


def _fake_wrangler(root: Path) -> Path:
    package = root / "node_modules/wrangler/package.json"
    package.parent.mkdir(parents=True, exist_ok=True)
    package.write_text('{"version": "4.164.0"}')
    return package.parent / "wrangler-dist/cli.js"


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


def test_ten_of_them_broken_are_those_ten_and_nothing_else(place: Place) -> None:
    broken: dict[str, Any] = {
        "ANTHROPIC_API_KEY": "",
        "OPENAI_API_KEY": "your_key",
        "TWILIO_AUTH_TOKEN_TEST": "",
        "TWILIO_PHONE_NUMBER": "555",
        "SENDGRID_API_KEY_TEST": "",
        "STRIPE_SECRET_KEY_TEST": "sk_live_canary0123456789",
        "JWT_SECRET": "short",
        "ADMIN_TOKEN": "a" * 40,
        "CLOUDFLARE_API_TOKEN": "xxxxx",
        "S3_SECRET_ACCESS_KEY": "",
    }
    report = check.run(place.site(**broken))
    assert {finding.name for finding in report.failures} == set(broken)
    lines = [text for text, _ in report.lines()]
    assert "❌ Failed: 10" in lines
    assert "🚨 CRITICAL FAILURES (10):" in lines
    assert "   • ANTHROPIC_API_KEY: Missing" in lines
    assert not any("canary" in line for line in lines)
    assert {f.status for f in report.findings if f.group == "webhooks"} == {"skip"}


def test_the_wall_time_is_the_slowest_looks(place: Place) -> None:
    class Slow:
        def __getattr__(self, name: str) -> Any:
            time.sleep(0.3)
            return getattr(SoundModels(), name)

    place.parts |= {"anthropic": Slow(), "openai": Slow()}
    check.run(place.site())  # imports and connections once
    began = time.monotonic()
    report = check.run(place.site())
    took = (time.monotonic() - began) * 1000
    slowest = max(finding.milliseconds for finding in report.findings)
    assert slowest >= 300
    assert took < slowest * 1.3 + 60


def test_only_and_skip(place: Place) -> None:
    site = place.site()
    only = check.run(site, only=["Providers", "clock"])
    assert {finding.group for finding in only.findings} == {"providers", "machine"}
    skipped = check.run(site, only=["providers"], skip=["Slack", "openai"])
    assert not {"Slack", "OpenAI"} & {finding.name for finding in skipped.findings}


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


class Failing:
    """Any client, all of whose calls fail in one way."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: object) -> Any:
            raise self.error

        return call


def failed(kind: type[ServiceError], status: int = 0, **more: Any) -> Failing:
    return Failing(kind("Provider", "GET /x", status=status, **more))


LOOKS = {
    "anthropic": ["Anthropic"],
    "openai": ["OpenAI"],
    "stripe": ["Stripe mode", "Stripe account", "Stripe webhooks", "Stripe endpoint"],
    "sendgrid": ["SendGrid scopes", "SendGrid sender", "SendGrid webhooks"],
    "twilio": ["Twilio account", "Twilio number", "Twilio URLs"],
    "slack": ["Slack"],
}
ANSWERS: list[tuple[type[ServiceError], int, str]] = [
    (Unauthorised, 401, "fail"),
    (Forbidden, 403, "fail"),
    (NotFound, 404, "fail"),
    (RateLimited, 429, "unknown"),
    (ServiceUnavailable, 500, "unknown"),
    (ServiceUnavailable, 0, "unknown"),
]


@pytest.mark.parametrize(("kind", "status", "verdict"), ANSWERS)
@pytest.mark.parametrize(
    ("part", "name"), [(part, name) for part, names in LOOKS.items() for name in names]
)
def test_only_a_refusal_blocks(
    place: Place, part: str, name: str, kind: type[ServiceError], status: int, verdict: str
) -> None:
    place.parts[part] = failed(kind, status)
    finding = place.look(name, SLACK_WEBHOOK_URL="https://hooks.slack.test/services/T0/B0/abcdef")
    assert finding.status == verdict
    assert finding.evidence
    if verdict == "unknown":
        assert f'--only "{name}"' in finding.remedy


def test_a_wait_that_was_asked_for_is_told(place: Place) -> None:
    place.parts["openai"] = failed(RateLimited, 429, retry_after=42.0)
    assert "in 42 s" in place.look("OpenAI").remedy


def test_a_live_key_outside_production_by_stripes_own_word(place: Place) -> None:
    place.parts["stripe"].live = True
    finding = place.look("Stripe mode")
    assert (finding.status, finding.evidence) == ("fail", "a live key in local")


def test_an_account_that_may_not_take_payments_warns(place: Place) -> None:
    place.parts["stripe"].charges = False
    assert place.look("Stripe account").status == "warn"


@pytest.mark.parametrize("missing", ["mail.send", "user.webhooks.event.settings.update"])
def test_a_key_without_a_scope(place: Place, missing: str) -> None:
    place.parts["sendgrid"].granted = SoundSendGrid.granted - {missing}
    finding = place.look("SendGrid scopes")
    assert (finding.status, missing in finding.evidence) == ("fail", True)


def test_scopes_for_webhooks_only_where_there_are_webhooks(place: Place) -> None:
    place.parts["sendgrid"].granted = frozenset({"mail.send"})
    without = {"webhooks": {"email_path": "", "stripe_events": []}}
    assert place.look("SendGrid scopes", without).status == "pass"


def test_a_sender_that_is_not_verified_warns(place: Place) -> None:
    place.parts["sendgrid"].verified = False
    assert place.look("SendGrid sender").status == "warn"


def test_a_suspended_twilio_account(place: Place) -> None:
    place.parts["twilio"].status = "suspended"
    assert place.look("Twilio account").evidence == "the account is suspended"


def test_twilios_number(place: Place) -> None:
    twilio = place.parts["twilio"]
    twilio.owned = replace(twilio.owned, capabilities={"sms": True, "voice": False})
    assert place.look("Twilio number").status == "fail"
    assert place.look("Twilio number", VOICE_ENABLED="false").status == "pass"
    twilio.owned = replace(twilio.owned, overridden_by={"sms": "AP1"})
    finding = place.look("Twilio URLs")
    assert (finding.status, "AP1" in finding.evidence) == ("warn", True)
    twilio.owned = None
    assert place.look("Twilio number").status == "fail"


def test_a_signing_secret_without_its_endpoint(place: Place) -> None:
    finding = place.look("Stripe endpoint", STRIPE_WEBHOOK_SECRET_TEST="whsec_canary12345678")
    assert (finding.status, finding.critical) == ("fail", True)
    assert "empty STRIPE_WEBHOOK_SECRET" in finding.remedy


# Cloudflare


@pytest.mark.parametrize(
    ("token", "status"),
    [
        (Token("t", "active"), "pass"),
        (Token("t", "active", "2099-01-01T00:00:00Z"), "pass"),
        (Token("t", "disabled"), "fail"),
    ],
)
def test_the_token(place: Place, token: Token, status: str) -> None:
    place.parts["cloudflare"].token = token
    assert place.look("API token").status == status


def test_a_token_that_ends_soon_warns(place: Place) -> None:
    soon = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    place.parts["cloudflare"].token = Token("t", "active", soon)
    assert place.look("API token").status == "warn"


NEEDED = ["API token", "Workers permission", "Pages permission", "R2 permission", "bindings"]


@pytest.mark.parametrize("name", NEEDED)
@pytest.mark.parametrize(
    "error", [failed(Forbidden, 403, codes=("10000",)), failed(ServiceUnavailable)]
)
def test_what_a_release_cannot_do_without_fails_also_in_silence(
    place: Place, name: str, error: Failing
) -> None:
    error.pages = error  # type: ignore[attr-defined]
    place.parts["cloudflare"] = error
    finding = place.look(name)
    assert (finding.status, finding.critical) == ("fail", True)
    assert finding.remedy


def test_r2_keys_that_may_not_write(place: Place) -> None:
    place.parts["objects"] = failed(Forbidden, 403, codes=("AccessDenied",))
    assert place.look("R2 objects").status == "fail"


# The database


def test_the_database_in_good_order(place: Place) -> None:
    site = place.site()
    found = {f.name: f.status for f in check.run(site, only=["database"]).findings}
    assert found == dict.fromkeys(["database", "migrations", "tables", "size"], "pass")


def test_a_database_that_cannot_be_opened(place: Place) -> None:
    finding = place.look("database", TURSO_DATABASE_URL="http://127.0.0.1:1")
    assert (finding.status, finding.critical) == ("fail", True)


def test_a_required_table_that_no_migration_makes(place: Place) -> None:
    site = place.site()
    from deployment.steps import migrate

    site.facts["release"] = "r1"
    for change in migrate.plan(site):
        migrate.apply(site, change)
    assert place.look("tables").status == "pass"
    finding = place.look("tables", {"check": {"required_tables": ["users", "teams"]}})
    assert (finding.status, finding.evidence) == ("fail", "missing: teams")


def test_a_migration_that_was_edited_after_it_ran(place: Place) -> None:
    from deployment.steps import migrate

    site = place.site()
    site.facts["release"] = "r1"
    for change in migrate.plan(site):
        migrate.apply(site, change)
    place.write("migrations/schema.sql", TABLE.replace("id TEXT", "id TEXT NOT NULL"))
    assert place.look("migrations").status == "fail"


# The wrangler configuration

FILES: list[tuple[str, dict[str, Any], str]] = [
    ("worker name", {"name": "other"}, "warn"),
    ("worker account", {"account_id": "f" * 32}, "fail"),
    ("worker account", {"account_id": "0123456789abcdef" * 2}, "pass"),
    ("worker main", {"main": "gone.js"}, "fail"),
    ("worker main", {"main": None}, "fail"),
    ("worker main", {"main": None, "assets": {"directory": "public"}}, "pass"),
    ("compatibility date", {"compatibility_date": "soon"}, "fail"),
    ("compatibility date", {"compatibility_date": "2999-01-01"}, "fail"),
    ("compatibility date", {"compatibility_date": None}, "fail"),
    ("plain variables", {"vars": {"JWT_SECRET": "x"}}, "fail"),
    ("environments", {"env": {"staging": {}}}, "warn"),
    ("bindings", {"r2_buckets": []}, "pass"),
]


@pytest.mark.parametrize(("name", "changed", "status"), FILES)
def test_the_configuration(place: Place, name: str, changed: dict[str, Any], status: str) -> None:
    content = {**CONFIGURATION, **changed}
    place.configure({key: value for key, value in content.items() if value is not None})
    finding = place.look(name)
    assert finding.status == status
    assert bool(finding.remedy) == (status != "pass")


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
def secured(tmp_path: Path) -> Iterator[Callable[..., tuple[int, ssl.SSLContext]]]:
    """Serve TLS on a port of this machine, by a certificate of so many days."""
    stopping = threading.Event()
    threads: list[threading.Thread] = []

    def serve(days: int, name: str = "localhost") -> tuple[int, ssl.SSLContext]:
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
        client = ssl.create_default_context(cafile=str(certificate))
        return int(listener.getsockname()[1]), client

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
    secured: Callable[..., tuple[int, ssl.SSLContext]],
    monkeypatch: Any,
    days: int,
    name: str,
    status: str,
) -> None:
    port, client = secured(days, name)
    monkeypatch.setattr(ssl, "create_default_context", lambda: client)
    seen = domains._certificate(place.site(), "localhost", port)
    found = seen if isinstance(seen, str) else seen.evidence
    assert ("pass" if isinstance(seen, str) else seen.status) == status
    assert ("TLSv1.3" in found) == (status != "fail")


def test_a_certificate_nobody_vouches_for(
    place: Place, secured: Callable[..., tuple[int, ssl.SSLContext]]
) -> None:
    port, _ = secured(90)
    seen = domains._certificate(place.site(), "localhost", port)
    assert not isinstance(seen, str)
    assert (seen.status, "not valid" in seen.evidence) == ("fail", True)


def test_a_host_nobody_knows(place: Place, monkeypatch: Any) -> None:
    import socket

    def unknown(*arguments: Any, **options: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    first = domains._resolves(place.site(), "boss.xswarm.test")
    assert not isinstance(first, str)
    assert first.status == "warn"
    place.parts["cloudflare"].splits.append({"v": 100.0})
    later = domains._resolves(place.site(), "boss.xswarm.test")
    assert not isinstance(later, str)
    assert later.status == "fail"


class Zones(SoundCloudflare):
    """A zone xswarm.test, whose records and settings a test sets."""

    records: tuple[dict[str, Any], ...] = ({"type": "CNAME", "proxied": True},)
    ssl: str = "strict"
    minimum: str = "1.2"
    https: str = "on"

    def zone(self, name: str) -> dict[str, Any] | None:
        return {"id": "z", "name": name} if name == "xswarm.test" else None

    def dns_records(self, zone_id: str, name: str) -> list[dict[str, Any]]:
        return list(self.records)

    def zone_setting(self, zone_id: str, setting: str) -> str:
        settings = {"ssl": self.ssl, "min_tls_version": self.minimum}
        return settings.get(setting, self.https)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, ""),
        ({"records": ()}, "no A, AAAA or CNAME"),
        ({"records": ({"type": "A", "proxied": False},)}, "not proxied"),
        ({"ssl": "flexible"}, "SSL mode"),
        ({"minimum": "1.0"}, "TLS below 1.2"),
        ({"https": "off"}, "Always Use HTTPS"),
    ],
)
def test_the_zone(place: Place, changed: dict[str, Any], words: str) -> None:
    zones = Zones()
    for name, value in changed.items():
        setattr(zones, name, value)
    place.parts["cloudflare"] = zones
    seen = domains._zone(place.site(), "deep.boss.xswarm.test")
    assert isinstance(seen, str) is (not words)
    assert words in (seen if isinstance(seen, str) else seen.evidence)


def test_a_zone_the_token_does_not_reach(place: Place) -> None:
    place.parts["cloudflare"] = Zones()
    seen = domains._zone(place.site(), "boss.other.test")
    assert not isinstance(seen, str)
    assert seen.status == "warn"
    place.parts["cloudflare"] = failed(Forbidden, 403)
    seen = domains._zone(place.site(), "boss.xswarm.test")
    assert not isinstance(seen, str)
    assert seen.status == "unknown"


# The machine


@pytest.mark.parametrize(
    ("wrong", "status"), [(0, "pass"), (-20, "pass"), (90, "warn"), (-90, "warn"), (600, "fail")]
)
def test_the_clock(place: Place, wrong: float, status: str) -> None:
    place.parts["cloudflare"].http.wrong = wrong
    assert place.look("clock").status == status


def backed_up(site: Site, hours: float, environment: str = "local") -> None:
    """Make a backup, and let its manifest say that it is so old."""
    wanted = backups.Wanted(environment)
    with connect(f"file:{site.settings.root / 'small.db'}") as database:
        found = backups.make(database, backup.folder(site), wanted).manifest
    assert found is not None
    then = (datetime.now(UTC) - timedelta(hours=hours)).isoformat()
    beside = backups.manifest_path(backup.folder(site) / found.file)
    beside.write_text(replace(found, created=then).as_json())


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


def git(root: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@t.test"]
    subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True)


def test_git(place: Place) -> None:
    assert place.look("git").status == "warn"
    git(place.root, "init", "-b", "main")
    git(place.root, "add", "migrations")
    git(place.root, "commit", "-m", "one")
    assert place.look("git").status == "pass"
    from deployment.steps.checks import machine

    staging = place.site()
    staging.settings = replace(staging.settings, environment="staging")
    seen = machine._git(staging)
    assert not isinstance(seen, str)
    assert "not committed" in seen.evidence
    git(place.root, "add", "-A")
    git(place.root, "commit", "-m", "two")
    assert isinstance(machine._git(staging), str)
    git(place.root, "switch", "-c", "feature")
    seen = machine._git(staging)
    assert not isinstance(seen, str)
    assert "not on main" in seen.evidence


def test_tools_that_are_missing(place: Place, monkeypatch: Any) -> None:
    monkeypatch.undo()
    finding = place.look("wrangler")
    assert (finding.status, finding.remedy) == ("fail", "./inv tools.install")


@pytest.mark.parametrize(
    ("told", "status"), [("v24.1.0", "pass"), ("v20.9.1", "fail"), ("", "fail")]
)
def test_node(place: Place, monkeypatch: Any, told: str, status: str) -> None:
    monkeypatch.undo()
    from deployment.steps.checks import machine

    monkeypatch.setattr(bundle, "node", lambda root: Path("node"))
    monkeypatch.setattr(machine, "_told", lambda command: told)
    assert place.look("Node").status == status
