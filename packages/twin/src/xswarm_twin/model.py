"""What the stand-in for Cloudflare keeps, and its edge serves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class ScriptInvalid(Exception):
    """A Worker's script does not start; the API answers this as error 10021."""


class ClassMissing(ScriptInvalid):
    """A class of Durable Objects is not among what the script exports; the text is its name."""


@dataclass(frozen=True, slots=True)
class Module:
    """One module of an upload: its name and media type as uploaded, its bytes in a folder.

    Small on purpose: a Python Worker has hundreds, and a hundred versions of it are known.
    """

    name: str
    media_type: str
    folder: Path

    @property
    def path(self) -> Path:
        """Return the file of its bytes."""
        return self.folder / self.name


@dataclass(frozen=True)
class AssetFile:
    """One static file: its URL path, its media type, its bytes on disk."""

    path: str
    media_type: str
    file: Path


@dataclass(frozen=True)
class Assets:
    """The static files of a Worker version, and how they are served.

    ``config`` is the upload's ``assets.config``: html_handling, not_found_handling,
    run_worker_first, _headers and _redirects as text.
    """

    files: Mapping[str, AssetFile]
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ObjectClass:
    """A class of a Worker whose instances are Durable Objects.

    Args:
        class_name: what the code exports.
        id: the namespace's id, which stays when the class is renamed.
        sqlite: whether its objects may use SQL.
    """

    class_name: str
    id: str
    sqlite: bool


@dataclass(frozen=True)
class WorkflowClass:
    """A class of a Worker that a Workflow runs by."""

    class_name: str
    name: str


@dataclass(frozen=True)
class WorkerVersion:
    """A version of a Worker: code, bindings and secrets together, as they were uploaded."""

    id: str
    worker: str
    number: int
    created_on: str
    folder: Path
    main_module: str | None
    modules: tuple[Module, ...]
    bindings: tuple[Mapping[str, Any], ...]
    compatibility_date: str
    compatibility_flags: tuple[str, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)
    assets: Assets | None = None
    objects: tuple[ObjectClass, ...] = ()
    workflows: tuple[WorkflowClass, ...] = ()
    tail_consumers: tuple[str, ...] = ()

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def is_stateful(self) -> bool:
        """Return whether the Worker has objects, of which each may run in one process only."""
        return bool(self.objects or self.workflows)

    @property
    def is_python(self) -> bool:
        """Return whether the version is a Python Worker."""
        return any(
            module.name == self.main_module and module.media_type == "text/x-python"
            for module in self.modules
        )


@dataclass(frozen=True)
class PagesRoutes:
    """Which paths of a Pages project invoke its Functions; what is excluded does not."""

    include: tuple[str, ...]
    exclude: tuple[str, ...]


@dataclass(frozen=True)
class PagesDeployment:
    """A deployment of a Pages project: its files, and its _headers and _redirects as text.

    ``functions`` are the Worker of its Functions, which the paths of ``routes`` invoke.
    """

    id: str
    project: str
    environment: str
    branch: str
    created_on: str
    files: Mapping[str, AssetFile]
    headers: str = ""
    redirects: str = ""
    functions: WorkerVersion | None = None
    routes: PagesRoutes = field(default_factory=lambda: PagesRoutes((), ()))
