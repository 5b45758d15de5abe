"""Prove that the Worker checks who sends: signed probes get in, all others stay out.

A probe carries the same id each time, so that it leaves one row at most.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlencode

from deployment.secret import Secret
from deployment.services.http import Http
from deployment.services.reply import Reply
from deployment.services.signatures import stripe_signature, twilio_signature
from deployment.steps.hooks import inbound, sendgrid, stripe, twilio
from deployment.steps.hooks.hook import address
from deployment.steps.report import Finding, Probe

if TYPE_CHECKING:
    from deployment.steps.site import Site

REFUSED: Final = frozenset({400, 401, 403})
OLD: Final = 3600.0  # seconds; every provider's tolerance is shorter
_LETTER: Final = (
    b'--probe\r\nContent-Disposition: form-data; name="subject"\r\n\r\nprobe\r\n--probe--\r\n'
)
FORM: Final = "application/x-www-form-urlencoded"


class Delivery(NamedTuple):
    """One probe: where it goes, what it carries, and whether it must get in."""

    name: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    welcome: bool


def probes(site: Site, url: str = "", headers: Mapping[str, str] | None = None) -> list[Probe]:
    """Give all probes of the providers the project uses.

    Args:
        site: the environment.
        url: where the Worker is asked; by default where its users do.
        headers: what chooses a version, if any.
    """
    made: list[Probe] = []
    base = url or site.settings.text("WORKER_URL")
    http = Http("the Worker", base, headers, timeout=(5.0, 15.0), retries=1)
    if stripe.used(site):
        made += _stripe(site, http)
    if twilio.used(site):
        made += _twilio(site, http)
    if sendgrid.used(site):
        made += _sendgrid(site, http)
    return made


def _stripe(site: Site, http: Http) -> list[Probe]:
    path = site.settings.project.webhooks.stripe_path
    now = http.clock.now()
    body = json.dumps(_stripe_event(int(now))).encode()
    secret = site.staged.get(stripe.SECRET) or site.settings.secret(stripe.SECRET)
    wrong = Secret(f"whsec_{secrets.token_hex(16)}", "a wrong secret")
    made = [
        _probe(http, Delivery("stripe unsigned", path, {}, body, False)),
        _probe(http, _stripe_delivery("stripe wrongly signed", path, body, wrong, now, False)),
    ]
    if not secret:
        why = f"{stripe.SECRET} was minted by a release: only the Worker has it"
        return [*made, _untold("stripe signed", why)]
    return [
        *made,
        _probe(http, _stripe_delivery("stripe old", path, body, secret, now - OLD, False)),
        _probe(http, _stripe_delivery("stripe signed", path, body, secret, now, True)),
    ]


def _stripe_event(created: int) -> dict[str, object]:
    """Give an event in Stripe's own form, of a type that changes nothing."""
    return {
        "id": "evt_deployment_probe",
        "object": "event",
        "type": "deployment.probe",
        "created": created,
        "livemode": False,
        "pending_webhooks": 0,
        "data": {"object": {}},
    }


def _stripe_delivery(
    name: str, path: str, body: bytes, secret: Secret, now: float, welcome: bool
) -> Delivery:
    headers = {"Stripe-Signature": stripe_signature(body, secret, now)}
    return Delivery(name, path, headers, body, welcome)


def _twilio(site: Site, http: Http) -> list[Probe]:
    webhooks, token = site.settings.project.webhooks, site.settings.secret("TWILIO_AUTH_TOKEN")
    wrong = Secret(secrets.token_hex(16), "a wrong token")
    caller = {"From": site.settings.text("TWILIO_PHONE_NUMBER")}
    kinds = {
        webhooks.sms_path: {"MessageSid": "SMdeploymentprobe", "Body": "deployment probe"},
        webhooks.voice_path: {"CallSid": "CAdeploymentprobe"},
        webhooks.status_path: {"CallSid": "CAdeploymentprobe", "CallStatus": "completed"},
    }
    made: list[Probe] = []
    for path, fields in kinds.items():
        if path:
            url, sent = address(site, path), {**fields, **caller}
            for name, key in (("signed", token), ("wrongly signed", wrong)):
                headers = {"X-Twilio-Signature": twilio_signature(url, sent, key)}
                made.append(_form(http, f"twilio {path} {name}", path, headers, sent, key is token))
            made.append(_form(http, f"twilio {path} unsigned", path, {}, sent, False))
    return made


def _form(
    http: Http,
    name: str,
    path: str,
    headers: Mapping[str, str],
    fields: Mapping[str, str],
    welcome: bool,
) -> Probe:
    typed = {**headers, "Content-Type": FORM}
    return _probe(http, Delivery(name, path, typed, urlencode(fields).encode(), welcome))


def _sendgrid(site: Site, http: Http) -> list[Probe]:
    path = site.settings.project.webhooks.email_path
    body = b'[{"sg_event_id": "deployment-probe", "event": "processed", "email": "a@b.test"}]'
    plain = {"Content-Type": "application/json"}
    signed = {
        **plain,
        "X-Twilio-Email-Event-Webhook-Signature": "MAYCAQECAQE=",  # DER of the pair (1, 1)
        "X-Twilio-Email-Event-Webhook-Timestamp": str(int(http.clock.now())),
    }
    made = [
        _probe(http, Delivery("sendgrid unsigned", path, plain, body, False)),
        _probe(http, Delivery("sendgrid wrongly signed", path, signed, body, False)),
        _untold("sendgrid signed", "only SendGrid has the private key"),
    ]
    if inbound.used(site):
        letter = {**signed, "Content-Type": "multipart/form-data; boundary=probe"}
        name = "sendgrid mail wrongly signed"
        made.append(_probe(http, Delivery(name, path, letter, _LETTER, False)))
    return made


def _probe(http: Http, delivery: Delivery) -> Probe:
    return Probe(delivery.name, "webhooks", lambda: delivered(http, delivery))


def delivered(http: Http, delivery: Delivery) -> Finding:
    """Deliver, and judge the answer: who is welcome gets in, nobody else does."""
    json_type = {"Content-Type": "application/json"}
    reply = http.post(
        delivery.path,
        headers={**json_type, **delivery.headers},
        body=delivery.body,
        expect=range(300, 600),
        safe=True,  # its id makes a repetition harmless
    )
    return _welcomed(delivery, reply) if delivery.welcome else _turned_away(delivery, reply)


def _welcomed(delivery: Delivery, reply: Reply) -> Finding:
    evidence = f"HTTP {reply.status} from POST {delivery.path}"
    if reply.status < 300:
        return Finding(delivery.name, "webhooks", "pass", True, evidence)
    if reply.status == 404:
        evidence += ": the signature is accepted, but nobody has this handle"
        remedy = "create the user, or correct deploy.webhooks in invoke.yaml"
        return Finding(delivery.name, "webhooks", "warn", False, evidence, remedy)
    remedy = "the Worker's secret is not the provider's: inv secrets, then inv webhooks.test"
    return Finding(delivery.name, "webhooks", "fail", True, evidence, remedy)


def _turned_away(delivery: Delivery, reply: Reply) -> Finding:
    evidence = f"HTTP {reply.status} from POST {delivery.path}"
    if reply.status in REFUSED:
        return Finding(delivery.name, "webhooks", "pass", True, evidence)
    remedy = "the Worker must refuse this with 400, 401 or 403: mend its signature check"
    return Finding(delivery.name, "webhooks", "fail", True, evidence, remedy)


def _untold(name: str, why: str) -> Probe:
    return Probe(name, "webhooks", lambda: Finding(name, "webhooks", "skip", evidence=why))
