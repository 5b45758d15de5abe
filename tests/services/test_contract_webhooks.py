"""The webhooks step on the whole twin: there, back, and there again with replies lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.services.twin import Twin
from xswarm_deploy.errors import DeployError
from xswarm_deploy.model.step import Change
from xswarm_deploy.site import Site
from xswarm_deploy.steps import webhooks

pytestmark = pytest.mark.slow


@pytest.fixture
def site(twin: Twin) -> Iterator[Site]:
    """Return a site, and leave its providers as they were."""
    site = twin.site()
    webhooks_wanted = site.settings.project.webhooks._replace(email_hostname="in.xswarm.test")
    project = site.settings.project._replace(webhooks=webhooks_wanted)
    site.__dict__["settings"] = replace(site.settings, project=project)
    before = state(site)
    yield site
    twin.clear()
    for endpoint in site.stripe.endpoints():
        site.stripe.delete_endpoint(endpoint.id)
    for hook in site.sendgrid.event_webhooks():
        site.sendgrid.delete_event_webhook(hook.id)
    site.sendgrid.delete_parse_setting("in.xswarm.test")
    for policy in site.sendgrid.security_policies():
        site.sendgrid.delete_security_policy(policy.id)
    site.twilio.update_number(before["number"].sid, before["number"].urls)
    assert state(site) == before


def state(site: Site) -> dict[str, Any]:
    """Read all that the step may change."""
    return {
        "endpoints": site.stripe.endpoints(),
        "number": site.twilio.number(site.settings.text("TWILIO_PHONE_NUMBER")),
        "hooks": site.sendgrid.event_webhooks(),
        "parses": site.sendgrid.parse_settings(),
        "policies": site.sendgrid.security_policies(),
    }


def made(site: Site, changes: list[Change]) -> None:
    for change in changes:
        site.facts.update(webhooks.apply(site, change))


def all_changes(site: Site) -> list[Change]:
    """Mint, then set: as the secrets step and the webhooks step do."""
    minted = webhooks.plan_minting(site)
    made(site, minted)
    rest = webhooks.plan(site)
    made(site, rest)
    return [*minted, *rest]


def undone(site: Site, changes: list[Change]) -> None:
    for change in reversed(changes):
        webhooks.undo(site, change, {})


def test_there_and_back(site: Site) -> None:
    before = state(site)
    changes = all_changes(site)
    assert {hook.state for hook in webhooks.listed(site)} == {"as wanted"}
    assert set(site.staged) == {
        "STRIPE_WEBHOOK_SECRET",
        "SENDGRID_WEBHOOK_PUBLIC_KEY",
        "SENDGRID_PARSE_PUBLIC_KEY",
    }
    assert webhooks.plan(site) == []
    undone(site, changes)
    assert state(site) == before
    undone(site, changes)
    assert state(site) == before


FAULTS = ("reset", "reset_after", "status:500", "bad_json")
CALLS = {"stripe": 4, "twilio": 3, "sendgrid": 15}
"""How many calls a clean run makes at each; the tests see that none is left out."""


def test_the_calls_are_counted(site: Site, monkeypatch: Any) -> None:
    counts = dict.fromkeys(CALLS, 0)
    for service in CALLS:
        http = getattr(site, service).http
        monkeypatch.setattr(http, "call", counting(http.call, counts, service))
    recording(site, [])
    monkeypatch.undo()
    assert counts == CALLS


def counting(real: Any, counts: dict[str, int], service: str) -> Any:
    def counted(*arguments: Any, **options: Any) -> Any:
        counts[service] += 1
        return real(*arguments, **options)

    return counted


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(
    ("service", "call"),
    [(service, call) for service, calls in CALLS.items() for call in range(1, calls + 1)],
)
def test_a_fault_at_any_call_ends_in_before_or_after(
    twin: Twin, site: Site, service: str, fault: str, call: int, monkeypatch: Any
) -> None:
    before = state(site)
    http = getattr(site, service).http
    real, counts = http.call, {service: 0}

    def counted(*arguments: Any, **options: Any) -> Any:
        counts[service] += 1
        if counts[service] == call:
            twin.fault(service, fault)
        return real(*arguments, **options)

    monkeypatch.setattr(http, "call", counted)
    changes: list[Change] = []
    try:
        recording(site, changes)
    except DeployError:
        monkeypatch.undo()
        assert counts[service] >= call
        twin.clear()
        undone(site, changes)
        assert state(site) == before
        return
    monkeypatch.undo()
    assert counts[service] >= call
    assert {hook.state for hook in webhooks.listed(site)} == {"as wanted"}
    assert len(site.stripe.endpoints()) == len(site.sendgrid.event_webhooks()) == 1
    twin.clear()
    undone(site, changes)
    assert state(site) == before


def recording(site: Site, changes: list[Change]) -> None:
    """Make all changes; each is recorded before it is made, as the journal does."""
    for plan in (webhooks.plan_minting, webhooks.plan):
        for change in plan(site):
            changes.append(change)
            site.facts.update(webhooks.apply(site, change))


def test_checks_say_what_the_release_will_set(site: Site) -> None:
    from xswarm_deploy.preflight import check

    report = check.run(site, only=["webhooks"])
    assert report.ok
    evidence = {finding.name: finding.evidence for finding in report.findings}
    assert evidence["Stripe endpoint"] == "endpoint is made by the release"
    all_changes(site)
    report = check.run(site, only=["webhooks"])
    assert {finding.evidence for finding in report.findings[1:2]} == {"as wanted"}
