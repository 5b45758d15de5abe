"""A team with dbmate and a libSQL database: adopted by the commands of its how-to page.

Production is a twin here. dbmate itself speaks no libSQL: its ledger is as dbmate 2.36 makes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests import words
from tests.adoption import test_d1_team
from tests.adoption.repositories import committed, file, wrangler
from tests.adoption.test_d1_team import commit, run, versions
from tests.adoption.test_own_repository import Repository, bare_wrangler, opened
from xswarm_deploy.database.client import Database, connect
from xswarm_deploy.secret import Secret

pytestmark = pytest.mark.slow

PAGE = words.PROJECT / "deployment/docs/how-to/adopting-dbmate.md"
CODE = """\
interface Env { TURSO_DATABASE_URL: string; TURSO_AUTH_TOKEN: string }

export default {
	async fetch(request: Request, env: Env): Promise<Response> {
		if (new URL(request.url).pathname !== "/users") return new Response("first");
		const stmt = { sql: "SELECT * FROM users" };
		return fetch(`${env.TURSO_DATABASE_URL}/v2/pipeline`, {
			method: "POST",
			headers: { Authorization: `Bearer ${env.TURSO_AUTH_TOKEN}` },
			body: JSON.stringify({ requests: [{ type: "execute", stmt }] }),
		});
	},
};
"""
FILES = {
    "20260101000000_users": ("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)", "users"),
    "20260102000000_orders": ("CREATE TABLE orders (id INTEGER PRIMARY KEY)", "orders"),
}


def migration(team: Repository, name: str, up: str, down: str) -> None:
    file(
        team.root, f"db/migrations/{name}.sql", f"-- migrate:up\n{up};\n-- migrate:down\n{down};\n"
    )


def database(team: Repository) -> Database:
    known = team.endpoints
    return connect(known["TURSO_DATABASE_URL"], Secret(known["TURSO_AUTH_TOKEN"]))


def entered(team: Repository) -> list[object]:
    with database(team) as live:
        rows = live.query("SELECT version FROM schema_migrations ORDER BY version")
    return [row[0] for row in rows]


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    """Return a repository whose Worker, secrets and tables are live without this tool."""
    root = tmp_path_factory.mktemp("dbmate") / "team"
    file(root, "wrangler.jsonc", wrangler())
    file(root, "src/index.ts", CODE)
    bare = file(root, "invoke.yaml", "deploy: {worker: {name: shop, config: wrangler.jsonc}}\n")
    with opened(root) as repository:
        for name, (up, table) in FILES.items():
            migration(repository, name, up, f"DROP TABLE {table}")
        committed(root)
        repository.xswarm("sandbox.up")
        with database(repository) as live:
            live.execute('CREATE TABLE "schema_migrations" (version varchar(128) primary key)')
            for name, (up, _) in FILES.items():
                live.execute(up)
                live.execute("INSERT INTO schema_migrations VALUES (?)", (name.partition("_")[0],))
            live.execute("INSERT INTO users VALUES (1, 'ann')")
        bare_wrangler(repository, "deploy")
        for name in ("TURSO_DATABASE_URL", "TURSO_AUTH_TOKEN"):
            value = repository.endpoints[name]
            bare_wrangler(repository, "secret", "put", name, entered=f"{value}\n")
        bare.unlink()
        yield repository


def fill_in(team: Repository) -> None:
    """Write into production.env what a person looks up at Cloudflare and Turso."""
    test_d1_team.fill_in(team)
    env = team.root / "deployment/config/production.env"
    text, known = env.read_text(), team.endpoints
    for name in ("TURSO_DATABASE_URL", "TURSO_AUTH_TOKEN"):
        text = re.sub(rf"^{name}=.*", f"{name}={known[name]}", text, flags=re.MULTILINE)
    env.write_text(text)


def test_a_dbmate_team_is_adopted_released_and_taken_back(team: Repository) -> None:
    init, baseline, verify, check, plan, first, second, listing, back, to_wrangler = (
        test_d1_team.steps(PAGE)
    )
    before = versions(team)
    assert "db/migrations (dbmate, 2 files)" in run(team, *init)
    assert "directory: db/migrations" in (team.root / "invoke.yaml").read_text()
    fill_in(team)
    commit(team, "adopted")
    assert f"migrate.baseline --to {baseline[-1]}" in team.xswarm(*check, ends=1)
    for command in (baseline, verify, check, plan):
        run(team, *command)
    assert versions(team) == before
    run(team, *first)
    assert team.get().text == "first"
    assert '"ann"' in team.get("/users").text

    migration(
        team,
        "20260103000000_locale",
        "ALTER TABLE users ADD COLUMN locale TEXT",
        "ALTER TABLE users DROP COLUMN locale",
    )
    source = team.root / "src/index.ts"
    source.write_text(source.read_text().replace('"first"', '"second"'))
    commit(team, "locale")
    run(team, *second)
    assert team.get().text == "second"
    assert '"locale"' in team.get("/users").text
    assert entered(team) == ["20260101000000", "20260102000000", "20260103000000"]

    _, ours = re.findall(r"^ +\d+-\S+ +(\w+) ", run(team, *listing), re.MULTILINE)
    run(team, *back, version=ours)
    assert team.get().text == "first"
    assert '"locale"' not in team.get("/users").text
    assert entered(team) == ["20260101000000", "20260102000000"]
    run(team, *(before[-1] if word == "WRANGLERS" else word for word in to_wrangler))
    assert '"ann"' in team.get("/users").text
