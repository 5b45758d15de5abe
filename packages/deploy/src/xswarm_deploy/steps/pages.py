"""The static site: upload what is missing, deploy, read back; the previous one is kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Final

from xswarm_deploy import git
from xswarm_deploy.bundling import functions
from xswarm_deploy.console import in_bytes
from xswarm_deploy.environment import Environment
from xswarm_deploy.errors import StepFailed
from xswarm_deploy.model import disturbance
from xswarm_deploy.model.payload import Nothing
from xswarm_deploy.model.step import Action, Change, Facts
from xswarm_deploy.services.files import StaticFile, manifest, pages_files, rule_texts
from xswarm_deploy.services.pages import Commit, PagesDeployment, Rules
from xswarm_deploy.site import Site
from xswarm_deploy.steps import publishing

if TYPE_CHECKING:
    from xswarm_deploy.settings.settings import Settings

NAME: Final = "pages"
INPUTS: Final = ("settings", "site")
_CONTENT: Final = "content "  # marks the digest in a deployment's commit message


@dataclass(frozen=True)
class Deployed:
    """A deployment, and a digest of what it holds; both empty: there is none."""

    deployment: str = ""
    content: str = ""


@dataclass(frozen=True)
class Content:
    """A digest of what a deployment is to hold."""

    content: str


@dataclass(frozen=True)
class Earlier:
    """An earlier deployment, by its id."""

    deployment: str


def observe(environment: Environment) -> Facts:
    """Return the deployment that is live; empty: none is."""
    if canonical := _canonical(environment):
        return {"pages": canonical}
    now = current(environment)
    return {"pages": now.id if now else ""}


def _canonical(environment: Environment) -> str:
    """Return the deployment that the project says is live; empty: it does not, or there is none."""
    if not used(environment):
        return ""
    found = environment.cloudflare.pages.project(environment.settings.project.pages.project)
    return found.canonical_deployment if found else ""


def plan(site: Site) -> list[Change]:
    """Return what would change: the project where it is missing, a deployment where it differs.

    Raises:
        Refused: no such folder, a file above 25 MiB, more than 20,000 files, or Functions that
            wrangler does not bundle.
    """
    name = site.settings.project.pages.project
    if not used(site):
        return []
    wanted = digest(site.settings)
    now = current(site)
    if now and _content_of(now) == wanted:
        return []
    missing = site.cloudflare.pages.project(name) is None
    made = [CREATE.change(f"pages project {name}", undo=Nothing())] if missing else []
    return [*made, _deployment(site, now, wanted, new=missing)]


def read_ahead(environment: Environment) -> None:
    """Begin to read the project, where there is one: which deployment is live is asked next."""
    if used(environment):
        pages = environment.cloudflare.pages
        pages.read_ahead(environment.settings.project.pages.project)


def used(environment: Environment) -> bool:
    """Return whether the project has a static site."""
    wanted = environment.settings.project.pages
    return bool(wanted.project and wanted.directory)


def _deployment(
    environment: Environment, now: PagesDeployment | None, wanted: str, *, new: bool
) -> Change:
    """Report that the site is deployed; without an earlier one the project itself is the undo."""
    before = _seen(now) if now else None
    final = not now and not new
    return DEPLOY.change(
        f"pages {environment.settings.project.pages.project}",
        before=before,
        after=Content(wanted),
        undo=None if final else before or Deployed(),
        irreversible="the project had no deployment to go back to" if final else "",
    )


def go_back(environment: Environment, deployment: str) -> list[Change]:
    """Return what would change to make an earlier deployment the live one again."""
    if _canonical(environment) == deployment:
        return []
    now = current(environment)
    if now is None or now.id == deployment:
        return []
    name, before = environment.settings.project.pages.project, _seen(now)
    after = Earlier(deployment)
    return [ROLLBACK.change(f"pages {name}", before=before, after=after, undo=before)]


def apply(site: Site, change: Change) -> Facts:
    """Create the project, deploy the folder, or go back to an earlier deployment."""
    project = site.settings.project.pages
    if CREATE.owns(change):
        site.cloudflare.pages.create_project(project.project, project.branch)
        return {}
    if ROLLBACK.owns(change):
        return _make_live(site, ROLLBACK.after_of(change).deployment)
    return _deploy(site, DEPLOY.after_of(change).content)


@dataclass(frozen=True)
class _Sent:
    """Files that Cloudflare has, though no deployment names them yet.

    Args:
        manifest: URL path → hash of every file.
        count: how many of them it had not.
    """

    manifest: Mapping[str, str]
    count: int


def prepare(site: Site, changes: Sequence[Change]) -> _Sent | None:
    """Upload what is missing beside earlier steps, into a project that is there."""
    folder = _folder(site.settings)
    if not DEPLOY.owns(changes[0]) or functions.found(folder, site.settings.root):
        return None
    return _upload(site, _public(folder, _rules(folder)))


def undo(site: Site, change: Change, outcome: Facts) -> str:
    """Make the previous deployment the live one; what there was none of is deleted."""
    pages, name = site.cloudflare.pages, site.settings.project.pages.project
    if CREATE.owns(change):
        pages.delete_project(name)
        if pages.project(name) is not None:
            raise StepFailed(f"pages project {name} is still there after its deletion")
        return ""
    action = ROLLBACK if ROLLBACK.owns(change) else DEPLOY
    if earlier := action.undo_of(change).deployment:
        now = current(site)
        if now and not (_is_made(now, change, outcome) or _is_before(site, now, earlier)):
            return disturbance.left(f"deployment {now.id[:8]}")
        _make_live(site, earlier)
    return ""


def _is_made(now: PagesDeployment, change: Change, outcome: Facts) -> bool:
    """Return whether a deployment is what a change has made live."""
    if ROLLBACK.owns(change):
        return now.id in (ROLLBACK.after_of(change).deployment, outcome.get("pages"))
    return _content_of(now) == DEPLOY.after_of(change).content


def _is_before(site: Site, now: PagesDeployment, earlier: str) -> bool:
    """Return whether a deployment is the earlier one, or a copy of it that a rollback made."""
    if now.id == earlier:
        return True
    name = site.settings.project.pages.project
    return _content_of(now) == _content_of(site.cloudflare.pages.deployment(name, earlier))


def require_undisturbed(_site: Site, _change: Change) -> None:
    """Refuse nothing: a deployment replaces whatever is live, and notes what it was."""


def current(environment: Environment) -> PagesDeployment | None:
    """Return the deployment that is live, or None."""
    if not used(environment):
        return None
    pages, name = environment.cloudflare.pages, environment.settings.project.pages.project
    project = pages.project(name)
    if project is None:
        return None
    if project.canonical_deployment:
        return pages.deployment(name, project.canonical_deployment)
    made = [one for one in pages.deployments(name) if one.environment == "production" and one.live]
    return made[0] if made else None


def content(files: tuple[StaticFile, ...], rules: Rules, code: str = "") -> str:
    """Return a digest of all that a deployment holds.

    Args:
        files: the static files.
        rules: what ``_headers`` and ``_redirects`` say.
        code: a digest of its Functions, if any.
    """
    parts = [manifest(files), rules.headers, rules.redirects, *([code] if code else [])]
    held = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(held.encode()).hexdigest()[:32]


def digest(settings: Settings) -> str:
    """Return a digest of all that a deployment of the project's folder would hold.

    Raises:
        Refused: no such folder, a file above 25 MiB, more than 20,000 files.
    """
    folder = _folder(settings)
    code = functions.digest(folder, settings.root)
    return content(pages_files(folder), _rules(folder), code)


def _deploy(site: Site, wanted: str) -> Facts:
    """Deploy, wait until it is live, and read back that it is the one users get."""
    project, pages = site.settings.project.pages, site.cloudflare.pages
    commit = Commit(
        project.branch,
        commit_hash(site.settings.root),
        f"release {site.facts['release']} {_CONTENT}{wanted}",
    )
    folder = _folder(site.settings)
    rules = _rules(folder)
    files = _public(folder, rules)
    if functions.found(folder, site.settings.root):
        made, sent = _deploy_by_wrangler(site, commit), len(files)
    else:
        sent = _sent(site, files)
        made = pages.create_deployment(project.project, manifest(files), commit, rules)
    live = pages.finished(project.project, made)
    if not _is_served(site, live.id, wanted):
        raise StepFailed(f"pages {project.project} does not serve its deployment", live.id)
    return {"pages": live.id, "pages_url": live.url, "pages_files": sent}


def _public(folder: Path, rules: Rules) -> tuple[StaticFile, ...]:
    """Return the files of the site.

    Raises:
        Refused: one of them is private.
    """
    files = pages_files(folder)
    publishing.require_public(files, (rules.headers, rules.redirects))
    return files


def _sent(site: Site, files: tuple[StaticFile, ...]) -> int:
    """Upload what is missing, unless that was done before; return how many files it was."""
    before = site.state.taken(NAME, _Sent)
    if before and before.manifest == manifest(files):
        return before.count
    return _upload(site, files).count


def _upload(site: Site, files: tuple[StaticFile, ...]) -> _Sent:
    name, progress = site.settings.project.pages.project, in_bytes(site.progress, "pages")
    return _Sent(manifest(files), site.cloudflare.pages.upload(name, files, progress))


def _is_served(site: Site, deployment: str, wanted: str) -> bool:
    """Return whether users get a deployment, or another one of the same content."""
    return _canonical(site) == deployment or _shows(current(site), deployment, wanted)


def _deploy_by_wrangler(environment: Environment, commit: Commit) -> PagesDeployment:
    """Deploy a site with Functions, and find what wrangler made by its commit message."""
    functions.deploy(environment, _folder(environment.settings), commit)
    name = environment.settings.project.pages.project
    return environment.cloudflare.pages.made_of(name, commit)


def _make_live(environment: Environment, deployment: str) -> Facts:
    """Go back to a deployment; one of the same content that is live already will do."""
    name = environment.settings.project.pages.project
    wanted = _content_of(environment.cloudflare.pages.deployment(name, deployment))
    if not _shows(current(environment), deployment, wanted):
        environment.cloudflare.pages.rollback_deployment(name, deployment)
    now = current(environment)
    if now is None or not _shows(now, deployment, wanted):
        raise StepFailed(f"pages {name} did not go back to {deployment[:8]}")
    return {"pages": now.id, "pages_url": now.url}


def _shows(now: PagesDeployment | None, deployment: str, wanted: str) -> bool:
    return now is not None and (now.id == deployment or _content_of(now) == wanted)


def _content_of(deployment: PagesDeployment) -> str:
    _, mark, digest = deployment.message.partition(_CONTENT)
    return digest.strip() if mark else f"deployment {deployment.id}"


def _seen(deployment: PagesDeployment) -> Deployed:
    return Deployed(deployment.id, _content_of(deployment))


def _rules(folder: Path) -> Rules:
    texts = rule_texts(folder)
    return Rules(texts.get("_headers", ""), texts.get("_redirects", ""))


def _folder(settings: Settings) -> Path:
    return settings.path(settings.project.pages.directory)


def commit_hash(root: Path) -> str:
    """Return git's current commit, or the empty string outside a checkout."""
    return git.output(root, "rev-parse", "HEAD")


CREATE: Final = Action(NAME, "create", NoneType, NoneType, Nothing, replan=True)
DEPLOY: Final = Action(NAME, "deploy", Deployed, Content, Deployed, replan=True)
ROLLBACK: Final = Action(NAME, "rollback", Deployed, Earlier, Deployed)
ACTIONS: Final = (CREATE, DEPLOY, ROLLBACK)
