"""What a repository tells by itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.adoption.repositories import committed, file, git, wrangler
from xswarm_deploy.adoption import answers, choosing, code, hints, invoke_file, sql, tree
from xswarm_deploy.adoption.answers import Answers, Flags
from xswarm_deploy.adoption.found import Found, look
from xswarm_deploy.errors import Refused

DRIZZLE = {"version": "7", "dialect": "sqlite", "entries": []}


def found_in(root: Path, **flags: str) -> Found:
    return look(root, choosing.chosen(root, Flags(**flags)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("wrangler.toml", 'name = "shop"\nmain = "src/index.ts"\n'),
        ("wrangler.json", '{"name": "shop", /* so */ "main": "src/index.ts"}'),
        ("wrangler.jsonc", '{"name": "shop", "main": "src/index.ts",}'),
    ],
)
def test_each_kind_of_configuration_is_found_from_a_folder_below(
    tmp_path: Path, name: str, text: str
) -> None:
    file(tmp_path, name, text)
    below = tmp_path / "src/deep"
    below.mkdir(parents=True)
    committed(tmp_path)
    found = found_in(below)
    assert (found.name, found.config.name, found.folder) == ("shop", name, tmp_path)


def test_of_several_in_a_folder_wranglers_own_order_counts(tmp_path: Path) -> None:
    file(tmp_path, "wrangler.toml", 'name = "old"\n')
    file(tmp_path, "wrangler.jsonc", wrangler("new"))
    assert found_in(tmp_path).name == "new"


def test_the_search_upwards_ends_at_the_top_of_the_checkout(tmp_path: Path) -> None:
    file(tmp_path, "wrangler.toml", 'name = "somebody-elses"\n')
    inner = tmp_path / "inner"
    file(inner, "README.md", "")
    committed(inner)
    assert found_in(inner).name == ""


def test_what_was_installed_or_built_is_no_configuration(tmp_path: Path) -> None:
    for folder in ("node_modules/x", "dist/server", ".wrangler/deploy", ".output"):
        file(tmp_path, f"{folder}/wrangler.json", wrangler("made"))
    assert found_in(tmp_path).name == ""


def test_of_several_workers_somebody_must_choose(tmp_path: Path) -> None:
    file(tmp_path, "apps/api/wrangler.jsonc", wrangler("api"))
    file(tmp_path, "apps/mail/wrangler.toml", 'name = "mail"\nmain = "index.js"\n')
    with pytest.raises(Refused, match="Which Worker") as caught:
        found_in(tmp_path)
    assert "apps/api/wrangler.jsonc, apps/mail/wrangler.toml" in caught.value.why
    assert "--config" in caught.value.remedy
    assert found_in(tmp_path, config="apps/mail/wrangler.toml").name == "mail"


def test_a_configuration_of_nothing_that_is_deployed_is_left_to_whom_it_serves(
    tmp_path: Path,
) -> None:
    """Such as one for ``wrangler d1``, or for what a dashboard deploys to Pages."""
    file(tmp_path, "wrangler.toml", 'name = "site"\ncompatibility_date = "2026-11-01"\n')
    file(tmp_path, "worker/wrangler.toml", 'name = "cron"\nmain = "src/index.ts"\n')
    found = found_in(tmp_path)
    assert (found.name, found.folder) == ("cron", tmp_path)
    file(tmp_path, "package.json", {"devDependencies": {"nuxt": "4"}})
    assert found_in(tmp_path).name == "site"  # whose code the build makes


def test_an_environment_in_a_file_of_its_own_is_released_from_there(tmp_path: Path) -> None:
    file(tmp_path, "wrangler.jsonc", wrangler("shop"))
    file(tmp_path, "wrangler.staging.jsonc", wrangler("shop-try", account_id="a" * 32))
    file(tmp_path, "wrangler-prod.toml", 'name = "shop-live"\nmain = "src/index.ts"\n')
    file(tmp_path, "package.json", {"scripts": {"up": "wrangler deploy -c wrangler-prod.toml"}})
    answered = Answers(found=found_in(tmp_path), name="shop")
    assert invoke_file.deploy(answered)["environments"] == {
        "staging": {"worker": {"name": "shop-try", "config": "wrangler.staging.jsonc"}},
        "production": {"worker": {"name": "shop-live", "config": "wrangler-prod.toml"}},
    }
    assert not [line for line in hints.hints(answered) if "wrangler-prod.toml" in line]
    assert answered.content("staging")["account_id"] == "a" * 32


@pytest.mark.parametrize(
    ("script", "environment"),
    [
        ("wrangler dev --env dev --port 3000", "dev"),
        ("npx wrangler dev src/index.js -e=dev", "dev"),
        ("wrangler dev -c ./wrangler.jsonc --env dev", "dev"),
        ("wrangler dev -c other/wrangler.jsonc --env dev", ""),
        ("wrangler dev --env gone", ""),
        ("wrangler dev", ""),
        ("wrangler deploy --env dev", ""),
    ],
)
def test_the_twin_gets_the_environment_that_wrangler_dev_runs(
    tmp_path: Path, script: str, environment: str
) -> None:
    file(tmp_path, "wrangler.jsonc", wrangler("shop", env={"dev": {}, "production": {}}))
    file(tmp_path, "package.json", {"scripts": {"preview": "wrangler dev", "dev": script}})
    answered = Answers(found=found_in(tmp_path), name="shop")
    made = invoke_file.deploy(answered)["environments"].get("local")
    worker = {"name": f"shop-{environment}", "environment": environment}  # as wrangler calls it
    assert made == ({"worker": worker} if environment else None)


def test_the_database_of_an_environment_in_a_file_of_its_own_is_the_workers_too(
    tmp_path: Path,
) -> None:
    bound = [{"binding": "DB", "database_name": "shop", "database_id": "1"}]
    file(tmp_path, "wrangler.jsonc", wrangler("shop"))
    file(tmp_path, "wrangler.production.jsonc", wrangler("live", d1_databases=bound))
    file(tmp_path, "migrations/0001_shop.sql", "CREATE TABLE shops (id TEXT);")
    made = answers.answered(found_in(tmp_path), Flags())
    assert (made.database, made.url("production")) == ("d1:DB", "d1:DB")
    assert made.migrations
    assert made.migrations.of_d1


def test_migrations_of_a_d1_database_that_the_file_lacks_are_nobody_elses(tmp_path: Path) -> None:
    file(tmp_path, "wrangler.jsonc", wrangler("shop"))
    file(tmp_path, "package.json", {"scripts": {"db": "wrangler d1 migrations apply DB --remote"}})
    file(tmp_path, "migrations/0001_shop.sql", "CREATE TABLE shops (id TEXT);")
    made = answers.answered(found_in(tmp_path), Flags())
    assert (made.database, made.migrations) == ("d1:shop-releases", None)
    assert [line for line in hints.hints(made) if "wrangler d1 for DB" in line]


def test_the_twin_gets_the_top_level_where_dev_has_not_the_releases_database(
    tmp_path: Path,
) -> None:
    bound = [{"binding": "DB", "database_name": "shop", "database_id": "1"}]
    content = wrangler("shop", d1_databases=bound, env={"dev": {}})
    file(tmp_path, "wrangler.jsonc", content)
    file(tmp_path, "package.json", {"scripts": {"dev": "wrangler dev --env dev"}})
    answered = Answers(found=found_in(tmp_path), name="shop", database="d1:DB")
    assert answered.environment("local") == ("shop", "")


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("wrangler deploy --minify src/index.ts", "src/index.ts"),
        ("npx wrangler dev src/index.js --env dev", "src/index.js"),
        ("wrangler deploy --config wrangler.api.js", ""),
        ("wrangler deploy && node src/after.js", ""),
    ],
)
def test_a_file_that_scripts_alone_give_wrangler_is_told_of(
    tmp_path: Path, script: str, told: str
) -> None:
    file(tmp_path, "wrangler.jsonc", {"name": "shop"})
    file(tmp_path, "package.json", {"scripts": {"up": script}})
    said = [one for one in hints.hints(Answers(found_in(tmp_path), "shop")) if "(main)" in one]
    assert [one for one in said if told in one] == said
    assert bool(said) == bool(told)


def test_what_programs_beside_the_worker_read_is_no_secret_of_it(tmp_path: Path) -> None:
    file(tmp_path, ".env.example", "MAPS_KEY=\nPAGER_KEY=\n")
    file(tmp_path, "wrangler.jsonc", wrangler("shop"))
    file(tmp_path, "src/index.ts", "fetch(env.MAPS_KEY)")
    file(tmp_path, "scripts/page.ts", "page(process.env.PAGER_KEY)")
    assert found_in(tmp_path).secrets == ("MAPS_KEY",)


def test_secrets_that_the_twin_does_without_are_told_of(tmp_path: Path) -> None:
    file(tmp_path, "wrangler.jsonc", wrangler("shop"))
    file(tmp_path, ".dev.vars.example", "MAPS_KEY=\nPAGER_KEY=\n")
    told = " ".join(hints.hints(Answers(found_in(tmp_path), "shop")))
    assert "the Worker runs without MAPS_KEY, PAGER_KEY: .dev.vars gives" in told
    file(tmp_path, ".dev.vars", "MAPS_KEY=a\nPAGER_KEY=b\n")
    assert "runs without" not in " ".join(hints.hints(Answers(found_in(tmp_path), "shop")))


def test_what_the_code_reads_and_no_file_names_is_told_of(tmp_path: Path) -> None:
    """Such as secrets of the dashboard, which another environment would not have."""
    bound = [{"binding": "CACHE", "id": "0" * 32}]
    parts = {"staging": {"vars": {"LEVEL": "1"}}}
    content = wrangler("shop", vars={"MODE": "a"}, kv_namespaces=bound, env=parts)
    file(tmp_path, "wrangler.jsonc", content)
    read = "env.MODE; env.CACHE; this.env.LEVEL; c.env.PAGER_KEY; env?.MAPS_KEY; process.env.HOME"
    file(tmp_path, "src/index.ts", read)
    (said,) = (one for one in hints.hints(Answers(found_in(tmp_path), "shop")) if "no file" in one)
    assert said.startswith("the code reads MAPS_KEY, PAGER_KEY, which no file names")
    file(tmp_path, "src/more.ts", " ".join(f"env.KEY_{n};" for n in range(10)))
    told = " ".join(hints.hints(Answers(found_in(tmp_path), "shop")))
    assert "KEY_0, KEY_1, KEY_2, KEY_3, KEY_4, KEY_5 and 6 more, which" in told


def test_a_package_of_a_workspace_gets_its_own_invoke_yaml(tmp_path: Path) -> None:
    file(tmp_path, "pnpm-workspace.yaml", "packages: [apps/*]\n")
    file(tmp_path, "pnpm-lock.yaml", "")
    file(tmp_path, "apps/api/package.json", {"name": "@acme/api"})
    file(tmp_path, "apps/api/wrangler.jsonc", wrangler("api"))
    committed(tmp_path)
    found = found_in(tmp_path)
    assert (found.folder, found.manager) == (tmp_path / "apps/api", "pnpm")
    assert found_in(tmp_path / "apps/api").folder == tmp_path / "apps/api"


def test_a_worker_in_a_folder_of_its_repository_is_released_from_the_top(tmp_path: Path) -> None:
    file(tmp_path, "worker/wrangler.jsonc", wrangler())
    file(tmp_path, "worker/package.json", {"name": "worker"})
    assert found_in(tmp_path).folder == tmp_path


def test_each_of_several_workers_has_a_folder_of_its_own(tmp_path: Path) -> None:
    """Also where no workspace joins them: a second one could not be set up at the top."""
    file(tmp_path, "01-hello/wrangler.jsonc", wrangler("hello"))
    file(tmp_path, "02-todo/package.json", {"name": "todo"})
    file(tmp_path, "02-todo/worker/wrangler.jsonc", wrangler("todo"))
    named = {"hello": "01-hello/wrangler.jsonc", "todo": "02-todo/worker/wrangler.jsonc"}
    folders = {name: found_in(tmp_path, config=each).folder for name, each in named.items()}
    assert folders == {"hello": tmp_path / "01-hello", "todo": tmp_path / "02-todo"}


def test_another_workers_migrations_are_not_taken(tmp_path: Path) -> None:
    bound = [{"binding": "DB", "database_name": "shop", "database_id": "1"}]
    file(tmp_path, "wrangler.jsonc", wrangler("shop", d1_databases=bound))
    file(tmp_path, "migrations/0001_shop.sql", "CREATE TABLE shops (id TEXT);")
    file(tmp_path, "db/migrations/0001_log.sql", "CREATE TABLE logs (id TEXT);")
    file(tmp_path, "todo/wrangler.jsonc", wrangler("todo"))
    file(tmp_path, "todo/migrations/0001_todo.sql", "CREATE TABLE todos (id TEXT);")
    ours = [each.path.relative_to(tmp_path).as_posix() for each in found_in(tmp_path).migrations]
    assert ours == ["db/migrations", "migrations"]
    todo = found_in(tmp_path / "todo").migrations
    assert [each.path.parent.name for each in todo] == ["todo"]


def test_a_pages_project_alone_is_refused_and_beside_a_worker_it_is_not_chosen(
    tmp_path: Path,
) -> None:
    file(tmp_path, "site/wrangler.jsonc", {"name": "site", "pages_build_output_dir": "dist"})
    with pytest.raises(Refused, match="is a Pages project"):
        found_in(tmp_path)
    file(tmp_path, "api/wrangler.jsonc", wrangler("api"))
    assert found_in(tmp_path).name == "api"


def test_a_configuration_beside_a_pages_projects_functions_is_no_worker(tmp_path: Path) -> None:
    """It was there for ``wrangler d1``: its main was never written."""
    file(tmp_path, "wrangler.toml", 'name = "site"\nmain = "src/index.ts"\n')
    file(tmp_path, "functions/api.ts", "")
    with pytest.raises(Refused, match="is a Pages project"):
        found_in(tmp_path)
    file(tmp_path, "consumer/wrangler.toml", 'name = "consumer"\nmain = "src/index.ts"\n')
    assert found_in(tmp_path).name == "consumer"
    file(tmp_path, "src/index.ts", "")
    assert found_in(tmp_path).name == "site"


def test_migrations_are_told_apart(tmp_path: Path) -> None:
    file(tmp_path, "supabase/migrations/1.sql", "CREATE TABLE p (id uuid);")
    file(tmp_path, "db/migrations/1.sql", "-- migrate:up\nSELECT 1;\n-- migrate:down\n")
    file(tmp_path, "drizzle/0000_one.sql", "CREATE TABLE a (b);")
    file(tmp_path, "drizzle/meta/_journal.json", DRIZZLE)
    file(tmp_path, "migrations/0001_init.sql", "CREATE TABLE c (d);")
    file(tmp_path, "seeds/rows.sql", "INSERT INTO a VALUES (1);")
    file(tmp_path, "schema/0001_init.sql", "CREATE TABLE e (f);")
    by_path = {
        f.path.relative_to(tmp_path).as_posix(): (f.kind, f.down, f.of_d1)
        for f in sql.folders(tmp_path, {tmp_path / "migrations", tmp_path / "schema"})
    }
    assert by_path == {
        "db/migrations": ("dbmate", "written", False),
        "drizzle": ("drizzle", "generated", False),
        "migrations": ("d1", "generated", True),
        "schema": ("d1", "generated", True),
    }


def test_secrets_are_named_by_dev_vars_and_by_the_configuration(tmp_path: Path) -> None:
    plain = wrangler(vars={"LOG": "1"}, secrets={"required": ["MAPS"]})
    file(tmp_path, "wrangler.jsonc", plain)
    file(
        tmp_path,
        ".dev.vars",
        'apiKey="a b"\nLOG=2\nCLOUDFLARE_API_TOKEN=x\nNEXTJS_ENV=development\n# no\n',
    )
    file(tmp_path, ".dev.vars.example", "OTHER_KEY=\napiKey=\n")
    assert found_in(tmp_path).secrets == ("MAPS", "apiKey", "OTHER_KEY")


def test_a_name_that_the_tool_has_too_is_no_secret_and_is_not_left_out(tmp_path: Path) -> None:
    """A Worker that speaks to libSQL reads the address; without it each of its queries fails."""
    names = "TURSO_DATABASE_URL=a\nTURSO_AUTH_TOKEN=b\nCLOUDFLARE_API_TOKEN=c\nS3_ACCESS_KEY_ID=d\n"
    file(tmp_path, ".dev.vars", names)
    file(tmp_path, "src/index.ts", "export const url = (env) => env.CLOUDFLARE_API_TOKEN;")
    file(tmp_path, "wrangler.jsonc", wrangler())
    found = found_in(tmp_path)
    assert (found.secrets, found.variables) == (("TURSO_AUTH_TOKEN",), ("TURSO_DATABASE_URL",))
    assert found.withheld == ("CLOUDFLARE_API_TOKEN",)
    given = Answers(found, "shop")
    assert any("CLOUDFLARE_API_TOKEN" in hint for hint in hints.hints(given))
    worker = invoke_file.deploy(given)["worker"]
    assert worker["variables"] == ["TURSO_DATABASE_URL"]
    of_d1 = invoke_file.deploy(replace(given, database="d1:shop-releases"))["worker"]
    assert "variables" not in of_d1


def test_a_variable_that_an_environment_writes_is_left_to_it(tmp_path: Path) -> None:
    """In both places it would be refused by the check."""
    own = {"production": {"vars": {"TURSO_DATABASE_URL": "libsql://a.turso.io"}}}
    file(tmp_path, ".dev.vars", "TURSO_DATABASE_URL=a\n")
    file(tmp_path, "wrangler.jsonc", wrangler(env=own))
    assert "variables" not in invoke_file.deploy(Answers(found_in(tmp_path), "shop"))["worker"]


@pytest.mark.parametrize(
    ("package", "code"),
    [
        ("nuxt", {"server/api/a.ts": "useRuntimeConfig(event).apiKey"}),
        (
            "astro",
            {"src/pages/a.astro": "---\nimport { NUXT_API_KEY } from 'astro:env/server';\n---"},
        ),
        ("astro", {"src/a.ts": 'getSecret("NUXT_API_KEY")'}),
        ("astro", {"src/pages/a.astro": "---\nconst key = env.NUXT_API_KEY;\n---"}),
    ],
)
def test_of_dotenv_what_a_framework_hands_to_the_code(
    tmp_path: Path, package: str, code: dict[str, str]
) -> None:
    """Nuxt's runtimeConfig reads NUXT_… by its name; no code names that."""
    file(tmp_path, "wrangler.jsonc", wrangler())
    file(tmp_path, "package.json", {"dependencies": {package: "1"}})
    file(tmp_path, ".env", "NUXT_API_KEY=a\nNUXT_PUBLIC_SITE=b\nOTHERS=c\n")
    for name, text in code.items():
        file(tmp_path, name, text)
    assert found_in(tmp_path).secrets == ("NUXT_API_KEY",)


@pytest.mark.parametrize(
    ("files", "manager"),
    [
        ({"yarn.lock": ""}, "yarn"),
        ({"bun.lock": ""}, "bun"),
        ({"package-lock.json": "{}", "package.json": '{"packageManager": "pnpm@9.1.0"}'}, "pnpm"),
        ({}, "npm"),
    ],
)
def test_the_package_manager(tmp_path: Path, files: dict[str, str], manager: str) -> None:
    file(tmp_path, "wrangler.jsonc", wrangler())
    for name, text in files.items():
        file(tmp_path, name, text)
    assert found_in(tmp_path).manager == manager


@pytest.mark.parametrize(
    ("package", "more", "command"),
    [
        ({"devDependencies": {"astro": "5", "@astrojs/cloudflare": "12"}}, {}, "npm run build"),
        ({"devDependencies": {"@cloudflare/vite-plugin": "1"}}, {}, "npm run build"),
        (
            {"devDependencies": {"@opennextjs/cloudflare": "1"}},
            {},
            "npx opennextjs-cloudflare build",
        ),
        ({"devDependencies": {"typescript": "5"}}, {}, ""),
        ({"devDependencies": {"vite": "7"}}, {"build": {"command": "vite build"}}, ""),
    ],
)
def test_a_framework_is_built_first(
    tmp_path: Path, package: dict[str, object], more: dict[str, Any], command: str
) -> None:
    file(tmp_path, "wrangler.jsonc", wrangler(**more))
    file(tmp_path, "src/index.ts", "")
    file(tmp_path, "package.json", {**package, "scripts": {"build": "astro build"}})
    assert found_in(tmp_path).build == command


def test_what_the_repository_runs_between_the_build_and_wrangler_is_run_too(tmp_path: Path) -> None:
    """As in Cloudflare's own template for an admin's dashboard."""
    scripts = {
        "build": "astro build",
        "wrap": "cp src/wrapper.js dist/index.js",
        "db:migrate": "wrangler d1 migrations apply DB --remote",
        "check": "tsc",
        "deploy": "npm run check && npm run db:migrate && npm run wrap && wrangler deploy",
    }
    file(tmp_path, "wrangler.jsonc", wrangler(main="dist/index.js"))
    package = {"devDependencies": {"astro": "5"}, "scripts": scripts}
    file(tmp_path, "package.json", package)
    assert found_in(tmp_path).build == "npm run build && npm run wrap"
    scripts["deploy"] = "npm run wrap && vercel"
    file(tmp_path, "package.json", package)
    assert found_in(tmp_path).build == "npm run build"


@pytest.mark.parametrize("more", [{"main": "dist/worker.js"}, {"assets": {"directory": "dist"}}])
def test_what_is_not_there_yet_is_built_first(tmp_path: Path, more: dict[str, Any]) -> None:
    file(tmp_path, "src/index.ts", "")
    file(tmp_path, "wrangler.jsonc", wrangler(**more))
    file(tmp_path, "package.json", {"scripts": {"build": "node build.js"}})
    assert found_in(tmp_path).build == "npm run build"
    file(tmp_path, "dist/worker.js", "")
    assert found_in(tmp_path).build == ""
    file(tmp_path, ".gitignore", "dist/\n")
    committed(tmp_path)
    assert found_in(tmp_path).build == "npm run build"  # a fresh clone has none of it


def test_branch_and_hosting_are_those_of_the_remote(tmp_path: Path) -> None:
    file(tmp_path, "wrangler.jsonc", wrangler())
    committed(tmp_path, branch="feature")
    assert (found_in(tmp_path).branch, found_in(tmp_path).hosting) == ("feature", "")
    git(tmp_path, "remote", "add", "origin", "git@github.com:acme/shop.git")
    git(tmp_path, "update-ref", "refs/remotes/origin/trunk", "HEAD")
    git(tmp_path, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/trunk")
    assert (found_in(tmp_path).branch, found_in(tmp_path).hosting) == ("trunk", "github")


def test_routes_are_read_from_code_but_not_those_that_change_something(tmp_path: Path) -> None:
    file(
        tmp_path,
        "src/index.ts",
        """
        app.get('/api/users', all).get("/api/users/:id", one).post('/api/users', create)
        app.get(`/health`, ok); cache.get("no-path"); router.get("/logout", out)
        if (url.pathname === "/status") {} switch (path) { case "/version": }
        app.get("/files/*", f); app.get("/api/users", again)
        """,
    )
    file(tmp_path, "src/main.py", '@app.get("/items")\nasync def items(): ...\n')
    file(tmp_path, "test/index.spec.ts", 'client.get("/only/in/tests")')
    file(tmp_path, "node_modules/x/index.js", 'app.get("/theirs")')
    assert code.routes(tmp_path) == ["/api/users", "/health", "/items", "/status", "/version"]


@pytest.mark.parametrize("text", ["{", '{"name": }', "[]"])
def test_a_configuration_that_cannot_be_read_is_named(tmp_path: Path, text: str) -> None:
    file(tmp_path, "wrangler.jsonc", text)
    with pytest.raises(Refused, match=r"wrangler\.jsonc"):
        found_in(tmp_path)


def test_the_top_without_git_is_the_folder(tmp_path: Path) -> None:
    assert tree.top(tmp_path) == tmp_path


def test_packages_of_a_python_worker_that_are_not_vendored_are_missing(tmp_path: Path) -> None:
    content = wrangler(main="src/entry.py", compatibility_flags=["python_workers"])
    file(tmp_path, "wrangler.jsonc", content)
    file(tmp_path, "pyproject.toml", '[project]\nname = "x"\ndependencies = ["fastapi>=0.1"]\n')
    found = found_in(tmp_path)
    assert (found.missing, found.installs(tmp_path)) == (("fastapi",), "uv run pywrangler sync")
    (tmp_path / "python_modules").mkdir()
    assert found_in(tmp_path).missing == ()


def test_what_asking_would_do_is_not_asked(tmp_path: Path) -> None:
    changing = ("/put", "/jobs/run", "/send-mail", "/init", "/api/backfill", "/auth/refresh")
    paths = (*changing, "/runtime", "/input", "/synced", "/cleared")
    lines = "\n".join(f"case '{path}': return f()" for path in paths)
    file(tmp_path, "src/index.ts", f"switch (url.pathname) {{\n{lines}\n}}")
    assert code.routes(tmp_path) == ["/cleared", "/input", "/runtime", "/synced"]
