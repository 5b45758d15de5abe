"""The webhooks as the providers have them, against what the release will set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from xswarm_deploy.preflight.looking import Seen, probe
from xswarm_deploy.preflight.providers import SENDGRID, STRIPE, TWILIO
from xswarm_deploy.webhooks import sendgrid, stripe, twilio

if TYPE_CHECKING:
    from types import ModuleType

    from xswarm_deploy.model.report import Probe
    from xswarm_deploy.site import Site

GROUP: Final = "webhooks"
CLOUDFLARE: Final = ("CLOUDFLARE_API_TOKEN", "CLOUDFLARE_ACCOUNT_ID", "WORKER_URL")


def probes(site: Site) -> list[Probe]:
    """Compare each provider's webhooks with what is wanted."""
    looks = (
        ("Stripe endpoint", stripe, (*STRIPE, *CLOUDFLARE)),
        ("Twilio URLs", twilio, (*TWILIO, "TWILIO_PHONE_NUMBER", "WORKER_URL")),
        ("SendGrid webhooks", sendgrid, (*SENDGRID, *CLOUDFLARE)),
    )
    return [_probe(site, *look) for look in looks if look[1].used(site)]


def _probe(site: Site, name: str, provider: ModuleType, variables: tuple[str, ...]) -> Probe:
    remedy = f"inv {site.settings.environment} webhooks.list, and see the provider's account"
    return probe(name, GROUP, lambda: _compared(site, provider), needs=variables, remedy=remedy)


def _compared(site: Site, provider: ModuleType) -> Seen | str:
    hooks = provider.listed(site)
    if hasattr(provider, "plan_minting"):
        provider.plan_minting(site)  # refuses what no release could set right
    overridden = [f"{hook.name}: {hook.note}" for hook in hooks if hook.state == "overridden"]
    if overridden:
        remedy = "remove the application or trunk from the number in Twilio's console"
        return Seen("warn", "; ".join(overridden), remedy)
    changing = [f"{hook.name} {_WILL[hook.state]}" for hook in hooks if hook.state in _WILL]
    return "; ".join(changing) or "as wanted"


_WILL: Final = {"missing": "is made by the release", "differs": "is set by the release"}
