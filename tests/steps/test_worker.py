from __future__ import annotations

import dataclasses
from concurrent.futures import Future
from typing import Any

import pytest

from tests.steps.fakes import BODY, FakeCloudflare, ahead
from tests.support.traffic import run, splits, with_canary
from xswarm_deploy.bundling.bundle import Bundle
from xswarm_deploy.errors import CheckFailed, Refused, StepFailed
from xswarm_deploy.model.record import Record
from xswarm_deploy.model.report import Report
from xswarm_deploy.model.split import Pair
from xswarm_deploy.secret import Secret
from xswarm_deploy.services import multipart
from xswarm_deploy.services.cloudflare import Version
from xswarm_deploy.services.errors import Invalid
from xswarm_deploy.site import Site
from xswarm_deploy.steps import traffic, triggers, upload, version, worker
from xswarm_deploy.verification import canary, verify
from xswarm_deploy.verification.judge import Verdict


def test_a_version_goes_dark_first_then_takes_all(site: Site) -> None:
    new = traffic.NEW
    assert splits(worker.plan(site)) == [{"old": 100, new: 0}, {"old": 0, new: 100}]


def test_canary_steps_stand_between(site: Site) -> None:
    with_canary(site, 10, 50)
    percents = [split[traffic.NEW] for split in splits(worker.plan(site))]
    assert percents == [0, 10, 50, 100]


def test_a_plan_changes_nothing(site: Site, cloudflare: FakeCloudflare) -> None:
    worker.plan(site)
    assert cloudflare.splits == [{"old": 100.0}]
    assert cloudflare.bodies == []


def test_no_user_meets_a_version_before_it_was_verified(
    site: Site, cloudflare: FakeCloudflare, gates: list[verify.Target]
) -> None:
    run(site, worker.plan(site))
    assert cloudflare.splits[1:] == [{"old": 100, "version-2": 0}, {"old": 0, "version-2": 100}]
    assert [target.headers for target in gates] == [{verify.OVERRIDE: 'boss-ai="version-2"'}]
    assert site.facts["version"] == "version-2"


def test_a_version_that_is_not_good_gets_no_traffic(
    site: Site, cloudflare: FakeCloudflare, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no(*_: Any, **__: Any) -> Report:
        raise CheckFailed("not good")

    monkeypatch.setattr(verify, "gate", no)
    changes = worker.plan(site)
    with pytest.raises(CheckFailed):
        run(site, changes)
    assert cloudflare.splits[-1] == {"old": 100, "version-2": 0}
    for change in reversed(changes):
        worker.undo(site, change, {})
    assert cloudflare.splits[-1] == {"old": 100}


def test_code_and_secrets_are_one_version(
    site: Site, cloudflare: FakeCloudflare, gates: list[verify.Target]
) -> None:
    run(site, worker.plan(site))
    sent = multipart.read(cloudflare.bodies[0])
    bindings = {binding["name"]: binding for binding in sent.bindings}
    assert bindings["JWT_SECRET"]["type"] == "secret_text"
    assert bindings["ENVIRONMENT"] == {"name": "ENVIRONMENT", "type": "plain_text", "text": "local"}
    assert set(site.facts["secrets"]) == set(site.settings.worker_secrets())
    revealed = site.settings.secret("JWT_SECRET").reveal()
    assert revealed not in repr([site.facts, worker.plan(site)])


def test_a_first_worker_is_opened_after_it_was_verified(
    site: Site, cloudflare: FakeCloudflare, gates: list[verify.Target]
) -> None:
    cloudflare.splits.clear()
    create, open_ = worker.plan(site)
    site.facts.update(worker.apply(site, create))
    assert not cloudflare.enabled
    assert gates == []
    worker.apply(site, open_)
    assert cloudflare.enabled
    assert gates[0].headers == {"Host": f"{site.facts['version'][:8]}-boss-ai.localhost:1"}
    worker.undo(site, open_, {})
    worker.undo(site, create, {})
    assert not cloudflare.worker_exists("boss-ai")


def test_another_gradual_deployment_is_not_overrun(site: Site, cloudflare: FakeCloudflare) -> None:
    cloudflare.made += ["one", "two"]
    cloudflare.splits.append({"one": 10, "two": 90})
    with pytest.raises(Refused, match="gradual deployment"):
        worker.plan(site)


def test_a_bucket_that_is_missing_is_made_and_taken_back(
    site: Site, cloudflare: FakeCloudflare, gates: list[verify.Target]
) -> None:
    body = BODY.replace(
        b'"bindings":[]',
        b'"bindings":[{"name":"B","type":"r2_bucket","bucket_name":"new-bucket"}]',
    )
    site.bundling.result().__dict__["body"] = body
    bucket = worker.plan(site)[0]
    assert bucket.resource == "r2 bucket new-bucket"
    worker.apply(site, bucket)
    assert "new-bucket" in cloudflare.bucket_names
    worker.undo(site, bucket, {})
    assert "new-bucket" not in cloudflare.bucket_names


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Pair, float]]:
    """Record what was watched as a canary; the verdict is the last one in ``outcomes``."""
    seen: list[tuple[Pair, float]] = []

    def watch(site: Site, pair: Pair, soak: float) -> Verdict:
        seen.append((pair, soak))
        return Verdict(site.facts.get("verdict", "pass"), ("because",))

    monkeypatch.setattr(canary, "watch", watch)
    return seen


def test_each_canary_step_is_judged(
    site: Site,
    cloudflare: FakeCloudflare,
    gates: list[verify.Target],
    watched: list[tuple[Pair, float]],
) -> None:
    with_canary(site, 10, 50)
    run(site, worker.plan(site))
    assert watched == [(Pair("old", "version-2"), 0.0)] * 2
    assert site.facts["canary at 10 %"] == "pass: because"
    assert cloudflare.splits[-1] == {"old": 0, "version-2": 100}


@pytest.mark.parametrize(
    ("outcome", "said"), [("fail", "not as good"), ("inconclusive", "inconclusive")]
)
def test_a_canary_that_does_not_pass_gets_no_more(
    site: Site,
    cloudflare: FakeCloudflare,
    gates: list[verify.Target],
    watched: list[tuple[Pair, float]],
    outcome: str,
    said: str,
) -> None:
    with_canary(site, 10)
    site.facts["verdict"] = outcome
    with pytest.raises(StepFailed, match=said):
        run(site, worker.plan(site))
    assert cloudflare.splits[-1] == {"old": 90, "version-2": 10}


def test_a_canary_by_hand_stays_until_it_is_promoted_or_aborted(
    site: Site,
    cloudflare: FakeCloudflare,
    gates: list[verify.Target],
    watched: list[tuple[Pair, float]],
) -> None:
    run(site, worker.plan_canary(site, 20, 5.0))
    assert cloudflare.splits[-1] == {"old": 80, "version-2": 20}
    assert watched == [(Pair("old", "version-2"), 5.0)]
    with pytest.raises(Refused, match=r"under way"):
        worker.plan(site)
    promote, abort = worker.plan_promotion(site), worker.plan_abortion(site)
    run(site, promote)
    assert cloudflare.splits[-1] == {"old": 0, "version-2": 100}
    worker.undo(site, promote[0], {})
    assert cloudflare.splits[-1] == {"old": 80, "version-2": 20}
    run(site, abort)
    assert cloudflare.splits[-1] == {"old": 100}
    with pytest.raises(Refused, match="no canary"):
        worker.plan_promotion(site)


@pytest.mark.usefixtures("gates", "watched")
def test_a_canary_that_is_promoted_gets_its_cron_triggers(
    site: Site, cloudflare: FakeCloudflare
) -> None:
    """Its own: the checkout that promotes it may speak of others."""
    configured(site, '{"triggers": {"crons": ["* * * * *"]}}')
    run(site, worker.plan_canary(site, 20, 5.0))
    assert cloudflare.crons == []
    made = Record("r", "local", "", "", "", "", "", "", str(site.facts["version"]), site.facts)
    site.state.history = lambda: [made]
    configured(site, '{"triggers": {"crons": ["0 2 * * *"]}}')
    run(site, worker.plan_promotion(site))
    assert cloudflare.crons == ["* * * * *"]


@pytest.mark.parametrize("percent", [0, 100, -1])
def test_a_share_is_a_share(site: Site, percent: float) -> None:
    with pytest.raises(Refused, match=f"{percent} % is not a valid percentage"):
        worker.plan_canary(site, percent, 0)


def test_an_upload_whose_reply_was_lost_is_found_by_its_tag(
    site: Site, cloudflare: FakeCloudflare
) -> None:
    planned = worker.plan(site)[0]
    first = worker.apply(site, planned)
    assert worker.apply(site, planned) == first
    assert len(cloudflare.bodies) == 1


def test_a_version_uploaded_before_its_turn_is_not_uploaded_again(
    site: Site, cloudflare: FakeCloudflare
) -> None:
    planned = worker.plan(site)
    ahead(site, lambda: worker.prepare(site, planned), "worker")
    made = worker.apply(site, planned[0])
    assert len(cloudflare.bodies) == 1
    assert made["version"] == cloudflare.made[-1]


def test_one_that_lacks_what_was_minted_since_is(site: Site, cloudflare: FakeCloudflare) -> None:
    planned = worker.plan(site)
    ahead(site, lambda: worker.prepare(site, planned), "worker")
    site.state.prepared["worker"].require_possible()
    site.staged["STRIPE_WEBHOOK_SECRET"] = Secret("whsec_minted")
    made = worker.apply(site, planned[0])
    assert [b"whsec_minted" in body for body in cloudflare.bodies] == [False, True]
    assert made["version"] == cloudflare.made[-1]


def test_nothing_is_uploaded_before_what_comes_first(
    site: Site, cloudflare: FakeCloudflare
) -> None:
    planned = worker.plan(site)
    assert worker.prepare(site, planned[1:]) is None
    assert cloudflare.bodies == []


def test_other_code_than_planned_is_not_uploaded(site: Site, cloudflare: FakeCloudflare) -> None:
    planned = worker.plan(site)[0]._replace(after=upload.Code("of other code"))
    with pytest.raises(Refused, match="not what was planned"):
        worker.apply(site, planned)
    assert cloudflare.bodies == []


def test_secrets_only_the_worker_has_are_those_of_the_live_version(
    site: Site, cloudflare: FakeCloudflare
) -> None:
    cloudflare.names = ["JWT_SECRET", "STRIPE_WEBHOOK_SECRET"]
    cloudflare.made.append("undone")
    metadata = version.prepared(site).metadata
    inherited = [one for one in metadata["bindings"] if one["type"] == "inherit"]
    wanted = {"name": "STRIPE_WEBHOOK_SECRET", "type": "inherit", "version_id": "old"}
    assert inherited == [wanted]
    assert "secret_text" not in metadata["keep_bindings"]


def test_a_worker_that_is_too_large_is_said_to_be(
    site: Site, cloudflare: FakeCloudflare, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise Invalid("Cloudflare", "POST /x", status=400, codes=("10027",), message="10 MiB")

    monkeypatch.setattr(cloudflare, "upload_version", refuse)
    with pytest.raises(StepFailed, match="the Worker is too large: 10 MiB") as caught:
        worker.apply(site, worker.plan(site)[0])
    assert "deploy" in caught.value.remedy


def test_variables_that_are_kept_are_those_of_the_live_version(
    site: Site, cloudflare: FakeCloudflare
) -> None:
    cloudflare.bound = [{"name": "GREETING", "type": "plain_text", "text": "of the dashboard"}]
    cloudflare.made.append("never deployed")
    body = site.bundling.result().body.replace(b'["secret_text"]', b'["plain_text"]')
    site.__dict__["bundling"] = Future()
    site.bundling.set_result(Bundle(body, "digest"))
    metadata = version.prepared(site).metadata
    wanted = {"name": "GREETING", "type": "inherit", "version_id": "old"}
    assert wanted in metadata["bindings"]
    assert metadata["keep_bindings"] == []


def test_another_environments_worker_is_not_replaced(
    site: Site, cloudflare: FakeCloudflare, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = ({"name": "ENVIRONMENT", "type": "plain_text", "text": "production"},)
    found = Version("old", bindings=theirs)
    monkeypatch.setattr(cloudflare, "version", lambda _name, _id: found)
    with pytest.raises(Refused, match="is the one of production"):
        worker.plan(site)
    told = Version("old", annotations={"workers/message": "first try [staging]"})
    monkeypatch.setattr(cloudflare, "version", lambda _name, _id: told)
    with pytest.raises(Refused, match="is the one of staging"):
        worker.plan(site)


def configured(site: Site, text: str) -> None:
    file = site.settings.path(site.settings.project.worker.config)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.mark.usefixtures("gates")
def test_cron_triggers_come_last_and_go_first(site: Site, cloudflare: FakeCloudflare) -> None:
    cloudflare.crons = ["0 2 * * *"]
    configured(site, '{"triggers": {"crons": ["* * * * *", "0 2 * * *", "* * * * *"]}}')
    *_, last = changes = worker.plan(site)
    assert (last.action, last.resource) == ("schedule", "cron triggers of boss-ai")
    assert (last.before, last.after) == (
        triggers.Crons(("0 2 * * *",)),
        triggers.Crons(("* * * * *", "0 2 * * *")),
    )
    run(site, changes)
    assert cloudflare.crons == ["* * * * *", "0 2 * * *"]
    assert [change.action for change in worker.plan(site)].count("schedule") == 0
    for _ in range(2):
        worker.undo(site, last, {})
        assert cloudflare.crons == ["0 2 * * *"]


@pytest.mark.parametrize("text", ["{}", '{"triggers": {}}', '{"triggers": {"crons": null}}'])
def test_triggers_nobody_speaks_of_stay(site: Site, cloudflare: FakeCloudflare, text: str) -> None:
    cloudflare.crons = ["0 2 * * *"]
    configured(site, text)
    assert not [change for change in worker.plan(site) if change.action == "schedule"]


def test_an_empty_list_of_triggers_removes_all(site: Site, cloudflare: FakeCloudflare) -> None:
    cloudflare.crons = ["0 2 * * *"]
    configured(site, '{"triggers": {"crons": []}}')
    worker.apply(site, worker.plan(site)[-1])
    assert cloudflare.crons == []


def test_triggers_that_are_not_seen_are_a_failure(site: Site, cloudflare: FakeCloudflare) -> None:
    configured(site, '{"triggers": {"crons": ["* * * * *"]}}')
    cloudflare.deaf = True
    with pytest.raises(StepFailed, match="cron triggers of boss-ai were not set"):
        worker.apply(site, worker.plan(site)[-1])


@pytest.mark.parametrize("crons", ["[5]", "5", '"* * * * *"'])
def test_triggers_that_are_no_list_of_texts_are_refused(site: Site, crons: str) -> None:
    configured(site, f'{{"triggers": {{"crons": {crons}}}}}')
    with pytest.raises(Refused, match=r"triggers\.crons"):
        worker.plan(site)


def asking(site: Site, name: str) -> None:
    """Let wrangler's form ask for a secret that is to be inherited."""
    asked = f'"bindings":[{{"name":"{name}","type":"inherit"}}]'.encode()
    site.bundling.result().__dict__["body"] = BODY.replace(b'"bindings":[]', asked)


def test_a_required_secret_comes_from_the_live_version(
    site: Site, cloudflare: FakeCloudflare, gates: list[verify.Target]
) -> None:
    asking(site, "MAPS_KEY")
    cloudflare.names = ["MAPS_KEY"]
    run(site, worker.plan(site))
    sent = {one["name"]: one for one in multipart.read(cloudflare.bodies[0]).bindings}
    assert sent["MAPS_KEY"] == {"name": "MAPS_KEY", "type": "inherit", "version_id": "old"}


def test_a_required_secret_without_a_value_is_refused(
    site: Site, cloudflare: FakeCloudflare, gates: list[verify.Target]
) -> None:
    asking(site, "MAPS_KEY")
    with pytest.raises(Refused, match="MAPS_KEY of boss-ai would have no value"):
        run(site, worker.plan(site))
    assert cloudflare.bodies == []


def test_a_worker_whose_name_is_no_key_is_verified_at_its_preview(
    site: Site, cloudflare: FakeCloudflare
) -> None:
    project = site.settings.project
    named = project._replace(worker=project.worker._replace(name="3d-viewer"))
    object.__setattr__(site, "settings", dataclasses.replace(site.settings, project=named))
    assert verify.dark(site, "0123456789").headers == {"Host": "01234567-3d-viewer.localhost:1"}
    cloudflare.previews = False
    with pytest.raises(Refused, match="cannot be verified before users meet it"):
        verify.dark(site, "0123456789")
