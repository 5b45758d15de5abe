"""Functions of a Pages deployment: the Worker that ``wrangler pages deploy`` bundles of them.

It comes as one file of the deployment's form, ``_worker.bundle``, which is the form of a Worker's
upload itself. What it is bound to is in its metadata, the project's variables, and ``ASSETS``.
Source: wrangler's ``createUploadWorkerBundleContents``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from email.parser import HeaderParser
from pathlib import Path
from typing import Any, Final, NamedTuple

from xswarm_twin.cloudflare import bindings, bodies, refusals, resources, strictness, uploads
from xswarm_twin.cloudflare.bindings import Binding
from xswarm_twin.cloudflare.records import Project, Publication
from xswarm_twin.cloudflare.twin import Twin
from xswarm_twin.model import Module, PagesRoutes, WorkerVersion

_ASSETS: Final[Binding] = {"name": "ASSETS", "type": "assets"}
_EVERYTHING: Final = PagesRoutes(("/*",), ())


class _Part(NamedTuple):
    """A part of the bundle: the name of its field, its media type, its bytes."""

    name: str
    media_type: str
    content: bytes


async def taken(twin: Twin, project: Project, environment: str, bundle: bytes) -> dict[str, Any]:
    """Return the Functions of a bundle as they are stored; their bytes are kept.

    Args:
        twin: the parts.
        project: whose variables they get.
        environment: production or preview.
        bundle: as it was uploaded.

    Raises:
        Refusal: it is none, or names what is not there.
    """
    metadata, modules = _read(bundle)
    strictness.require_sound(metadata, bindings.kinds())
    received = [twin.blobs.take(one.content) for one in modules]
    await twin.blobs.keep(*received)
    main = bodies.required(metadata, "main_module", str)
    named = zip(modules, received, strict=True)
    return {
        "main_module": uploads.module_name(main),
        "modules": [
            {
                "name": uploads.module_name(one.name),
                "media_type": one.media_type,
                "blob": kept.sha256,
            }
            for one, kept in named
        ],
        "bindings": _bindings(twin, project, environment, metadata),
        "compatibility_date": uploads.compatibility_date(metadata),
        "compatibility_flags": bodies.texts(metadata, "compatibility_flags"),
    }


def version(twin: Twin, publication: Publication) -> WorkerVersion | None:
    """Return a deployment's Functions as a version that the edge serves; None: it has none."""
    stored = publication.functions
    if stored is None:
        return None
    folder = twin.state / "pages" / publication.id
    modules = tuple(Module(one["name"], one["media_type"], folder) for one in stored["modules"])
    for module, one in zip(modules, stored["modules"], strict=True):
        _laid_out(module.path, twin.blobs.path(one["blob"]))
    return WorkerVersion(
        id=publication.id,
        worker=f"pages-worker--{publication.project}-{publication.environment}",
        number=1,
        created_on=publication.created_on,
        folder=folder,
        main_module=stored["main_module"],
        modules=modules,
        bindings=tuple(resources.resolved(twin, one) for one in stored["bindings"]),
        compatibility_date=stored["compatibility_date"],
        compatibility_flags=tuple(stored["compatibility_flags"]),
    )


def routes(publication: Publication) -> PagesRoutes:
    """Return which paths invoke the Functions: ``_routes.json``, by default all.

    Raises:
        Refusal: it is of another shape.
    """
    if not publication.routes:
        return _EVERYTHING
    told = bodies.checked(bodies.parsed(publication.routes.encode()), dict, "_routes.json")
    return PagesRoutes(tuple(bodies.texts(told, "include")), tuple(bodies.texts(told, "exclude")))


def _read(bundle: bytes) -> tuple[dict[str, Any], list[_Part]]:
    parts = list(_parts(bundle))
    told = next((one.content for one in parts if one.name == "metadata"), None)
    if told is None:
        raise refusals.body_invalid("_worker.bundle has no metadata")
    metadata = bodies.checked(bodies.parsed(told), dict, "metadata")
    return metadata, [one for one in parts if one.name != "metadata"]


def _parts(bundle: bytes) -> Iterator[_Part]:
    """Yield the parts of a form, whose first line is its boundary."""
    boundary, _, _ = bundle.partition(b"\r\n")
    if not boundary.startswith(b"--"):
        raise refusals.body_invalid("_worker.bundle is no form")
    for part in bundle.split(b"\r\n" + boundary)[:-1]:
        head, _, content = part.removeprefix(boundary).removeprefix(b"\r\n").partition(b"\r\n\r\n")
        headers = HeaderParser().parsestr(head.decode("utf-8", "replace"))
        name = headers.get_param("name", header="Content-Disposition")
        media_type = headers.get("Content-Type", "application/octet-stream").split(";")[0]
        yield _Part(str(name or ""), media_type.strip(), content)


def _bindings(
    twin: Twin, project: Project, environment: str, metadata: Mapping[str, Any]
) -> list[Binding]:
    declared = bodies.optional(dict(metadata), "bindings", list[Any]())
    named = {one["name"] for one in declared if isinstance(one, dict) and "name" in one}
    variables = [
        {"name": name, "type": one.get("type") or "plain_text", "text": one["value"]}
        for name, one in project.variables.get(environment, {}).items()
        if name not in named
    ]
    added = [] if _ASSETS["name"] in named else [_ASSETS]
    found = bindings.resolve([*declared, *variables, *added], (), None, lambda _: None, strict=True)
    return [resources.found(twin, project.name, (), one) for one in found]


def _laid_out(path: Path, blob: Path) -> None:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.hardlink_to(blob)
