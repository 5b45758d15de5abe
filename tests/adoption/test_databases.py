"""Which database the releases of a Worker have: written where it is known, else asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.adoption.repositories import committed, file, wrangler
from tests.adoption.test_writing import answered, save
from xswarm_deploy.adoption import hints, invoke_file, updating, writing
from xswarm_deploy.adoption.answers import Answers
from xswarm_deploy.errors import Refused
from xswarm_deploy.settings import settings

ID = "0123abcd-0000-4000-8000-00000000000"


def d1(binding: str, number: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "binding": binding,
        "database_name": f"shop-{binding.lower()}",
        "database_id": f"{ID}{number}",
        **more,
    }


def migrations_of(given: Answers) -> Any:
    return yaml.safe_load(invoke_file.text(given))["deploy"].get("migrations")


def lines(given: Answers, environment: str) -> list[str]:
    text = writing.environment_file(given, environment)
    return [line for line in text.splitlines() if "DATABASE" in line or "TURSO" in line]


def test_a_d1_database_is_the_releases_own_and_turso_is_not_spoken_of(tmp_path: Path) -> None:
    staging = {"staging": {"d1_databases": [d1("DB", 2)]}}
    file(tmp_path, "wrangler.jsonc", wrangler(d1_databases=[d1("DB")], env=staging))
    file(tmp_path, "migrations/0001_init.sql", "CREATE TABLE a (b);")
    given = answered(tmp_path, ci="github")
    assert migrations_of(given) == {"directory": "migrations", "down": "generated"}
    for environment in ("production", "staging"):
        (line,) = [found for found in lines(given, environment) if found[0] != "#"]
        assert line == "TURSO_DATABASE_URL=d1:DB"
    save(given)
    workflow = (tmp_path / ".github/workflows/deploy.yml").read_text()
    assert "TURSO" not in workflow
    assert "CLOUDFLARE_API_TOKEN: ${{ secrets.CLOUDFLARE_API_TOKEN }}" in workflow
    below = yaml.safe_load((tmp_path / "invoke.yaml").read_text())["deploy"]
    assert [h for h in updating.hints(tmp_path, below) if "TURSO" in h] == []
    assert any("DB (D1, shop-db): its tables are migrated by releases" in h for h in said(given))


def said(given: Answers) -> list[str]:
    return hints.hints(given)


def test_the_twin_has_it_too(tmp_path: Path) -> None:
    file(tmp_path, "wrangler.jsonc", wrangler(d1_databases=[d1("DB")]))
    save(answered(tmp_path))
    file(
        tmp_path, ".sandbox/endpoints.env", "TURSO_DATABASE_URL=http://127.0.0.1:1\nWORKER_URL=x\n"
    )
    found = settings.load("local", {"worker": {"name": "shop"}}, tmp_path, {})
    assert (found.text("TURSO_DATABASE_URL"), found.text("WORKER_URL")) == ("d1:DB", "x")
    (tmp_path / "deployment/config/local.env").write_text("ENVIRONMENT=local\n")
    found = settings.load("local", {"worker": {"name": "shop"}}, tmp_path, {})
    assert found.text("TURSO_DATABASE_URL") == "http://127.0.0.1:1"


def test_staging_without_a_part_of_its_own_is_not_given_productions_database(
    tmp_path: Path,
) -> None:
    file(tmp_path, "wrangler.jsonc", wrangler(d1_databases=[d1("DB")]))
    given = answered(tmp_path)
    assert "TURSO_DATABASE_URL=d1:DB" in lines(given, "production")
    assert "TURSO_DATABASE_URL=d1:your_staging_database" in lines(given, "staging")
    assert any("wrangler's file has no env.staging" in hint for hint in said(given))


def test_of_several_the_one_with_migrations_is_taken_and_of_the_others_it_is_said(
    tmp_path: Path,
) -> None:
    both = [d1("LOGS", migrations_dir="logs"), d1("DB", 2)]
    file(tmp_path, "wrangler.jsonc", wrangler(d1_databases=both))
    file(tmp_path, "migrations/0001_init.sql", "CREATE TABLE a (b);")
    given = answered(tmp_path)
    assert (given.database, migrations_of(given)["directory"]) == ("d1:DB", "migrations")
    left = "LOGS (D1, shop-logs) is neither migrated nor backed up by releases"
    assert left in said(given)
    file(tmp_path, "logs/1.sql", "CREATE TABLE a (b);")
    with pytest.raises(Refused, match="Which database do releases migrate") as caught:
        answered(tmp_path)
    assert (caught.value.why, caught.value.remedy) == (
        "there are d1:LOGS, d1:DB",
        "name it with --database",
    )
    given = answered(tmp_path, database="LOGS")
    assert (given.database, migrations_of(given)["directory"]) == ("d1:LOGS", "logs")
    left = "DB (D1, shop-db) is neither migrated nor backed up by releases; migrations is applied"
    assert any(hint.startswith(left) for hint in said(given))


@pytest.mark.parametrize("package", [{}, {"dependencies": {"pg": "8"}}], ids=["none", "postgres"])
def test_a_worker_without_a_database_gets_one_for_the_releases_books(
    tmp_path: Path, package: dict[str, Any]
) -> None:
    file(tmp_path, "wrangler.jsonc", wrangler())
    file(tmp_path, "package.json", package)
    given = answered(tmp_path)
    assert "TURSO_DATABASE_URL=d1:shop-releases" in lines(given, "production")
    assert "TURSO_DATABASE_URL=d1:shop-releases-staging" in lines(given, "staging")
    assert any("npx wrangler d1 create shop-releases" in hint for hint in said(given))
    assert "TURSO" not in writing.files(given)[2].text  # local.env: the twin's own server


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("package.json", {"dependencies": {"@libsql/client": "1"}}),
        ("db/migrations/1.sql", "-- migrate:up\nCREATE TABLE a (b);\n"),
    ],
)
def test_a_libsql_database_is_tursos(tmp_path: Path, name: str, content: Any) -> None:
    file(tmp_path, "wrangler.jsonc", wrangler())
    file(tmp_path, name, content)
    given = answered(tmp_path)
    assert any(line.startswith("TURSO_AUTH_TOKEN=") for line in lines(given, "production"))
    file(tmp_path, "wrangler.jsonc", wrangler(d1_databases=[d1("DB")]))
    if name == "package.json":
        with pytest.raises(Refused, match="Which database do releases migrate"):
            answered(tmp_path)
        assert answered(tmp_path, database="turso").d1 is None


def test_a_database_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    file(tmp_path, "wrangler.jsonc", wrangler(d1_databases=[d1("DB")]))
    with pytest.raises(Refused) as caught:
        answered(tmp_path, database="BD")
    assert caught.value.why == "there are turso, d1:DB, d1:NAME of any in the account"
    assert answered(tmp_path, database="d1:books").url("production") == "d1:books"


def test_migrations_that_another_package_has_are_told_of_and_can_be_taken(tmp_path: Path) -> None:
    """As of a workspace whose package db is applied by ``wrangler d1`` alone."""
    bound = {"binding": "DB", "database_name": "shop", "database_id": "1"}
    file(tmp_path, "package.json", {"workspaces": ["apps/*", "packages/*"]})
    file(tmp_path, "apps/api/package.json", {"name": "api"})
    file(tmp_path, "apps/api/wrangler.jsonc", wrangler("api", d1_databases=[bound]))
    own = {**bound, "migrations_dir": "sql"}
    file(tmp_path, "packages/db/wrangler.jsonc", {"name": "db", "d1_databases": [own]})
    file(tmp_path, "packages/db/sql/0001_shop.sql", "CREATE TABLE shops (id TEXT);")
    committed(tmp_path)
    api = tmp_path / "apps/api"
    (said,) = (one for one in hints.hints(answered(api)) if "deploy.migrations" in one)
    assert said.startswith("../../packages/db/sql has migrations of shop")
    made = invoke_file.deploy(answered(api, migrations="../../packages/db/sql"))
    assert made["migrations"] == {"directory": "../../packages/db/sql", "down": "generated"}
