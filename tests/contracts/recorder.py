"""Every call that a test lets a client make is held against the tables, at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

from tests.contracts import cloudflare, providers
from tests.contracts.call import Call, violations
from xswarm_deploy.services.http import Http

TABLES: Final[Mapping[str, tuple[Call, ...]]] = {
    "Cloudflare": cloudflare.CALLS,
    "Stripe": providers.STRIPE,
    "Twilio": providers.TWILIO,
    "SendGrid": providers.SENDGRID,
    "OpenAI": providers.OPENAI,
    "Anthropic": providers.ANTHROPIC,
    "Slack": providers.SLACK,
    "R2": providers.R2,
}
"""By the client's name of the service."""


@pytest.fixture(scope="session", autouse=True)
def contracts() -> Iterator[None]:
    """Look at each request just before it is sent."""
    attempt = Http._attempt

    def looked_at(http: Http, call: Any) -> Any:
        table = TABLES.get(http.service)
        if table is not None and "/__sandbox/" not in call.request.url:  # the twin's own
            # A Slack URL is all path, and a secret; of the others the base is the twin's or theirs.
            base = "" if http.service == "Slack" else urlsplit(http.base_url).path.rstrip("/")
            wrong = violations(table, call.request, base)
            assert not wrong, f"{http.service}: {'; '.join(wrong)} (tests/contracts)"
        return attempt(http, call)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Http, "_attempt", looked_at)
        yield
