"""The mail that SendGrid hands in: the parse setting of the project's mail host, signed.

SendGrid signs it by a security policy, whose public key becomes a secret of the Worker: the
policy is minted before the Worker's version, and attached when that version is live.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from deployment.errors import Refused, StepFailed
from deployment.model.step import Action, AnyAction, Change, Facts
from deployment.secret import Secret
from deployment.steps.hooks.hook import STEP, Hook, address, compared

if TYPE_CHECKING:
    from deployment.services.sendgrid import ParseSetting, SecurityPolicy
    from deployment.steps.site import Site

PROVIDER: Final[Literal["sendgrid"]] = "sendgrid"
NAME: Final = "inbound parse"
KEY: Final = "SENDGRID_PARSE_PUBLIC_KEY"


@dataclass(frozen=True)
class PolicyId:
    """A security policy that is there, by SendGrid's id."""

    id: str


@dataclass(frozen=True)
class Policy:
    """A security policy by its name."""

    name: str
    provider: Literal["sendgrid"] = PROVIDER


@dataclass(frozen=True)
class MadePolicy:
    """A security policy by its name, and whether the release made it."""

    name: str
    made: bool
    provider: Literal["sendgrid"] = PROVIDER


@dataclass(frozen=True)
class Parse:
    """The parse setting of a host; without a URL: there is none.

    Args:
        hostname: whose mail.
        url: where it is handed in.
        spam_check: whether SendGrid judges it first.
        send_raw: whether it is handed in as it came.
        policy: the security policy that signs it: its id; in a plan its name.
    """

    hostname: str
    url: str = ""
    spam_check: bool = False
    send_raw: bool = False
    policy: str = ""
    provider: Literal["sendgrid"] = PROVIDER


def used(site: Site) -> bool:
    """Tell whether mail to a host of the project is handed to the Worker."""
    return bool(site.settings.project.webhooks.email_hostname)


def plan_minting(site: Site) -> list[Change]:
    """Say whether the Worker has to get the policy's key, and the policy to be made for it.

    Raises:
        Refused: the environment names a key that is not the policy's.
    """
    if not used(site):
        return []
    found = _policy(site)
    if site.settings.secret(KEY):
        _require_named_key(site, found.public_key if found else "")
        return []
    if found and KEY in site.cloudflare.secrets(site.worker):
        return []
    name = _policy_name(site)
    return [
        POLICY.change(
            f"sendgrid security policy {name}",
            before=PolicyId(found.id) if found else None,
            after=Policy(name),
            undo=MadePolicy(name, found is None),
        )
    ]


def plan(site: Site) -> list[Change]:
    """Say how the parse setting differs from what is wanted."""
    if not used(site):
        return []
    there, policy = _setting(site), _policy(site)
    url = _url(site)
    if there and policy and (there.url, there.policy) == (url, policy.id):
        return []
    before = _state(site, there)
    after = replace(before, url=url, policy=_policy_name(site))
    resource = f"sendgrid inbound parse {before.hostname}"
    return [PARSE.change(resource, before=before if there else None, after=after, undo=before)]


def listed(site: Site) -> list[Hook]:
    """Compare the parse setting with what is wanted."""
    if not used(site):
        return []
    there, policy = _setting(site), _policy(site)
    wanted = {"hostname": _hostname(site), "url": _url(site), "policy": _policy_name(site)}
    found = None
    if there:
        signed = bool(policy and policy.id == there.policy)
        named = wanted["policy"] if signed else there.policy
        found = {"hostname": there.hostname, "url": there.url, "policy": named}
    return [compared(PROVIDER, NAME, wanted, found)]


def _mint(site: Site, change: Change) -> Facts:
    name = POLICY.after_of(change).name
    policy = _policy(site) or site.sendgrid.create_security_policy(name)
    if not policy.public_key:
        raise StepFailed("SendGrid gave no key for the policy's signatures", policy.id)
    site.staged[KEY] = Secret(policy.public_key, KEY)
    return {}


def _unmint(site: Site, change: Change) -> None:
    before = POLICY.undo_of(change)
    made = _policy(site) if before.made else None
    if made is None:
        return
    site.sendgrid.delete_security_policy(made.id)
    if _policy(site):
        raise StepFailed(f"sendgrid security policy {before.name} is still there")


def _attach(site: Site, change: Change) -> Facts:
    """Set URL and policy; the policy was made since the plan, so its id is asked for now."""
    after, policy = PARSE.after_of(change), _policy(site)
    if policy is None:
        raise StepFailed(f"sendgrid security policy {after.policy} is not there", "", _REMEDY)
    _set(site, replace(after, policy=policy.id))
    return {}


def _set(site: Site, parse: Parse) -> None:
    from deployment.services.sendgrid import ParseSetting

    wanted = ParseSetting(
        parse.hostname,
        url=parse.url,
        policy=parse.policy,
        spam_check=parse.spam_check,
        send_raw=parse.send_raw,
    )
    there = _setting(site)
    if there is None:
        site.sendgrid.create_parse_setting(wanted)
    elif there != wanted:
        site.sendgrid.update_parse_setting(wanted)
    if _setting(site) != wanted:
        raise StepFailed(f"sendgrid inbound parse {wanted.hostname} is not as it was set")


def _unset(site: Site, change: Change) -> None:
    before = PARSE.undo_of(change)
    if before.url:
        _set(site, before)
        return
    site.sendgrid.delete_parse_setting(before.hostname)
    if _setting(site):
        raise StepFailed(f"sendgrid inbound parse {before.hostname} is still there")


def _setting(site: Site) -> ParseSetting | None:
    settings = site.sendgrid.parse_settings()
    return next((one for one in settings if one.hostname == _hostname(site)), None)


def _state(site: Site, there: ParseSetting | None) -> Parse:
    if there is None:
        return Parse(_hostname(site))
    return Parse(there.hostname, there.url, there.spam_check, there.send_raw, there.policy)


def _policy(site: Site) -> SecurityPolicy | None:
    """Find the policy of this Worker and environment, by its name."""
    name = _policy_name(site)
    return next((one for one in site.sendgrid.security_policies() if one.name == name), None)


def _policy_name(site: Site) -> str:
    return f"{site.worker} {site.settings.environment}"


def _hostname(site: Site) -> str:
    return site.settings.project.webhooks.email_hostname


def _url(site: Site) -> str:
    return address(site, site.settings.project.webhooks.email_path)


def _require_named_key(site: Site, key: str) -> None:
    if site.settings.secret(KEY).reveal() == key:
        return
    raise Refused(
        f"{KEY} is not the key of SendGrid's security policy for the Worker",
        "it has another" if key else f"SendGrid has no policy {_policy_name(site)}",
        f"empty {KEY} in {site.settings.source}: the release fetches it",
    )


_REMEDY: Final = "inv secrets (it makes the policy, and the Worker's secret)"
POLICY: Final = Action(STEP, "policy", PolicyId, Policy, MadePolicy, secret=True)
PARSE: Final = Action(STEP, "parse", Parse, Parse, Parse, replan=True)
VERBS: Final[Mapping[AnyAction, Callable[[Site, Change], Facts]]] = {POLICY: _mint, PARSE: _attach}
UNDO: Final[Mapping[AnyAction, Callable[[Site, Change], None]]] = {POLICY: _unmint, PARSE: _unset}
