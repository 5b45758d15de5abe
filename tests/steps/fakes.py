"""Stand-ins for the services a step calls, small enough to read; the twin tests the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from xswarm_deploy.bundling.bundle import Bundle
from xswarm_deploy.console import no_progress
from xswarm_deploy.model.preparation import Preparation
from xswarm_deploy.secret import Secret
from xswarm_deploy.services import multipart
from xswarm_deploy.services.analytics import Invocations
from xswarm_deploy.services.cloudflare import Deployment, Subdomain, Version
from xswarm_deploy.services.errors import Forbidden, Invalid, NotFound
from xswarm_deploy.services.pages import Commit, PagesDeployment, Project, Rules
from xswarm_deploy.services.tails import Overheard
from xswarm_deploy.site import Site
from xswarm_deploy.steps import traffic

BODY = (
    b'------b\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n'
    b'{"main_module":"i.js","bindings":[],"keep_bindings":["secret_text"]}\r\n'
    b'------b\r\nContent-Disposition: form-data; name="i.js"; filename="i.js"\r\n'
    b"Content-Type: application/javascript+module\r\n\r\nexport default {}\r\n------b--\r\n"
)


def ahead(site: Site, make: Callable[[], object], step: str) -> None:
    """Let something be made before its turn, as a release does."""
    preparation = Preparation(no_progress)
    preparation.begin(make, "test")
    site.state.prepared[step] = preparation


def bundling() -> Future[Bundle]:
    """Return a bundle that is ready."""
    future: Future[Bundle] = Future()
    future.set_result(Bundle(BODY, "digest"))
    return future


@dataclass
class FakePages:
    projects: dict[str, list[PagesDeployment]] = field(default_factory=dict)
    canonical: dict[str, str] = field(default_factory=dict)
    uploaded: list[str] = field(default_factory=list)

    def read_ahead(self, name: str) -> None:
        """Read nothing."""

    def project(self, name: str) -> Project | None:
        if name not in self.projects:
            return None
        return Project(name, "main", canonical_deployment=self.canonical.get(name, ""))

    def create_project(self, name: str, production_branch: str) -> None:
        self.projects.setdefault(name, [])

    def delete_project(self, name: str) -> None:
        self.projects.pop(name, None)

    def deployments(self, name: str) -> list[PagesDeployment]:
        return list(reversed(self.projects[name]))

    def deployment(self, name: str, deployment_id: str) -> PagesDeployment:
        return next(one for one in self.projects[name] if one.id == deployment_id)

    def upload(self, name: str, files: Any, progress: Any) -> int:
        self.uploaded += [file.path for file in files]
        progress(len(files), len(files))
        return len(files)

    def create_deployment(
        self, name: str, manifest: Mapping[str, str], commit: Commit, rules: Rules
    ) -> PagesDeployment:
        made = PagesDeployment(
            f"deployment-{len(self.projects[name]) + 1}",
            "production",
            "https://p.test",
            message=commit.message,
            stage="deploy",
            status="success",
        )
        self.projects[name].append(made)
        self.canonical[name] = made.id
        return made

    def made_of(self, name: str, commit: Commit) -> PagesDeployment:
        return next(one for one in self.deployments(name) if one.message == commit.message)

    def finished(self, name: str, made: PagesDeployment) -> PagesDeployment:
        return self.deployment(name, made.id)

    def rollback_deployment(self, name: str, deployment_id: str) -> None:
        old = self.deployment(name, deployment_id)
        made = old._replace(id=f"deployment-{len(self.projects[name]) + 1}")
        self.projects[name].append(made)
        self.canonical[name] = made.id


@dataclass
class FakeTail:
    """A tail that hears whatever is asked, as if one version answered it all."""

    version: str

    def versions(self, tag: str) -> Counter[str]:
        return Counter({self.version: 1})

    def more(self, tag: str, known: int, seconds: float) -> Counter[str]:
        return Counter({self.version: known + 1})


@dataclass
class FakeCloudflare:
    splits: list[dict[str, float]] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    bound: list[dict[str, str]] = field(default_factory=list)
    """What each version is bound to beside its secrets."""
    bodies: list[bytes] = field(default_factory=list)
    patched: list[dict[str, Secret | None]] = field(default_factory=list)
    enabled: bool = True
    deaf: bool = False
    pages: FakePages = field(default_factory=FakePages)
    bucket_names: list[str] = field(default_factory=lambda: ["xswarm-boss"])
    crons: list[str] = field(default_factory=list)
    previews: bool = True
    tailed: str | None = ""
    """The version that a tail hears; empty: the newest deployed; None: the token may not."""
    tag: str = ""
    subdomain: str = "sandbox"
    script: dict[str, Any] = field(default_factory=dict)
    overheard: Overheard | None = None
    """What a tail of all requests hears; None: the token may not."""
    counted: Mapping[str, Invocations] | None = None
    """What Cloudflare's analytics count, by version; None: the token may not."""

    def open_ahead(self, count: int) -> None:
        """Open nothing: there is nothing to connect to."""

    def read_ahead(self, name: str) -> None:
        """Read nothing."""

    def list_ahead(self, name: str) -> None:
        """Read nothing."""

    def account_subdomain(self) -> str:
        return self.subdomain

    def migration_tag(self, name: str) -> str:
        return self.tag

    def script_settings(self, name: str) -> dict[str, Any]:
        return dict(self.script)

    def set_script_settings(self, name: str, changed: Mapping[str, Any]) -> None:
        if not self.deaf:
            self.script |= changed

    @contextmanager
    def tail(self, name: str) -> Iterator[FakeTail]:
        if self.tailed is None:
            raise Forbidden("Cloudflare", "POST", status=403)
        yield FakeTail(self.tailed or list(self.splits[-1])[-1])

    @contextmanager
    def overhear(self, name: str) -> Iterator[Overheard]:
        if self.overheard is None:
            raise Forbidden("Cloudflare", "POST", status=403)
        yield self.overheard

    def invocations(
        self, name: str, since: float, until: float
    ) -> Mapping[str, Invocations] | None:
        return self.counted

    def may_tail(self, name: str) -> bool:
        return self.tailed is not None

    def deployments(self, name: str) -> list[Deployment]:
        listed = [Deployment(str(i), f"{i:04}", split) for i, split in enumerate(self.splits)]
        return list(reversed(listed))

    def newest(self, name: str) -> Deployment | None:
        return next(iter(self.deployments(name)), None)

    def look_ahead(self, name: str) -> None:
        """Read nothing: it is here."""

    def _newest(self) -> list[str]:
        return self.made[: -traffic.DEPLOYABLE - 1 : -1]

    def deploy(
        self,
        name: str,
        split: Mapping[str, float],
        message: str = "",
        *,
        force: bool = False,
        known: str = "",
    ) -> str:
        if not set(split) <= set(self._newest()):
            raise Invalid("Cloudflare", "POST", status=400, codes=("10026",))
        if not self.deaf:
            self.splits.append(dict(split))
        return "id"

    def versions(self, name: str) -> list[Version]:
        return [self.version(name, version) for version in self._newest()]

    def version(self, name: str, version_id: str) -> Version:
        annotations = {"workers/tag": self.tags.get(version_id, "")}
        if version_id not in self.made:
            raise NotFound("Cloudflare", "GET", status=404, codes=("10092",))
        place = self.made.index(version_id)
        secrets = tuple({"name": one, "type": "secret_text"} for one in self.names)
        bindings = (*secrets, *self.bound)
        return Version(
            version_id, created_on=f"{place:04}", annotations=annotations, bindings=bindings
        )

    def upload_version(
        self,
        name: str,
        body: bytes,
        headers: Mapping[str, str],
        tag: str = "",
        progress: Any = None,
    ) -> Version:
        self.bodies.append(body)
        self.made.append(f"version-{len(self.made) + 1}")
        self.tags[self.made[-1]] = tag
        return Version(self.made[-1])

    def create_worker(
        self, name: str, body: bytes, headers: Mapping[str, str], progress: Any = None
    ) -> str:
        annotations = multipart.read(body).metadata.get("annotations", {})
        tag = annotations.get("workers/tag", "")
        version = self.upload_version(name, body, headers, tag).id
        self.splits.append({version: 100.0})
        return version

    def delete_worker(self, name: str) -> None:
        self.splits.clear()

    def schedules(self, name: str) -> list[str]:
        return list(self.crons)

    def set_schedules(self, name: str, crons: Iterable[str]) -> None:
        if not self.deaf:
            self.crons = list(crons)

    def worker_exists(self, name: str) -> bool:
        return bool(self.splits)

    def set_subdomain(self, name: str, enabled: bool, previews_enabled: bool) -> Subdomain:
        self.enabled, self.previews = enabled, previews_enabled
        return Subdomain(enabled, previews_enabled)

    def worker_subdomain(self, name: str) -> Subdomain:
        if not self.splits:
            raise NotFound("Cloudflare", "GET", status=404, codes=("10007",))
        return Subdomain(self.enabled, self.previews)

    def secrets(self, name: str) -> list[str]:
        return self.names

    def patch_latest_secrets(
        self, name: str, secrets: Mapping[str, Secret | None], message: str, tag: str
    ) -> str:
        self.patched.append(dict(secrets))
        self.names = sorted(key for key, secret in secrets.items() if secret)
        self.made.append(f"version-{len(self.made) + 1}")
        return self.made[-1]

    def bucket(self, name: str, jurisdiction: str = "") -> dict[str, Any] | None:
        return {"name": name} if name in self.bucket_names else None

    def create_bucket(self, name: str, jurisdiction: str = "") -> None:
        self.bucket_names.append(name)

    def delete_bucket(self, name: str, jurisdiction: str = "") -> None:
        self.bucket_names.remove(name)
