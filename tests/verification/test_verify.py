"""Verification: each thing it looks at, in each way it can be bad, and the answer given."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.steps.fakes import FakeCloudflare
from tests.steps.sound_worker import ALLOWED, HEADERS, SoundWorker, serving
from tests.verification.verify_cases import (
    DELIVERIES,
    DOCUMENT,
    GOOD,
    LIMITED,
    VERDICTS,
    VERSIONS,
    WAYS,
    WRONG_ANSWERS,
    VersionCase,
    document,
    speed,
)
from xswarm_deploy.errors import CheckFailed, Refused
from xswarm_deploy.model.record import Record
from xswarm_deploy.model.report import Finding, Report
from xswarm_deploy.secret import Secret
from xswarm_deploy.services.http import Http, new_session
from xswarm_deploy.settings.project import Route, Verify
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.site import Site
from xswarm_deploy.verification import authentication, performance, routes, verify, version
from xswarm_deploy.verification.asker import Answer, Asker
from xswarm_deploy.verification.performance import Speed
from xswarm_deploy.webhooks import probes
from xswarm_monitoring import health
from xswarm_monitoring.health import Check

ACCOUNTS = {"signup_path": "/signup", "login_path": "/login", "account_path": "/account"}
EVERYTHING: dict[str, Any] = {
    "authentication": ACCOUNTS,
    "headers": HEADERS,
    "headers_path": "/health",
    "site_headers": {"X-Content-Type-Options": "*", "Strict-Transport-Security": "*"},
    "cors_path": "/health",
    "limit_path": "/limited",
    "performance_requests": 4,
}

UNHURRIED = {"good_ms": 60_000, "warning_ms": 120_000}  # the machine may be busy


@pytest.fixture
def worker() -> Iterator[SoundWorker]:
    with serving(SoundWorker()) as made:
        yield made


@pytest.fixture
def at(settings: Callable[..., Settings], worker: SoundWorker) -> Callable[..., Site]:
    """Return a site whose Worker and pages are the small server's."""

    def make(
        *asked: dict[str, Any], values: dict[str, str] | None = None, **verifying: Any
    ) -> Site:
        project = {
            "verify": {
                "routes": list(asked),
                "performance_requests": 2,
                **UNHURRIED,
                **verifying,
            },
            "uses": "monitoring",
        }
        urls = {"WORKER_URL": worker.url, "BASE_URL": worker.url.replace("127.0.0.1", "localhost")}
        limits = {"RATE_LIMIT_ENABLED": "true", "SESSION_COOKIE_SECURE": "false"}
        origins = {"CORS_ALLOWED_ORIGINS": ALLOWED, "SESSION_COOKIE_SAMESITE": "lax"}
        site = Site(settings(project, **urls, **limits, **origins))
        site.__dict__["cloudflare"] = FakeCloudflare(splits=[{"v1": 100.0}], made=["v1"])
        return site

    return make


def looked(site: Site, version: str = "v1", **options: Any) -> Report:
    return verify.run(site, verify.live(site, version), **options)


def statuses(site: Site, version: str = "v1", **options: Any) -> dict[str, str]:
    return {finding.name: finding.status for finding in looked(site, version, **options).findings}


# Everything, good and bad


def test_a_sound_service_passes_everything(at: Callable[..., Site], worker: SoundWorker) -> None:
    assert statuses(at(**EVERYTHING)) == GOOD
    assert worker.accounts == {}


BESIDES = {
    "gives no token": {"account deleted"},
    "needs no token": {"tampered token refused"},
    "another account": {"account deleted"},
    "no headers": {"site headers"},
}
"""What else a defect shows in."""


@pytest.mark.parametrize(("defect", "name", "said"), WAYS, ids=[way[0] for way in WAYS])
def test_each_way_of_being_bad_is_a_critical_failure(
    at: Callable[..., Site], worker: SoundWorker, defect: str, name: str, said: str
) -> None:
    worker.bad = {defect}
    report = looked(at(**{**EVERYTHING, "performance_requests": 0}))
    failed = {finding.name: finding for finding in report.failures}
    assert said in failed[name].evidence
    assert failed[name].remedy
    assert set(failed) - {name} == BESIDES.get(defect, set())


def test_a_missing_file_is_told_with_the_page_that_names_it(
    at: Callable[..., Site], worker: SoundWorker
) -> None:
    worker.bad = {"/code.js"}
    (failure,) = looked(at()).failures
    assert failure.name == "site /code.js"
    assert "/pricing?a=1" in failure.remedy


NOTHING = {"version_path": "", "performance_path": "", "performance_requests": 0}


@pytest.mark.parametrize("status", [200, 404, 503, 0])
def test_where_nothing_is_configured_the_root_must_not_break(
    at: Callable[..., Site], worker: SoundWorker, status: int
) -> None:
    worker.answers["/"] = [(status, "Hello")]
    site = at(**NOTHING)
    report = verify.run(site, verify.Target(site.settings.text("WORKER_URL")), quick=True)
    found = {finding.name: finding.status for finding in report.findings}
    assert found == {"GET /": "pass" if 200 <= status < 500 else "fail", "version": "pass"}
    assert set(worker.asked) == {"GET /"}


def test_an_answer_is_not_enough_where_nothing_is_deployed(at: Callable[..., Site]) -> None:
    site = at(**NOTHING)
    site.cloudflare.splits.clear()  # type: ignore[attr-defined]
    (failure,) = looked(site, "").failures
    assert (failure.name, failure.evidence) == ("version", "boss-ai was never deployed")
    site.cloudflare.splits.append({"v1": 100.0})  # type: ignore[attr-defined]
    (failure,) = looked(site, "v2").failures
    assert failure.evidence == "boss-ai has no version v2 deployed"


def test_the_first_route_that_just_reads_is_measured_where_none_is_named() -> None:
    asked = (Route("/hook", "POST"), Route("/page", site=True), Route("/a", token="T"))
    found = performance.route_of(Verify(routes=(*asked, Route("/b", status=(204,)))))
    assert found == Route("/b", status=(204,))
    assert performance.route_of(Verify(routes=asked)) is None
    assert performance.route_of(Verify()) == routes.ANYTHING


def test_groups_can_be_left_out(at: Callable[..., Site], worker: SoundWorker) -> None:
    site = at(**EVERYTHING, skip="authentication, routes,cors,site,performance,limits,headers")
    assert statuses(site) == {"version": "pass"}


def test_quick_asks_what_just_reads_where_nothing_is_marked(at: Callable[..., Site]) -> None:
    site = at({"path": "/health"}, {"path": "/gone", "method": "POST"}, **EVERYTHING)
    assert statuses(site, quick=True) == {"GET /health": "pass", "version": "pass"}


def test_quick_asks_only_what_is_marked(at: Callable[..., Site]) -> None:
    site = at({"path": "/health", "quick": True}, {"path": "/gone"}, **EVERYTHING)
    assert statuses(site, quick=True) == {"GET /health": "pass", "version": "pass"}


# Routes


@pytest.mark.parametrize(
    ("answer", "route", "said"),
    [answer[1:] for answer in WRONG_ANSWERS],
    ids=[answer[0] for answer in WRONG_ANSWERS],
)
def test_each_wrong_answer_is_a_critical_failure(
    at: Callable[..., Site],
    worker: SoundWorker,
    tmp_path: Path,
    answer: tuple[int, Any],
    route: dict[str, Any],
    said: str,
) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    (tmp_path / "schema.json").write_text(json.dumps(schema))
    worker.answers["/x"] = [answer]
    site = at({"path": "/x", **route})
    (failure,) = looked(site).failures
    assert said in failure.evidence
    worker.answers["/x"] = [(200, {"a": 1, "b": "goodbye"})]
    assert looked(site).ok


@pytest.mark.parametrize("text", ["", "{", '{"type": 5}', '{"$ref": "https://elsewhere.test/s"}'])
def test_a_schema_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "bad.json"
    if text:
        file.write_text(text)
    with pytest.raises(Refused, match=r"bad\.json is no JSON schema"):
        routes.schema(file)


def test_a_broken_schema_fails_its_route_and_nothing_passes(at: Callable[..., Site]) -> None:
    (failure,) = looked(at({"path": "/health", "schema": "none.json"})).failures
    assert "no JSON schema" in failure.evidence


def test_the_schema_of_the_projects_own_report_wants_a_database_that_works() -> None:
    check = routes.schema(
        Path(__file__).resolve().parents[2] / "deployment/config/schemas/health.json"
    )
    entry = {"status": "pass", "observedValue": 1.5, "observedUnit": "ms"}
    head = {"status": "pass", "timestamp": "2026-01-01T00:00:00Z", "service": "s", "version": "v"}
    assert check({**head, "checks": {"database:responseTime": [entry]}}) == ""
    assert "checks" in check(head)
    bad = {**head, "checks": {"database:responseTime": [{**entry, "status": "fail"}]}}
    assert "pass" in check(bad)


def test_a_token_is_sent_where_it_is_asked_for(
    at: Callable[..., Site], worker: SoundWorker
) -> None:
    worker.accounts["admin"] = "x"
    token = worker.token("admin")
    site = at({"path": "/account", "token": "ADMIN_TOKEN"})
    site.staged["ADMIN_TOKEN"] = Secret(token, "ADMIN_TOKEN")
    assert statuses(site)["GET /account"] == "pass"
    assert statuses(at({"path": "/account"}))["GET /account"] == "fail"


@pytest.mark.parametrize("first", [(503, "moment"), (0, "")])
def test_one_transient_error_is_forgiven_two_are_not(
    at: Callable[..., Site], worker: SoundWorker, first: tuple[int, Any]
) -> None:
    worker.answers["/x"] = [first, (200, "ok")]
    assert statuses(at({"path": "/x"}))["GET /x"] == "pass"
    worker.answers["/x"] = [first, first, (200, "ok")]
    assert statuses(at({"path": "/x"}))["GET /x"] == "fail"


@pytest.mark.slow
def test_a_rate_limit_is_waited_for(at: Callable[..., Site], worker: SoundWorker) -> None:
    worker.answers["/x"] = [(429, "slow down"), (429, "slow down"), (200, "ok")]
    assert statuses(at({"path": "/x"}))["GET /x"] == "pass"


def test_one_that_asks_to_wait_for_long_is_neither_a_pass_nor_a_failure(
    at: Callable[..., Site], worker: SoundWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xswarm_deploy.verification.asker.LIMIT_PATIENCE", 0.2)
    worker.answers["/x"] = [(429, "slow down")]
    site = at({"path": "/x"})
    report = verify.run(site, verify.live(site))
    assert (report.ok, [f.name for f in report.untold]) == (True, ["GET /x"])
    assert LIMITED[1] in report.untold[0].evidence
    assert verify.gate(site, verify.live(site)).ok  # what is live was verified before it was
    with pytest.raises(CheckFailed) as caught:
        verify.gate(site, verify.dark(site, "a-version"))
    assert "could not be verified: the Worker limits its callers (429)" in caught.value.what
    assert "rollback" not in caught.value.remedy
    with pytest.raises(CheckFailed) as caught:
        verify.gate(site, verify.live(site), first=True)  # an upload that took all traffic at once
    assert "inv verify" in caught.value.remedy


def test_a_wrong_answer_that_is_no_accident_is_asked_once(
    at: Callable[..., Site], worker: SoundWorker
) -> None:
    worker.answers["/x"] = [(404, "gone"), (200, "ok")]
    assert statuses(at({"path": "/x"}))["GET /x"] == "fail"


def test_a_refusal_that_is_wanted_passes(at: Callable[..., Site], worker: SoundWorker) -> None:
    worker.answers["/stripe/webhook"] = [(400, "no signature")]
    site = at({"path": "/stripe/webhook", "method": "POST", "body": "{}", "status": [400, 401]})
    assert statuses(site)["POST /stripe/webhook"] == "pass"


@pytest.mark.slow
def test_a_budget_is_measured_again_alone_and_then_warned_of(
    at: Callable[..., Site], worker: SoundWorker
) -> None:
    worker.delay["v1"] = 0.3
    worker.answers["/fast"] = [(200, "ok")]
    site = at({"path": "/health", "budget_ms": 200}, {"path": "/fast"}, performance_requests=0)
    before = len(worker.asked)
    report = looked(site)
    assert {f.name: f.status for f in report.findings}["GET /health"] == "warn"
    assert report.ok
    settling, route, again, version = 3, 1, 1, 1
    assert worker.asked[before:].count("GET /health") == settling + route + again + version


@pytest.mark.parametrize(("over", "times"), [("warn", 0), ("fail", 1)])
def test_where_even_the_fastest_answer_is_over_a_budget_it_is_the_distance(
    at: Callable[..., Site], worker: SoundWorker, over: str, times: int
) -> None:
    """Then asking again tells nothing; where it fails the release, it is asked all the same."""
    site = at({"path": "/health", "budget_ms": 5}, over_budget=over)
    late = Finding("GET /health", "health", "warn", False, "200 in 120 ms, budget 5 ms")
    with new_session() as session:
        asker = Asker(site, verify.live(site), session, [110.0, 130.0])
        before = len(worker.asked)
        (found,) = routes.timed_again(asker, [late])
    assert len(worker.asked) - before == times
    assert times or found == late


def test_a_budget_that_is_missed_fails_where_the_settings_say_so(
    at: Callable[..., Site], worker: SoundWorker
) -> None:
    worker.delay["v1"] = 0.03
    slow = {"path": "/health", "budget_ms": 5}
    report = looked(at(slow, performance_path="", over_budget="fail"))
    assert [finding.name for finding in report.failures] == ["GET /health"]


def report_of(**components: tuple[str, bool, str]) -> dict[str, Any]:
    """Return a health report as the Worker writes it: status, critical, output by component."""
    checks = [
        Check(name, status, critical, 1.0, 0.0, output)
        for name, (status, critical, output) in components.items()
    ]
    head = {"status": health.verdict(checks), "timestamp": "t", "service": "s", "version": "v1"}
    return {**head, "checks": health.checks_as_json(checks)}


def test_each_component_that_does_not_work_is_named(
    at: Callable[..., Site], worker: SoundWorker
) -> None:
    told = report_of(
        database=("pass", True, ""),
        stripe=("fail", False, "HTTP 401: the key is refused"),
        twilio=("warn", False, "no answer within 400 ms"),
    )
    worker.answers["/details"] = [(200, told)]
    report = looked(at({"path": "/details"}))
    found = {f.name: (f.status, f.evidence) for f in report.findings if "component" in f.name}
    assert found == {
        "component stripe": ("warn", "HTTP 401: the key is refused"),
        "component twilio": ("warn", "no answer within 400 ms"),
    }
    assert report.ok


def test_a_critical_one_fails_the_release_by_its_name(
    at: Callable[..., Site], worker: SoundWorker
) -> None:
    told = report_of(database=("fail", True, "unavailable"), storage=("fail", False, "no bucket"))
    worker.answers["/details"] = [(503, told)]
    report = looked(at({"path": "/details"}))
    assert [f.name for f in report.failures] == ["GET /details", "component database"]
    assert report.failures[0].evidence.startswith("component database: unavailable; ")
    assert statuses(at({"path": "/details"}))["component storage"] == "warn"


# The version


def test_where_another_version_answers_nothing_else_is_asked(
    at: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(version, "SETTLE_SECONDS_HERE", 0.1)
    assert statuses(at(), version="v2") == {"version": "fail"}


@pytest.mark.parametrize("case", VERSIONS, ids=[case.way for case in VERSIONS])
def test_the_version(
    at: Callable[..., Site],
    worker: SoundWorker,
    monkeypatch: pytest.MonkeyPatch,
    case: VersionCase,
) -> None:
    monkeypatch.setattr(version, "SETTLE_SECONDS_HERE", 0.1)
    if not case.named:
        worker.answers["/health"] = [(200, {"status": "ok"})]
    site = at(version_path=case.path, **case.settings)
    site.cloudflare.splits[:] = [case.split] if case.split else []  # type: ignore[attr-defined]
    site.cloudflare.tailed = case.tailed  # type: ignore[attr-defined]
    found = {finding.name: finding for finding in looked(site, case.expected).findings}["version"]
    assert (found.status, found.critical) == (case.status, case.status != "warn")
    assert case.says in found.evidence


def asked_health(worker: SoundWorker) -> int:
    return worker.asked.count("GET /health")


def test_what_the_measuring_was_told_is_the_last_word(
    at: Callable[..., Site], worker: SoundWorker
) -> None:
    site = at(version_path="/health", performance_path="/health", performance_requests=2)
    assert statuses(site)["version"] == "pass"
    assert asked_health(worker) == version.TIMES + 1 + 2, "a round, one that warms, the measuring"
    worker.asked.clear()
    assert statuses(at(version_path="/health", performance_requests=0))["version"] == "pass"
    assert asked_health(worker) == version.TIMES + 1, "without measuring it is asked once more"
    worker.asked.clear()
    worker.answers["/plain"] = [(200, {"status": "ok"})]
    site = at(version_path="/health", performance_path="/plain", performance_requests=2)
    for expected in ("v1", ""):
        assert statuses(site, version=expected)["version"] == "pass"
    assert asked_health(worker) == 2 * (version.TIMES + 1), "a route that names none proves nothing"


def test_what_is_read_right_before_the_move_is_read_while_the_speed_is_measured(
    at: Callable[..., Site], worker: SoundWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []
    site = at(version_path="/health", performance_path="/health", performance_requests=2)
    looked(site, closing=lambda: begun.append(asked_health(worker)))
    assert begun == [version.TIMES + 1]


def test_who_answers_users_is_asked_beside_the_read_after_the_move(
    at: Callable[..., Site], worker: SoundWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = at(version_path="/health", performance_requests=0)

    def rounds(expected: str = "v1") -> int:
        worker.asked.clear()
        verify.look_ahead(site, verify.live(site, "v1"))
        statuses(site, version=expected)
        return asked_health(worker) // version.TIMES

    monkeypatch.setattr(version, "SETTLE_SECONDS_HERE", 0.1)
    assert rounds() == 1, "what was good a moment ago is not asked again"
    assert rounds("v2") > 1, "it tells nothing of another version"
    worker.answers["/health"] = [(200, {"version": "v0"})] * version.TIMES * 2
    worker.answers["/health"] += [(200, {"version": "v1"})]
    monkeypatch.setattr(version, "SETTLE_SECONDS_HERE", 0.0)
    assert rounds() > 1, "what was not good is asked again"
    worker.answers.clear()
    monkeypatch.setattr(version, "FRESH", 0.0)
    assert rounds() > 1, "what is old is asked again"


# Deliveries


@pytest.mark.parametrize(
    ("welcome", "status", "verdict", "said"),
    [delivery[1:] for delivery in DELIVERIES],
    ids=[delivery[0] for delivery in DELIVERIES],
)
def test_a_delivery(
    at: Callable[..., Site],
    worker: SoundWorker,
    welcome: bool,
    status: int,
    verdict: str,
    said: str,
) -> None:
    worker.answers["/hook"] = [(status, "")]
    delivery = probes.Delivery("hook", "/hook", {}, b"{}", welcome)
    found = probes.delivered(Http("the Worker", worker.url, retries=0), delivery)
    assert (found.status, said in found.evidence) == (verdict, True)


# The gate


def test_the_gate_names_what_failed(at: Callable[..., Site]) -> None:
    site = at({"path": "/gone"})
    with pytest.raises(CheckFailed) as caught:
        verify.gate(site, verify.dark(site, "v1"))
    assert "GET /gone: 404" in caught.value.why
    assert caught.value.remedy.startswith("fix it, then: inv deploy.local; no user met it")
    (failure,) = verify.run(site, verify.live(site)).failures
    assert failure.remedy == "look at the Worker's log: inv logs --since 10m"
    assert "inv logs --since 10m --errors --version v1" in caught.value.remedy


# In one round trip


@pytest.mark.parametrize(
    ("answer", "good"),
    [
        pytest.param((200, {"version": "v1"}), True, id="it is named"),
        pytest.param((200, {"version": "v2"}), False, id="another one answers"),
        pytest.param((200, {}), False, id="none is named"),
        pytest.param((500, {"version": "v1"}), False, id="it is not good"),
    ],
)
def test_a_quick_look_counts_where_each_answer_names_the_version(
    at: Callable[..., Site], worker: SoundWorker, answer: tuple[int, Any], good: bool
) -> None:
    site = at({"path": "/health", "quick": True}, {"path": "/api", "quick": True})
    worker.answers["/api"] = [answer]
    assert verify.at_once(site, verify.dark(site, "v1")) is good
    assert set(worker.asked) == {"GET /health", "GET /api"}
    assert worker.asked.count("GET /health") == 1


def test_a_quick_look_at_what_no_answer_comes_from_counts_for_nothing(
    at: Callable[..., Site], worker: SoundWorker
) -> None:
    site = at({"path": "/health", "quick": True})
    worker.answers["/health"] = [(0, "")]
    assert not verify.at_once(site, verify.dark(site, "v1"))
    assert not verify.at_once(site, verify.dark(site, "v1")._replace(alone=True))


def test_a_version_is_named_in_a_header_or_in_json() -> None:
    assert Answer(404, "not found", 1.0, {"X-Deployment-Version": "v1"}).version == "v1"
    assert Answer(200, '{"version": "v1"}', 1.0).version == "v1"
    assert Answer(200, "v1", 1.0).version == ""


def test_a_version_is_visited_once_in_a_release(
    at: Callable[..., Site], worker: SoundWorker
) -> None:
    site = at(authentication=ACCOUNTS)
    verify.gate(site, verify.dark(site, "v1"))
    assert statuses(site)["authentication"] == "skip"
    assert worker.asked.count("POST /signup") == 1
    assert statuses(site, version="")["sign up"] == "pass"


def test_a_version_that_failed_its_visit_is_visited_again(
    at: Callable[..., Site], worker: SoundWorker
) -> None:
    site = at(authentication=ACCOUNTS)
    worker.bad = {"takes any token"}
    assert statuses(site)["tampered token refused"] == "fail"
    worker.bad = set()
    assert statuses(site)["tampered token refused"] == "pass"


# The throw-away account


def test_a_lost_reply_leaves_no_account(at: Callable[..., Site], worker: SoundWorker) -> None:
    worker.bad = {"loses the reply"}
    found = statuses(at(authentication=ACCOUNTS))
    assert (found["sign up"], found["account deleted"]) == ("fail", "pass")
    assert worker.accounts == {}


def test_what_the_worker_does_not_delete_is_removed_from_the_database(
    at: Callable[..., Site], worker: SoundWorker, tmp_path: Path
) -> None:
    worker.bad = {"delete fails", "keeps accounts"}
    with sqlite3.connect(tmp_path / "app.db") as database:
        database.execute("CREATE TABLE users (email TEXT)")
        database.execute("INSERT INTO users VALUES ('somebody@else.test')")
    database.close()
    remove = {"remove": ["DELETE FROM users WHERE email = ?"]}
    report = looked(at(authentication={**ACCOUNTS, **remove}))
    (failure,) = report.failures
    assert failure.name == "account deleted"
    assert "removed from the database instead" in failure.evidence
    with sqlite3.connect(tmp_path / "app.db") as database:
        assert database.execute("SELECT count(*) FROM users").fetchone() == (1,)
    database.close()


def test_an_account_is_removed_though_measuring_ends_by_ctrl_c(
    at: Callable[..., Site], worker: SoundWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(performance, "measured", interrupted)
    with pytest.raises(KeyboardInterrupt):
        looked(at(authentication=ACCOUNTS))
    assert "POST /signup" in worker.asked
    assert worker.accounts == {}


def test_what_cannot_be_removed_is_named(at: Callable[..., Site], worker: SoundWorker) -> None:
    worker.bad = {"delete fails", "keeps accounts"}
    (failure,) = looked(at(authentication=ACCOUNTS)).failures
    assert next(iter(worker.accounts)) in failure.evidence


def test_forgeries_differ_from_the_token_and_from_each_other() -> None:
    token = Secret(SoundWorker().token("a@b.test"))
    forged = authentication.tampered(token)
    assert len({token, *forged}) == 4
    assert [secret.reveal() for secret in authentication.tampered(Secret("opaque"))] == ["opaAue"]


# The speed


@pytest.mark.parametrize(
    ("now", "before", "status", "said"),
    [verdict[1:] for verdict in VERDICTS],
    ids=[verdict[0] for verdict in VERDICTS],
)
def test_the_verdict_on_a_speed(now: Speed, before: Speed | None, status: str, said: str) -> None:
    finding = performance.verdict(now, before, "the previous version", Verify())
    assert (finding.status, finding.critical) == (status, status == "fail")
    assert said in finding.evidence


def test_percentiles_are_of_the_nearest_rank() -> None:
    assert Speed.of([float(n) for n in range(100, 0, -1)]) == Speed(50, 95, 99, 100)
    assert Speed.of([7.0]) == Speed(7, 7, 7, 1)


@pytest.mark.slow
def test_a_slower_version_is_caught_beside_the_one_that_serves(
    at: Callable[..., Site], worker: SoundWorker
) -> None:
    site = at(performance_requests=2)
    site.cloudflare.splits.append({"v1": 100.0, "v2": 0.0})  # type: ignore[attr-defined]
    worker.delay["v2"] = 1.0  # v1 takes milliseconds; on a busy machine, less than half of this
    with pytest.raises(CheckFailed, match="too slow"):
        verify.gate(site, verify.dark(site, "v2"))
    worker.delay["v1"] = 1.0
    verify.gate(site, verify.dark(site, "v2"))
    assert site.facts["performance"]["p50"] >= 1000


def test_what_was_too_slow_for_a_moment_is_measured_once_more(
    at: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = [[took] * 2 for took in (130e3, 20.0, 130e3, 125e3)]  # milliseconds

    def taking(_asker: Any, _beside: Any, _route: Any) -> tuple[list[Answer], list[Answer]]:
        return [Answer(200, "", taken) for taken in said.pop(0)], []

    monkeypatch.setattr(performance, "_asked", taking)
    site = at()
    (good,) = (f for f in looked(site).findings if f.group == performance.NAME)
    assert good.status == "pass"
    assert len(said) == 2
    (slow,) = looked(site).failures
    assert "p95 125000 ms" in slow.evidence, "the last look is told and kept"
    assert site.facts["performance"]["p95"] == 125e3


def test_the_previous_version_is_measured_once(
    at: Callable[..., Site], worker: SoundWorker
) -> None:
    site = at(performance_requests=3, performance_path="/measured")
    worker.answers["/measured"] = [(200, "")]
    site.cloudflare.splits.append({"v0": 100.0, "v1": 0.0})  # type: ignore[attr-defined]
    verify.gate(site, verify.dark(site, "v1"))
    both = sum("/measured" in asked for asked in worker.asked)
    site.cloudflare.splits.append({"v0": 0.0, "v1": 100.0})  # type: ignore[attr-defined]
    found = verify.gate(site, verify.live(site, "v1"))
    assert both == 2 * (3 + 1)
    assert sum("/measured" in asked for asked in worker.asked) == both + 3 + 1
    (speed,) = (f for f in found.findings if f.group == performance.NAME)
    assert "the previous version p50" in speed.evidence


def test_the_last_releases_figures_stand_in(at: Callable[..., Site], worker: SoundWorker) -> None:
    site = at(performance_requests=4)
    kept, other = ({**speed(1, 1).as_json(), "worker": name} for name in ("boss-ai", "another"))
    site.state.history = lambda: [
        record("r3", "v9", {"performance": other}),
        record("r2", "v1", {}),
        record("r1", "v0", {"performance": kept}),
    ]
    worker.delay["v1"] = 0.15
    (failure,) = looked(site).failures
    assert "release r1 p50 1 ms" in failure.evidence


def test_a_request_that_fails_twice_fails_the_measuring(
    at: Callable[..., Site], worker: SoundWorker
) -> None:
    worker.answers["/measured"] = [(200, ""), (200, ""), (503, ""), (503, "")]
    site = at(performance_path="/measured", performance_concurrency=1)
    (failure,) = looked(site).failures
    assert failure.evidence == "1 of 2 requests failed"


def record(release: str, version: str, facts: dict[str, Any]) -> Record:
    return Record(
        release=release,
        environment="local",
        kind="deploy",
        status="succeeded",
        created="",
        finished="",
        author="",
        message="",
        version=version,
        facts=facts,
    )


def test_what_an_answer_says() -> None:
    assert Answer(200, "[1]", 1.0).fields == {}
    assert Answer(200, '{"a": 1}', 1.0).fields == {"a": 1}
    assert Answer(200, "x " * 200, 1.0).excerpt == ("x " * 200)[:120]


def test_the_guides_table_is_what_is_tested() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document(), (
        "python -m tests.verification.verify_cases"
    )
