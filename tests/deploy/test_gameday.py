"""A game day: each fault of the twin, switched on by its task, and what the check says of it."""

from __future__ import annotations

import json

import pytest

from tests.support.house import House

pytestmark = pytest.mark.slow

FAULTS = [
    ("stripe", "429", "Stripe webhooks", "unknown"),
    ("stripe", "revoked", "Stripe webhooks", "fail"),
    ("openai", "slow:0.3", "OpenAI", "pass"),
    ("openai", "reset", "OpenAI", "unknown"),
    ("anthropic", "500", "Anthropic", "unknown"),
    ("sendgrid", "revoked", "SendGrid scopes", "fail"),
    ("twilio", "bad_json", "Twilio account", "unknown"),
    ("stripe", "certificate", "Stripe account", "unknown"),
    ("slack", "revoked", "Slack", "fail"),
    ("cloudflare", "500", "Pages permission", "fail"),
]
"""Provider, fault, what is looked at, the answer."""


@pytest.mark.parametrize(("provider", "kind", "name", "status"), FAULTS)
def test_the_check_says_what_a_fault_means(
    deployed: House, provider: str, kind: str, name: str, status: str
) -> None:
    deployed.inv("sandbox.fault", provider, kind, "--times", "50", "--path", "pages")
    ended = deployed.inv("check", "--only", name, "--json", check=False)
    deployed.inv("sandbox.fault", provider, "off")
    (finding,) = json.loads(ended.stdout)["findings"]
    assert finding["status"] == status, finding
    assert ended.returncode == int(status == "fail" and finding["critical"])
    assert finding["remedy"] or status == "pass"


def test_a_release_into_a_provider_that_fails_is_undone(deployed: House) -> None:
    """Twilio refuses the new URLs, after the Worker went live: all is brought back."""
    before = deployed.version()
    config = deployed.root / "invoke.yaml"
    text = config.read_text()
    config.write_text(text.replace("sms_path: /sms/boss", "sms_path: /sms/other"))
    try:
        deployed.inv("sandbox.fault", "twilio", "500", "--times", "50")
        ended = deployed.inv("deploy.local", "--skip-checks", check=False)
    finally:
        deployed.inv("sandbox.fault", "twilio", "off")
        config.write_text(text)
    assert ended.returncode == 3, ended.stdout + ended.stderr
    assert deployed.version() == before
