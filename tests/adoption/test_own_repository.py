"""From somebody's repository to a verified release on the twin, for each kind of Worker.

Every repository has a twin of its own; it is ended with its test.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from tests.adoption import repositories, test_pipelines
from tests.adoption.repositories import committed, file, git, wrangler
from tests.support import prefork
from xswarm_deploy.bundling import programs

pytestmark = pytest.mark.slow

NAME = "/usr/bin/xswarm"
STARTED = f"import sys; sys.argv[0] = {NAME!r}; from xswarm_deploy.cli.program import main; main()"
SECONDS = 240


@dataclass(frozen=True)
class Repository:
    """Somebody's repository, and ``xswarm`` in it."""

    root: Path

    def xswarm(
        self, *words: str, folder: Path | None = None, ends: int = 0, **environment: str
    ) -> str:
        """Run it without a terminal, and return what it said."""
        foreign = ("INVOKE_", "DEPLOY_", "CLOUDFLARE_", "GITHUB_", "CI")
        kept = {n: v for n, v in os.environ.items() if not n.startswith(foreign)}
        where, given = folder or self.root, {**kept, **environment}
        if prefork.SUPPORTED:
            ended = prefork.run(words, where, given, SECONDS, NAME)
        else:
            ended = subprocess.run(
                [sys.executable, "-c", STARTED, *words],
                cwd=where,
                env=given,
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
                timeout=SECONDS,
                check=False,
            )
        assert ended.returncode == ends, f"{words}\n{ended.stdout}{ended.stderr}"
        return ended.stdout + ended.stderr

    def json(self, *words: str) -> Any:
        said = self.xswarm(*words, "--json")
        return json.loads(said[min(said.find(c) for c in "[{" if c in said) :])

    @property
    def endpoints(self) -> dict[str, str]:
        lines = (self.root / ".sandbox/endpoints.env").read_text().splitlines()
        pairs = (line.split("=", 1) for line in lines if "=" in line and line[0] != "#")
        return {name: value.strip("\"'") for name, value in pairs}

    def get(self, path: str = "/") -> requests.Response:
        return requests.get(f"{self.endpoints['WORKER_URL']}{path}", timeout=60)

    def live(self) -> str:
        return next(str(r["version"]) for r in self.json("deploy.list") if r["live"])


@contextmanager
def opened(root: Path) -> Iterator[Repository]:
    made = Repository(root)
    try:
        yield made
    finally:
        made.xswarm("sandbox.down")


def test_javascript_from_a_folder_with_nothing_but_its_code(tmp_path: Path) -> None:
    file(tmp_path, "src/index.js", repositories.JAVASCRIPT)
    with opened(tmp_path) as repository:
        repository.xswarm("init", "--yes", "--name", "hello")
        assert repository.get().text == "Hello from JavaScript"
        assert len(repository.json("deploy.list")) == 1


def test_a_python_worker(tmp_path: Path) -> None:
    file(tmp_path, "src/entry.py", repositories.PYTHON)
    content = wrangler(main="src/entry.py", compatibility_flags=["python_workers"])
    file(tmp_path, "wrangler.jsonc", content)
    with opened(tmp_path) as repository:
        repository.xswarm("init", "--yes")
        assert repository.get().text == "Hello from Python"


def test_a_framework_build_in_a_package_of_a_monorepo(tmp_path: Path) -> None:
    """The build is run before each release, after what it needs, and does not see our keys."""
    root = tmp_path / "mono repo – größe"
    file(root, "package.json", {"workspaces": ["apps/*", "packages/*"]})
    make = "node -e \"require('fs').writeFileSync('index.js', 'made')\""
    shared = {"name": "@acme/shared", "scripts": {"build": make}}
    file(root, "packages/shared/package.json", shared)
    needs = {"dependencies": {"@acme/shared": "*"}}
    package = {"name": "web", "scripts": {"build": "node build.js"}, **needs}
    file(
        root, "apps/web/package.json", {**package, "devDependencies": {"@astrojs/cloudflare": "12"}}
    )
    file(root, "apps/web/build.js", repositories.BUILD)
    file(root, "apps/web/wrangler.jsonc", wrangler(main="dist/server/index.js"))
    file(root, "apps/api/wrangler.jsonc", wrangler("api"))
    (root / "node_modules/@astrojs/cloudflare").mkdir(parents=True)
    (root / "node_modules/@acme").mkdir()
    (root / "node_modules/@acme/shared").symlink_to(root / "packages/shared")
    committed(root)
    with opened(root / "apps/web") as repository:
        repository.xswarm("init", "--yes", "--config", "apps/web/wrangler.jsonc", folder=root)
        assert (root / "packages/shared/index.js").read_text() == "made"
        assert repository.get().text == "built "
        built = root / "apps/web/build.js"
        built.write_text(built.read_text().replace("built", "built again"))
        repository.xswarm("deploy.local", CLOUDFLARE_API_TOKEN="canary-token-of-the-pipeline")
        assert repository.get().text == "built again "
        assert not (root / "invoke.yaml").exists()


def test_a_worker_of_a_monorepo_and_those_that_it_is_bound_to(tmp_path: Path) -> None:
    """The twin gets the others by their own wrangler, in order, with what they name by ids."""
    root, price = tmp_path / "mono", "export default { fetch: () => new Response('12 EUR') }"
    asks = "export default { fetch: (_, env) => env.NEXT.fetch('http://next/') }"
    store = [{"binding": "STORE", "id": "0123456789abcdef0123456789abcdef"}]

    def bound(name: str, to: str, live: str) -> dict[str, Any]:
        here, there = ([{"binding": "NEXT", "service": each}] for each in (to, live))
        env = {"production": {"services": there}}
        return wrangler(name, services=here, main="src/index.js", env=env)

    for name, content, code in (
        ("api", bound("api", "billing", "billing-production"), asks),
        ("billing", bound("billing", "prices", "prices"), asks),
        ("prices", wrangler("prices", main="src/index.js", kv_namespaces=store), price),
    ):
        file(root, f"apps/{name}/wrangler.jsonc", content)
        file(root, f"apps/{name}/src/index.js", code)
        file(root, f"apps/{name}/package.json", {"name": name})
    file(root, "package.json", {"workspaces": ["apps/*"]})
    committed(root)
    with opened(root / "apps/api") as repository:
        said = repository.xswarm("init", "--yes")
        assert said.index("prices") < said.index("billing  ")
        assert repository.get().text == "12 EUR"
        git(root, "add", "--all")
        git(root, "commit", "--quiet", "--message", "adopted")
        said = repository.xswarm("local", "deploy.rehearse", "--base", "HEAD")
        assert "✓ rehearsed: released in" in said  # production's own were brought, too


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    """Return a TypeScript repository that deployed by bare wrangler until now."""
    root = tmp_path_factory.mktemp("team") / "our shop ü"
    content = wrangler(vars={"GREETING": "world"})
    file(root, "wrangler.jsonc", content)
    file(root, "src/index.ts", repositories.TYPESCRIPT)
    file(root, ".dev.vars", "API_KEY=canary-of-dev-vars\n")
    file(root, ".gitignore", "node_modules/\n.dev.vars\n")
    file(
        root,
        "db/migrations/1_users.sql",
        "-- migrate:up\nCREATE TABLE users (id INTEGER);\n-- migrate:down\nDROP TABLE users;\n",
    )
    committed(root)
    with opened(root) as repository:
        repository.xswarm("init", "--yes", "--no-deploy", folder=root / "src")
        repository.xswarm("sandbox.up")
        bare_wrangler(repository, "deploy")
        bare_wrangler(repository, "secret", "put", "API_KEY", entered="canary-set-by-hand\n")
        file(root, ".dev.vars", "")  # as in production: the value is at Cloudflare alone
        yield repository


@pytest.fixture(scope="module")
def released(team: Repository) -> Repository:
    """Return the same repository after its first release; its next ones are undone by each test."""
    git(team.root, "add", "--all")
    git(team.root, "commit", "--quiet", "--message", "adopted")
    team.xswarm("deploy.local", "--message", "adopted", folder=team.root / "src")
    return team


@contextmanager
def edited(changed: Path, old: str, new: str) -> Iterator[None]:
    """Edit a file for a while."""
    before = changed.read_text()
    assert old in before
    changed.write_text(before.replace(old, new))
    try:
        yield
    finally:
        changed.write_text(before)


def bare_wrangler(repository: Repository, *words: str, entered: str = "") -> str:
    """Run wrangler by itself against the twin, as the team did; return what it said."""
    known = repository.endpoints
    names = ("CLOUDFLARE_API_TOKEN", "CLOUDFLARE_ACCOUNT_ID", "CLOUDFLARE_API_BASE_URL")
    command = [str(programs.node()), str(programs.wrangler(repository.root)), *words]
    ended = subprocess.run(
        command,
        cwd=repository.root,
        env={**os.environ, "CI": "1", **{name: known[name] for name in names}},
        input=entered,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_adopting_changes_nothing_that_is_live(team: Repository) -> None:
    before = team.json("worker.status")
    team.xswarm("check")
    team.xswarm("deploy.plan")
    assert team.json("worker.status") == before
    assert team.get("/api/key").text == "set"


def test_the_first_release_keeps_what_was_set_by_hand(released: Repository) -> None:
    assert released.get("/api/hello").json() == {"hello": "world"}
    assert released.get("/api/key").text == "set"
    assert released.xswarm("secrets.prune").count("nothing") == 1
    first = released.json("deploy.list")[-1]
    assert first["message"] == "adopted"
    shown = released.json("deploy.show", first["release"])
    assert git(released.root, "rev-parse", "HEAD") in json.dumps(shown)


def test_what_is_made_at_run_time_is_in_the_users_repository_and_ignored(
    released: Repository,
) -> None:
    made = {path.name for path in released.root.iterdir()}
    assert {".backups", ".deployments", ".sandbox"} <= made
    assert git(released.root, "status", "--porcelain") == ""


def test_the_next_release_and_the_way_back(released: Repository) -> None:
    first = released.live()
    with edited(released.root / "src/index.ts", "Hello World!", "Hello again!"):
        found = json.loads(released.xswarm("check", "--only", "git", "--json"))["findings"]
        assert found[0]["evidence"].startswith("main at ")
        released.xswarm("deploy.local")
    assert released.get().text == "Hello again!"
    released.xswarm("rollback", "--version", first, "--yes")
    assert released.get().text == "Hello World!"


def test_the_next_release_is_rehearsed_on_the_repositorys_own_commit(released: Repository) -> None:
    before = released.json("worker.status")
    said = released.xswarm("local", "deploy.rehearse")
    assert "✓ rehearsed: released in" in said
    assert "$ xswarm deploy.prod --yes" in said
    assert released.json("worker.status") == before


def test_the_steps_of_the_action_release_it(released: Repository, tmp_path: Path) -> None:
    program = file(
        tmp_path, "bin/xswarm", f'#!/bin/sh\nexec {sys.executable} -c "{STARTED}" "$@"\n'
    )
    program.chmod(0o755)
    environment = {
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "GITHUB_ACTIONS": "true",
        "GITHUB_SHA": git(released.root, "rev-parse", "HEAD"),
        "GITHUB_WORKSPACE": str(released.root),
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
    }
    said = test_pipelines.run(released.root, environment, environment="local", wait="1m")
    assert said.count("✓ check") == 1  # the release's own; another would build everything twice
    outputs = dict(line.split("=", 1) for line in (tmp_path / "output").read_text().splitlines())
    assert (outputs["version"], outputs["url"]) == (
        released.live(),
        released.endpoints["WORKER_URL"],
    )
    summary = (tmp_path / "summary").read_text()
    assert "### check of local: " in summary
    assert "✅ shop is live in local" in summary
    source = released.root / "src/index.ts"
    with edited(source, 'return new Response("Hello', 'throw new Error("Hello'):
        said = test_pipelines.run(released.root, environment, environment="local")
    assert "ended with 3" in said
    assert re.search(r"^::error title=.*::.*GET /: 500 instead of", said, re.MULTILINE)


def test_a_second_init_is_refused_and_names_the_way_on(team: Repository) -> None:
    before = (team.root / "invoke.yaml").read_bytes()
    said = team.xswarm("init", "--yes", ends=2)
    assert "is set up already" in said
    assert "next: xswarm update" in said
    assert (team.root / "invoke.yaml").read_bytes() == before


def test_routes_that_answered_are_verified_from_then_on(team: Repository) -> None:
    invoke = team.root / "invoke.yaml"
    before = invoke.read_text()
    invoke.unlink()
    file(team.root, ".dev.vars", "API_KEY=canary-of-dev-vars\n")
    source, logout = team.root / "src/index.ts", 'if (url.pathname === "/logout")'
    broken = f'if (url.pathname === "/api/list") throw new Error("no database");\n\t\t{logout}'
    try:
        with edited(source, logout, broken):
            said = team.xswarm("init", "--yes")
        below = yaml.safe_load(invoke.read_text())["deploy"]
    finally:
        invoke.write_text(before)
        file(team.root, ".dev.vars", "")
    assert "✓ verified from now on" in said
    assert "answered with an error, so not verified: /api/list (xswarm sandbox.logs)" in said
    assert below["verify"]["routes"] == [
        {"path": "/"},
        {"path": "/api/hello"},
        {"path": "/api/key"},
        {"path": "/private", "status": [401]},
    ]
