"""The secrets step: what is sent, what is removed, what is rotated, and the way back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.steps.fakes import FakeCloudflare
from tests.steps.provider_fakes import FakeStripe
from xswarm_deploy import fence
from xswarm_deploy.errors import Locked, Refused
from xswarm_deploy.model.record import Record
from xswarm_deploy.model.state import ReleaseState
from xswarm_deploy.model.step import Change
from xswarm_deploy.secret import Secret
from xswarm_deploy.services.cloudflare import Version
from xswarm_deploy.services.errors import Invalid
from xswarm_deploy.settings import environment_file
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.site import Site
from xswarm_deploy.steps import fingerprints, secrets, traffic, webhooks, worker
from xswarm_deploy.verification import verify

PROJECT: dict[str, Any] = {"webhooks": {"sms_path": "", "voice_path": "", "email_path": ""}}
STRIPE = {"webhooks": {**PROJECT["webhooks"], "stripe_events": ["charge.refunded"]}}


@pytest.fixture(autouse=True)
def gates(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Pass every gate, and keep what was gated."""
    passed: list[str] = []
    monkeypatch.setattr(
        verify,
        "gate",
        lambda site, target, quick=False, closing=None: passed.append(target.version),
    )
    return passed


@pytest.fixture
def at(settings: Callable[..., Settings], cloudflare: FakeCloudflare) -> Callable[..., Site]:
    """Return a site whose live version has the secrets it was made with."""

    def make(project: dict[str, Any] | None = None, **values: str) -> Site:
        site = Site(settings(project or PROJECT), ReleaseState({"release": "release-2"}))
        cloudflare.names = sorted(site.settings.worker_secrets())
        marks = fingerprints.of(site.settings.worker_secrets(), site.settings)
        site.state.history = lambda: [record("old", {"secrets": marks})]
        site.__dict__["settings"] = settings(project or PROJECT, **values)
        site.__dict__.update(cloudflare=cloudflare, stripe=FakeStripe())
        return site

    return make


def record(version: str, facts: dict[str, Any]) -> Record:
    return Record(
        release="release-1",
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


def make(site: Site, changes: list[Change]) -> None:
    steps = {"secrets": secrets, "worker": worker, "webhooks": webhooks}
    for change in changes:
        site.facts.update(steps[change.step].apply(site, change))


def unmake(site: Site, changes: list[Change]) -> None:
    steps = {"secrets": secrets, "worker": worker, "webhooks": webhooks}
    for change in reversed(changes):
        steps[change.step].undo(site, change, {})


# Sending


def test_the_same_secrets_are_nothing_to_do(at: Callable[..., Site]) -> None:
    assert secrets.plan(at()) == []


def test_the_difference_names_each_kind(
    at: Callable[..., Site], cloudflare: FakeCloudflare
) -> None:
    site = at(
        ADMIN_TOKEN="another-admin-token-0123456789-xyz", SLACK_WEBHOOK_URL="https://h.test/x"
    )
    cloudflare.names.append("LEFT_BEHIND")
    found = secrets.difference(site)
    assert (found.added, found.changed) == (("SLACK_WEBHOOK_URL",), ("ADMIN_TOKEN",))
    assert (found.extra, found.minted, found.unknown) == (("LEFT_BEHIND",), (), ())
    assert "JWT_SECRET" in found.unchanged
    assert found.sent == ("SLACK_WEBHOOK_URL", "ADMIN_TOKEN")


def test_a_version_no_release_knows_gets_everything_again(at: Callable[..., Site]) -> None:
    site = at()
    site.state.history = tuple
    assert set(secrets.difference(site).unknown) == set(site.settings.worker_secrets())


def test_alone_a_changed_secret_is_a_version_that_is_verified_before_it_is_live(
    at: Callable[..., Site], cloudflare: FakeCloudflare, gates: list[str]
) -> None:
    site = at(ADMIN_TOKEN="another-admin-token-0123456789-xyz")
    changes = secrets.plan(site)
    assert [(c.step, c.action) for c in changes] == [
        ("secrets", "update"),
        ("worker", "shift"),
        ("worker", "shift"),
    ]
    make(site, changes)
    assert gates == ["version-2"]
    assert traffic.live_split(site) == {"version-2": 100.0}
    site.state.history = lambda: [record("version-2", site.facts)]
    assert secrets.plan(site) == []


def test_in_a_deployment_secrets_are_staged_for_the_version_to_come(
    at: Callable[..., Site], cloudflare: FakeCloudflare
) -> None:
    site = at(ADMIN_TOKEN="another-admin-token-0123456789-xyz")
    site.state.uploads = True
    (change,) = secrets.plan(site)
    assert change.action == "stage"
    assert set(secrets.apply(site, change)) == {"secrets"}
    assert cloudflare.made == ["old"]


def test_no_value_is_in_plan_or_outcome(at: Callable[..., Site]) -> None:
    site = at(ADMIN_TOKEN="another-admin-token-0123456789-xyz")
    changes = secrets.plan(site)
    outcome = secrets.apply(site, changes[0])
    text = json.dumps([[change.as_json() for change in changes], outcome])
    assert "another-admin-token" not in text
    assert "canary" not in text


def test_a_worker_that_was_never_deployed_holds_no_secrets(
    at: Callable[..., Site], cloudflare: FakeCloudflare
) -> None:
    site = at(ADMIN_TOKEN="another-admin-token-0123456789-xyz")
    cloudflare.splits.clear()
    with pytest.raises(Refused, match="no worker boss-ai") as caught:
        secrets.plan(site)
    assert caught.value.remedy == "inv deploy.local"


def test_code_that_is_not_live_is_not_built_upon(
    at: Callable[..., Site], cloudflare: FakeCloudflare
) -> None:
    site = at(ADMIN_TOKEN="another-admin-token-0123456789-xyz")
    cloudflare.made.append("newer")
    with pytest.raises(Refused, match="not the live one") as caught:
        secrets.plan(site)
    assert "inv deploy.local" in caught.value.remedy


@pytest.mark.parametrize(
    ("message", "good"),
    [("secrets over old", True), ("minted secrets over old", False), ("secrets over x", False)],
)
def test_what_an_undone_run_left_is_built_upon_unless_it_had_minted_secrets(
    at: Callable[..., Site],
    cloudflare: FakeCloudflare,
    monkeypatch: pytest.MonkeyPatch,
    message: str,
    good: bool,
) -> None:
    site = at(ADMIN_TOKEN="another-admin-token-0123456789-xyz")
    left = Version("left", annotations={"workers/message": message})
    monkeypatch.setattr(cloudflare, "versions", lambda name: [left])
    if good:
        assert secrets.plan(site)
        return
    with pytest.raises(Refused, match="not the live one"):
        secrets.plan(site)


@pytest.mark.parametrize("code", ["10214", "10215"])
def test_the_services_own_refusal_is_told_with_its_remedy(
    at: Callable[..., Site], cloudflare: FakeCloudflare, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    site = at(ADMIN_TOKEN="another-admin-token-0123456789-xyz")
    (change, *_) = secrets.plan(site)

    def refuse(*_given: object) -> str:
        raise Invalid("Cloudflare", "PATCH", status=400, codes=(code,))

    monkeypatch.setattr(cloudflare, "patch_latest_secrets", refuse)
    with pytest.raises(Refused, match="not the live one") as caught:
        secrets.apply(site, change)
    assert "inv deploy.local" in caught.value.remedy


def test_a_blank_secret_is_refused_and_never_deletes(at: Callable[..., Site]) -> None:
    site = at(ADMIN_TOKEN="another-admin-token-0123456789-xyz")
    (change, *_) = secrets.plan(site)
    site.staged["OPENAI_API_KEY"] = Secret("", "OPENAI_API_KEY")
    with pytest.raises(Refused, match="OPENAI_API_KEY would be a blank secret"):
        secrets.apply(site, change)


# Removing


def test_prune_removes_what_the_environment_does_not_have_but_nothing_minted(
    at: Callable[..., Site], cloudflare: FakeCloudflare
) -> None:
    site = at(STRIPE)
    cloudflare.names += ["LEFT_BEHIND", "STRIPE_WEBHOOK_SECRET"]
    changes = secrets.plan_prune(site)
    assert secrets.REMOVE.after_of(changes[0]).removed == ("LEFT_BEHIND",)
    make(site, changes)
    (sent,) = cloudflare.patched
    assert [name for name, value in sent.items() if value is None] == ["LEFT_BEHIND"]
    assert "LEFT_BEHIND" not in site.facts["secrets"]
    assert traffic.live_split(site) == {"version-2": 100.0}


def test_with_nothing_left_behind_there_is_nothing_to_prune(at: Callable[..., Site]) -> None:
    assert secrets.plan_prune(at()) == []


# Rotating


def environment(site: Site) -> Path:
    return site.settings.path("deployment/config/local.env")


def test_a_rotation_writes_the_new_value_beside_the_old_and_can_be_finished(
    at: Callable[..., Site], cloudflare: FakeCloudflare
) -> None:
    site = at()
    old = site.settings.secret("JWT_SECRET")
    make(site, secrets.plan_rotation(site, "JWT_SECRET"))
    new = environment_file.read(environment(site), "JWT_SECRET")
    assert len(new.reveal()) >= 32
    assert new != old
    assert environment_file.read(environment(site), "JWT_SECRET_PREVIOUS") == old
    assert "JWT_SECRET_PREVIOUS" in cloudflare.names
    with pytest.raises(Refused, match="does not stand"):
        secrets.plan_rotation(site, "JWT_SECRET")  # the settings are those from before


def test_after_a_rotation_nothing_is_to_be_sent(
    at: Callable[..., Site], settings: Callable[..., Settings], tmp_path: Path
) -> None:
    from xswarm_deploy.settings.settings import load

    site = at()
    make(site, secrets.plan_rotation(site, "JWT_SECRET"))
    site.state.history = lambda: [record("version-2", site.facts)]
    again = Site(load("local", PROJECT, tmp_path, {}), ReleaseState(history=site.history))
    again.__dict__["cloudflare"] = site.cloudflare
    assert secrets.plan(again) == []
    with pytest.raises(Refused, match="not finished") as caught:
        secrets.plan_rotation(again, "JWT_SECRET")
    assert caught.value.remedy == "inv secrets.rotate JWT_SECRET --finish"
    again.facts["release"] = "release-3"
    changes = secrets.plan_finish(again, "JWT_SECRET")
    assert secrets.REMOVE.after_of(changes[0]).removed == ("JWT_SECRET_PREVIOUS",)
    assert changes[-1].irreversible
    make(again, changes)
    assert not environment_file.read(environment(again), "JWT_SECRET_PREVIOUS")
    assert "JWT_SECRET_PREVIOUS" not in again.facts["secrets"]


def test_a_rotation_is_undone_also_twice_and_with_its_reply_lost(at: Callable[..., Site]) -> None:
    site = at()
    before = environment(site).read_text().replace('"', "")
    changes = secrets.plan_rotation(site, "JWT_SECRET")
    make(site, changes)
    unmake(site, changes)
    unmake(site, changes)
    assert environment(site).read_text().replace('"', "") == before
    assert site.staged == {}
    assert traffic.live_split(site) == {"old": 100.0}


@pytest.mark.parametrize("meanwhile", ["", "rotated-by-whoever-has-the-lock-now"])
def test_a_rotation_written_after_the_lock_was_lost_is_taken_back(
    at: Callable[..., Site], monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    site = at()
    old = environment_file.read(environment(site), "JWT_SECRET")
    (change, *_) = secrets.plan_rotation(site, "JWT_SECRET")
    asked = []

    def require_held() -> None:
        asked.append(environment_file.read(environment(site), "JWT_SECRET"))
        if len(asked) == 2:
            if meanwhile:
                environment_file.write(environment(site), {"JWT_SECRET": Secret(meanwhile)})
            raise Locked("the lock is another's")

    monkeypatch.setattr(fence, "require_held", require_held)
    with pytest.raises(Locked):
        secrets.apply(site, change)
    assert asked[0] == old != asked[1]
    left = environment_file.read(environment(site), "JWT_SECRET").reveal()
    assert left == (meanwhile or old.reveal())


def test_a_repeated_rotation_makes_no_third_value(at: Callable[..., Site]) -> None:
    site = at()
    (change, *_) = secrets.plan_rotation(site, "JWT_SECRET")
    secrets.apply(site, change)
    written = environment(site).read_text()
    first = dict(site.staged)
    secrets.apply(site, change)
    assert environment(site).read_text() == written
    assert site.staged == first


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "JWT_SECRET_PREVIOUS", "PATH"])
def test_what_is_not_made_here_is_not_rotated(at: Callable[..., Site], name: str) -> None:
    with pytest.raises(Refused, match="is not made here"):
        secrets.plan_rotation(at(), name)


def test_what_the_process_sets_is_not_rotated_in_the_file(
    at: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JWT_SECRET", "x" * 40)
    with pytest.raises(Refused, match="process environment"):
        secrets.plan_rotation(at(), "JWT_SECRET")


def test_nothing_to_finish_is_said(at: Callable[..., Site]) -> None:
    with pytest.raises(Refused, match="no rotation of JWT_SECRET is under way"):
        secrets.plan_finish(at(), "JWT_SECRET")


def test_stripes_secret_is_rotated_by_a_new_endpoint_and_brought_back(
    at: Callable[..., Site], cloudflare: FakeCloudflare
) -> None:
    site = at(STRIPE)
    stripe: FakeStripe = site.stripe  # type: ignore[assignment]
    url = f"{site.settings.text('WORKER_URL')}/stripe/webhook"
    old = stripe.add(url, ["charge.refunded"])
    cloudflare.names.append("STRIPE_WEBHOOK_SECRET")
    before = dict(stripe.kept)
    changes = secrets.plan_rotation(site, "STRIPE_WEBHOOK_SECRET")
    assert [(c.step, c.action) for c in changes] == [
        ("webhooks", "create"),
        ("secrets", "update"),
        ("worker", "shift"),
        ("worker", "shift"),
        ("webhooks", "update"),
    ]
    make(site, changes)
    assert {one.id: one.enabled for one in stripe.kept.values()} == {old.id: False, "we_2": True}
    unmake(site, changes)
    assert stripe.kept == {old.id: before[old.id]}


def test_the_replaced_endpoint_is_deleted_once_all_is_well(
    at: Callable[..., Site], cloudflare: FakeCloudflare
) -> None:
    from xswarm_deploy.steps import rotation

    site = at(STRIPE)
    stripe: FakeStripe = site.stripe  # type: ignore[assignment]
    stripe.add(f"{site.settings.text('WORKER_URL')}/stripe/webhook", ["charge.refunded"])
    stripe.add("https://other.test/hook", ["x"], enabled=False)
    make(site, secrets.plan_rotation(site, "STRIPE_WEBHOOK_SECRET"))
    assert rotation.remove_replaced(site) == 1
    assert sorted(stripe.kept) == ["we_2", "we_3"]


def test_a_stripe_secret_in_the_file_is_not_rotated(at: Callable[..., Site]) -> None:
    site = at(STRIPE, STRIPE_WEBHOOK_SECRET_TEST="whsec_canary12345678")
    stripe: FakeStripe = site.stripe  # type: ignore[assignment]
    stripe.add(f"{site.settings.text('WORKER_URL')}/stripe/webhook", ["charge.refunded"])
    with pytest.raises(Refused, match="STRIPE_WEBHOOK_SECRET_TEST stands in"):
        secrets.plan_rotation(site, "STRIPE_WEBHOOK_SECRET")
