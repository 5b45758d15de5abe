"""The mail that SendGrid hands in: the parse setting of the project's mail host, signed.

SendGrid signs it by a security policy, whose public key becomes a secret of the Worker: the
policy is minted before the Worker's version, and attached when that version is live.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from xswarm_deploy.errors import Refused, StepFailed
from xswarm_deploy.model.step import Action, AnyAction, Change, Facts
from xswarm_deploy.secret import Secret
from xswarm_deploy.services.sendgrid import ParseSetting
from xswarm_deploy.webhooks.hook import STEP, Hook, address, compared

if TYPE_CHECKING:
    from xswarm_deploy.environment import Environment
    from xswarm_deploy.services.sendgrid import ParseSetting, SecurityPolicy
    from xswarm_deploy.site import Site

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


def used(environment: Environment) -> bool:
    """Return whether mail to a host of the project is handed to the Worker."""
    return bool(environment.settings.project.webhooks.email_hostname)


def plan_minting(environment: Environment) -> list[Change]:
    """Return whether the Worker has to get the policy's key, and the policy to be made for it.

    Raises:
        Refused: the environment names a key that is not the policy's.
    """
    if not used(environment):
        return []
    found = _policy(environment)
    if environment.settings.secret(KEY):
        _require_named_key(environment, found.public_key if found else "")
        return []
    if found and KEY in environment.cloudflare.secrets(environment.worker):
        return []
    name = _policy_name(environment)
    return [
        POLICY.change(
            f"sendgrid security policy {name}",
            before=PolicyId(found.id) if found else None,
            after=Policy(name),
            undo=MadePolicy(name, found is None),
        )
    ]


def plan(environment: Environment) -> list[Change]:
    """Return how the parse setting differs from what is wanted."""
    if not used(environment):
        return []
    there = _setting(environment)
    url, policy = _url(environment), _policy(environment, there)
    if there and policy and (there.url, there.policy) == (url, policy.id):
        return []
    before = _state(environment, there)
    after = replace(before, url=url, policy=_policy_name(environment))
    resource = f"sendgrid inbound parse {before.hostname}"
    return [PARSE.change(resource, before=before if there else None, after=after, undo=before)]


def listed(environment: Environment) -> list[Hook]:
    """Compare the parse setting with what is wanted."""
    if not used(environment):
        return []
    there = _setting(environment)
    policy = _policy(environment, there)
    wanted = {
        "hostname": _hostname(environment),
        "url": _url(environment),
        "policy": _policy_name(environment),
    }
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


def _unmint(environment: Environment, change: Change) -> None:
    before = POLICY.undo_of(change)
    made = _policies(environment) if before.made else []
    for policy in made:
        environment.sendgrid.delete_security_policy(policy.id)
    if made and _policy(environment):
        raise StepFailed(f"sendgrid security policy {before.name} is still there")


def settle(environment: Environment, made: Iterable[Change]) -> None:
    """Delete the policies that a call made once more, delivered late: they sign nothing.

    Args:
        environment: the environment.
        made: what a release has changed.
    """
    if not any(POLICY.owns(change) for change in made):
        return
    there, policies = _setting(environment), _policies(environment)
    if there and there.policy in [policy.id for policy in policies]:
        for policy in policies:
            if policy.id != there.policy:
                environment.sendgrid.delete_security_policy(policy.id)


def _attach(environment: Environment, change: Change) -> Facts:
    """Set URL and policy; the policy was made since the plan, so its id is asked for now."""
    after, there = PARSE.after_of(change), _setting(environment)
    policy = _policy(environment, there)
    if policy is None:
        raise StepFailed(f"sendgrid security policy {after.policy} is not there", "", _REMEDY)
    _set(environment, replace(after, policy=policy.id), there)
    return {}


def _set(environment: Environment, parse: Parse, there: ParseSetting | None) -> None:
    wanted = ParseSetting(
        parse.hostname,
        url=parse.url,
        policy=parse.policy,
        spam_check=parse.spam_check,
        send_raw=parse.send_raw,
    )
    if there is None:
        environment.sendgrid.create_parse_setting(wanted)
    elif there != wanted:
        environment.sendgrid.update_parse_setting(wanted)
    if _setting(environment) != wanted:
        raise StepFailed(f"sendgrid inbound parse {wanted.hostname} is not as it was set")


def _unset(environment: Environment, change: Change) -> None:
    before = PARSE.undo_of(change)
    if before.url:
        _set(environment, before, _setting(environment))
        return
    environment.sendgrid.delete_parse_setting(before.hostname)
    if _setting(environment):
        raise StepFailed(f"sendgrid inbound parse {before.hostname} is still there")


def _setting(environment: Environment) -> ParseSetting | None:
    settings = environment.sendgrid.parse_settings()
    return next((one for one in settings if one.hostname == _hostname(environment)), None)


def _state(environment: Environment, there: ParseSetting | None) -> Parse:
    if there is None:
        return Parse(_hostname(environment))
    return Parse(there.hostname, there.url, there.spam_check, there.send_raw, there.policy)


def _policy(environment: Environment, there: ParseSetting | None = None) -> SecurityPolicy | None:
    """Find the policy of this Worker and environment; of several the one that signs already."""
    found = _policies(environment)
    signing = (one for one in found if there and one.id == there.policy)
    return next(signing, next(iter(found), None))


def _policies(environment: Environment) -> list[SecurityPolicy]:
    """Find the policies of this Worker and environment, by their name."""
    name = _policy_name(environment)
    return [one for one in environment.sendgrid.security_policies() if one.name == name]


def _policy_name(environment: Environment) -> str:
    return f"{environment.worker} {environment.settings.environment}"


def _hostname(environment: Environment) -> str:
    return environment.settings.project.webhooks.email_hostname


def _url(environment: Environment) -> str:
    return address(environment, environment.settings.project.webhooks.email_path)


def _require_named_key(environment: Environment, key: str) -> None:
    if environment.settings.secret(KEY).reveal() == key:
        return
    raise Refused(
        f"{KEY} is not the key of SendGrid's security policy for the Worker",
        "it has another" if key else f"SendGrid has no policy {_policy_name(environment)}",
        f"empty {KEY} in {environment.settings.source}: the release fetches it",
    )


_REMEDY: Final = "inv secrets (it makes the policy, and the Worker's secret)"
POLICY: Final = Action(STEP, "policy", PolicyId, Policy, MadePolicy, secret=True)
PARSE: Final = Action(STEP, "parse", Parse, Parse, Parse, replan=True)
VERBS: Final[Mapping[AnyAction, Callable[[Site, Change], Facts]]] = {POLICY: _mint, PARSE: _attach}
UNDO: Final[Mapping[AnyAction, Callable[[Site, Change], None]]] = {POLICY: _unmint, PARSE: _unset}
