"""What a release notes of the checkout that it is made from."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.adoption.repositories import file
from xswarm_deploy.release import inputs
from xswarm_deploy.settings.project import CanaryStep, Names, Worker
from xswarm_deploy.settings.settings import Settings


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=Ann", "-c", "user.email=ann@b.test"]
    ended = subprocess.run(
        ["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True
    )
    return ended.stdout.strip()


@pytest.mark.needs("git")
def test_a_commit_is_noted_where_the_files_are_its_own(tmp_path: Path) -> None:
    assert inputs.commit(tmp_path) == ""
    git(tmp_path, "init", "-q")
    assert inputs.commit(tmp_path) == ""
    (tmp_path / "code.py").write_text("1")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "first")
    assert inputs.commit(tmp_path) == git(tmp_path, "rev-parse", "HEAD")
    (tmp_path / "code.py").write_text("2")
    assert inputs.commit(tmp_path) == ""


def test_a_release_in_a_hurry_is_resumed_without_its_flag(
    settings: Callable[..., Settings],
) -> None:
    made = settings()
    fast = replace(made, project=made.project._replace(fast=True))
    other = replace(made, project=made.project._replace(uses=Names("r2")))
    assert inputs._settings(fast) == inputs._settings(made) != inputs._settings(other)


def test_a_setting_that_a_later_version_adds_changes_no_digest_before_somebody_sets_it(
    settings: Callable[..., Settings],
) -> None:
    class Later(NamedTuple):
        """A part of invoke.yaml as a later version has it."""

        name: str = "boss-ai"
        canary: tuple[CanaryStep, ...] = ()
        added: str = ""

    steps = (CanaryStep(10.0, 60.0),)
    was = inputs._set(Worker(name="shop", canary=steps))
    assert inputs._set(Later(name="shop", canary=steps)) == was
    assert inputs._set(Later(name="shop", canary=steps, added="x")) != was
    assert inputs._set(Worker(name="shop", canary=(CanaryStep(10.0),))) != was
    assert inputs._set(Worker()) == {}


def test_what_a_worker_is_made_from_in_a_monorepo_counts(
    settings: Callable[..., Settings], tmp_path: Path
) -> None:
    """Its package, where its configuration is in a folder of that, and the packages it links."""
    file(tmp_path, "package.json", {"dependencies": {"@acme/shared": "*", "hono": "4"}})
    file(tmp_path, "config/wrangler.jsonc", {"name": "shop", "main": "../src/index.ts"})
    own = file(tmp_path, "src/index.ts", "1")
    more = {"dependencies": {"@acme/base": "*"}}
    shared = file(tmp_path, "packages/shared/package.json", more).with_name("index.ts")
    base = file(tmp_path, "packages/base/index.ts", "1")
    (tmp_path / "node_modules/@acme").mkdir(parents=True)
    for name in ("shared", "base"):
        (tmp_path / f"node_modules/@acme/{name}").symlink_to(f"../../packages/{name}")
    hono = file(tmp_path, "node_modules/.pnpm/hono@4/node_modules/hono/index.js", "1")
    (tmp_path / "node_modules/hono").symlink_to(".pnpm/hono@4/node_modules/hono")
    worker = {"name": "shop", "config": "config/wrangler.jsonc"}
    made = replace(settings({"worker": worker}), root=tmp_path)
    known = {inputs._worker(made)}
    for count, changed in enumerate((own, shared, base), 2):
        changed.write_text("2")
        known.add(inputs._worker(made))
        assert len(known) == count
    hono.write_text("2")  # what its lock file names is not looked at
    assert inputs._worker(made) in known
