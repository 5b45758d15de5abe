"""The mail that SendGrid hands in: the parse setting of the project's mail host, signed.

SendGrid signs it by a security policy, whose public key becomes a secret of the Worker: the
policy is minted before the Worker's version, and attached when that version is live.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from xswarm_deploy.errors import Refused, StepFailed
from xswarm_deploy.model.step import Change, Facts
from xswarm_deploy.secret import Secret
from xswarm_deploy.webhooks.hook import STEP, Hook, address, compared

if TYPE_CHECKING:
    from xswarm_deploy.services.sendgrid import ParseSetting, SecurityPolicy
    from xswarm_deploy.site import Site

PROVIDER: Final = "sendgrid"
NAME: Final = "inbound parse"
KEY: Final = "SENDGRID_PARSE_PUBLIC_KEY"


def used(site: Site) -> bool:
    """Return whether mail to a host of the project is handed to the Worker."""
    return bool(site.settings.project.webhooks.email_hostname)


def plan_minting(site: Site) -> list[Change]:
    """Return whether the Worker has to get the policy's key, and the policy to be made for it.

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
    place = {"provider": PROVIDER, "name": _policy_name(site)}
    before = {"id": found.id} if found else None
    undoing = {**place, "made": found is None}
    resource = f"sendgrid security policy {place['name']}"
    return [Change(STEP, resource, "policy", before, after=place, undo=undoing)]


def plan(site: Site) -> list[Change]:
    """Return how the parse setting differs from what is wanted."""
    if not used(site):
        return []
    there, policy = _setting(site), _policy(site)
    wanted = {"hostname": _hostname(site), "url": _url(site)}
    if there and policy and (there.url, there.policy) == (wanted["url"], policy.id):
        return []
    kept = _state(there)
    after = {"spam_check": False, "send_raw": False, **kept, **wanted, "policy": _policy_name(site)}
    before = {"provider": PROVIDER, "hostname": wanted["hostname"], **kept}
    resource = f"sendgrid inbound parse {wanted['hostname']}"
    after = {"provider": PROVIDER, **after}
    return [Change(STEP, resource, "parse", before if there else None, after, before)]


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


def _mint(site: Site, after: dict[str, Any]) -> Facts:
    policy = _policy(site) or site.sendgrid.create_security_policy(after["name"])
    if not policy.public_key:
        raise StepFailed("SendGrid gave no key for the policy's signatures", policy.id)
    site.staged[KEY] = Secret(policy.public_key, KEY)
    return {}


def _unmint(site: Site, before: dict[str, Any]) -> None:
    made = _policy(site) if before["made"] else None
    if made is None:
        return
    site.sendgrid.delete_security_policy(made.id)
    if _policy(site):
        raise StepFailed(f"sendgrid security policy {before['name']} is still there")


def _attach(site: Site, after: dict[str, Any]) -> Facts:
    """Set URL and policy; the policy was made since the plan, so its id is asked for now."""
    policy = _policy(site)
    if policy is None:
        raise StepFailed(f"sendgrid security policy {after['policy']} is not there", "", _REMEDY)
    return _set(site, {**after, "policy": policy.id})


def _set(site: Site, state: dict[str, Any]) -> Facts:
    from xswarm_deploy.services.sendgrid import ParseSetting

    wanted = ParseSetting(**{name: state[name] for name in ("hostname", *_STATE)})
    there = _setting(site)
    if there is None:
        site.sendgrid.create_parse_setting(wanted)
    elif there != wanted:
        site.sendgrid.update_parse_setting(wanted)
    if _setting(site) != wanted:
        raise StepFailed(f"sendgrid inbound parse {wanted.hostname} is not as it was set")
    return {}


def _unset(site: Site, before: dict[str, Any]) -> None:
    if before.get("url"):
        _set(site, before)
        return
    site.sendgrid.delete_parse_setting(before["hostname"])
    if _setting(site):
        raise StepFailed(f"sendgrid inbound parse {before['hostname']} is still there")


def _setting(site: Site) -> ParseSetting | None:
    settings = site.sendgrid.parse_settings()
    return next((one for one in settings if one.hostname == _hostname(site)), None)


def _state(setting: ParseSetting | None) -> dict[str, Any]:
    return {name: getattr(setting, name) for name in _STATE} if setting else {}


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


_STATE: Final = ("url", "spam_check", "send_raw", "policy")
_REMEDY: Final = "inv secrets (it makes the policy, and the Worker's secret)"
VERBS: Final = {"policy": _mint, "parse": _attach}
UNDO: Final = {"policy": _unmint, "parse": _unset}
