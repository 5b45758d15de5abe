"""What of a project a rehearsal copies."""

from __future__ import annotations

from pathlib import Path

from xswarm_deploy.bundling.bundle import CACHE
from xswarm_deploy.release.rehearsal import copied


def test_a_package_of_a_workspace_uses_what_is_installed_above_it(tmp_path: Path) -> None:
    (tmp_path / "mono/node_modules/hono").mkdir(parents=True)
    package = tmp_path / "mono/apps/api"
    package.mkdir(parents=True)
    (package / "wrangler.jsonc").write_text("{}")
    made = copied(package, tmp_path / "copy")
    assert (made / "node_modules/hono").is_dir()
    assert (made / "node_modules").is_symlink()


def test_secrets_history_and_what_was_made_stay_behind(tmp_path: Path) -> None:
    for name in (".git/HEAD", ".backups/a", ".deployments/b", "deployment/config/production.env"):
        (tmp_path / "own" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "own" / name).touch()
    (tmp_path / "own/invoke.yaml").touch()
    made = copied(tmp_path / "own", tmp_path / "copy")
    assert sorted(file.name for file in made.rglob("*") if file.is_file()) == ["invoke.yaml"]


def test_what_was_bundled_comes_along(tmp_path: Path) -> None:
    """By its content, so that nothing is installed or bundled again; what is being made is not."""
    cache = tmp_path / "own" / CACHE
    for name in ("bundle-1", "python-modules-2/six.py", "bundling-x/upload", "vendor-y/six.py"):
        (cache / name).parent.mkdir(parents=True, exist_ok=True)
        (cache / name).write_text(name)
    copy = copied(tmp_path / "own", tmp_path / "copy") / CACHE
    assert sorted(file.name for file in copy.rglob("*") if file.is_file()) == ["bundle-1", "six.py"]
    assert (tmp_path / "copy/.deployments").stat().st_mode & 0o777 == 0o700
