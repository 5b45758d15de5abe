"""The webhook probes against the real Worker, deployed on the twin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.services.twin import Twin
from xswarm_deploy.secret import Secret
from xswarm_deploy.site import Site
from xswarm_deploy.steps import migrate, secrets, webhooks, worker
from xswarm_deploy.webhooks import stripe

pytestmark = pytest.mark.slow

STEPS: dict[str, Any] = {
    "migrate": migrate,
    "secrets": secrets,
    "worker": worker,
    "webhooks": webhooks,
}


@pytest.fixture
def deployed(twin: Twin) -> Iterator[Site]:
    """Return a site whose Worker was deployed with its minted secrets; undo it all."""
    site, changes = twin.site(), []
    for step in STEPS.values():
        for change in step.plan(site):
            changes.append(change)
            site.facts.update(STEPS[change.step].apply(site, change))
    yield site
    for change in reversed(changes):
        STEPS[change.step].undo(site, change, {})


def test_the_worker_believes_the_providers_and_nobody_else(deployed: Site) -> None:
    found = {finding.name: finding for finding in webhooks.probe(deployed).findings}
    assert not [finding for finding in found.values() if finding.status == "fail"]
    assert found["stripe signed"].status == "pass"
    assert found["twilio /sms/boss signed"].status == "warn"  # nobody has the handle yet
    secrets_there = deployed.cloudflare.secrets(deployed.worker)
    assert {"STRIPE_WEBHOOK_SECRET", "SENDGRID_WEBHOOK_PUBLIC_KEY"} <= set(secrets_there)
    assert webhooks.plan_minting(deployed) == []
    deployed.staged[stripe.SECRET] = Secret("whsec_not_the_workers_0", stripe.SECRET)
    report = webhooks.probe(deployed)
    assert [finding.name for finding in report.failures] == ["stripe signed"]
