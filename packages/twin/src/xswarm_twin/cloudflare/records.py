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
    """The field that is the record's name within its owner."""
    owner_by: ClassVar[str] = ""
    """The field that is the key of what the record belongs to; empty: to the account."""

    @property
    def key(self) -> str:
        """Return the name that the record is found by, within its owner."""
        return str(getattr(self, self.key_by))

    @property
    def owner(self) -> str:
        """Return the key of what the record belongs to; empty when to the account."""
        return str(getattr(self, self.owner_by)) if self.owner_by else ""

    @property
    def blobs(self) -> tuple[str, ...]:
        """Return the SHA-256 of all the bytes that the record names."""
        return ()


@dataclass(frozen=True)
class Worker(Record):
    """A Worker, of which there are versions and deployments.

    ``schedules`` have cron, created_on and modified_on.
    """

    kind: ClassVar[str] = "worker"
    key_by: ClassVar[str] = "name"
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
class Version(Record):
    """A version of a Worker; its bindings hold the secrets' texts.

    ``modules`` have name, media_type and blob; ``assets`` has files (path to hash) and config.
    """

    kind: ClassVar[str] = "version"
    key_by: ClassVar[str] = "id"
    owner_by: ClassVar[str] = "worker"
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
    handlers: list[str] = field(default_factory=lambda: ["fetch"])

    @property
    def blobs(self) -> tuple[str, ...]:
        """Return the modules' bytes."""
        return tuple(module["blob"] for module in self.modules)

    @property
    def secrets(self) -> dict[str, dict[str, Any]]:
        """Return the secret bindings by their names."""
        return {
            binding["name"]: binding
            for binding in self.bindings
            if binding["type"].startswith("secret_")
        }


@dataclass(frozen=True)
class Deployment(Record):
    """Which versions of a Worker serve, each with its percentage."""

    kind: ClassVar[str] = "deployment"
    key_by: ClassVar[str] = "id"
    owner_by: ClassVar[str] = "worker"
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
class Asset(Record):
    """A static file of Workers or of Pages (the owner), under the hash of its uploader."""

    kind: ClassVar[str] = "asset"
    key_by: ClassVar[str] = "hash"
    owner_by: ClassVar[str] = "product"
    product: str
    hash: str
    media_type: str
    blob: str

    @property
    def blobs(self) -> tuple[str, ...]:
        """Return the file's bytes."""
        return (self.blob,)


@dataclass(frozen=True)
class AssetSession(Record):
    """An upload of a Worker's static files: which, and until when (seconds of the epoch)."""

    kind: ClassVar[str] = "asset_session"
    key_by: ClassVar[str] = "id"
    id: str
    worker: str
    manifest: dict[str, str]
    expires: float


@dataclass(frozen=True)
class Project(Record):
    """A Pages project, and which deployment it serves."""

    kind: ClassVar[str] = "project"
    key_by: ClassVar[str] = "name"
    id: str
    name: str
    created_on: str
    production_branch: str
    canonical: str | None = None


@dataclass(frozen=True)
class Publication(Record):
    """A deployment of a Pages project; ``files`` are hashes by path, ``worker_bundle`` a blob."""

    kind: ClassVar[str] = "publication"
    key_by: ClassVar[str] = "id"
    owner_by: ClassVar[str] = "project"
    id: str
    project: str
    environment: str
    branch: str
    created_on: str
    files: dict[str, str]
    headers: str = ""
    redirects: str = ""
    commit: dict[str, str] = field(default_factory=dict)
    worker_bundle: str | None = None

    @property
    def blobs(self) -> tuple[str, ...]:
        """Return the bundle's bytes."""
        return () if self.worker_bundle is None else (self.worker_bundle,)


@dataclass(frozen=True)
class Zone(Record):
    """A domain of the account, and its settings by their names."""

    kind: ClassVar[str] = "zone"
    key_by: ClassVar[str] = "id"
    id: str
    name: str
    created_on: str
    modified_on: str
    settings: dict[str, str]


@dataclass(frozen=True)
class DnsRecord(Record):
    """A DNS record of a zone."""

    kind: ClassVar[str] = "dns_record"
    key_by: ClassVar[str] = "id"
    owner_by: ClassVar[str] = "zone"
    id: str
    zone: str
    type: str
    name: str
    content: str
    ttl: int
    proxied: bool
    created_on: str


@dataclass(frozen=True)
class WorkerRoute(Record):
    """A pattern of a zone, and the Worker that answers there."""

    kind: ClassVar[str] = "worker_route"
    key_by: ClassVar[str] = "id"
    owner_by: ClassVar[str] = "zone"
    id: str
    zone: str
    pattern: str
    script: str


@dataclass(frozen=True)
class WorkerDomain(Record):
    """A host of a zone that leads to a Worker."""

    kind: ClassVar[str] = "worker_domain"
    key_by: ClassVar[str] = "id"
    owner_by: ClassVar[str] = "zone"
    id: str
    zone: str
    hostname: str
    service: str


@dataclass(frozen=True)
class Queue(Record):
    """A queue; its consumers have consumer_id, script, settings and dead_letter_queue."""

    kind: ClassVar[str] = "queue"
    key_by: ClassVar[str] = "id"
    id: str
    name: str
    created_on: str
    consumers: list[dict[str, Any]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Workflow(Record):
    """A workflow: which class of which script runs it, and what else was asked for."""

    kind: ClassVar[str] = "workflow"
    key_by: ClassVar[str] = "name"
    id: str
    name: str
    created_on: str
    modified_on: str
    script_name: str
    class_name: str
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class KvNamespace(Record):
    """A KV namespace; its keys are with the simulators."""

    kind: ClassVar[str] = "kv_namespace"
    key_by: ClassVar[str] = "id"
    id: str
    title: str


@dataclass(frozen=True)
class Database(Record):
    """A D1 database; its tables are with the simulators."""

    kind: ClassVar[str] = "database"
    key_by: ClassVar[str] = "id"
    id: str
    name: str
    created_on: str
    jurisdiction: str = ""


@dataclass(frozen=True)
class ObjectNamespace(Record):
    """A namespace of Durable Objects: a class of a Worker, made by a migration."""

    kind: ClassVar[str] = "object_namespace"
    key_by: ClassVar[str] = "id"
    owner_by: ClassVar[str] = "script"
    id: str
    script: str
    class_name: str
    sqlite: bool


@dataclass(frozen=True)
class BucketPlace(Record):
    """The jurisdiction of an R2 bucket that has one; the bucket is with the objects."""

    kind: ClassVar[str] = "bucket_place"
    key_by: ClassVar[str] = "bucket"
    bucket: str
    jurisdiction: str


@dataclass(frozen=True)
class DispatchNamespace(Record):
    """A namespace of Workers for Platforms."""

    kind: ClassVar[str] = "dispatch"
    key_by: ClassVar[str] = "name"
    name: str
    id: str
    created_on: str


@dataclass(frozen=True)
class Hyperdrive(Record):
    """A Hyperdrive configuration; its origin holds the database's password."""

    kind: ClassVar[str] = "hyperdrive"
    key_by: ClassVar[str] = "id"
    id: str
    name: str
    created_on: str
    origin: dict[str, Any]


@dataclass(frozen=True)
class SecretStore(Record):
    """A store of secrets."""

    kind: ClassVar[str] = "secret_store"
    key_by: ClassVar[str] = "id"
    id: str
    name: str
    created_on: str


@dataclass(frozen=True)
class StoredSecret(Record):
    """A secret of a store, with its text."""

    kind: ClassVar[str] = "stored_secret"
    key_by: ClassVar[str] = "id"
    owner_by: ClassVar[str] = "store"
    id: str
    store: str
    name: str
    text: str
    created_on: str
    scopes: list[str] = field(default_factory=list)
    comment: str = ""


@dataclass(frozen=True)
class AccountSubdomain(Record):
    """The account's name under workers.dev; empty: it was taken away."""

    kind: ClassVar[str] = "account_subdomain"
    name: str = "sandbox"

    @property
    def key(self) -> str:
        """Return the one name there is."""
        return "account"


@dataclass(frozen=True)
class HeaderRules(Record):
    """The request header transform rules of a zone, in their order."""

    kind: ClassVar[str] = "header_rules"
    key_by: ClassVar[str] = "zone"
    id: str
    zone: str
    rules: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class SigningKey(Record):
    """The key that the session tokens are signed with, in hexadecimal."""

    kind: ClassVar[str] = "signing_key"
    secret: str

    @property
    def key(self) -> str:
        """Return the one name there is."""
        return "sessions"
