"""Which wrangler a Worker is bundled by."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from xswarm_deploy import running
from xswarm_deploy.bundling import programs
from xswarm_deploy.errors import Unavailable

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return where this tool would have its own wrangler; it has none."""
    monkeypatch.setattr(programs, "_WORKSHOP", tmp_path / "nowhere")
    monkeypatch.setattr(programs, "_SHARE", tmp_path / "share")
    return tmp_path / "share"


def place(folder: Path, version: str) -> Path:
    package = folder / "node_modules/wrangler"
    (package / "wrangler-dist").mkdir(parents=True)
    (package / "wrangler-dist/cli.js").touch()
    (package / "package.json").write_text(json.dumps({"version": version}))
    return package / "wrangler-dist/cli.js"


def test_the_nearest_from_the_workers_folder_upwards_is_taken(tmp_path: Path, alone: Path) -> None:
    folder = tmp_path / "repository/apps/api"
    folder.mkdir(parents=True)
    hoisted = place(tmp_path / "repository", "4.100.0")
    assert programs.wrangler(folder) == hoisted
    own = place(folder, "4.110.0")
    assert programs.wrangler(folder) == own


def test_one_that_is_too_old_is_not_taken(tmp_path: Path, alone: Path) -> None:
    place(tmp_path / "repository", "3.114.9")
    with pytest.raises(Unavailable, match="wrangler is not installed") as caught:
        programs.wrangler(tmp_path / "repository")
    assert "3.114.9, older than 4.24" in caught.value.why
    ours = place(alone, "4.164.0")
    assert programs.wrangler(tmp_path / "repository") == ours


def test_it_is_told_whose_wrangler_bundles_and_why(tmp_path: Path, alone: Path) -> None:
    package = tmp_path / "repository/apps/api"
    package.mkdir(parents=True)
    place(alone, "4.164.0")
    assert programs.described(package) == "4.164.0, of this tool"
    hoisted = place(tmp_path / "repository", "3.114.9")
    old = "the Worker's own is 3.114.9, older than 4.24"
    assert programs.described(package) == f"4.164.0, of this tool: {old}"
    (hoisted.parents[1] / "package.json").write_text('{"version": "4.100.0"}')
    assert programs.described(package) == "4.100.0, the Worker's own"
    hoisted.unlink()
    (tmp_path / "repository/.pnp.cjs").touch()
    archived = "the Worker's own is in an archive (Yarn's Plug'n'Play)"
    assert programs.described(package) == f"4.164.0, of this tool: {archived}"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": "next"}'])
def test_one_that_does_not_say_its_version_is_not_taken(
    tmp_path: Path, alone: Path, text: str
) -> None:
    found = place(tmp_path / "repository", "4.100.0")
    (found.parents[1] / "package.json").write_text(text)
    with pytest.raises(Unavailable, match="wrangler is not installed"):
        programs.wrangler(tmp_path / "repository")


def test_elsewhere_it_is_installed_beside_this_tool_as_the_lock_says(
    tmp_path: Path, alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[tuple[list[str], bytes, dict[str, str]]] = []

    def run(
        command: list[str], *, cwd: Path, env: dict[str, str], **_: object
    ) -> subprocess.CompletedProcess[str]:
        ran.append((command, (cwd / "package-lock.json").read_bytes(), env))
        place(cwd, f"4.200.{len(ran)}")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(running, "run", run)
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "canary-token")
    monkeypatch.setenv("npm_config_registry", "https://mirror.example.test")
    monkeypatch.setenv("NODE_EXTRA_CA_CERTS", "/company/authority.pem")
    for count in (1, 2):  # again: in the place of what is there
        found = programs.install(tmp_path)
        assert found == programs.wrangler(tmp_path)
        assert programs.version(found) == f"4.200.{count}"
    assert [each.name for each in alone.iterdir()] == ["node_modules"]
    command, lock, environment = ran[0]
    assert "--ignore-scripts" in command
    assert lock == (PROJECT / "package-lock.json").read_bytes()
    assert "CLOUDFLARE_API_TOKEN" not in environment
    assert environment["npm_config_registry"] == "https://mirror.example.test"
    assert environment["NODE_EXTRA_CA_CERTS"] == "/company/authority.pem"


def test_what_npm_says_is_the_evidence(
    tmp_path: Path, alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = subprocess.CompletedProcess(["npm"], 1, "", "npm error 404\nnpm error not there\n")
    monkeypatch.setattr(running, "run", lambda *_, **__: failed)
    with pytest.raises(Unavailable, match="could not be installed") as caught:
        programs.install(tmp_path)
    assert "404 | npm error not there" in caught.value.why


def test_the_newest_date_is_the_runtimes() -> None:
    lock = json.loads((PROJECT / "package-lock.json").read_text())
    workerd = lock["packages"]["node_modules/workerd"]["version"]
    assert programs.newest_date().replace("-", "") == workerd.split(".")[1]


def test_scripts_find_the_programs_of_packages_as_npm_lets_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the Worker's folder come first, then those of the folders above, then PATH.

    The tool's Node is for who has none: a person's npm compiled for the one on PATH.
    """
    folder = tmp_path / "repository/apps/api"
    for place_ in (folder, tmp_path / "repository"):
        (place_ / "node_modules/.bin").mkdir(parents=True)
    monkeypatch.setenv("PATH", "/somewhere")
    found = programs.search_path(folder).split(os.pathsep)
    assert found[:2] == [
        str(folder / "node_modules/.bin"),
        str(tmp_path / "repository/node_modules/.bin"),
    ]
    assert found[2:] == ["/somewhere", str(Path(sys.executable).parent)]


@pytest.mark.parametrize("program", ["node", "npm", "npx"])
def test_who_has_no_node_builds_by_the_tools_own(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`npm run build` on a machine that has only Python: each of the three really starts."""
    monkeypatch.setenv("PATH", os.defpath)
    path = programs.search_path(tmp_path)
    found = shutil.which(program, path=path)
    assert found
    ended = subprocess.run([found, "--version"], env={"PATH": path}, capture_output=True)
    assert ended.returncode == 0, ended.stderr


def test_a_build_runs_by_another_node_where_path_has_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert programs.other_node() is None
    own = tmp_path / "node"
    own.symlink_to(programs.node())
    assert programs.other_node() is None
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    assert programs.other_node() is None, "a script that starts this one"
    monkeypatch.setenv("PATH", str(tmp_path))
    own.unlink()
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    assert programs.other_node() == own
