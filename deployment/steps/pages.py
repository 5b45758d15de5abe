"""The static site: upload what is missing, deploy, read back; the previous one is kept."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from deployment import child
from deployment.errors import StepFailed
from deployment.services.files import StaticFile, manifest, pages_files
from deployment.services.pages import Commit, PagesDeployment, Rules
from deployment.steps import functions, publishing
from deployment.steps.site import Site
from deployment.steps.step import Change, Facts

if TYPE_CHECKING:
    from deployment.settings import Settings

NAME: Final = "pages"
_CONTENT: Final = "content "  # marks the digest in a deployment's commit message


def plan(site: Site) -> list[Change]:
    """Say what would change: the project where it is missing, a deployment where it differs.

    Raises:
        Refused: no such folder, a file above 25 MiB, more than 20,000 files, or Functions
            on the local twin.
    """
    name = site.settings.project.pages.project
    if not used(site):
        return []
    functions.require_served(site, _folder(site.settings))
    wanted = digest(site.settings)
    now = current(site)
    if now and _content_of(now) == wanted:
        return []
    missing = site.cloudflare.pages.project(name) is None
    made = [Change(NAME, f"pages project {name}", "create", undo={})] if missing else []
    return [*made, _deployment(site, now, wanted, new=missing)]


def used(site: Site) -> bool:
    """Tell whether the project has a static site."""
    wanted = site.settings.project.pages
    return bool(wanted.project and wanted.directory)


def _deployment(site: Site, now: PagesDeployment | None, wanted: str, *, new: bool) -> Change:
    """Say that the site is deployed; without an earlier one the project itself is the undo."""
    before = {"deployment": now.id, "content": _content_of(now)} if now else None
    final = not now and not new
    return Change(
        NAME,
        f"pages {site.settings.project.pages.project}",
        "deploy",
        before=before,
        after={"content": wanted},
        undo=None if final else before or {},
        irreversible="the project had no deployment to go back to" if final else "",
    )


def go_back(site: Site, deployment: str) -> list[Change]:
    """Say what would change to make an earlier deployment the live one again."""
    now = current(site)
    if now is None or now.id == deployment:
        return []
    before = {"deployment": now.id, "content": _content_of(now)}
    name = site.settings.project.pages.project
    return [
        Change(
            NAME,
            f"pages {name}",
            "rollback",
            before=before,
            after={"deployment": deployment},
            undo=before,
        )
    ]


def apply(site: Site, change: Change) -> Facts:
    """Create the project, deploy the folder, or go back to an earlier deployment."""
    project = site.settings.project.pages
    if change.action == "create":
        site.cloudflare.pages.create_project(project.project, project.branch)
        return {}
    if change.action == "rollback":
        return _make_live(site, str(change.after["deployment"]))
    return _deploy(site, str(change.after["content"]))


def undo(site: Site, change: Change, _outcome: Facts) -> None:
    """Make the previous deployment the live one; what there was none of is deleted."""
    pages, name = site.cloudflare.pages, site.settings.project.pages.project
    if change.action == "create":
        pages.delete_project(name)
        if pages.project(name) is not None:
            raise StepFailed(f"pages project {name} is still there after its deletion")
    elif change.undo.get("deployment"):
        _make_live(site, str(change.undo["deployment"]))


def current(site: Site) -> PagesDeployment | None:
    """Give the deployment that is live, or None."""
    if not used(site):
        return None
    pages, name = site.cloudflare.pages, site.settings.project.pages.project
    project = pages.project(name)
    if project is None:
        return None
    if project.canonical_deployment:
        return pages.deployment(name, project.canonical_deployment)
    made = [one for one in pages.deployments(name) if one.environment == "production" and one.live]
    return made[0] if made else None


def content(files: tuple[StaticFile, ...], rules: Rules, code: str = "") -> str:
    """Give a digest of all that a deployment holds.

    Args:
        files: the static files.
        rules: what ``_headers`` and ``_redirects`` say.
        code: a digest of its Functions, if any.
    """
    parts = [manifest(files), rules.headers, rules.redirects, *([code] if code else [])]
    held = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(held.encode()).hexdigest()[:32]


def digest(settings: Settings) -> str:
    """Give a digest of all that a deployment of the project's folder would hold.

    Raises:
        Refused: no such folder, a file above 25 MiB, more than 20,000 files.
    """
    folder = _folder(settings)
    code = functions.digest(functions.found(folder))
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
    files, rules = pages_files(folder), _rules(folder)
    publishing.require_public(files, (rules.headers, rules.redirects))
    if functions.found(folder):
        made, sent = _deploy_by_wrangler(site, commit), len(files)
    else:
        sent = pages.upload(project.project, files, partial(_progress, site))
        made = pages.create_deployment(project.project, manifest(files), commit, rules)
    live = pages.wait_for_deployment(project.project, made.id)
    if not _shows(current(site), live.id, wanted):
        raise StepFailed(f"pages {project.project} does not serve its deployment", live.id)
    return {"pages": live.id, "pages_url": live.url, "pages_files": sent}


def _deploy_by_wrangler(site: Site, commit: Commit) -> PagesDeployment:
    """Deploy a site with Functions, and find what wrangler made by its commit message."""
    functions.deploy(site, _folder(site.settings), commit)
    name = site.settings.project.pages.project
    made = [one for one in site.cloudflare.pages.deployments(name) if one.message == commit.message]
    if not made:
        raise StepFailed(f"pages {name} has no deployment although wrangler made one")
    return made[0]


def _progress(site: Site, done: int, total: int) -> None:
    site.progress("pages", done, total, "files")


def _make_live(site: Site, deployment: str) -> Facts:
    """Go back to a deployment; one of the same content that is live already will do."""
    name = site.settings.project.pages.project
    wanted = _content_of(site.cloudflare.pages.deployment(name, deployment))
    if not _shows(current(site), deployment, wanted):
        site.cloudflare.pages.rollback_deployment(name, deployment)
    now = current(site)
    if now is None or not _shows(now, deployment, wanted):
        raise StepFailed(f"pages {name} did not go back to {deployment[:8]}")
    return {"pages": now.id, "pages_url": now.url}


def _shows(now: PagesDeployment | None, deployment: str, wanted: str) -> bool:
    return now is not None and (now.id == deployment or _content_of(now) == wanted)


def _content_of(deployment: PagesDeployment) -> str:
    _, mark, digest = deployment.message.partition(_CONTENT)
    return digest.strip() if mark else f"deployment {deployment.id}"


def _rules(folder: Path) -> Rules:
    texts: Mapping[str, str] = {
        name: (folder / name).read_text(encoding="utf-8")
        for name in ("_headers", "_redirects")
        if (folder / name).is_file()
    }
    return Rules(texts.get("_headers", ""), texts.get("_redirects", ""))


def _folder(settings: Settings) -> Path:
    return settings.path(settings.project.pages.directory)


def commit_hash(root: Path) -> str:
    """Give git's current commit, or the empty string outside a checkout."""
    asked = subprocess.run(
        ["git", "-C", str(root), "rev-parse", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
        env=child.environment(),
    )
    return asked.stdout.strip() if asked.returncode == 0 else ""
