"""Versions of a Worker: code, bindings and secrets together."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from xswarm_deploy.secret import Secret
from xswarm_deploy.services.cloudflare.client import (
    NO_VERSIONS,
    WORKER_MISSING,
    Client,
    Identified,
    Named,
    quoted,
)
from xswarm_deploy.services.envelope import unwrap
from xswarm_deploy.services.http import Http
from xswarm_deploy.services.multipart import SECRET_TYPES, annotated
from xswarm_deploy.services.progress import Progress, silent, upload
from xswarm_deploy.services.read_ahead import ReadAhead
from xswarm_deploy.services.settle import settled, unless_missing
from xswarm_deploy.services.shape import Wire


class _Metadata(Wire):
    created_on: str | None = None


class _Script(Wire):
    handlers: tuple[str, ...] | None = None
    named_handlers: tuple[Named, ...] | None = None


class _Runtime(Wire):
    migration_tag: str | None = None


class _Resources(Wire):
    bindings: tuple[dict[str, Any], ...] | None = None
    script_runtime: _Runtime | None = None
    script: _Script | None = None


class _Version(Wire):
    id: str
    number: int | None = None
    metadata: _Metadata | None = None
    annotations: dict[str, str] | None = None
    resources: _Resources | None = None
    startup_time_ms: int | None = None


class _Versions(Wire):
    items: tuple[_Version, ...] = ()


class Version(NamedTuple):
    """One version of a Worker: code, bindings and secrets together, never changed again.

    ``exports`` are its named entrypoints; empty where the API tells none.
    """

    id: str
    number: int = 0
    created_on: str = ""
    annotations: Mapping[str, str] = MappingProxyType({})
    bindings: tuple[Mapping[str, Any], ...] = ()
    startup_ms: int | None = None
    handlers: tuple[str, ...] = ()
    migration_tag: str | None = None
    exports: tuple[str, ...] = ()

    @property
    def secret_names(self) -> tuple[str, ...]:
        """Return the names of its secrets; the API never gives their values."""
        found = (b for b in self.bindings if b.get("type") in SECRET_TYPES)
        return tuple(sorted(str(binding.get("name", "")) for binding in found))

    @property
    def tag(self) -> str:
        """Return the release it was tagged with."""
        return self.annotations.get("workers/tag", "")


class Versions(Client):
    """Read and upload versions."""

    def __init__(self, http: Http, account_id: str) -> None:
        super().__init__(http, account_id)
        self._versions: dict[str, Version] = {}
        self._listed_ahead: ReadAhead[list[Version]] = ReadAhead()

    def list_ahead(self, name: str) -> None:
        """Begin to read what :meth:`versions` returns next."""
        self._listed_ahead.begin(lambda: self._deployable(name))

    def versions(self, name: str) -> list[Version]:
        """List the versions that can be deployed, newest first; empty where there are none."""
        return self._listed_ahead.taken(lambda: self._deployable(name))

    def _deployable(self, name: str) -> list[Version]:
        found = unless_missing(
            lambda: self._get(f"{self._script(name)}/versions", _Versions, {"deployable": "true"}),
            WORKER_MISSING | {NO_VERSIONS},
        )
        listed = [_version(item) for item in (found.items if found else ())]
        return sorted(listed, key=lambda version: version.created_on, reverse=True)

    def version(self, name: str, version_id: str) -> Version:
        """Read one version with its bindings, once: a version never changes.

        Raises:
            NotFound: the Worker has no such version.
        """
        path = f"{self._script(name)}/versions/{quoted(version_id)}"
        if path not in self._versions:
            self._versions[path] = _version(self._get(path, _Version))
        return self._versions[path]

    def upload_version(
        self,
        name: str,
        body: bytes,
        headers: Mapping[str, str],
        tag: str = "",
        progress: Progress = silent,
    ) -> Version:
        """Upload a version of an existing Worker; no traffic goes to it.

        Args:
            name: the Worker.
            body: the multipart form of :mod:`xswarm_deploy.services.multipart`.
            headers: that go with the form.
            tag: the tag annotation in the form; finds the version when the reply was lost.
            progress: told how many bytes of the form have left.

        Raises:
            Invalid: the script does not start (code 10021), or a binding is wrong.
        """

        def look() -> Version | None:
            tagged = [version for version in self.versions(name) if tag and version.tag == tag]
            return self.version(name, tagged[0].id) if tagged else None

        self._listed_ahead.forget()
        return settled(lambda: self._post_version(name, body, headers, progress), look)

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
            f"{self._account}/workers/workers/{quoted(name)}/versions/latest",
            json={"env": env, "annotations": annotated(message, tag)},
            headers={"Content-Type": "application/merge-patch+json"},
            safe=True,  # a repetition makes one more version that nobody deploys
        )
        return unwrap(reply, Identified).id

    def _post_version(
        self, name: str, body: bytes, headers: Mapping[str, str], progress: Progress
    ) -> Version:
        reply = self.http.post(
            f"{self._script(name)}/versions",
            query={"bindings_inherit": "strict"},
            body=body,
            headers=headers,
            budget=180,
            sent=upload(len(body), progress),
        )
        return _version(unwrap(reply, _Version))


def _version(item: _Version) -> Version:
    script = item.resources and item.resources.script
    runtime = item.resources and item.resources.script_runtime
    return Version(
        id=item.id,
        number=item.number or 0,
        created_on=(item.metadata and item.metadata.created_on) or "",
        annotations=item.annotations or {},
        bindings=(item.resources and item.resources.bindings) or (),
        startup_ms=item.startup_time_ms,
        handlers=(script and script.handlers) or (),
        migration_tag=runtime.migration_tag if runtime else None,
        exports=tuple(one.name for one in (script and script.named_handlers) or ()),
    )
