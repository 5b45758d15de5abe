"""Where undoing ends: users never meet code on a schema that it does not run on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from tests.steps.fakes import FakeCloudflare, bundling
from tests.support.releases import FakeStep, change, failing
from xswarm_deploy.errors import DeployError, NotRolledBack, Refused, StepFailed
from xswarm_deploy.model.payload import Nothing
from xswarm_deploy.model.record import Record
from xswarm_deploy.model.report import Report
from xswarm_deploy.model.step import Change
from xswarm_deploy.release import history, preview, records, recovery, rollback, steps, undo
from xswarm_deploy.release.release import Release
from xswarm_deploy.release.rollback import Found
from xswarm_deploy.services.cloudflare import Deployment, Subdomain
from xswarm_deploy.services.errors import NotFound, ServiceUnavailable
from xswarm_deploy.site import Site
from xswarm_deploy.steps import migrate, secrets, traffic, upload, version, webhooks, worker
from xswarm_deploy.steps.applied import Today
from xswarm_deploy.verification import verify

Begin = Callable[..., Release]
REPEAT = "fix what failed, then repeat it, with its flags: inv local rollback --version target"
_SPLIT = traffic.live_split


class Failing(FakeCloudflare):
    """A Cloudflare that takes so many deployments, or none and tells nothing."""

    takes = 99
    tells = True

    def deploy(
        self,
        name: str,
        split: Mapping[str, float],
        message: str = "",
        *,
        force: bool = False,
        known: str = "",
    ) -> str:
        if not self.takes:
            raise ServiceUnavailable("Cloudflare", "POST", status=503)
        self.takes -= 1
        return super().deploy(name, split, message, force=force, known=known)

    def deployments(self, name: str) -> list[Deployment]:
        if not self.tells:
            raise ServiceUnavailable("Cloudflare", "GET", status=503)
        return super().deployments(name)

    def set_subdomain(self, name: str, enabled: bool, previews_enabled: bool) -> Subdomain:
        if not self.splits:
            raise NotFound("Cloudflare", "POST", status=404, codes=("10007",))
        return super().set_subdomain(name, enabled, previews_enabled)


@pytest.fixture
def cloudflare(step: FakeStep, site: Site, monkeypatch: pytest.MonkeyPatch) -> Failing:
    """Return a Worker whose traffic really is moved, beside a step that is none."""
    found = Failing(splits=[{"old": 100.0}], made=["target", "old"])
    site.__dict__.update(cloudflare=found, bundling=bundling())

    def named(name: str) -> object:
        return worker if name == "worker" else step

    monkeypatch.setattr(steps, "step_named", named)
    for name in ("gate", "run"):  # nobody serves: asking would only take time
        monkeypatch.setattr(verify, name, lambda *_, **__: Report("verify", ()))
    monkeypatch.setattr(traffic, "live_split", _SPLIT)
    return found


def failed(release: Release, changes: list[Change]) -> DeployError:
    with pytest.raises(DeployError) as caught:
        release.make(changes, "fake")
    return undo.roll_back(release, caught.value)


def back(site: Site) -> list[Change]:
    """Return how the traffic goes to the version that was live before."""
    live = traffic.live_split(site)
    return traffic.roll_out(site, live, "target", traffic.deployable(site), back=True)


def aged(cloudflare: FakeCloudflare) -> None:
    """Upload a hundred previews: Cloudflare then deploys nothing older."""
    cloudflare.made += [f"preview-{number}" for number in range(traffic.DEPLOYABLE)]


def gone_back(site: Site, begin: Begin) -> Release:
    """Begin a rollback whose traffic moves for good."""
    aged_but_one = [f"preview-{number}" for number in range(traffic.DEPLOYABLE - 1)]
    site.cloudflare.made[:] = ["old", "target", *aged_but_one]  # type: ignore[attr-defined]
    return begin("rollback", ("fake", "later"))


def test_the_schema_goes_back_where_the_traffic_never_moved(
    cloudflare: Failing, step: FakeStep, site: Site, begin: Begin
) -> None:
    """The version stands at 0 %, and then Cloudflare takes no deployment any more."""
    cloudflare.takes = 1
    failed(begin(), [change("a"), *back(site)])
    assert cloudflare.splits[-1] == {"old": 100.0, "target": 0.0}
    assert step.world["a"] == "old"


def test_the_schema_goes_back_where_cloudflare_fell_silent_before(
    cloudflare: Failing, step: FakeStep, site: Site, begin: Begin
) -> None:
    changes = back(site)
    cloudflare.tells = False
    ended = failed(begin(), [change("a"), *changes])
    assert step.world["a"] == "old"
    assert isinstance(ended, NotRolledBack)


def test_the_schema_stays_where_the_traffic_has_moved(
    cloudflare: Failing, step: FakeStep, site: Site, begin: Begin
) -> None:
    cloudflare.takes = 2
    step.fail_apply["c"] = failing()
    release = begin()
    ended = failed(release, [change("a"), *back(site), change("c")])
    assert cloudflare.splits[-1] == {"old": 0.0, "target": 100.0}
    assert step.world["a"] == "new"
    assert ended.remedy == f"inv local deploy.abort --release {release.record.release}"


def test_the_traffic_stays_on_a_schema_that_does_not_go_back(step: FakeStep, begin: Begin) -> None:
    """Going back takes code first and schema after, where the code runs on both."""
    new = traffic.Traffic({"new": 100.0})
    moved = traffic.SHIFT.change(
        "a", before=new, after=traffic.Move({"old": 100.0}, "old"), undo=new
    )
    taken = migrate.DOWN.change(
        "b", before=("new",), after=(), undo=migrate.ApplyAgain(("new",), {})
    )
    step.fail_apply["c"] = failing("the webhooks")
    step.fail_undo["b"] = failing("the database")
    ended = failed(begin(), [moved, taken, change("c")])
    assert "undo a" not in step.calls
    assert ended.why.endswith("; left as it is, since it goes with that: a")


def test_a_version_that_became_too_old_meanwhile_is_not_aborted_for_ever(
    cloudflare: Failing, step: FakeStep, site: Site, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = step.apply

    def apply(at: Site, made: Change) -> Mapping[str, object]:
        aged(cloudflare)
        return really(at, made)

    monkeypatch.setattr(step, "apply", apply)
    step.fail_apply["c"] = failing()
    ended = failed(begin(), [*back(site), change("c")])
    assert "is not among the newest 100" in ended.why
    assert ended.remedy == REPEAT


def test_a_rollback_that_moved_traffic_for_good_is_repeated(
    cloudflare: Failing, step: FakeStep, site: Site, begin: Begin
) -> None:
    step.fail_apply["c"] = failing("the webhooks")
    release = gone_back(site, begin)
    ended = failed(release, [change("a"), *back(site), change("c")])
    assert ended.remedy == REPEAT
    assert cloudflare.splits[-1] == {"target": 100.0}
    assert step.world["a"] == "new"


def test_the_next_release_goes_on_where_traffic_moved_for_good(
    cloudflare: Failing, step: FakeStep, site: Site, begin: Begin
) -> None:
    dead = gone_back(site, begin)
    dead.make([change("a"), *back(site)], "fake")
    dead.ledger.lease.release()
    following = begin()
    assert step.world["a"] == "new"
    statuses = [record.status for record in records.read(site.database, "local")]
    assert statuses == ["running", "not rolled back"]
    following.succeed()


def test_a_kill_while_undoing_stops_at_the_same_place(
    cloudflare: Failing, step: FakeStep, site: Site, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    step.fail_apply["c"] = failing()
    dead = gone_back(site, begin)
    changes = [change("a"), *back(site), change("c")]
    with monkeypatch.context() as patched:
        patched.setattr(worker, "undo", die)
        with pytest.raises(Killed):
            failed(dead, changes)
    dead.ledger.lease.release()
    (record,) = records.read(site.database, "local")
    again = recovery.reopened(site, record, dead.ledger.lease, dead.console)
    for _ in range(2):
        with pytest.raises(NotRolledBack, match="not everything"):
            undo.abandon(again)
    assert (step.world["a"], step.world["c"]) == ("new", "old")


def test_a_first_worker_that_is_gone_already_is_undone_once_more(
    cloudflare: Failing, step: FakeStep, site: Site, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another machine had undone it while the database was silent."""
    made = [
        upload.CREATE.change("worker x", after=upload.Code("d"), undo=Nothing()),
        opening("address of x"),
    ]
    release = begin()
    with monkeypatch.context() as patched:
        patched.setattr(worker, "apply", lambda *_: {})
        release.make([change("a"), *made], "fake")
    cloudflare.splits.clear()
    undo.abandon(release)
    assert step.world["a"] == "old"


def test_a_first_worker_that_stays_open_keeps_its_schema(step: FakeStep, begin: Begin) -> None:
    opened = opening("b")
    step.fail_apply["c"] = failing()
    step.fail_undo["b"] = failing("no reply")
    ended = failed(begin(), [change("a"), opened, change("c")])
    assert step.world["a"] == "new"
    assert ended.why.endswith("; left as it is, since it goes with that: a")


def test_of_two_that_are_stuck_the_later_one_is_aborted_first(
    step: FakeStep, site: Site, begin: Begin
) -> None:
    for _ in range(2):
        step.fail_undo["a"] = failing("no reply")
        step.fail_apply["b"] = failing()
        failed(begin(), step.plans[:2])
    later, earlier = records.read(site.database, "local")
    recovery.require_abortable(site, later)
    with pytest.raises(Refused, match="built upon it, and is not rolled back") as caught:
        recovery.require_abortable(site, earlier)
    assert caught.value.remedy == f"inv local deploy.abort --release {later.release}"


def test_nothing_is_aborted_beneath_one_that_died(step: FakeStep, site: Site, begin: Begin) -> None:
    step.fail_undo["a"] = failing("no reply")
    step.fail_apply["b"] = failing()
    failed(begin(), step.plans[:2])
    (stuck,) = records.read(site.database, "local")
    begin().ledger.lease.release()
    with pytest.raises(Refused, match="built upon it, and is running"):
        recovery.require_abortable(site, stuck)


def opening(resource: str) -> Change:
    closed, opened = upload.Closed(False), upload.Address(True)
    return upload.OPEN.change(resource, before=closed, after=opened, undo=Nothing())


def recorded(version: str, status: str = "succeeded", **facts: object) -> Record:
    return Record("r", "local", "deploy", status, "2026", "", "", "", version, facts=facts)


@pytest.mark.parametrize(("status", "nothing"), [("succeeded", True), ("not rolled back", False)])
def test_what_is_stuck_is_not_called_live_already(
    cloudflare: Failing, site: Site, status: str, nothing: bool
) -> None:
    digest = site.bundling.result().digest
    made = recorded("old", status, digest=digest, variables=version.variables_digest(site))
    site.state.history = lambda: [made]
    plan = preview.Plan((upload.UPLOAD.change("version", after=upload.Code("d"), undo=Nothing()),))
    assert preview.nothing_new(site, plan) is nothing


def test_a_failed_release_that_nothing_brought_back_is_listed_as_live(
    cloudflare: Failing, site: Site
) -> None:
    """As after a Durable Object migration, before which no version can go live again."""
    stuck, before = recorded("old", "not rolled back"), recorded("before")
    site.state.history = lambda: [stuck, before]
    assert [row["live"] for row in history.listed(site)] == [True, False]
    site.state.history = lambda: [stuck, recorded("old")]
    assert [row["live"] for row in history.listed(site)] == [False, True]


def test_secrets_do_not_end_a_canary(
    cloudflare: Failing, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even one that nobody can end: who of the two they would be built upon?"""
    aged(cloudflare)
    cloudflare.made.append("canary")
    cloudflare.splits.append({"old": 90.0, "canary": 10.0})
    monkeypatch.setattr(webhooks, "plan_minting", lambda _site: [])
    with pytest.raises(Refused, match="gradual deployment"):
        secrets.plan(site)


def test_a_version_whose_schema_nobody_noted_is_not_called_safe(
    cloudflare: Failing, site: Site
) -> None:
    folder = site.settings.path("migrations")
    folder.mkdir()
    text = "-- compatible: no\n-- migrate:up\nCREATE TABLE t (v);\n-- migrate:down\nDROP TABLE t;\n"
    (folder / "first.sql").write_text(text)
    for each in migrate.plan(site):
        migrate.apply(site, each)
    told = recorded("target", migrations=["first"], pages="", crons=[], unversioned={})
    silent = recorded("target", pages="")
    cloudflare.crons = ["* * * * *"]
    assert rollback.risks(site, Found(told, told), Today(site, ["first"])) == []
    assert rollback.risks(site, Found(silent, silent), Today(site, ["first"])) == [
        "the schema at that release is not recorded, and first is marked `-- compatible: no`",
        "the cron triggers at that release are not recorded: today's stay",
        "its settings and addresses are not recorded: today's stay",
    ]


def test_a_full_disk_is_told_as_such_and_any_other_failure_as_itself(begin: Begin) -> None:
    release = begin()
    full = undo._verdict(release, OSError(28, "No space left on device", "journal"), [])
    assert full.what == "journal cannot be used"
    other = undo._verdict(release, ValueError("of nobody's making"), [])
    assert isinstance(other, StepFailed)
    assert "nothing was changed" in other.what
    release.ledger.lease.release()
