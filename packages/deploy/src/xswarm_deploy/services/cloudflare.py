"""Cloudflare's API: the account, its Workers, R2 buckets and zones; Pages and assets beside.

Every answer is an envelope ``{success, errors, result}``. Calls that state a whole
result (a traffic split, a script, a subdomain switch) are harmless to repeat; those that
make a new thing are settled by looking when their reply was lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from xswarm_deploy.secret import Secret
from xswarm_deploy.services.assets import Assets
from xswarm_deploy.services.envelope import result, unwrap
from xswarm_deploy.services.errors import Forbidden, NotFound, ServiceError, Unauthorised
from xswarm_deploy.services.http import Http, bearer
from xswarm_deploy.services.pages import Pages
from xswarm_deploy.services.settle import settled, unless_missing
from xswarm_deploy.services.tails import Tail, tail

if TYPE_CHECKING:
    from xswarm_deploy.settings.settings import Settings

WORKER_MISSING = frozenset({"10007", "10090"})
NO_VERSIONS = "10222"
BUCKET_MISSING = "10006"

MESSAGE_LENGTH = 100  # characters the API keeps of an annotation's message
PAGE = 50


class Token(NamedTuple):
    """The API token in use: ``status`` must be ``active``."""

    id: str
    status: str
    expires_on: str = ""


class Deployment(NamedTuple):
    """Which versions of a Worker get how much of the traffic, since when."""

    id: str
    created_on: str
    split: Mapping[str, float]
    annotations: Mapping[str, str] = MappingProxyType({})

    @property
    def message(self) -> str:
        """Return the words it was deployed with."""
        return self.annotations.get("workers/message", "")


class Version(NamedTuple):
    """One version of a Worker: code, bindings and secrets together, never changed again."""

    id: str
    number: int = 0
    created_on: str = ""
    annotations: Mapping[str, str] = MappingProxyType({})
    bindings: tuple[Mapping[str, Any], ...] = ()
    startup_ms: int | None = None

    @property
    def secret_names(self) -> tuple[str, ...]:
        """Return the names of its secrets; the API never gives their values."""
        names = (b["name"] for b in self.bindings if str(b.get("type")).startswith("secret"))
        return tuple(sorted(names))

    @property
    def tag(self) -> str:
        """Return the release it was tagged with."""
        return self.annotations.get("workers/tag", "")


class Subdomain(NamedTuple):
    """Whether a Worker answers on workers.dev, and whether its versions have previews."""

    enabled: bool
    previews_enabled: bool


class Cloudflare:
    """One Cloudflare account.

    Args:
        http: the way to the API, with the token.
        account_id: 32 hexadecimal digits.
    """

    @classmethod
    def of(cls, settings: Settings) -> Cloudflare:
        """Return the client of an environment."""
        token = settings.secret("CLOUDFLARE_API_TOKEN")
        http = Http(
            "Cloudflare",
            settings.text("CLOUDFLARE_API_BASE_URL"),
            {"Authorization": bearer(token)},
        )
        return cls(http, settings.text("CLOUDFLARE_ACCOUNT_ID"))

    def __init__(self, http: Http, account_id: str) -> None:
        self.http = http
        self.account_id = account_id
        self._account = f"/accounts/{quote(account_id, safe='')}"
        self.pages = Pages(http, self._account)
        self.assets = Assets(http, self._account)

    # The account

    def verify_token(self) -> Token:
        """Ask whether the token is active; a user's or an account's own.

        Raises:
            ServiceError: neither route knows the token, or there is no answer.
        """
        try:
            found = self._get("/user/tokens/verify")
        except ServiceError as error:
            if error.status not in (400, 401, 403, 404):
                raise
            found = self._get(f"{self._account}/tokens/verify")
        return Token(found["id"], found["status"], found.get("expires_on") or "")

    def accounts(self) -> list[dict[str, Any]]:
        """List the accounts the token reaches: id and name."""
        return list(self._listed("/accounts"))

    # Workers

    def worker_exists(self, name: str) -> bool:
        """Return whether there is such a Worker."""
        path = f"{self._account}/workers/services/{_quoted(name)}"
        return unless_missing(lambda: self._get(path), WORKER_MISSING) is not None

    def deployments(self, name: str) -> list[Deployment]:
        """List a Worker's deployments, newest first; empty where there is no Worker."""
        found = unless_missing(
            lambda: self._get(f"{self._script(name)}/deployments"), WORKER_MISSING | {NO_VERSIONS}
        )
        listed = [_deployment(item) for item in (found or {}).get("deployments", ())]
        return sorted(listed, key=lambda deployment: deployment.created_on, reverse=True)

    def deploy(
        self, name: str, split: Mapping[str, float], message: str = "", force: bool = False
    ) -> str:
        """Send the traffic to versions, by percentage, and return the deployment's id.

        The call states the whole split, so a lost reply is settled by looking, and by
        saying it once more where it was not applied.

        Args:
            name: the Worker.
            split: one or two version ids with percentages that add up to 100; 0 is allowed.
            message: why; at most 100 characters are kept.
            force: deploy a version although secrets changed since (error 10220).
        """

        def look() -> str | None:
            newest = self.deployments(name)[:1]
            return newest[0].id if newest and _same_split(newest[0].split, split) else None

        return settled(lambda: self._post_deployment(name, split, message, force), look)

    def versions(self, name: str) -> list[Version]:
        """List the versions that can be deployed, newest first; empty where there are none."""
        found = unless_missing(
            lambda: self._get(f"{self._script(name)}/versions", query={"deployable": "true"}),
            WORKER_MISSING | {NO_VERSIONS},
        )
        listed = [_version(item) for item in (found or {}).get("items", ())]
        return sorted(listed, key=lambda version: version.created_on, reverse=True)

    def version(self, name: str, version_id: str) -> Version:
        """Read one version with its bindings.

        Raises:
            NotFound: the Worker has no such version.
        """
        return _version(self._get(f"{self._script(name)}/versions/{_quoted(version_id)}"))

    def upload_version(self, name: str, body: bytes, content_type: str, tag: str = "") -> Version:
        """Upload a version of an existing Worker; no traffic goes to it.

        Args:
            name: the Worker.
            body: the multipart form of :mod:`xswarm_deploy.services.multipart`.
            content_type: the form's media type with its boundary.
            tag: the tag annotation in the form; finds the version when the reply was lost.

        Raises:
            Invalid: the script does not start (code 10021), or a binding is wrong.
        """

        def look() -> Version | None:
            tagged = [version for version in self.versions(name) if tag and version.tag == tag]
            return self.version(name, tagged[0].id) if tagged else None

        return settled(lambda: self._post_version(name, body, content_type), look)

    def create_worker(self, name: str, body: bytes, content_type: str) -> str:
        """Create a Worker with its first version, at 100 % at once; returns the version's id."""
        reply = self.http.put(
            self._script(name),
            query={"excludeScript": "true", "bindings_inherit": "strict"},
            body=body,
            headers={"Content-Type": content_type},
            budget=180,
        )
        return _hyphened(unwrap(reply)["deployment_id"])

    def delete_worker(self, name: str) -> None:
        """Delete a Worker with all its versions; one that is not there is deleted already."""
        path = self._script(name)
        unless_missing(lambda: self.http.delete(path, query={"force": "true"}), WORKER_MISSING)

    def account_subdomain(self) -> str:
        """Return the account's name under workers.dev."""
        return str(self._get(f"{self._account}/workers/subdomain")["subdomain"])

    def worker_subdomain(self, name: str) -> Subdomain:
        """Read whether a Worker answers on workers.dev, and its versions on preview hosts."""
        found = self._get(f"{self._account}/workers/workers/{_quoted(name)}")["subdomain"]
        return Subdomain(bool(found["enabled"]), bool(found["previews_enabled"]))

    def set_subdomain(self, name: str, enabled: bool, previews_enabled: bool) -> Subdomain:
        """Switch a Worker's workers.dev address and preview hosts on or off."""
        wanted = {"enabled": enabled, "previews_enabled": previews_enabled}
        reply = self.http.post(f"{self._script(name)}/subdomain", json=wanted, safe=True)
        found = unwrap(reply)
        return Subdomain(bool(found["enabled"]), bool(found["previews_enabled"]))

    def schedules(self, name: str) -> list[str]:
        """List a Worker's cron triggers; empty where there is no Worker."""
        path = f"{self._script(name)}/schedules"
        found = unless_missing(lambda: self._get(path), WORKER_MISSING)
        return [str(item["cron"]) for item in (found or {}).get("schedules", ())]

    def set_schedules(self, name: str, crons: Iterable[str]) -> None:
        """Let a Worker be told by these cron triggers, and by no others.

        Raises:
            Invalid: one is no cron expression.
        """
        self.http.put(f"{self._script(name)}/schedules", json=[{"cron": cron} for cron in crons])

    def secrets(self, name: str) -> list[str]:
        """List the names of a Worker's secrets; empty where there is no Worker."""
        found = unless_missing(lambda: self._get(f"{self._script(name)}/secrets"), WORKER_MISSING)
        return sorted(str(item["name"]) for item in found or ())

    def patch_latest_secrets(
        self, name: str, secrets: Mapping[str, Secret | None], message: str = "", tag: str = ""
    ) -> str:
        """Make a version that differs from the latest in secrets only; it is not deployed.

        Args:
            name: the Worker.
            secrets: new values; None deletes.
            message: why.
            tag: the release.

        Returns:
            The new version's id.
        """
        env = {
            key: None if secret is None else {"type": "secret_text", "text": secret.reveal()}
            for key, secret in secrets.items()
        }
        reply = self.http.patch(
            f"{self._account}/workers/workers/{_quoted(name)}/versions/latest",
            json={"env": env, "annotations": _annotations(message, tag)},
            headers={"Content-Type": "application/merge-patch+json"},
            safe=True,  # a repetition makes one more version that nobody deploys
        )
        return str(unwrap(reply)["id"])

    def tail(self, name: str) -> AbstractContextManager[Tail]:
        """Listen to the requests of ours that a Worker is invoked by; see :mod:`.tails`.

        Raises:
            ServiceError: on entering, where the token may not, or nobody answers.
        """
        return tail(self.http, f"{self._script(name)}/tails")

    def may_tail(self, name: str) -> bool:
        """Return whether the token may listen to a Worker, be it there yet or not."""
        try:
            self._get(f"{self._script(name)}/tails")
        except (Unauthorised, Forbidden):
            return False
        except NotFound:
            return True
        return True

    # R2

    def buckets(self) -> list[str]:
        """List the names of the account's R2 buckets."""
        names: list[str] = []
        cursor = ""
        while True:
            query = {"per_page": 1000, **({"cursor": cursor} if cursor else {})}
            page = result(self.http.get(f"{self._account}/r2/buckets", query=query))
            names += [str(bucket["name"]) for bucket in page.value.get("buckets", ())]
            cursor = str(page.info.get("cursor") or "")
            if not cursor:
                return names

    def bucket(self, name: str) -> dict[str, Any] | None:
        """Read one R2 bucket; None where there is none of that name."""
        path = f"{self._account}/r2/buckets/{_quoted(name)}"
        found: dict[str, Any] | None = unless_missing(lambda: self._get(path), {BUCKET_MISSING})
        return found

    def create_bucket(self, name: str) -> None:
        """Create an R2 bucket; one that exists already is right as well."""
        try:
            self.http.post(f"{self._account}/r2/buckets", json={"name": name}, safe=True)
        except ServiceError:
            if self.bucket(name) is None:
                raise

    def delete_bucket(self, name: str) -> None:
        """Delete an R2 bucket, which must be empty; one that is not there is deleted already.

        Raises:
            Conflict: it holds objects.
        """
        path = f"{self._account}/r2/buckets/{_quoted(name)}"
        unless_missing(lambda: self.http.delete(path), {BUCKET_MISSING})

    # What a Worker may be bound to besides

    def has(self, path: str) -> bool:
        """Return whether the account has a resource, e.g. ``d1/database/ID``."""
        quoted = "/".join(map(_quoted, path.split("/")))
        try:
            self._get(f"{self._account}/{quoted}")
        except NotFound:
            return False
        return True

    # Zones

    def zone(self, name: str) -> dict[str, Any] | None:
        """Find the zone of a domain, exactly so named; None where the token reaches none."""
        return next(self._listed("/zones", {"name": name}), None)

    def dns_records(self, zone_id: str, name: str = "") -> list[dict[str, Any]]:
        """List a zone's DNS records, of one host where a name is given."""
        query = {"name": name} if name else {}
        return list(self._listed(f"/zones/{_quoted(zone_id)}/dns_records", query))

    def zone_setting(self, zone_id: str, setting: str) -> str:
        """Read a zone's setting, e.g. ``ssl``, ``min_tls_version``, ``always_use_https``."""
        path = f"/zones/{_quoted(zone_id)}/settings/{_quoted(setting)}"
        return str(self._get(path)["value"])

    # How

    def _script(self, name: str) -> str:
        return f"{self._account}/workers/scripts/{_quoted(name)}"

    def _get(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        return unwrap(self.http.get(path, query=query))

    def _listed(
        self, path: str, query: Mapping[str, Any] | None = None
    ) -> Iterator[dict[str, Any]]:
        number = 1
        while True:
            asked = {**(query or {}), "page": number, "per_page": PAGE}
            page = result(self.http.get(path, query=asked))
            yield from page.value
            if number >= int(page.info.get("total_pages") or 1):
                return
            number += 1

    def _post_deployment(
        self, name: str, split: Mapping[str, float], message: str, force: bool
    ) -> str:
        reply = self.http.post(
            f"{self._script(name)}/deployments",
            query={"force": "true"} if force else None,
            json={
                "strategy": "percentage",
                "versions": [
                    {"version_id": version, "percentage": percentage}
                    for version, percentage in split.items()
                ],
                "annotations": _annotations(message),
            },
        )
        return str(unwrap(reply)["id"])

    def _post_version(self, name: str, body: bytes, content_type: str) -> Version:
        reply = self.http.post(
            f"{self._script(name)}/versions",
            query={"bindings_inherit": "strict"},
            body=body,
            headers={"Content-Type": content_type},
            budget=180,
        )
        return _version(unwrap(reply))


def _deployment(item: Mapping[str, Any]) -> Deployment:
    split = {str(v["version_id"]): float(v["percentage"]) for v in item.get("versions", ())}
    return Deployment(
        str(item["id"]), str(item.get("created_on", "")), split, item.get("annotations") or {}
    )


def _version(item: Mapping[str, Any]) -> Version:
    metadata = item.get("metadata") or {}
    resources = item.get("resources") or {}
    return Version(
        id=str(item["id"]),
        number=int(item.get("number") or 0),
        created_on=str(metadata.get("created_on") or ""),
        annotations=item.get("annotations") or {},
        bindings=tuple(resources.get("bindings") or ()),
        startup_ms=item.get("startup_time_ms"),
    )


def _annotations(message: str, tag: str = "") -> dict[str, str]:
    given = {"workers/message": message[:MESSAGE_LENGTH], "workers/tag": tag}
    return {key: value for key, value in given.items() if value}


def _same_split(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    """Compare splits; a version at 0 % may be left out of an answer."""
    return {k: float(v) for k, v in one.items() if v} == {
        k: float(v) for k, v in other.items() if v
    }


def _hyphened(identifier: str) -> str:
    """Write a version id as everywhere else: PUT script gives it without hyphens."""
    from uuid import UUID

    return str(UUID(identifier))


def _quoted(segment: str) -> str:
    return quote(segment, safe="")
