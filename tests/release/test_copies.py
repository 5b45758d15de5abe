"""What of a project a rehearsal copies."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.adoption.repositories import committed, file
from xswarm_deploy.bundling.bundle import CACHE
from xswarm_deploy.errors import Refused
from xswarm_deploy.release.copies import of_commit, of_project


def test_a_package_of_a_workspace_uses_what_is_installed_above_it(tmp_path: Path) -> None:
    (tmp_path / "mono/node_modules/hono").mkdir(parents=True)
    package = tmp_path / "mono/apps/api"
    package.mkdir(parents=True)
    (package / "wrangler.jsonc").write_text("{}")
    made = of_project(package, tmp_path / "copy")
    assert (made / "node_modules/hono").is_dir()
    assert (made / "node_modules").is_symlink()


def test_secrets_history_and_what_was_made_stay_behind(tmp_path: Path) -> None:
    for name in (".git/HEAD", ".backups/a", ".deployments/b", "deployment/config/production.env"):
        (tmp_path / "own" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "own" / name).touch()
    (tmp_path / "own/invoke.yaml").touch()
    made = of_project(tmp_path / "own", tmp_path / "copy")
    assert sorted(file.name for file in made.rglob("*") if file.is_file()) == ["invoke.yaml"]


def test_what_was_bundled_comes_along(tmp_path: Path) -> None:
    """By its content, so that nothing is installed or bundled again; what is being made is not."""
    cache = tmp_path / "own" / CACHE
    for name in ("bundle-1", "python-modules-2/six.py", "bundling-x/upload", "vendor-y/six.py"):
        (cache / name).parent.mkdir(parents=True, exist_ok=True)
        (cache / name).write_text(name)
    copy = of_project(tmp_path / "own", tmp_path / "copy") / CACHE
    assert sorted(file.name for file in copy.rglob("*") if file.is_file()) == ["bundle-1", "six.py"]
    assert (tmp_path / "copy/.deployments").stat().st_mode & 0o777 == 0o700


def workspace(top: Path) -> tuple[Path, str]:
    """Return a package of a workspace, as npm installs it, and the commit of what is live."""
    file(top, "package.json", {"workspaces": ["apps/*", "packages/*"]})
    file(top, ".gitignore", "node_modules/\ndist/\n.env\n")
    file(top, "packages/shared/package.json", {"name": "@acme/shared"})
    file(top, "packages/shared/src/index.ts", "live")
    file(top, "apps/api/invoke.yaml", "deploy: {}")
    file(top, "apps/api/dist/built.js", "built")
    file(top, "packages/shared/.env", "SECRET=x")
    commit = committed(top)
    file(top, "node_modules/hono/index.js", "")
    (top / "node_modules/@acme").mkdir()
    (top / "node_modules/@acme/shared").symlink_to("../../packages/shared")
    file(top, "apps/api/node_modules/zod/index.js", "")
    file(top, "packages/shared/src/index.ts", "next")
    file(top, "packages/shared/src/more.ts", "not committed")
    return top / "apps/api", commit


def test_a_package_comes_with_the_workspace_that_it_is_built_from(tmp_path: Path) -> None:
    package, commit = workspace(tmp_path / "mono")
    new, old = of_project(package, tmp_path / "new"), of_commit(package, commit, tmp_path / "old")
    for copy, said in ((new, "next"), (old, "live")):
        shared = copy / "../../node_modules/@acme/shared"
        assert (shared / "src/index.ts").read_text() == said
        assert shared.resolve() == (copy / "../../packages/shared").resolve()
        assert (copy / "../../node_modules/hono/index.js").is_file()
        assert (copy / "node_modules/zod/index.js").is_file()
        assert not (shared / ".env").exists()
    assert (new / "../../packages/shared/src/more.ts").is_file()
    assert (new / "dist/built.js").is_file()


def test_a_commit_from_before_the_tool_is_refused(tmp_path: Path) -> None:
    file(tmp_path / "own", "index.js", "")
    commit = committed(tmp_path / "own")
    with pytest.raises(Refused, match="has no invoke") as caught:
        of_commit(tmp_path / "own", commit, tmp_path / "old")
    assert "--base COMMIT" in caught.value.remedy


def test_a_commit_is_no_flag_of_git(tmp_path: Path) -> None:
    """It may come from a release's record, which whoever writes the database can change."""
    kept = file(tmp_path / "own", "kept.txt", "as it was")
    committed(tmp_path / "own")
    with pytest.raises(Refused, match="is no commit"):
        of_commit(tmp_path / "own", f"--output={kept}", tmp_path / "old")
    assert kept.read_text() == "as it was"


def test_what_is_committed_of_node_modules_stays_as_it_was(tmp_path: Path) -> None:
    top = tmp_path / "own"
    file(top, "invoke.yaml", "deploy: {}")
    file(top, "package.json", {"name": "shop"})
    kept = file(top, "node_modules/hono/index.js", "live")
    commit = committed(top)
    kept.write_text("next")
    copy = of_commit(top, commit, tmp_path / "old")
    assert (copy / "node_modules/hono/index.js").read_text() == "live"
