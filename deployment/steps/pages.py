"""The static site: upload what is missing, deploy, read back; the previous one is kept."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from deployment.errors import StepFailed
from deployment.services.files import StaticFile, manifest, pages_files
from deployment.services.pages import Commit, PagesDeployment, Rules
from deployment.steps.site import Site
from deployment.steps.step import Change, Facts

NAME: Final = "pages"
_CONTENT: Final = "content "  # marks the digest in a deployment's commit message


def plan(site: Site) -> list[Change]:
    """Say what would change: the project where it is missing, a deployment where it differs."""
    name = site.settings.project.pages.project
    wanted = content(_files(site), _rules(site))
    now = current(site)
    if now and _content_of(now) == wanted:
        return []
    changes = []
    if site.cloudflare.pages.project(name) is None:
        changes.append(Change(NAME, f"pages project {name}", "create", undo={}))
    before = {"deployment": now.id, "content": _content_of(now)} if now else None
    changes.append(
        Change(
            NAME,
            f"pages {name}",
            "deploy",
            before=before,
            after={"content": wanted},
            undo=before or {},
        )
    )
    return changes


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
    pages, name = site.cloudflare.pages, site.settings.project.pages.project
    project = pages.project(name)
    if project is None:
        return None
    if project.canonical_deployment:
        return pages.deployment(name, project.canonical_deployment)
    made = [one for one in pages.deployments(name) if one.environment == "production" and one.live]
    return made[0] if made else None


def content(files: tuple[StaticFile, ...], rules: Rules) -> str:
    """Give a digest of all that a deployment holds."""
    held = json.dumps([manifest(files), rules.headers, rules.redirects], sort_keys=True)
    return hashlib.sha256(held.encode()).hexdigest()[:32]


def _deploy(site: Site, wanted: str) -> Facts:
    project, pages = site.settings.project.pages, site.cloudflare.pages
    files = _files(site)
    sent = pages.upload(
        project.project, files, lambda done, all_: site.progress("pages", done, all_, "files")
    )
    commit = Commit(
        project.branch,
        commit_hash(site.settings.root),
        f"release {site.facts['release']} {_CONTENT}{wanted}",
    )
    made = pages.create_deployment(project.project, manifest(files), commit, _rules(site))
    live = pages.wait_for_deployment(project.project, made.id)
    return {"pages": live.id, "pages_url": live.url, "pages_files": sent}


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


def _files(site: Site) -> tuple[StaticFile, ...]:
    return pages_files(_folder(site))


def _rules(site: Site) -> Rules:
    folder = _folder(site)
    texts: Mapping[str, str] = {
        name: (folder / name).read_text(encoding="utf-8")
        for name in ("_headers", "_redirects")
        if (folder / name).is_file()
    }
    return Rules(texts.get("_headers", ""), texts.get("_redirects", ""))


def _folder(site: Site) -> Path:
    return site.settings.path(site.settings.project.pages.directory)


def commit_hash(root: Path) -> str:
    """Give git's current commit, or the empty string outside a checkout."""
    asked = subprocess.run(
        ["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    return asked.stdout.strip() if asked.returncode == 0 else ""
