"""The providers' credentials, asked without side effects; what a release will need of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from xswarm_deploy.preflight.looking import Look, Seen, probe
from xswarm_deploy.settings.variables import BY_NAME, PRODUCTION
from xswarm_deploy.webhooks import inbound, sendgrid, stripe, twilio

if TYPE_CHECKING:
    from xswarm_deploy.model.report import Probe
    from xswarm_deploy.site import Site

GROUP: Final = "providers"
STRIPE: Final = ("STRIPE_SECRET_KEY",)
TWILIO: Final = ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN")
SENDGRID: Final = ("SENDGRID_API_KEY",)
SEND: Final = "mail.send"
SET_WEBHOOKS: Final = (
    "user.webhooks.event.settings.read",
    "user.webhooks.event.settings.update",
)


def probes(site: Site) -> list[Probe]:
    """Look at every provider the project uses."""
    looks: list[tuple[str, tuple[str, ...], Look, bool]] = [
        ("Anthropic", ("ANTHROPIC_API_KEY",), lambda: _model(site.anthropic.model()), True),
        ("OpenAI", ("OPENAI_API_KEY",), lambda: _model(site.openai.model()), True),
        ("Stripe mode", STRIPE, lambda: _stripe_mode(site), True),
        ("Stripe account", STRIPE, lambda: _stripe_account(site), False),
        ("Stripe webhooks", STRIPE, lambda: _stripe_webhooks(site), stripe.used(site)),
        ("SendGrid scopes", SENDGRID, lambda: _sendgrid_scopes(site), True),
        ("SendGrid sender", (*SENDGRID, "SENDGRID_FROM_EMAIL"), lambda: _sender(site), False),
        ("SendGrid inbound host", SENDGRID, lambda: _inbound(site), inbound.used(site)),
        ("SendGrid webhooks allowed", SENDGRID, lambda: _allowed(site), sendgrid.used(site)),
        ("Twilio account", TWILIO, lambda: _twilio_account(site), True),
        ("Twilio number", (*TWILIO, "TWILIO_PHONE_NUMBER"), lambda: _twilio_number(site), True),
        ("Slack", ("SLACK_WEBHOOK_URL",), lambda: _slack(site), False),
    ]
    return [
        probe(name, GROUP, look, needs=needs, critical=critical, remedy=_remedy(site, needs[0]))
        for name, needs, look, critical in looks
        if BY_NAME[needs[0]] in site.settings.variables
    ]


def _remedy(site: Site, name: str) -> str:
    """Return what to look at where the provider's own answer says nothing of it."""
    variable = BY_NAME[name].file_name(site.settings.environment)
    return f"correct {variable} in {site.settings.source}, or the service's address there"


def _model(name: str) -> str:
    return f"the key is accepted (it may use {name})" if name else "the key is accepted"


def _stripe_mode(site: Site) -> Seen | str:
    live, production = site.stripe.livemode(), site.settings.environment == PRODUCTION
    mode = "live" if live else "test"
    if live is production:
        return f"a {mode} key"
    name = BY_NAME["STRIPE_SECRET_KEY"].file_name(site.settings.environment)
    kind = "live" if production else "test"
    remedy = f"put a {kind} key into {name} of {site.settings.source}"
    return Seen("fail", f"a {mode} key in {site.settings.environment}", remedy)


def _stripe_account(site: Site) -> Seen | str:
    account = site.stripe.account()
    if account.get("charges_enabled", True):
        return f"account {account['id']}"
    evidence = f"account {account['id']} may not take payments"
    return Seen("warn", evidence, "complete the account in Stripe's dashboard")


def _stripe_webhooks(site: Site) -> Seen | str:
    evidence = f"{len(site.stripe.endpoints())} webhook endpoint(s) can be read"
    other = stripe.other_version(site)
    if not other:
        return evidence
    wanted = site.settings.project.webhooks.stripe_api_version
    told = f"events have the form of {other}, not of {wanted}: Stripe changes no endpoint's version"
    return Seen("warn", told, f"make a new endpoint: inv secrets.rotate {stripe.SECRET}")


def _sendgrid_scopes(site: Site) -> Seen | str:
    scopes = site.sendgrid.scopes()
    required = (SEND, *(SET_WEBHOOKS if sendgrid.used(site) else ()))
    missing = [scope for scope in required if scope not in scopes]
    if not missing:
        return f"{len(scopes)} scopes"
    remedy = "give the key Mail Send and Mail Settings (SendGrid: Settings, API Keys)"
    return Seen("fail", f"the key lacks {', '.join(missing)}", remedy)


def _sender(site: Site) -> Seen | str:
    address = site.settings.text("SENDGRID_FROM_EMAIL")
    if site.sendgrid.sender_is_verified(address):
        return f"{address} is verified"
    remedy = "verify the address or its domain (SendGrid: Sender Authentication)"
    return Seen("warn", f"{address} is not verified: mail from it is refused", remedy)


def _inbound(site: Site) -> Seen | str:
    """Look for the authenticated domain that inbound parse needs of its host."""
    host = site.settings.project.webhooks.email_hostname
    if not host:
        return Seen("skip", "no mail goes to the Worker: deploy.webhooks.email_hostname is empty")
    if site.sendgrid.host_is_authenticated(host):
        return f"{host} belongs to an authenticated domain"
    remedy = "authenticate its domain (SendGrid: Sender Authentication), then deploy"
    return Seen("fail", f"{host} belongs to no authenticated domain: no mail is parsed", remedy)


def _allowed(site: Site) -> Seen | str:
    """Look whether the plan allows the event webhook that the release would make."""
    allowed, made = site.sendgrid.event_webhooks_allowed(), site.sendgrid.event_webhooks()
    told = f"{len(made)} of {allowed or 'any number'} event webhooks"
    if not allowed or len(made) < allowed or sendgrid.current(site):
        return told
    remedy = "delete one that nobody needs (SendGrid: Settings, Mail Settings), or raise the plan"
    return Seen("fail", f"{told}: the plan allows no other", remedy)


def _twilio_account(site: Site) -> Seen | str:
    status = site.twilio.account_status()
    if status == "active":
        return "the account is active"
    return Seen("fail", f"the account is {status}", "settle it in Twilio's console")


def _twilio_number(site: Site) -> Seen | str:
    number = twilio.owned(site)
    flags = {"sms": "SMS_ENABLED", "voice": "VOICE_ENABLED"}
    lacking = [
        kind
        for kind, flag in flags.items()
        if site.settings.flag(flag) and number.capabilities.get(kind) is False
    ]
    if not lacking:
        return f"{number.number} is owned"
    remedy = f"buy a number with {' and '.join(lacking)}, or set {flags[lacking[0]]}=false"
    return Seen("fail", f"{number.number} cannot do {', '.join(lacking)}", remedy)


def _slack(site: Site) -> str:
    site.slack.verify()
    return "the webhook is there (nothing was posted)"
