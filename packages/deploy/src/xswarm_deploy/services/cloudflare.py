"""Cloudflare's API: the account, its Workers, R2 buckets and zones; Pages and assets beside.

Every answer is an envelope ``{success, errors, result}``. Calls that state a whole
result (a traffic split, a script, a subdomain switch) are harmless to repeat; those that
make a new thing are settled by looking when their reply was lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, NotRequired, TypedDict, TypeVar
from urllib.parse import quote

from xswarm_deploy.secret import Secret
from xswarm_deploy.services.analytics import Invocations, invocations
from xswarm_deploy.services.assets import Assets
from xswarm_deploy.services.envelope import result, unwrap
from xswarm_deploy.services.errors import Forbidden, NotFound, ServiceError, Unauthorised
from xswarm_deploy.services.http import Http, bearer
from xswarm_deploy.services.multipart import SECRET_TYPES, annotated
from xswarm_deploy.services.pages import Pages
from xswarm_deploy.services.paging import every
from xswarm_deploy.services.progress import Progress, silent, upload
from xswarm_deploy.services.queues import Queues
from xswarm_deploy.services.reply import Reply
from xswarm_deploy.services.routes import Domains, Routes
from xswarm_deploy.services.settle import settled, unless_missing
from xswarm_deploy.services.shape import Wire
from xswarm_deploy.services.tails import Overheard, Tail, overheard, tail
from xswarm_deploy.services.workflows import Workflows

if TYPE_CHECKING:
    from xswarm_deploy.settings.settings import Settings

WORKER_MISSING = frozenset({"10007", "10090"})
NO_VERSIONS = "10222"
SUBDOMAIN_MISSING = "10007"
BUCKET_MISSING = "10006"

Shape = TypeVar("Shape")
Cursor = TypeVar("Cursor")

PAGE = 50


class _Token(Wire):
    id: str
    status: str
    expires_on: str | None = None


class _Share(Wire):
    version_id: str
    percentage: float


class _Deployment(Wire):
    id: str
    created_on: str = ""
    versions: tuple[_Share, ...] = ()
    annotations: dict[str, str] | None = None


class _Deployments(Wire):
    deployments: tuple[_Deployment, ...] = ()


class _Metadata(Wire):
    created_on: str | None = None


class _Resources(Wire):
    bindings: tuple[dict[str, Any], ...] | None = None


class _Version(Wire):
    id: str
    number: int | None = None
    metadata: _Metadata | None = None
    annotations: dict[str, str] | None = None
    resources: _Resources | None = None
    startup_time_ms: int | None = None


class _Versions(Wire):
    items: tuple[_Version, ...] = ()


class _Created(Wire):
    deployment_id: str


class _Identified(Wire):
    id: str


class _AccountSubdomain(Wire):
    subdomain: str | None = None


class _Switches(Wire):
    enabled: bool
    previews_enabled: bool


class _Worker(Wire):
    subdomain: _Switches


class _Script(Wire):
    migration_tag: str | None = None


class _DefaultEnvironment(Wire):
    script: _Script | None = None


class _Service(Wire):
    default_environment: _DefaultEnvironment | None = None


class _Schedule(Wire):
    cron: str


class _Schedules(Wire):
    schedules: tuple[_Schedule, ...] = ()


class _Named(Wire):
    name: str


class _Buckets(Wire):
    buckets: tuple[_Named, ...] = ()


class _Setting(Wire):
    value: str


class Account(TypedDict):
    """An account that a token reaches."""

    id: str
    name: NotRequired[str]


class Bucket(TypedDict):
    """An R2 bucket."""

    name: str
    location: NotRequired[str]


class Zone(TypedDict):
    """A domain at Cloudflare."""

    id: str
    name: str
    status: NotRequired[str]


class DnsRecord(TypedDict):
    """One DNS record of a zone; ``proxied``: its traffic goes through Cloudflare."""

    id: str
    type: str
    name: NotRequired[str]
    content: NotRequired[str]
    proxied: NotRequired[bool | None]


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
        found = (b for b in self.bindings if b.get("type") in SECRET_TYPES)
        return tuple(sorted(str(binding.get("name", "")) for binding in found))

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
        self.queues = Queues(http, self._account)
        self.workflows = Workflows(http, self._account)
        self.routes = Routes(http)
        self.domains = Domains(http, self._account)

    # The account

    def verify_token(self) -> Token:
        """Ask whether the token is active; a user's or an account's own.

        Raises:
            ServiceError: neither route knows the token, or there is no answer.
        """
        try:
            found = self._get("/user/tokens/verify", _Token)
        except ServiceError as error:
            if error.status not in (400, 401, 403, 404):
                raise
            found = self._get(f"{self._account}/tokens/verify", _Token)
        return Token(found.id, found.status, found.expires_on or "")

    def accounts(self) -> list[Account]:
        """List the accounts the token reaches: id and name."""
        return list(self._listed("/accounts", list[Account]))

    # Workers

    def worker_exists(self, name: str) -> bool:
        """Return whether there is such a Worker."""
        path = f"{self._account}/workers/services/{_quoted(name)}"
        return unless_missing(lambda: self._get(path, object), WORKER_MISSING) is not None

    def migration_tag(self, name: str) -> str:
        """Return the last Durable Object migration that a Worker has had; empty: none."""
        path = f"{self._account}/workers/services/{_quoted(name)}"
        found = unless_missing(lambda: self._get(path, _Service), WORKER_MISSING)
        environment = found.default_environment if found else None
        script = environment.script if environment else None
        return (script.migration_tag or "") if script else ""

    def script_settings(self, name: str) -> dict[str, object]:
        """Read what belongs to a Worker and to no version; empty where there is no Worker."""
        path = f"{self._script(name)}/script-settings"
        return unless_missing(lambda: self._get(path, dict[str, object]), WORKER_MISSING) or {}

    def set_script_settings(self, name: str, changed: Mapping[str, Any]) -> None:
        """Set observability, logpush, tail consumers or tags; what is not named stays.

        Raises:
            Invalid: a value is not taken.
        """
        self.http.patch(f"{self._script(name)}/script-settings", json=dict(changed), safe=True)

    def deployments(self, name: str) -> list[Deployment]:
        """List a Worker's deployments, newest first; empty where there is no Worker."""
        found = unless_missing(
            lambda: self._get(f"{self._script(name)}/deployments", _Deployments),
            WORKER_MISSING | {NO_VERSIONS},
        )
        listed = [_deployment(item) for item in (found.deployments if found else ())]
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
            message: why; at most 1,000 bytes are kept.
            force: deploy a version although secrets changed since (error 10220).
        """

        def look() -> str | None:
            newest = self.deployments(name)[:1]
            return newest[0].id if newest and _same_split(newest[0].split, split) else None

        return settled(lambda: self._post_deployment(name, split, message, force), look)

    def versions(self, name: str) -> list[Version]:
        """List the versions that can be deployed, newest first; empty where there are none."""
        found = unless_missing(
            lambda: self._get(f"{self._script(name)}/versions", _Versions, {"deployable": "true"}),
            WORKER_MISSING | {NO_VERSIONS},
        )
        listed = [_version(item) for item in (found.items if found else ())]
        return sorted(listed, key=lambda version: version.created_on, reverse=True)

    def version(self, name: str, version_id: str) -> Version:
        """Read one version with its bindings.

        Raises:
            NotFound: the Worker has no such version.
        """
        path = f"{self._script(name)}/versions/{_quoted(version_id)}"
        return _version(self._get(path, _Version))

    def upload_version(
        self,
        name: str,
        body: bytes,
        content_type: str,
        tag: str = "",
        progress: Progress = silent,
    ) -> Version:
        """Upload a version of an existing Worker; no traffic goes to it.

        Args:
            name: the Worker.
            body: the multipart form of :mod:`xswarm_deploy.services.multipart`.
            content_type: the form's media type with its boundary.
            tag: the tag annotation in the form; finds the version when the reply was lost.
            progress: told how many bytes of the form have left.

        Raises:
            Invalid: the script does not start (code 10021), or a binding is wrong.
        """

        def look() -> Version | None:
            tagged = [version for version in self.versions(name) if tag and version.tag == tag]
            return self.version(name, tagged[0].id) if tagged else None

        return settled(lambda: self._post_version(name, body, content_type, progress), look)

    def create_worker(
        self, name: str, body: bytes, content_type: str, progress: Progress = silent
    ) -> str:
        """Create a Worker with its first version, at 100 % at once; return the version's id."""
        reply = self.http.put(
            self._script(name),
            query={"excludeScript": "true", "bindings_inherit": "strict"},
            body=body,
            headers={"Content-Type": content_type},
            budget=180,
            sent=upload(len(body), progress),
        )
        return _hyphened(reply, unwrap(reply, _Created).deployment_id)

    def delete_worker(self, name: str) -> None:
        """Delete a Worker with all its versions; one that is not there is deleted already."""
        path = self._script(name)
        unless_missing(lambda: self.http.delete(path, query={"force": "true"}), WORKER_MISSING)

    def account_subdomain(self) -> str:
        """Return the account's name under workers.dev; empty: it has registered none."""
        path = f"{self._account}/workers/subdomain"
        found = unless_missing(lambda: self._get(path, _AccountSubdomain), {SUBDOMAIN_MISSING})
        return (found.subdomain or "") if found else ""

    def worker_subdomain(self, name: str) -> Subdomain:
        """Read whether a Worker answers on workers.dev, and its versions on preview hosts."""
        path = f"{self._account}/workers/workers/{_quoted(name)}"
        found = self._get(path, _Worker).subdomain
        return Subdomain(found.enabled, found.previews_enabled)

    def set_subdomain(self, name: str, enabled: bool, previews_enabled: bool) -> Subdomain:
        """Switch a Worker's workers.dev address and preview hosts on or off."""
        wanted = {"enabled": enabled, "previews_enabled": previews_enabled}
        reply = self.http.post(f"{self._script(name)}/subdomain", json=wanted, safe=True)
        found = unwrap(reply, _Switches)
        return Subdomain(found.enabled, found.previews_enabled)

    def schedules(self, name: str) -> list[str]:
        """List a Worker's cron triggers; empty where there is no Worker."""
        path = f"{self._script(name)}/schedules"
        found = unless_missing(lambda: self._get(path, _Schedules), WORKER_MISSING)
        return [item.cron for item in (found.schedules if found else ())]

    def set_schedules(self, name: str, crons: Iterable[str]) -> None:
        """Let a Worker be told by these cron triggers, and by no others.

        Raises:
            Invalid: one is no cron expression.
        """
        self.http.put(f"{self._script(name)}/schedules", json=[{"cron": cron} for cron in crons])

    def secrets(self, name: str) -> list[str]:
        """List the names of a Worker's secrets; empty where there is no Worker."""
        path = f"{self._script(name)}/secrets"
        found = unless_missing(lambda: self._get(path, list[_Named]), WORKER_MISSING)
        return sorted(item.name for item in found or ())

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
            json={"env": env, "annotations": annotated(message, tag)},
            headers={"Content-Type": "application/merge-patch+json"},
            safe=True,  # a repetition makes one more version that nobody deploys
        )
        return unwrap(reply, _Identified).id

    def tail(self, name: str) -> AbstractContextManager[Tail]:
        """Listen to the requests of ours that a Worker is invoked by; see :mod:`.tails`.

        Raises:
            ServiceError: on entering, where the token may not, or nobody answers.
        """
        return tail(self.http, f"{self._script(name)}/tails")

    def overhear(self, name: str) -> AbstractContextManager[Overheard]:
        """Listen to all requests that a Worker is invoked by; see :mod:`.tails`.

        Raises:
            ServiceError: on entering, where the token may not, or nobody answers.
        """
        return overheard(self.http, f"{self._script(name)}/tails")

    def invocations(
        self, name: str, since: float, until: float
    ) -> Mapping[str, Invocations] | None:
        """Return what each version of a Worker did; see :mod:`.analytics`."""
        return invocations(self.http, self.account_id, name, since, until)

    def may_tail(self, name: str) -> bool:
        """Return whether the token may listen to a Worker, be it there yet or not."""
        try:
            self._get(f"{self._script(name)}/tails", object)
        except (Unauthorised, Forbidden):
            return False
        except NotFound:
            return True
        return True

    # R2

    def buckets(self) -> list[str]:
        """List the names of the account's R2 buckets."""
        path = f"{self._account}/r2/buckets"

        def fetch(cursor: str) -> tuple[Sequence[_Named], str | None]:
            query = {"per_page": 1000, **({"cursor": cursor} if cursor else {})}
            page = result(self.http.get(path, query=query), _Buckets)
            return page.value.buckets, page.info.cursor or None

        return [bucket.name for bucket in self._pages(path, "", fetch)]

    def bucket(self, name: str, jurisdiction: str = "") -> Bucket | None:
        """Read one R2 bucket; None where there is none of that name in the jurisdiction."""
        path, headers = f"{self._account}/r2/buckets/{_quoted(name)}", _within(jurisdiction)
        return unless_missing(
            lambda: unwrap(self.http.get(path, headers=headers), Bucket), {BUCKET_MISSING}
        )

    def create_bucket(self, name: str, jurisdiction: str = "") -> None:
        """Create an R2 bucket; one that exists already is right as well."""
        path, headers = f"{self._account}/r2/buckets", _within(jurisdiction)
        try:
            self.http.post(path, json={"name": name}, headers=headers, safe=True)
        except ServiceError:
            if self.bucket(name, jurisdiction) is None:
                raise

    def delete_bucket(self, name: str, jurisdiction: str = "") -> None:
        """Delete an R2 bucket, which must be empty; one that is not there is deleted already.

        Raises:
            Conflict: it holds objects.
        """
        path, headers = f"{self._account}/r2/buckets/{_quoted(name)}", _within(jurisdiction)
        unless_missing(lambda: self.http.delete(path, headers=headers), {BUCKET_MISSING})

    # What a Worker may be bound to besides

    def has(self, path: str) -> bool:
        """Return whether the account has a resource, e.g. ``d1/database/ID``."""
        quoted = "/".join(map(_quoted, path.split("/")))
        try:
            self._get(f"{self._account}/{quoted}", object)
        except NotFound:
            return False
        return True

    # Zones

    def zone(self, name: str) -> Zone | None:
        """Find the zone of a domain, exactly so named; None where the token reaches none."""
        return next(self._listed("/zones", list[Zone], {"name": name}), None)

    def dns_records(self, zone_id: str, name: str = "") -> list[DnsRecord]:
        """List a zone's DNS records, of one host where a name is given."""
        query = {"name.exact": name} if name else {}
        path = f"/zones/{_quoted(zone_id)}/dns_records"
        return list(self._listed(path, list[DnsRecord], query))

    def zone_setting(self, zone_id: str, setting: str) -> str:
        """Read a zone's setting, e.g. ``ssl``, ``min_tls_version``, ``always_use_https``."""
        path = f"/zones/{_quoted(zone_id)}/settings/{_quoted(setting)}"
        return self._get(path, _Setting).value

    # How

    def _script(self, name: str) -> str:
        return f"{self._account}/workers/scripts/{_quoted(name)}"

    def _get(self, path: str, shape: type[Shape], query: Mapping[str, Any] | None = None) -> Shape:
        return unwrap(self.http.get(path, query=query), shape)

    def _listed(
        self, path: str, shape: type[list[Shape]], query: Mapping[str, Any] | None = None
    ) -> Iterator[Shape]:
        def fetch(number: int) -> tuple[Sequence[Shape], int | None]:
            asked = {**(query or {}), "page": number, "per_page": PAGE}
            page = result(self.http.get(path, query=asked), shape)
            more = page.value and number < (page.info.total_pages or 1)
            return page.value, number + 1 if more else None

        return self._pages(path, 1, fetch)

    def _pages(
        self,
        path: str,
        first: Cursor,
        fetch: Callable[[Cursor], tuple[Sequence[Shape], Cursor | None]],
    ) -> Iterator[Shape]:
        return every(self.http.service, f"GET {path}", first, fetch, self.http.clock.monotonic)

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
                "annotations": annotated(message),
            },
        )
        return unwrap(reply, _Identified).id

    def _post_version(
        self, name: str, body: bytes, content_type: str, progress: Progress
    ) -> Version:
        reply = self.http.post(
            f"{self._script(name)}/versions",
            query={"bindings_inherit": "strict"},
            body=body,
            headers={"Content-Type": content_type},
            budget=180,
            sent=upload(len(body), progress),
        )
        return _version(unwrap(reply, _Version))


def _deployment(item: _Deployment) -> Deployment:
    split = {share.version_id: share.percentage for share in item.versions}
    return Deployment(item.id, item.created_on, split, item.annotations or {})


def _version(item: _Version) -> Version:
    return Version(
        id=item.id,
        number=item.number or 0,
        created_on=(item.metadata and item.metadata.created_on) or "",
        annotations=item.annotations or {},
        bindings=(item.resources and item.resources.bindings) or (),
        startup_ms=item.startup_time_ms,
    )


def _same_split(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    """Compare splits; a version at 0 % may be left out of an answer."""
    return {k: float(v) for k, v in one.items() if v} == {
        k: float(v) for k, v in other.items() if v
    }


def _hyphened(reply: Reply, identifier: str) -> str:
    """Write a version id as everywhere else: PUT script gives it without hyphens."""
    from uuid import UUID

    try:
        return str(UUID(identifier))
    except ValueError:
        raise reply.unexpected("the version's id is none") from None


def _within(jurisdiction: str) -> dict[str, str]:
    return {"cf-r2-jurisdiction": jurisdiction} if jurisdiction else {}


def _quoted(segment: str) -> str:
    return quote(segment, safe="")
