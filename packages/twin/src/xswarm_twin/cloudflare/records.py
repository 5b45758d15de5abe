"""What the stand-in stores, as it is stored.

Every record says under which kind, owner and key it is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar


@dataclass(frozen=True)
class Record:
    """Something stored: JSON values only."""

    kind: ClassVar[str]
    key_by: ClassVar[str]
    owner_by: ClassVar[str]

    def __init_subclass__(cls, *, kind: str, key: str = "id", owner: str = "") -> None:
        """Make a kind of record.

        Args:
            kind: what it is stored under.
            key: the field that is its name within its owner; ``=name``: there is one of that name.
            owner: the field that is the key of what it belongs to; empty: to the account.
        """
        cls.kind, cls.key_by, cls.owner_by = kind, key, owner

    @property
    def key(self) -> str:
        """Return the name that the record is found by, within its owner."""
        one = self.key_by.startswith("=")
        return self.key_by[1:] if one else str(getattr(self, self.key_by))

    @property
    def owner(self) -> str:
        """Return the key of what the record belongs to; empty when to the account."""
        return str(getattr(self, self.owner_by)) if self.owner_by else ""


@dataclass(frozen=True)
class Worker(Record, kind="worker", key="name"):
    """A Worker, of which there are versions and deployments.

    ``schedules`` have cron, created_on and modified_on.
    """

    name: str
    tag: str
    created_on: str
    modified_on: str
    enabled: bool = False
    previews_enabled: bool = False
    settings: dict[str, Any] = field(default_factory=dict)
    schedules: list[dict[str, str]] = field(default_factory=list)
    migration_tag: str = ""


@dataclass(frozen=True)
class Version(Record, kind="version", owner="worker"):
    """A version of a Worker; its bindings hold the secrets' texts.

    ``modules`` have name, media_type and blob; ``assets`` has files (path to hash) and config.
    """

    id: str
    worker: str
    number: int
    created_on: str
    source: str
    main_module: str | None
    modules: list[dict[str, str]]
    bindings: list[dict[str, Any]]
    compatibility_date: str
    compatibility_flags: list[str] = field(default_factory=list)
    annotations: dict[str, str] = field(default_factory=dict)
    assets: dict[str, Any] | None = None
    startup_time_ms: int = 0
    migration_tag: str = ""
    handlers: list[str] = field(default_factory=lambda: ["fetch"])
    exports: list[str] = field(default_factory=list)

    @property
    def secrets(self) -> dict[str, dict[str, Any]]:
        """Return the secret bindings by their names."""
        return {
            binding["name"]: binding
            for binding in self.bindings
            if binding["type"].startswith("secret_")
        }


@dataclass(frozen=True)
class Deployment(Record, kind="deployment", owner="worker"):
    """Which versions of a Worker serve, each with its percentage."""

    id: str
    worker: str
    created_on: str
    source: str
    versions: list[dict[str, Any]]
    annotations: dict[str, str] = field(default_factory=dict)

    @property
    def shares(self) -> dict[str, float]:
        """Return the percentage of each version id."""
        return {share["version_id"]: share["percentage"] for share in self.versions}


@dataclass(frozen=True)
class Asset(Record, kind="asset", key="hash", owner="product"):
    """A static file of Workers or of Pages (the owner), under the hash of its uploader."""

    product: str
    hash: str
    media_type: str
    blob: str


@dataclass(frozen=True)
class AssetSession(Record, kind="asset_session"):
    """An upload of a Worker's static files: which, and until when (seconds of the epoch)."""

    id: str
    worker: str
    manifest: dict[str, str]
    expires: float


@dataclass(frozen=True)
class Project(Record, kind="project", key="name"):
    """A Pages project, which deployment it serves, and its variables by environment."""

    id: str
    name: str
    created_on: str
    production_branch: str
    canonical: str | None = None
    variables: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Publication(Record, kind="publication", owner="project"):
    """A deployment of a Pages project; ``files`` are hashes by path.

    ``functions`` have main_module, modules (name, media_type, blob), bindings, and a
    compatibility date and flags; ``routes`` is the text of ``_routes.json``. ``failure`` says why
    a deployment came to nothing; the edge never served it.
    """

    id: str
    project: str
    environment: str
    branch: str
    created_on: str
    files: dict[str, str]
    headers: str = ""
    redirects: str = ""
    commit: dict[str, str] = field(default_factory=dict)
    functions: dict[str, Any] | None = None
    routes: str = ""
    failure: str = ""


@dataclass(frozen=True)
class Zone(Record, kind="zone"):
    """A domain of the account, and its settings by their names."""

    id: str
    name: str
    created_on: str
    modified_on: str
    settings: dict[str, str]


@dataclass(frozen=True)
class DnsRecord(Record, kind="dns_record", owner="zone"):
    """A DNS record of a zone."""

    id: str
    zone: str
    type: str
    name: str
    content: str
    ttl: int
    proxied: bool
    created_on: str


@dataclass(frozen=True)
class WorkerRoute(Record, kind="worker_route", owner="zone"):
    """A pattern of a zone, and the Worker that answers there."""

    id: str
    zone: str
    pattern: str
    script: str


@dataclass(frozen=True)
class WorkerDomain(Record, kind="worker_domain", owner="zone"):
    """A host of a zone that leads to a Worker."""

    id: str
    zone: str
    hostname: str
    service: str


@dataclass(frozen=True)
class Queue(Record, kind="queue"):
    """A queue; its consumers have consumer_id, script, settings and dead_letter_queue."""

    id: str
    name: str
    created_on: str
    consumers: list[dict[str, Any]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    purged_on: str = ""


@dataclass(frozen=True)
class PulledMessage(Record, kind="pulled_message", owner="queue"):
    """A message of a queue that is pulled; ``visible`` is when it may be, seconds since 1970."""

    id: str
    queue: str
    body: str
    content_type: str
    timestamp: int
    attempts: int = 0
    visible: float = 0.0
    lease: str = ""


@dataclass(frozen=True)
class Workflow(Record, kind="workflow", key="name"):
    """A workflow: which class of which script runs it, and what else was asked for."""

    id: str
    name: str
    created_on: str
    modified_on: str
    script_name: str
    class_name: str
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class KvNamespace(Record, kind="kv_namespace"):
    """A KV namespace; its keys are with the simulators."""

    id: str
    title: str


@dataclass(frozen=True)
class Database(Record, kind="database"):
    """A D1 database; its tables are with the simulators."""

    id: str
    name: str
    created_on: str
    jurisdiction: str = ""


@dataclass(frozen=True)
class ObjectNamespace(Record, kind="object_namespace", owner="script"):
    """A namespace of Durable Objects: a class of a Worker, made by a migration."""

    id: str
    script: str
    class_name: str
    sqlite: bool


@dataclass(frozen=True)
class BucketPlace(Record, kind="bucket_place", key="bucket"):
    """The jurisdiction of an R2 bucket that has one; the bucket is with the objects."""

    bucket: str
    jurisdiction: str


@dataclass(frozen=True)
class BucketEvents(Record, kind="bucket_events", key="queue", owner="bucket"):
    """The rules by which what changes in a bucket is told to a queue."""

    bucket: str
    queue: str
    rules: list[dict[str, Any]]


@dataclass(frozen=True)
class DispatchNamespace(Record, kind="dispatch", key="name"):
    """A namespace of Workers for Platforms."""

    name: str
    id: str
    created_on: str


@dataclass(frozen=True)
class NamedOnly(Record, kind="named_only", owner="product"):
    """What is there to be bound, and holds nothing: of which product, and what the API tells."""

    id: str
    product: str
    created_on: str
    told: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Hyperdrive(Record, kind="hyperdrive"):
    """A Hyperdrive configuration; its origin holds the database's password."""

    id: str
    name: str
    created_on: str
    origin: dict[str, Any]


@dataclass(frozen=True)
class SecretStore(Record, kind="secret_store"):
    """A store of secrets."""

    id: str
    name: str
    created_on: str


@dataclass(frozen=True)
class StoredSecret(Record, kind="stored_secret", owner="store"):
    """A secret of a store, with its text."""

    id: str
    store: str
    name: str
    text: str
    created_on: str
    scopes: list[str] = field(default_factory=list)
    comment: str = ""


@dataclass(frozen=True)
class AccountSubdomain(Record, kind="account_subdomain", key="=account"):
    """The account's name under workers.dev; empty: it was taken away."""

    name: str = "sandbox"


@dataclass(frozen=True)
class HeaderRules(Record, kind="header_rules", key="zone"):
    """The request header transform rules of a zone, in their order."""

    id: str
    zone: str
    rules: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class SigningKey(Record, kind="signing_key", key="=sessions"):
    """The key that the session tokens are signed with, in hexadecimal."""

    secret: str
