"""Cloudflare Pages: projects, and deployments of which only the missing files travel."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from json import dumps
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from xswarm_deploy.errors import StepFailed
from xswarm_deploy.secret import Secret
from xswarm_deploy.services.envelope import require_success, unwrap
from xswarm_deploy.services.errors import ServiceError
from xswarm_deploy.services.files import StaticFile
from xswarm_deploy.services.http import Files, Http, bearer
from xswarm_deploy.services.progress import Progress, Uploads, silent
from xswarm_deploy.services.read_ahead import ReadAhead
from xswarm_deploy.services.reply import Reply
from xswarm_deploy.services.settle import PROPAGATION, settled, unless_missing
from xswarm_deploy.services.shape import Wire
from xswarm_deploy.services.uploading import Queue, Round, send_all, until_complete
from xswarm_deploy.transport import Sent

PROJECT_MISSING = "8000007"
TOKEN_EXPIRED = "8000013"  # noqa: S105 - an error code


class _Identified(Wire):
    id: str


class _Project(Wire):
    production_branch: str = ""
    subdomain: str | None = None
    domains: tuple[str, ...] | None = None
    canonical_deployment: _Identified | None = None


class _Metadata(Wire):
    branch: str | None = None
    commit_hash: str | None = None
    commit_message: str | None = None


class _Trigger(Wire):
    metadata: _Metadata | None = None


class _Stage(Wire):
    name: str | None = None
    status: str | None = None


class _Deployment(Wire):
    id: str
    environment: str | None = None
    url: str | None = None
    created_on: str | None = None
    deployment_trigger: _Trigger | None = None
    latest_stage: _Stage | None = None
    aliases: tuple[str, ...] | None = None


class _Line(Wire):
    line: str


class _Log(Wire):
    data: tuple[_Line, ...] = ()


class _Token(Wire):
    jwt: str


class Project(NamedTuple):
    """A Pages project: its branch of production, where it answers."""

    name: str
    production_branch: str
    subdomain: str = ""
    domains: tuple[str, ...] = ()
    canonical_deployment: str = ""


class PagesDeployment(NamedTuple):
    """One deployment of a project: production or preview, and how far it got."""

    id: str
    environment: str
    url: str
    created_on: str = ""
    branch: str = ""
    commit: str = ""
    message: str = ""
    stage: str = ""
    status: str = ""
    aliases: tuple[str, ...] = ()

    @property
    def live(self) -> bool:
        """Return whether it was deployed to the end."""
        return (self.stage, self.status) == ("deploy", "success")

    @property
    def failed(self) -> bool:
        """Return whether it ended in another way than being deployed."""
        return self.status in ("failure", "canceled")


class Commit(NamedTuple):
    """What a deployment was made from; shown in its list."""

    branch: str
    hash: str = ""
    message: str = ""
    dirty: bool = False


@dataclass(frozen=True)
class Rules:
    """The texts of ``_headers`` and ``_redirects``; empty: none."""

    headers: str = ""
    redirects: str = ""


_NO_RULES: Final = Rules()


@dataclass
class _UploadToken:
    """The token that uploads carry; it expires and is fetched anew."""

    fetch: Callable[[], Secret]
    value: Secret = field(default_factory=lambda: Secret(""))

    def header(self, renew: bool = False) -> dict[str, Secret]:
        if renew or not self.value:
            self.value = self.fetch()
        return {"Authorization": bearer(self.value)}


class Pages:
    """The Pages projects of one account.

    Args:
        http: the way to the API.
        account: the account's path, ``/accounts/{id}``.
    """

    def __init__(self, http: Http, account: str) -> None:
        self._http = http
        self._projects = f"{account}/pages/projects"
        self._project_ahead: ReadAhead[Project | None] = ReadAhead()

    def read_ahead(self, name: str) -> None:
        """Begin to read what :meth:`project` returns next."""
        self._project_ahead.begin(lambda: self._project(name))

    def project(self, name: str) -> Project | None:
        """Read one project; None where there is none of that name."""
        return self._project_ahead.taken(lambda: self._project(name))

    def _project(self, name: str) -> Project | None:
        found = unless_missing(
            lambda: unwrap(self._http.get(self._path(name)), _Project), {PROJECT_MISSING}
        )
        if found is None:
            return None
        canonical = found.canonical_deployment
        return Project(
            name=name,
            production_branch=found.production_branch,
            subdomain=found.subdomain or "",
            domains=found.domains or (),
            canonical_deployment=canonical.id if canonical else "",
        )

    def create_project(self, name: str, production_branch: str) -> None:
        """Create a project; one that exists already is right as well."""
        wanted = {"name": name, "production_branch": production_branch}
        self._project_ahead.forget()
        try:
            self._http.post(self._projects, json=wanted)
        except ServiceError:
            if self.project(name) is None:
                raise

    def delete_project(self, name: str) -> None:
        """Delete a project with its deployments; one that is not there is deleted already."""
        self._project_ahead.forget()
        unless_missing(lambda: self._http.delete(self._path(name)), {PROJECT_MISSING})

    def deployments(self, name: str) -> list[PagesDeployment]:
        """List a project's latest deployments, newest first."""
        listed = unwrap(self._http.get(f"{self._path(name)}/deployments"), list[_Deployment])
        made = [_deployment(item) for item in listed]
        return sorted(made, key=lambda deployment: deployment.created_on, reverse=True)

    def deployment(self, name: str, deployment_id: str) -> PagesDeployment:
        """Read one deployment.

        Raises:
            NotFound: there is none of that id.
        """
        return _deployment(unwrap(self._http.get(self._path(name, deployment_id)), _Deployment))

    def upload(
        self,
        name: str,
        files: Sequence[StaticFile],
        progress: Progress = silent,
    ) -> int:
        """Upload the files Cloudflare does not have yet; return how many that were.

        When one call is lost, it is asked again what is missing, and that is sent.

        Args:
            name: the project.
            files: all files of the deployment.
            progress: told how many bytes of how many are there.
        """
        token = _UploadToken(lambda: self._upload_token(name))
        by_hash = {file.hash: file for file in files}
        lacking: list[int] = []

        def one_round() -> Round:
            missing = self._missing(token, by_hash)
            lacking.append(len(missing))
            return self._sent(token, by_hash, missing, progress)

        until_complete(one_round)
        self._with_token(token, "/pages/assets/upsert-hashes", {"hashes": list(by_hash)})
        return lacking[0]

    def create_deployment(
        self,
        name: str,
        manifest: Mapping[str, str],
        commit: Commit,
        rules: Rules = _NO_RULES,
    ) -> PagesDeployment:
        """Deploy uploaded files; a lost reply is settled by looking for what it was made with.

        Args:
            name: the project.
            manifest: URL path → hash of every file.
            commit: the branch (production's makes it live), and a message unlike any other.
            rules: what ``_headers`` and ``_redirects`` say.
        """

        def look() -> PagesDeployment | None:
            listed = self.deployments(name)
            return next((one for one in listed if _is_of(one, commit)), None)

        return settled(lambda: self._post_deployment(name, manifest, commit, rules), look)

    def made_of(self, name: str, commit: Commit) -> PagesDeployment:
        """Find what somebody else has just deployed of a commit; lists may lag a little.

        Args:
            name: the project.
            commit: the branch, and a message unlike any other.

        Raises:
            StepFailed: there is none.
        """
        clock = self._http.clock
        ends = clock.monotonic() + PROPAGATION
        while True:
            found = next((one for one in self.deployments(name) if _is_of(one, commit)), None)
            if found is not None:
                return found
            if clock.monotonic() >= ends:
                why = f"none of its deployments has the message {commit.message!r}"
                raise StepFailed(f"pages {name} has no deployment of this release", why)
            clock.sleep(1)

    def finished(self, name: str, made: PagesDeployment, seconds: float = 300.0) -> PagesDeployment:
        """Wait until a deployment that was just made is live, and return it.

        Args:
            name: the project.
            made: as it was when it was made.
            seconds: how long to wait.

        Raises:
            StepFailed: it ended otherwise, or did not end in so many seconds.
        """
        clock = self._http.clock
        deadline = clock.monotonic() + seconds
        pause, found = 0.1, made
        while not found.live:
            if found.failed:
                raise StepFailed(f"Pages deployment {found.id} failed", self._why(name, found))
            if clock.monotonic() + pause > deadline:
                why = f"after {seconds:.0f} s: {_progress(found)}"
                raise StepFailed(f"Pages deployment {found.id} did not end", why)
            clock.sleep(pause)
            pause = min(2.0, pause * 1.5)
            found = self.deployment(name, found.id)
        return found

    def _why(self, name: str, failed: PagesDeployment) -> str:
        """Return how far a deployment got, and the last line of its log where there is one."""
        try:
            log = self._http.get(f"{self._path(name, failed.id)}/history/logs")
            lines = [each.line.strip() for each in unwrap(log, _Log).data]
        except ServiceError:
            lines = []
        return ": ".join([_progress(failed), *lines[-1:]])

    def rollback_deployment(self, name: str, deployment_id: str) -> None:
        """Make an earlier production deployment the live one again."""
        self._project_ahead.forget()
        self._http.post(f"{self._path(name, deployment_id)}/rollback", safe=True)

    def _path(self, name: str, deployment_id: str = "") -> str:
        project = f"{self._projects}/{quote(name, safe='')}"
        return (
            f"{project}/deployments/{quote(deployment_id, safe='')}" if deployment_id else project
        )

    def _upload_token(self, name: str) -> Secret:
        answer = unwrap(self._http.get(f"{self._path(name)}/upload-token"), _Token)
        return Secret(answer.jwt, "pages upload token")

    def _missing(self, token: _UploadToken, by_hash: Mapping[str, StaticFile]) -> list[str]:
        hashes = {"hashes": list(by_hash)}
        reply = self._with_token(token, "/pages/assets/check-missing", hashes)
        missing = unwrap(reply, list[str])
        if not set(missing) <= set(by_hash):
            raise reply.unexpected("it asks for files that it was not asked about")
        return missing

    def _sent(
        self,
        token: _UploadToken,
        by_hash: Mapping[str, StaticFile],
        missing: Sequence[str],
        progress: Progress,
    ) -> Round:
        total = sum(file.size for file in by_hash.values())
        files = [by_hash[digest] for digest in missing]
        done = total - sum(file.size for file in files)
        progress(done, total)
        uploads = Uploads(total, progress, done, self._http.clock.monotonic)
        queue = Queue(files, lambda: uploads.rate)
        return send_all(queue.take, partial(self._send, token, uploads))

    def _with_token(
        self, token: _UploadToken, path: str, content: Any, sent: Sent | None = None
    ) -> Reply:
        """Call with the upload token; fetch a new one once when it has expired."""
        call = partial(self._http.post, path, json=content, safe=True, budget=180, sent=sent)
        try:
            return _accepted(call(headers=token.header()))
        except ServiceError as error:
            if TOKEN_EXPIRED not in error.codes and error.status != 401:
                raise
        return _accepted(call(headers=token.header(renew=True)))

    def _send(self, token: _UploadToken, uploads: Uploads, bucket: Sequence[StaticFile]) -> None:
        content = [
            {
                "key": file.hash,
                "value": base64.b64encode(file.file.read_bytes()).decode(),
                "metadata": {"contentType": file.media_type},
                "base64": True,
            }
            for file in bucket
        ]
        body = sum(len(str(one["value"])) for one in content)
        sent = uploads.part(sum(file.size for file in bucket), body)
        self._with_token(token, "/pages/assets/upload", content, sent)
        sent(body)

    def _post_deployment(
        self, name: str, manifest: Mapping[str, str], commit: Commit, rules: Rules
    ) -> PagesDeployment:
        self._project_ahead.forget()
        fields = {
            "manifest": dumps(dict(manifest)),
            "branch": commit.branch,
            "commit_hash": commit.hash,
            "commit_message": commit.message,
            "commit_dirty": str(commit.dirty).lower(),
        }
        form: Files = [(key, (None, value, None)) for key, value in fields.items() if value]
        texts = {"_headers": rules.headers, "_redirects": rules.redirects}
        files: Files = [(key, (key, text, None)) for key, text in texts.items() if text]
        reply = self._http.post(
            f"{self._path(name)}/deployments", files=[*form, *files], budget=180
        )
        return _deployment(unwrap(reply, _Deployment))


def _accepted(reply: Reply) -> Reply:
    require_success(reply)
    return reply


def _deployment(item: _Deployment) -> PagesDeployment:
    trigger = (item.deployment_trigger and item.deployment_trigger.metadata) or _Metadata()
    stage = item.latest_stage or _Stage()
    return PagesDeployment(
        id=item.id,
        environment=item.environment or "",
        url=item.url or "",
        created_on=item.created_on or "",
        branch=trigger.branch or "",
        commit=trigger.commit_hash or "",
        message=trigger.commit_message or "",
        stage=stage.name or "",
        status=stage.status or "",
        aliases=item.aliases or (),
    )


def _is_of(deployment: PagesDeployment, commit: Commit) -> bool:
    return (deployment.branch, deployment.message) == (commit.branch, commit.message)


def _progress(deployment: PagesDeployment) -> str:
    return f"stage {deployment.stage or 'unknown'}: {deployment.status or 'unknown'}"
