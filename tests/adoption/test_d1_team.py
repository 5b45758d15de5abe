"""A team with D1 that deployed by bare wrangler: adopted by the commands of its how-to page.

Production is a twin here: production.env has its addresses, and nothing of Turso's.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import words
from tests.adoption.repositories import committed, file, git, wrangler
from tests.adoption.test_own_repository import Repository, bare_wrangler, opened
from tests.adoption.test_writing import answered, save
from tests.test_windows import run as on_windows

pytestmark = pytest.mark.slow

PAGE = words.PROJECT / "deployment/docs/how-to/adopting-d1.md"
ASKING = ("init", "deploy.prod", "migrate.baseline", "rollback")
CODE = """\
export default {
	async fetch(request: Request, env: { DB: D1Database; API_KEY?: string }): Promise<Response> {
		const { pathname } = new URL(request.url);
		const all = env.DB.prepare("SELECT * FROM users");
		if (pathname === "/users") return Response.json(await all.all());
		if (pathname === "/key") return new Response(env.API_KEY ? "set" : "none");
		return new Response("first");
	},
};
"""
DATABASE = {
    "binding": "DB",
    "database_name": "shop-db",
    "database_id": "0123abcd-0000-4000-8000-000000000001",
}


def steps(page: Path = PAGE) -> list[tuple[str, ...]]:
    """Return the commands of a page, in their order."""
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return [tuple(shlex.split(line)[1:]) for line in "".join(blocks).splitlines()]


def run(team: Repository, *words_: str, version: str = "") -> str:
    """Run a command of the page as it stands there; nobody is there to be asked."""
    command = [version if word == "VERSION" else word for word in words_]
    return team.xswarm(*command, *(["--yes"] if set(ASKING) & set(command) else []))


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    """Return a repository whose Worker, secret and tables bare wrangler has put live."""
    root = tmp_path_factory.mktemp("d1") / "team"
    file(root, "wrangler.jsonc", wrangler(d1_databases=[DATABASE]))
    file(root, "src/index.ts", CODE)
    file(root, "migrations/0001_users.sql", "CREATE TABLE users (id INTEGER PRIMARY KEY, name);")
    file(root, "migrations/0002_orders.sql", "INSERT INTO users VALUES (1, 'ann');")
    committed(root)
    bare = file(root, "invoke.yaml", "deploy: {worker: {name: shop, config: wrangler.jsonc}}\n")
    with opened(root) as repository:
        repository.xswarm("sandbox.up")
        bare_wrangler(repository, "d1", "migrations", "apply", "DB", "--remote")
        bare_wrangler(repository, "deploy")
        bare_wrangler(repository, "secret", "put", "API_KEY", entered="canary-set-by-hand\n")
        bare.unlink()
        yield repository


def fill_in(team: Repository, database: str = "") -> None:
    """Write into production.env what a person looks up at Cloudflare; here it is the twin's."""
    env = team.root / "deployment/config/production.env"
    text, known = env.read_text(), team.endpoints
    for name in ("WORKER_URL", "CLOUDFLARE_ACCOUNT_ID", "CLOUDFLARE_API_TOKEN"):
        text = re.sub(rf"^{name}=.*", f"{name}={known[name]}", text, flags=re.MULTILINE)
    if database:
        text = text.replace("=d1:DB", f"={database}")
    base = f"CLOUDFLARE_API_BASE_URL={known['CLOUDFLARE_API_BASE_URL']}\n"
    env.write_text(text if base in text else text + base)


def users(team: Repository) -> Any:
    return team.get("/users").json()["results"]


def commit(team: Repository, message: str) -> None:
    git(team.root, "add", "--all")
    git(team.root, "commit", "--quiet", "--message", message)


def test_a_d1_team_is_adopted_released_and_taken_back(team: Repository) -> None:
    init, baseline, verify, check, plan, first, second, listing, back = steps()
    before = versions(team)
    said = run(team, *init)
    assert "DB (D1, shop-db): its tables are migrated by releases" in said
    fill_in(team)
    env = (team.root / "deployment/config/production.env").read_text()
    assert re.findall(r"^[^#\n]*(?:TURSO|turso)[^\n]*", env, re.MULTILINE) == [
        "TURSO_DATABASE_URL=d1:DB"
    ]
    commit(team, "adopted")
    said = team.xswarm(*check, ends=1)
    assert f"migrate.baseline --to {baseline[-1]}" in said
    assert "1 failed" in said
    assert "TURSO_AUTH_TOKEN" not in said
    for command in (baseline, verify, check, plan):
        run(team, *command)
    assert versions(team) == before
    run(team, *first)
    assert (team.get().text, team.get("/key").text) == ("first", "set")

    file(team.root, "migrations/0003_locale.sql", "ALTER TABLE users ADD COLUMN locale TEXT;")
    source = team.root / "src/index.ts"
    source.write_text(source.read_text().replace('"first"', '"second"'))
    commit(team, "locale")
    run(team, *second)
    assert team.get().text == "second"
    assert users(team) == [{"id": 1, "name": "ann", "locale": None}]
    listed = bare_wrangler(team, "d1", "migrations", "list", "DB", "--remote")
    assert "No migrations to apply" in listed

    newest, ours = re.findall(r"^ +\d+-\S+ +(\w+) ", run(team, *listing), re.MULTILINE)
    run(team, *back, version=ours)
    assert (team.get().text, team.get("/key").text) == ("first", "set")
    assert "locale" in users(team)[0]
    run(team, *back, version=newest)
    assert team.get().text == "second"
    (_, by_wrangler) = before
    run(team, *back, version=by_wrangler)
    assert (team.get().text, team.get("/key").text) == ("first", "set")


def test_the_same_by_what_windows_has(team: Repository) -> None:
    """The account is the same; the tool finds what it would on Windows (tests/test_windows.py)."""
    source = team.root / "src/index.ts"
    source.write_text(source.read_text().replace('"second"', '"from windows"'))
    file(team.root, "migrations/0004_city.sql", "ALTER TABLE users ADD COLUMN city TEXT;")
    commit(team, "windows")
    listed = team.json("production", "deploy.list")
    earlier = next(one["version"] for one in listed if one["message"] == "locale")
    on_windows("production", "check", folder=team.root)
    on_windows("deploy.prod", "--yes", folder=team.root)
    assert team.get().text == "from windows"
    assert "city" in users(team)[0]
    back = ("rollback", "--version", earlier, "--migrations", "--yes")
    on_windows("production", *back, folder=team.root)
    assert team.get().text == "second"
    assert "city" not in users(team)[0]


def versions(team: Repository) -> list[str]:
    """Return the versions there are, oldest first."""
    said = bare_wrangler(team, "versions", "list")
    return re.findall(r"Version ID:\s*([0-9a-f-]{36})", said)


def test_workers_without_a_database_of_files_alone_and_of_events_alone(
    team: Repository, tmp_path: Path
) -> None:
    """Releases have a D1 database for their records alone; the check names what makes it."""
    content = wrangler(assets={"directory": "public"})
    del content["main"]
    file(tmp_path, "wrangler.jsonc", content)
    file(tmp_path, "public/index.html", "<h1>files</h1>")
    committed(tmp_path)
    save(answered(tmp_path))
    shutil.copytree(team.root / ".sandbox", tmp_path / ".sandbox")
    bare = Repository(tmp_path)
    fill_in(bare)
    said = bare.xswarm("production", "check", ends=1)
    assert "npx wrangler d1 create shop-releases" in said
    bare_wrangler(bare, "d1", "create", "shop-releases")
    bare.xswarm("deploy.prod", "--yes")
    assert bare.get().text == "<h1>files</h1>"
    assert "by its files" in bare.xswarm("production", "verify")

    file(tmp_path, "src/index.ts", "export default { scheduled() {} };")
    crons = {"crons": ["*/5 * * * *"]}
    file(tmp_path, "wrangler.jsonc", wrangler(workers_dev=False, triggers=crons))
    env = tmp_path / "deployment/config/production.env"
    env.write_text(re.sub("WORKER_URL=.*", "WORKER_URL=https://none.invalid", env.read_text()))
    bare.xswarm("deploy.prod", "--yes")
    assert "handles scheduled; no request reaches it" in bare.xswarm("production", "verify")
    assert len(bare.json("production", "deploy.list")) == 2
