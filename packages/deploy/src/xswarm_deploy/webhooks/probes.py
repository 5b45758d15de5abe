"""Prove that the Worker checks who sends: signed probes get in, all others stay out.

A probe carries the same id each time, so that it leaves one row at most.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlencode

from xswarm_deploy.model.report import Finding, Limited, Probe
from xswarm_deploy.secret import Secret
from xswarm_deploy.services import access, probe_header
from xswarm_deploy.services.http import Http
from xswarm_deploy.services.pace import TOO_MANY
from xswarm_deploy.services.reply import Reply
from xswarm_deploy.services.signatures import stripe_signature, twilio_signature
from xswarm_deploy.webhooks import inbound, sendgrid, stripe, twilio
from xswarm_deploy.webhooks.hook import address
from xswarm_monitoring.probe_header import ProbedRequest

if TYPE_CHECKING:
    from requests import Session

    from xswarm_deploy.environment import Environment
    from xswarm_deploy.site import Site

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


def probes(
    site: Site,
    url: str = "",
    headers: Mapping[str, str] | None = None,
    session: Session | None = None,
) -> list[Probe]:
    """Return all probes of the providers the project uses.

    Args:
        site: the environment.
        url: where the Worker is asked; by default where its users do.
        headers: what chooses a version, if any.
        session: whose connections are used; by default some of its own.
    """
    base = url or site.settings.text("WORKER_URL")
    http = Http("the Worker", base, headers, timeout=(5.0, 15.0), retries=1, session=session)
    made: list[Delivery | Probe] = []
    if stripe.used(site):
        made += _stripe(site, http)
    if twilio.used(site):
        made += _twilio(site)
    if sendgrid.used(site):
        made += _sendgrid(site, http)
    host = dict(headers or {}).get("Host", "")
    return [one if isinstance(one, Probe) else _probe(site, http, host, one) for one in made]


def _stripe(site: Site, http: Http) -> list[Delivery | Probe]:
    path = site.settings.project.webhooks.stripe_path
    now = http.clock.now()
    body = json.dumps(_stripe_event(int(now))).encode()
    secret = site.staged.get(stripe.SECRET) or site.settings.secret(stripe.SECRET)
    wrong = Secret(f"whsec_{secrets.token_hex(16)}", "a wrong secret")
    made: list[Delivery | Probe] = [
        Delivery("stripe unsigned", path, {}, body, False),
        _stripe_delivery("stripe wrongly signed", path, body, wrong, now, False),
    ]
    if not secret:
        why = f"{stripe.SECRET} was minted by a release: only the Worker has it"
        return [*made, _untold("stripe signed", why)]
    return [
        *made,
        _stripe_delivery("stripe old", path, body, secret, now - OLD, False),
        _stripe_delivery("stripe signed", path, body, secret, now, True),
    ]


def _stripe_event(created: int) -> dict[str, object]:
    """Return an event in Stripe's own form, of a type that changes nothing."""
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


def _twilio(environment: Environment) -> list[Delivery | Probe]:
    webhooks, token = (
        environment.settings.project.webhooks,
        environment.settings.secret("TWILIO_AUTH_TOKEN"),
    )
    wrong = Secret(secrets.token_hex(16), "a wrong token")
    caller = {"From": environment.settings.text("TWILIO_PHONE_NUMBER")}
    kinds = {
        webhooks.sms_path: {"MessageSid": "SMdeploymentprobe", "Body": "deployment probe"},
        webhooks.voice_path: {"CallSid": "CAdeploymentprobe"},
        webhooks.status_path: {"CallSid": "CAdeploymentprobe", "CallStatus": "completed"},
    }
    made: list[Delivery | Probe] = []
    for path, fields in kinds.items():
        if path:
            url, sent = address(environment, path), {**fields, **caller}
            for name, key in (("signed", token), ("wrongly signed", wrong)):
                headers = {"X-Twilio-Signature": twilio_signature(url, sent, key)}
                made.append(_form(f"twilio {path} {name}", path, headers, sent, key is token))
            made.append(_form(f"twilio {path} unsigned", path, {}, sent, False))
    return made


def _form(
    name: str, path: str, headers: Mapping[str, str], fields: Mapping[str, str], welcome: bool
) -> Delivery:
    typed = {**headers, "Content-Type": FORM}
    return Delivery(name, path, typed, urlencode(fields).encode(), welcome)


def _sendgrid(environment: Environment, http: Http) -> list[Delivery | Probe]:
    path = environment.settings.project.webhooks.email_path
    body = b'[{"sg_event_id": "deployment-probe", "event": "processed", "email": "a@b.test"}]'
    plain = {"Content-Type": "application/json"}
    signed = {
        **plain,
        "X-Twilio-Email-Event-Webhook-Signature": "MAYCAQECAQE=",  # DER of the pair (1, 1)
        "X-Twilio-Email-Event-Webhook-Timestamp": str(int(http.clock.now())),
    }
    made: list[Delivery | Probe] = [
        Delivery("sendgrid unsigned", path, plain, body, False),
        Delivery("sendgrid wrongly signed", path, signed, body, False),
        _untold("sendgrid signed", "only SendGrid has the private key"),
    ]
    if inbound.used(environment):
        letter = {**signed, "Content-Type": "multipart/form-data; boundary=probe"}
        name = "sendgrid mail wrongly signed"
        made.append(Delivery(name, path, letter, _LETTER, False))
    return made


def _probe(site: Site, http: Http, host: str, delivery: Delivery) -> Probe:
    """Return a probe that delivers, marked as a request of the deployment's own."""

    def look() -> Finding:
        request = ProbedRequest.of("POST", http.base_url + delivery.path, host)
        staged = site.staged.get(probe_header.TOKEN)
        mark = probe_header.headers(site.settings, request, http.clock.now(), staged=staged)
        return delivered(http, delivery._replace(headers={**delivery.headers, **mark}))

    return Probe(delivery.name, "webhooks", look)


def delivered(http: Http, delivery: Delivery) -> Finding:
    """Deliver, and judge the answer: who is welcome gets in, nobody else does.

    Raises:
        Limited: the Worker's rate limit sends this client away.
    """
    json_type = {"Content-Type": "application/json"}
    reply = http.post(
        delivery.path,
        headers={**json_type, **delivery.headers},
        body=delivery.body,
        expect=range(300, 600),
        safe=True,  # its id makes a repetition harmless
    )
    if reply.status == TOO_MANY:
        raise Limited(f"429 from POST {delivery.path}: the Worker limits its callers")
    if standing := access.wall(reply.status, reply.headers):
        told = f"{standing} answers POST {delivery.path}: the provider does not reach it, either"
        raise Limited(told, remedy=_LET_IN)
    return _welcomed(delivery, reply) if delivery.welcome else _turned_away(delivery, reply)


_LET_IN: Final = "let a rule pass the webhooks' paths (Access: a policy Bypass; bots: a rule Skip)"


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
    stale = delivery.name.endswith(" old")
    forged = "what was signed long ago" if stale else "what the provider did not sign"
    told = f"{evidence}, which has to refuse {forged}"
    remedy = "the Worker must refuse this with 400, 401 or 403: fix its signature check"
    return Finding(delivery.name, "webhooks", "fail", True, told, remedy)


def _untold(name: str, why: str) -> Probe:
    return Probe(name, "webhooks", lambda: Finding(name, "webhooks", "skip", evidence=why))
