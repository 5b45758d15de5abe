"""The webhooks step: what is minted, what is set, and the way back."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import pytest
import responses

from tests.steps.fakes import FakeCloudflare
from tests.steps.provider_fakes import FakeSendGrid, FakeStripe, FakeTwilio
from xswarm_deploy.errors import Refused, StepFailed
from xswarm_deploy.model.payload import encode
from xswarm_deploy.model.state import ReleaseState
from xswarm_deploy.model.step import Change, action_of
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.site import Site
from xswarm_deploy.steps import webhooks
from xswarm_deploy.webhooks import inbound, twilio

WORKER = "http://127.0.0.1:1"
HOOK = f"{WORKER}/stripe/webhook"
MAIL = f"{WORKER}/email/inbound"
EVENTS = ["invoice.payment_failed", "checkout.session.completed"]
PROJECT = {"webhooks": {"stripe_events": EVENTS}}
INBOUND = {"email_hostname": "in.test", "sms_path": "", "voice_path": "", "status_path": ""}
MAIL_EVENTS = ("bounce", "delivered", "dropped", "spam_report")


@dataclass
class World:
    """A site, and all that its providers keep."""

    site: Site
    stripe: FakeStripe = field(default_factory=FakeStripe)
    twilio: FakeTwilio = field(default_factory=FakeTwilio)
    sendgrid: FakeSendGrid = field(default_factory=FakeSendGrid)
    cloudflare: FakeCloudflare = field(default_factory=FakeCloudflare)

    def state(self) -> Any:
        """Return what the providers keep, to compare before with after."""
        return dict(self.stripe.kept), self.twilio.owned, deepcopy(self.sendgrid)

    def make(self, changes: list[Change]) -> None:
        for change in changes:
            self.site.facts.update(webhooks.apply(self.site, change))

    def unmake(self, changes: list[Change]) -> None:
        for change in reversed(changes):
            webhooks.undo(self.site, change, {})


@pytest.fixture
def world(settings: Callable[..., Settings]) -> Callable[..., World]:
    def make(project: dict[str, Any] | None = None, **values: str) -> World:
        made = World(Site(settings(project or PROJECT, **values), ReleaseState(uploads=True)))
        made.site.__dict__.update(
            stripe=made.stripe,
            twilio=made.twilio,
            sendgrid=made.sendgrid,
            cloudflare=made.cloudflare,
        )
        return made

    return make


def actions(changes: list[Change]) -> list[tuple[str, str]]:
    return [(provider_of(change), change.action) for change in changes]


def provider_of(change: Change) -> str:
    return str(encode(change.after)["provider"])  # type: ignore[index]


# Minting


def test_the_first_release_mints_before_and_then_sets_only_the_rest(
    world: Callable[..., World],
) -> None:
    here = world()
    minting = webhooks.plan_minting(here.site)
    assert actions(minting) == [("stripe", "create"), ("sendgrid", "create")]
    here.make(minting)
    assert here.site.staged["STRIPE_WEBHOOK_SECRET"].reveal() == "whsec_canary_we_1_0"
    assert here.site.staged["SENDGRID_WEBHOOK_PUBLIC_KEY"].reveal() == "canary-public-key-h1"
    assert actions(webhooks.plan(here.site)) == [("twilio", "update")]
    here.make(webhooks.plan(here.site))
    assert webhooks.plan(here.site) == []
    assert {hook.state for hook in webhooks.listed(here.site)} == {"as wanted"}


def test_the_second_release_mints_nothing(world: Callable[..., World]) -> None:
    here = world()
    here.make(webhooks.plan_minting(here.site))
    here.cloudflare.names = ["SENDGRID_WEBHOOK_PUBLIC_KEY", "STRIPE_WEBHOOK_SECRET"]
    assert webhooks.plan_minting(here.site) == []


def test_minting_is_undone_without_the_outcome_of_a_lost_reply(
    world: Callable[..., World],
) -> None:
    here = world()
    theirs = here.stripe.add("https://other.test/hook", ["x"])
    before = here.state()
    changes = webhooks.plan_minting(here.site)
    here.make(changes)
    here.unmake(changes)
    here.unmake(changes)
    assert here.state() == before
    assert list(here.stripe.kept) == [theirs.id]


def test_minting_twice_leaves_one(world: Callable[..., World]) -> None:
    here = world()
    changes = webhooks.plan_minting(here.site)
    here.make(changes)
    here.make(changes)
    assert len(here.stripe.kept) == len(here.sendgrid.hooks) == 1
    assert here.site.staged["STRIPE_WEBHOOK_SECRET"].reveal() == "whsec_canary_we_2_0"


def test_an_endpoint_whose_secret_nobody_has_is_replaced(world: Callable[..., World]) -> None:
    here = world()
    old = here.stripe.add(HOOK, EVENTS)
    before = here.state()
    changes = [c for c in webhooks.plan_minting(here.site) if provider_of(c) == "stripe"]
    assert actions(changes) == [("stripe", "create"), ("stripe", "update")]
    here.make(changes)
    assert not here.stripe.kept[old.id].enabled
    assert here.site.facts["stripe_endpoint"] != old.id
    assert "stripe" not in dict(actions(webhooks.plan(here.site)))
    here.unmake(changes)
    assert here.state() == before


def test_a_secret_in_the_environment_needs_its_endpoint(world: Callable[..., World]) -> None:
    here = world(STRIPE_WEBHOOK_SECRET_TEST="whsec_canary12345678")
    with pytest.raises(Refused, match="Stripe has no webhook endpoint") as caught:
        webhooks.plan_minting(here.site)
    assert "empty STRIPE_WEBHOOK_SECRET" in caught.value.remedy
    here.stripe.add(HOOK, EVENTS)
    assert actions(webhooks.plan_minting(here.site)) == [("sendgrid", "create")]


def test_a_key_in_the_environment_must_be_sendgrids(world: Callable[..., World]) -> None:
    here = world(SENDGRID_WEBHOOK_PUBLIC_KEY="canary-public-key-h1")
    with pytest.raises(Refused, match="SENDGRID_WEBHOOK_PUBLIC_KEY is not the key"):
        webhooks.plan_minting(here.site)
    here.sendgrid.create_event_webhook(MAIL, MAIL_EVENTS, "by hand")
    here.sendgrid.sign_event_webhook("h1")
    assert actions(webhooks.plan_minting(here.site)) == [("stripe", "create")]


def test_an_unsigned_webhook_is_signed_and_undone(world: Callable[..., World]) -> None:
    here = world()
    here.sendgrid.create_event_webhook(MAIL, MAIL_EVENTS, "by hand")
    before = here.state()
    changes = [c for c in webhooks.plan_minting(here.site) if provider_of(c) == "sendgrid"]
    assert actions(changes) == [("sendgrid", "sign")]
    here.make(changes)
    assert here.sendgrid.keys == {"h1": "canary-public-key-h1"}
    here.unmake(changes)
    assert here.state() == before


def test_a_key_that_is_there_is_read_for_a_worker_without_it(
    world: Callable[..., World],
) -> None:
    here = world()
    here.sendgrid.create_event_webhook(MAIL, MAIL_EVENTS, "by hand")
    here.sendgrid.sign_event_webhook("h1")
    before = here.state()
    changes = [c for c in webhooks.plan_minting(here.site) if provider_of(c) == "sendgrid"]
    here.make(changes)
    assert here.site.staged["SENDGRID_WEBHOOK_PUBLIC_KEY"].reveal() == "canary-public-key-h1"
    here.unmake(changes)
    assert here.state() == before


def test_nothing_secret_is_in_what_is_journaled(world: Callable[..., World]) -> None:
    here = world()
    changes = webhooks.plan_minting(here.site)
    outcomes = [webhooks.apply(here.site, change) for change in changes]
    journal = json.dumps([[change.as_json() for change in changes], outcomes])
    assert "whsec_" not in journal
    assert "canary" not in journal


def test_alone_a_missing_webhook_is_refused_with_the_way_to_it(
    world: Callable[..., World],
) -> None:
    here = world()
    with pytest.raises(Refused, match="is missing") as caught:
        webhooks.require_minted(here.site)
    assert "inv local secrets" in caught.value.remedy
    here.make(webhooks.plan_minting(here.site))
    here.cloudflare.names = ["SENDGRID_WEBHOOK_PUBLIC_KEY", "STRIPE_WEBHOOK_SECRET"]
    webhooks.require_minted(here.site)


# Setting


def test_an_endpoint_that_differs_is_set_and_brought_back(world: Callable[..., World]) -> None:
    here = world()
    here.stripe.add("https://other.test/hook", ["x"])
    here.stripe.add(HOOK, ["charge.refunded"], enabled=False)
    before = here.state()
    changes = webhooks.plan(here.site)
    assert actions(changes) == [("stripe", "update"), ("twilio", "update")]
    here.make(changes)
    found = here.stripe.kept["we_2"]
    assert (found.events, found.enabled) == (tuple(sorted(EVENTS)), True)
    here.unmake(changes)
    assert here.state() == before


def test_the_numbers_earlier_urls_come_back(world: Callable[..., World]) -> None:
    here = world()
    before = here.state()
    (change,) = webhooks.plan(here.site)
    here.make([change])
    assert here.twilio.owned is not None
    assert here.twilio.owned.urls["sms_url"] == f"{WORKER}/sms/boss"
    assert here.twilio.owned.urls["sms_method"] == "POST"
    assert here.twilio.owned.urls["status_callback"] == f"{WORKER}/voice/boss/status"
    assert here.twilio.owned.urls["status_callback_method"] == "POST"
    here.unmake([change])
    assert here.state() == before


def test_urls_that_twilio_ignores_are_left_and_said(world: Callable[..., World]) -> None:
    here = world()
    assert here.twilio.owned is not None
    owned = here.twilio.owned
    here.twilio.owned = owned._replace(overridden_by={"voice": "TK1", "status": "TK1"})
    (change,) = webhooks.plan(here.site)
    assert set(twilio.UPDATE.after_of(change).urls) == {"sms_url", "sms_method"}
    states = {hook.name: hook for hook in webhooks.listed(here.site) if hook.provider == "twilio"}
    assert states["voice"].state == "overridden"
    assert "TK1" in states["voice"].note


def test_a_number_of_somebody_else_is_refused(world: Callable[..., World]) -> None:
    here = world()
    here.twilio.owned = None
    with pytest.raises(Refused, match="does not own"):
        webhooks.plan(here.site)


def test_what_does_not_read_back_is_no_success(world: Callable[..., World]) -> None:
    here = world()
    here.twilio.deaf = True
    with pytest.raises(StepFailed, match="not as it was set"):
        here.make(webhooks.plan(here.site))


def test_what_only_the_deployer_holds_is_made_again_by_who_takes_over(
    world: Callable[..., World],
) -> None:
    """Each change that puts a secret into memory says so; the Worker would lack it else."""
    here = world({"webhooks": {**INBOUND, **PROJECT["webhooks"]}})
    for change in webhooks.plan_minting(here.site):
        staged = dict(here.site.staged)
        here.make([change])
        holds = here.site.staged != staged
        assert action_of(change, webhooks.ACTIONS).secret is holds, change.resource


@pytest.mark.parametrize("there", [False, True])
def test_inbound_parse_is_set_and_brought_back(world: Callable[..., World], there: bool) -> None:
    from xswarm_deploy.services.sendgrid import ParseSetting

    here = world({"webhooks": INBOUND})
    if there:
        here.sendgrid.parses["in.test"] = ParseSetting("in.test", "https://old.test", True, True)
    before = here.state()
    minted = [one for one in webhooks.plan_minting(here.site) if one.action == "policy"]
    planned = webhooks.plan(here.site)  # as deploy.plan does, before the policy is there
    here.make(minted)
    assert here.site.staged["SENDGRID_PARSE_PUBLIC_KEY"].reveal() == "canary-policy-key"
    changes = webhooks.plan(here.site)
    assert changes == planned
    assert actions(changes) == [("sendgrid", "parse")]
    here.make(changes)
    assert here.sendgrid.parses["in.test"] == ParseSetting("in.test", MAIL, there, there, "p1")
    assert webhooks.plan(here.site) == []
    hooks = {hook.name: hook.state for hook in webhooks.listed(here.site)}
    assert hooks["inbound parse"] == "as wanted"
    here.unmake([*minted, *changes])
    assert here.state() == before


def test_the_policys_key_is_minted_once_and_staged_again(world: Callable[..., World]) -> None:
    here = world({"webhooks": INBOUND})
    (change,) = (one for one in webhooks.plan_minting(here.site) if one.action == "policy")
    here.make([change])
    here.site.staged.clear()
    (again,) = (one for one in webhooks.plan_minting(here.site) if one.action == "policy")
    here.make([again])
    assert len(here.sendgrid.policies) == 1
    assert "SENDGRID_PARSE_PUBLIC_KEY" in here.site.staged
    here.unmake([again])  # it did not make the policy
    assert len(here.sendgrid.policies) == 1
    here.cloudflare.names = ["SENDGRID_PARSE_PUBLIC_KEY"]
    assert not [one for one in webhooks.plan_minting(here.site) if one.action == "policy"]


def test_a_policy_that_was_made_once_more_is_deleted(world: Callable[..., World]) -> None:
    here = world({"webhooks": INBOUND})
    minted = [one for one in webhooks.plan_minting(here.site) if one.action == "policy"]
    inbound.settle(here.site, minted)  # nothing is made yet
    here.make([*minted, *webhooks.plan(here.site)])
    late = here.sendgrid.create_security_policy("boss-ai local")
    here.sendgrid.policies = dict(sorted(here.sendgrid.policies.items(), reverse=True))
    assert webhooks.plan(here.site) == [], "the one that signs counts, in whatever order they are"
    theirs = here.sendgrid.create_security_policy("another Worker's")
    inbound.settle(here.site, [])
    assert late.id in here.sendgrid.policies, "a release that made none leaves it"
    inbound.settle(here.site, minted)
    assert set(here.sendgrid.policies) == {"p1", theirs.id}
    assert here.sendgrid.parses["in.test"].policy == "p1"


def test_a_policy_that_was_made_twice_is_undone_with_both(world: Callable[..., World]) -> None:
    here = world({"webhooks": INBOUND})
    minted = [one for one in webhooks.plan_minting(here.site) if one.action == "policy"]
    here.make(minted)
    here.sendgrid.create_security_policy("boss-ai local")
    here.unmake(minted)
    assert not here.sendgrid.policies


def test_a_named_key_must_be_the_policys(world: Callable[..., World]) -> None:
    here = world({"webhooks": INBOUND}, SENDGRID_PARSE_PUBLIC_KEY="another-key")
    with pytest.raises(Refused, match="SENDGRID_PARSE_PUBLIC_KEY is not the key"):
        webhooks.plan_minting(here.site)


def test_mail_is_not_attached_to_a_policy_that_is_gone(world: Callable[..., World]) -> None:
    here = world({"webhooks": INBOUND})
    with pytest.raises(StepFailed, match="security policy boss-ai local is not there"):
        here.make(webhooks.plan(here.site))


def test_a_project_without_webhooks_asks_no_provider(world: Callable[..., World]) -> None:
    names = ("stripe_path", "sms_path", "voice_path", "status_path", "email_path")
    nothing = dict.fromkeys(names, "")
    here = world({"webhooks": nothing})
    here.site.__dict__.update(stripe=None, twilio=None, sendgrid=None)
    assert webhooks.plan(here.site) == webhooks.plan_minting(here.site) == []
    assert webhooks.listed(here.site) == []


# Probing


def judge(request: Any) -> tuple[int, dict[str, str], str]:
    """Check signatures by the official libraries, as a sound Worker would."""
    import stripe
    from twilio.request_validator import RequestValidator

    body = request.body.decode()
    if request.path_url == "/stripe/webhook":
        try:
            stripe.Webhook.construct_event(
                body,
                request.headers.get("Stripe-Signature", ""),
                "whsec_canary12345678",
            )
        except stripe.SignatureVerificationError:
            return 401, {}, ""
        return 200, {}, "{}"
    if request.path_url.startswith(("/sms/", "/voice/")):
        from urllib.parse import parse_qsl

        signature = request.headers.get("X-Twilio-Signature", "")
        validator = RequestValidator("0123456789abcdef" * 2)
        fields = dict(parse_qsl(body))
        sound = validator.validate(WORKER + request.path_url, fields, signature)
        return (200 if sound else 403), {}, ""
    return 401, {}, ""


def answering(answer: Callable[[Any], tuple[int, dict[str, str], str]]) -> None:
    import re

    responses.add_callback("POST", re.compile(re.escape(WORKER) + "/.*"), answer)


@responses.activate
def test_a_sound_worker_passes_every_probe(world: Callable[..., World]) -> None:
    answering(judge)
    here = world(
        STRIPE_WEBHOOK_SECRET_TEST="whsec_canary12345678",
        TWILIO_AUTH_TOKEN_TEST="0123456789abcdef" * 2,
    )
    report = webhooks.probe(here.site)
    assert report.ok
    assert {f.name: f.status for f in report.findings} == {
        "stripe unsigned": "pass",
        "stripe wrongly signed": "pass",
        "stripe old": "pass",
        "stripe signed": "pass",
        "twilio /sms/boss signed": "pass",
        "twilio /sms/boss wrongly signed": "pass",
        "twilio /sms/boss unsigned": "pass",
        "twilio /voice/boss signed": "pass",
        "twilio /voice/boss wrongly signed": "pass",
        "twilio /voice/boss unsigned": "pass",
        "twilio /voice/boss/status signed": "pass",
        "twilio /voice/boss/status wrongly signed": "pass",
        "twilio /voice/boss/status unsigned": "pass",
        "sendgrid unsigned": "pass",
        "sendgrid wrongly signed": "pass",
        "sendgrid signed": "skip",
    }


@responses.activate
def test_a_worker_that_believes_everything_fails(world: Callable[..., World]) -> None:
    answering(lambda request: (200, {}, "{}"))
    here = world(STRIPE_WEBHOOK_SECRET_TEST="whsec_canary12345678")
    failed = {finding.name for finding in webhooks.probe(here.site).failures}
    mailed = webhooks.probe(world({"webhooks": {**INBOUND, "email_events": ["open"]}}).site)
    assert "sendgrid mail wrongly signed" in {finding.name for finding in mailed.failures}
    assert failed == {
        "stripe unsigned",
        "stripe wrongly signed",
        "stripe old",
        "twilio /sms/boss wrongly signed",
        "twilio /sms/boss unsigned",
        "twilio /voice/boss wrongly signed",
        "twilio /voice/boss unsigned",
        "twilio /voice/boss/status wrongly signed",
        "twilio /voice/boss/status unsigned",
        "sendgrid unsigned",
        "sendgrid wrongly signed",
    }


@responses.activate
@pytest.mark.parametrize(
    ("status", "verdict"), [(401, "fail"), (500, "fail"), (404, "warn"), (204, "pass")]
)
def test_a_signed_probe_that_does_not_get_in(
    world: Callable[..., World], status: int, verdict: str
) -> None:
    answering(lambda request: (status, {}, ""))
    found = {f.name: f for f in webhooks.probe(world().site).findings}
    assert found["twilio /sms/boss signed"].status == verdict
    assert found["stripe signed"].status == "skip"
    assert "only the Worker has it" in found["stripe signed"].evidence
