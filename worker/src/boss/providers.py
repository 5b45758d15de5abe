"""The providers: whether each answers, and takes our key.

Nothing is bought by asking, and nobody is down without them for a while: they are not
critical. Each answer is kept longer than other checks, so that a storm of probes costs a
provider one call a minute and isolate.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from boss.configuration import Configuration
from xswarm_monitoring.health import FAIL, WARN, Probe
from xswarm_monitoring.http_request import Outgoing, Send

TIMEOUT = 0.4  # seconds; /health/detailed answers within half a second, whoever is silent
PATIENCE = 5.0  # seconds in a round; only who is silent for so long does not work
FRESH, RETRY = 60.0, 30.0  # seconds that an answer is kept: a good one, another one
_REFUSED, _BUSY = frozenset({401, 402}), frozenset({429, 529})


@dataclass(frozen=True)
class Provider:
    """How a provider is asked.

    Args:
        name: the component's.
        url: a page of its API that costs nothing.
        headers: with the key.
        limited_is_well: whether 403 says that the key is good, but may not read this.
    """

    name: str
    url: str
    headers: Mapping[str, str]
    limited_is_well: bool = False


def probes(configuration: Configuration, send: Send) -> list[Probe]:
    """Return a probe for each provider whose key there is.

    Args:
        configuration: the Worker's variables and secrets.
        send: sends one request.
    """
    return [_probe(provider, send) for provider in _providers(configuration)]


def _providers(configuration: Configuration) -> Iterator[Provider]:
    text = configuration.text
    if key := text("ANTHROPIC_API_KEY"):
        base = text("ANTHROPIC_BASE_URL", "https://api.anthropic.com").removesuffix("/v1")
        headers = {"x-api-key": key, "anthropic-version": "2023-06-01"}
        yield Provider("anthropic", f"{base}/v1/models?limit=1", headers)
    if key := text("OPENAI_API_KEY"):
        base = text("OPENAI_BASE_URL", "https://api.openai.com").removesuffix("/v1")
        yield Provider("openai", f"{base}/v1/models", _bearer(key))
    if key := text("STRIPE_SECRET_KEY"):
        base = text("STRIPE_API_BASE", "https://api.stripe.com")
        yield Provider("stripe", f"{base}/v1/balance", _bearer(key), limited_is_well=True)
    if key := text("SENDGRID_API_KEY"):
        base = text("SENDGRID_API_BASE", "https://api.sendgrid.com")
        yield Provider("sendgrid", f"{base}/v3/scopes", _bearer(key))
    account, token = text("TWILIO_ACCOUNT_SID"), text("TWILIO_AUTH_TOKEN")
    if account and token:
        base = text("TWILIO_API_BASE", "https://api.twilio.com")
        page = f"{base}/2010-04-01/Accounts/{quote(account, safe='')}.json"
        yield Provider("twilio", page, _basic(account, token))


def _probe(provider: Provider, send: Send) -> Probe:
    async def ask() -> dict[str, str] | None:
        request = Outgoing("GET", provider.url, provider.headers, b"")
        return _judged((await send(request)).status, provider)

    return Probe(
        provider.name,
        ask,
        critical=False,
        timeout=TIMEOUT,
        fresh=FRESH,
        retry=RETRY,
        patience=PATIENCE,
    )


def _judged(status: int, provider: Provider) -> dict[str, str] | None:
    if 200 <= status < 300 or (status == 403 and provider.limited_is_well):
        return None
    if status in _BUSY:
        return {"status": WARN, "output": f"HTTP {status}: it is busy, or we ask too much"}
    why = "the key is refused" if status in _REFUSED | {403} else "it does not work"
    return {"status": FAIL, "output": f"HTTP {status}: {why}"}


def _bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def _basic(user: str, password: str) -> dict[str, str]:
    coded = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"authorization": f"Basic {coded}"}
