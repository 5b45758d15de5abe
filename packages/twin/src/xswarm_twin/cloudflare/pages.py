"""Pages: projects, their files, and their deployments."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aiohttp import web

from xswarm_twin.cloudflare import (
    assets,
    bodies,
    pages_functions,
    refusals,
    strictness,
    uploads,
)
from xswarm_twin.cloudflare.assets import MAXIMUM_FILE_BYTES
from xswarm_twin.cloudflare.blobs import Incoming
from xswarm_twin.cloudflare.envelope import Refusal, paged, success
from xswarm_twin.cloudflare.records import Asset, Project, Publication
from xswarm_twin.cloudflare.tokens import TokenInvalid
from xswarm_twin.cloudflare.twin import Twin, new_id, twin_of
from xswarm_twin.control import token_of
from xswarm_twin.model import PagesDeployment, ScriptInvalid

MAXIMUM_FILES = 100_000
"""Of a site on a paid plan (Pages, "Limits"); 20,000 on the free one."""

_UPLOAD = "pages-upload"
_PRODUCTION, _PREVIEW = "production", "preview"
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,56}[a-z0-9])?")
_CONFIGURED = {
    "always_use_latest_compatibility_date": False,
    "build_image_major_version": 3,
    "compatibility_date": "2026-01-01",
    "compatibility_flags": [],
    "fail_open": True,
    "usage_model": "standard",
}
"""How a project's deployments run where nobody has set anything."""
_COMMIT = ("commit_hash", "commit_message", "commit_dirty")
_DEPLOYED = "Success: Your site was deployed!"
_FAILED = "Failed to publish your Function. Got error: {}"
_FORM_FIELD_BYTES = 8 * 1024 * 1024

routes = web.RouteTableDef()
_ALL = "/accounts/{account}/pages/projects"
_ONE = _ALL + "/{project}"
_DEPLOYMENTS = _ONE + "/deployments"


# Projects


@routes.get(_ALL)
async def index(request: web.Request) -> web.Response:
    """List the projects by pages."""
    twin = twin_of(request)
    return paged(request, [_told(twin, project) for project in twin.store.all(Project)], 25)


@routes.post(_ALL)
async def create(request: web.Request) -> web.Response:
    """Make a project."""
    twin, body = twin_of(request), await bodies.json_object(request)
    name = bodies.required(body, "name", str)
    if not _NAME.fullmatch(name):
        raise refusals.project_name_invalid()
    if twin.store.find(Project, name) is not None:
        raise refusals.project_exists()
    branch = bodies.required(body, "production_branch", str)
    project = Project(str(uuid.uuid4()), name, twin.clock.now(), branch)
    twin.store.save(project)
    return success(_told(twin, project))


@routes.get(_ONE)
async def show(request: web.Request) -> web.Response:
    """Return a project."""
    return success(_told(twin_of(request), find_project(request)))


@routes.patch(_ONE)
async def change(request: web.Request) -> web.Response:
    """Change the production branch, or variables and secrets, of which null removes one.

    Functions have them from the next deployment on.
    """
    twin, body = twin_of(request), await bodies.json_object(request)
    strictness.require_known(body, ("name", "production_branch", "deployment_configs"))
    project = find_project(request)
    branch = bodies.optional(body, "production_branch", project.production_branch)
    given = bodies.optional(body, "deployment_configs", dict[str, Any]())
    strictness.require_known(given, (_PRODUCTION, _PREVIEW))
    variables = {name: _changed(project, name, given) for name in (_PRODUCTION, _PREVIEW)}
    project = replace(project, production_branch=branch, variables=variables)
    twin.store.save(project)
    return success(_told(twin, project))


@routes.delete(_ONE)
async def delete(request: web.Request) -> web.Response:
    """Delete a project with all its deployments; the edge serves it no longer."""
    twin, project = twin_of(request), find_project(request)
    async with twin.lock(_lock_of(project)):
        await twin.edge.unpublish(project.name)
        twin.store.remove(project)
    return success(None)


@routes.get(_ONE + "/upload-token")
async def upload_token(request: web.Request) -> web.Response:
    """Return the token that the project's files are uploaded with."""
    twin, project = twin_of(request), find_project(request)
    return success({"jwt": twin.tokens.sign(_UPLOAD, project.name)})


# Files


@routes.post("/pages/assets/check-missing")
async def check_missing(request: web.Request) -> web.Response:
    """Return which files are still to be uploaded."""
    _require_token(request)
    hashes = bodies.texts(await bodies.json_object(request), "hashes")
    return success([name for name in hashes if not _known(twin_of(request), name)])


@routes.post("/pages/assets/upload")
async def upload_files(request: web.Request) -> web.Response:
    """Take files in: a list of hash, content in base64, and media type."""
    _require_token(request)
    twin = twin_of(request)
    received: list[tuple[str, str, Incoming]] = []
    for entry in await bodies.json_list(request):
        name, media_type, content = _file(entry)
        received.append((name, media_type, twin.blobs.take(content)))
    await assets.keep_files(twin, "pages", received)
    return success(None)


@routes.post("/pages/assets/upsert-hashes")
async def upsert_hashes(request: web.Request) -> web.Response:
    """Keep files from being forgotten; here none are."""
    _require_token(request)
    bodies.texts(await bodies.json_object(request), "hashes")
    return success(None)


# Deployments


@routes.get(_DEPLOYMENTS)
async def deployments(request: web.Request) -> web.Response:
    """List the deployments of a project, the newest first, by pages."""
    twin, project = twin_of(request), find_project(request)
    listed = twin.store.all(Publication, project.name)[::-1]
    environment = request.query.get("env")
    if environment is not None:
        listed = [publication for publication in listed if publication.environment == environment]
    return paged(request, [_deployment(twin, publication) for publication in listed], 25)


@routes.post(_DEPLOYMENTS)
async def deploy(request: web.Request) -> web.Response:
    """Deploy uploaded files by their manifest; when the reply comes, the edge serves them.

    Functions that Cloudflare does not take are no refusal: the deployment is made, and fails.
    """
    twin, project = twin_of(request), find_project(request)
    form, bundle = await _form(request)
    async with twin.lock(_lock_of(project)):
        project = find_project(request)
        publication = _publication(twin, project, form)
        pages_functions.routes(publication)
        production = publication.environment == _PRODUCTION
        try:
            publication = await _published(twin, project, publication, bundle)
        except (Refusal, ScriptInvalid) as error:
            publication = replace(publication, failure=_FAILED.format(error))
            twin.store.save(publication)
            return success(_deployment(twin, publication))
        canonical = publication.id if production else project.canonical
        twin.store.save(publication, replace(project, canonical=canonical))
    return success(_deployment(twin, publication))


@routes.get(_DEPLOYMENTS + "/{deployment}")
async def deployment(request: web.Request) -> web.Response:
    """Return one deployment."""
    return success(_deployment(twin_of(request), _find(request)))


@routes.get(_DEPLOYMENTS + "/{deployment}/history/logs")
async def logs(request: web.Request) -> web.Response:
    """Return the lines of a deployment's log; the last one of a failed one says why."""
    publication = _find(request)
    line = f"Error: {publication.failure}" if publication.failure else _DEPLOYED
    lines = [{"ts": publication.created_on, "line": line}]
    return success({"total": len(lines), "includes_container_logs": False, "data": lines})


@routes.delete(_DEPLOYMENTS + "/{deployment}")
async def delete_deployment(request: web.Request) -> web.Response:
    """Delete a deployment that is not the one in production."""
    twin, project = twin_of(request), find_project(request)
    async with twin.lock(_lock_of(project)):
        project, publication = find_project(request), _find(request)
        if publication.id == project.canonical:
            raise refusals.pages_deployment_active()
        twin.store.remove(publication)
        await twin.edge.unpublish(project.name)
        await serve_all(twin, project)
    return success(None)


@routes.post(_DEPLOYMENTS + "/{deployment}/rollback")
async def rollback(request: web.Request) -> web.Response:
    """Serve an earlier production deployment again."""
    twin, project = twin_of(request), find_project(request)
    async with twin.lock(_lock_of(project)):
        publication = _find(request)
        if publication.environment != _PRODUCTION or publication.failure:
            raise refusals.pages_manifest_invalid("only a production deployment can come back")
        await twin.edge.publish(served(twin, publication), production=True)
        twin.store.save(replace(find_project(request), canonical=publication.id))
    return success(_deployment(twin, publication))


async def serve_all(twin: Twin, project: Project) -> None:
    """Bring the edge to what is stored of a project."""
    for publication in twin.store.all(Publication, project.name):
        if publication.failure:
            continue
        production = publication.id == project.canonical
        await twin.edge.publish(served(twin, publication), production=production)


def served(twin: Twin, publication: Publication) -> PagesDeployment:
    """Return a deployment as the edge takes it."""
    return PagesDeployment(
        id=publication.id,
        project=publication.project,
        environment=publication.environment,
        branch=publication.branch,
        created_on=publication.created_on,
        files=assets.files_of(twin, "pages", publication.files),
        headers=publication.headers,
        redirects=publication.redirects,
        functions=pages_functions.version(twin, publication),
        routes=pages_functions.routes(publication),
    )


def find_project(request: web.Request) -> Project:
    """Return the project that the path names; refuse an unknown one."""
    name, missing = request.match_info["project"], refusals.project_not_found
    return twin_of(request).store.require(Project, name, missing)


def _find(request: web.Request) -> Publication:
    project, wanted = find_project(request), request.match_info["deployment"]
    missing = refusals.pages_deployment_not_found
    return twin_of(request).store.require(Publication, wanted, missing, project.name)


def _lock_of(project: Project) -> str:
    return f"pages/{project.name}"


def _require_token(request: web.Request) -> None:
    try:
        twin_of(request).tokens.subject(token_of(request.headers), _UPLOAD)
    except TokenInvalid:
        raise refusals.pages_token_expired() from None


def _known(twin: Twin, name: str) -> bool:
    return twin.store.find(Asset, name, "pages") is not None


def _file(entry: Any) -> tuple[str, str, bytes]:
    file = bodies.checked(entry, dict, "a file")
    if not bodies.optional(file, "base64", False):
        raise refusals.body_invalid("a file is not in base64")
    metadata = bodies.optional(file, "metadata", dict[str, Any]())
    content = assets.decoded(bodies.required(file, "value", str).encode())
    if len(content) > MAXIMUM_FILE_BYTES:
        raise refusals.body_too_large("a file", MAXIMUM_FILE_BYTES)
    media_type = bodies.optional(metadata, "contentType", "application/octet-stream")
    return bodies.required(file, "key", str), media_type, content


async def _published(
    twin: Twin, project: Project, publication: Publication, bundle: bytes | None
) -> Publication:
    """Let the edge serve a new deployment, once its Functions have started; return it with them.

    Raises:
        Refusal: they are none, or bound to what is not there.
        ScriptInvalid: they do not start.
    """
    production = publication.environment == _PRODUCTION
    if bundle is not None:
        functions = await pages_functions.taken(twin, project, publication.environment, bundle)
        publication = replace(publication, functions=functions)
    deployment = served(twin, publication)
    await twin.edge.try_functions(deployment, production=production)
    await twin.edge.publish(deployment, production=production)
    return publication


async def _form(request: web.Request) -> tuple[dict[str, str], bytes | None]:
    """Read a deployment's form: its texts by name, and the bundle of its Functions."""
    form, bundle = dict[str, str](), None
    async for part in uploads.parts_of(request):
        name = part.name or ""
        if name == "_worker.bundle":
            bundle = await uploads.whole(part, uploads.MAXIMUM_UPLOAD_BYTES)
        else:
            form[name] = uploads.text_of(await uploads.whole(part, _FORM_FIELD_BYTES), name)
    return form, bundle


def _publication(twin: Twin, project: Project, form: Mapping[str, str]) -> Publication:
    branch = form.get("branch") or project.production_branch
    return Publication(
        id=new_id(),
        project=project.name,
        environment=_PRODUCTION if branch == project.production_branch else _PREVIEW,
        branch=branch,
        created_on=twin.clock.now(),
        files=_manifest(twin, form),
        headers=form.get("_headers", ""),
        redirects=form.get("_redirects", ""),
        commit={name: form[name] for name in _COMMIT if name in form},
        routes=form.get("_routes.json", ""),
    )


def _manifest(twin: Twin, form: Mapping[str, str]) -> dict[str, str]:
    if "manifest" not in form:
        raise refusals.pages_manifest_missing()
    manifest = bodies.checked(bodies.parsed(form["manifest"].encode()), dict, "manifest")
    if len(manifest) > MAXIMUM_FILES:
        raise refusals.pages_manifest_invalid(f"there are more than {MAXIMUM_FILES} files")
    for path, name in manifest.items():
        if not path.startswith("/") or not isinstance(name, str) or not _known(twin, name):
            raise refusals.pages_manifest_invalid(f"{path} names no uploaded file")
    return manifest


def _changed(project: Project, environment: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variables of an environment after a change."""
    config = bodies.optional(dict(given), environment, dict[str, Any]())
    wanted = bodies.optional(config, "env_vars", dict[str, Any]())
    for name, variable in wanted.items():
        if variable is not None:
            bodies.required(bodies.checked(variable, dict, f"env_vars.{name}"), "value", str)
    changed = project.variables.get(environment, {}) | wanted
    return {name: variable for name, variable in changed.items() if variable is not None}


def _configured(project: Project, environment: str) -> dict[str, Any]:
    """Return how deployments of an environment run, without the texts of secrets."""
    variables = {
        name: {**one, "value": ""} if one.get("type") == "secret_text" else one
        for name, one in project.variables.get(environment, {}).items()
    }
    return _CONFIGURED | ({"env_vars": variables} if variables else {})


def _told(twin: Twin, project: Project) -> dict[str, Any]:
    latest = twin.store.last(Publication, project.name)
    canonical = twin.store.find(Publication, project.canonical or "", project.name)
    return {
        "id": project.id,
        "name": project.name,
        "subdomain": twin.addresses.project_host(project.name),
        "domains": [twin.addresses.project_host(project.name)],
        "created_on": project.created_on,
        "production_branch": project.production_branch,
        "framework": "",
        "framework_version": "",
        "production_script_name": f"pages-worker--{project.id}-production",
        "preview_script_name": f"pages-worker--{project.id}-preview",
        "deployment_configs": {
            name: _configured(project, name) for name in (_PRODUCTION, _PREVIEW)
        },
        "canonical_deployment": None if canonical is None else _deployment(twin, canonical),
        "latest_deployment": None if latest is None else _deployment(twin, latest),
    }


def _deployment(twin: Twin, publication: Publication) -> dict[str, Any]:
    stage = {
        "name": "deploy",
        "status": "failure" if publication.failure else "success",
        "started_on": publication.created_on,
        "ended_on": publication.created_on,
    }
    commit = publication.commit
    metadata = {
        "branch": publication.branch,
        "commit_hash": commit.get("commit_hash", ""),
        "commit_message": commit.get("commit_message", ""),
        "commit_dirty": commit.get("commit_dirty") == "true",
    }
    return {
        "id": publication.id,
        "short_id": publication.id[:8],
        "project_name": publication.project,
        "environment": publication.environment,
        "url": f"http://{twin.addresses.publication_host(publication.project, publication.id)}",
        "created_on": publication.created_on,
        "modified_on": publication.created_on,
        "latest_stage": stage,
        "stages": [stage],
        "deployment_trigger": {"type": "ad_hoc", "metadata": metadata},
        "aliases": None,
    }
