"""What is written: small, readable by the tool, and shown before it changes anything."""

from __future__ import annotations

import io
import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.adoption.repositories import committed, file, git, wrangler
from xswarm_deploy.adoption import (
    answers,
    changes,
    choosing,
    hints,
    invoke_file,
    questions,
    writing,
)
from xswarm_deploy.adoption.answers import Answers, Flags
from xswarm_deploy.adoption.found import look
from xswarm_deploy.console import Console
from xswarm_deploy.errors import Refused
from xswarm_deploy.settings import project, settings


def answered(root: Path, **flags: Any) -> Answers:
    given = Flags(**flags)
    return answers.answered(look(root, choosing.chosen(root, given)), given)


def save(given: Answers) -> list[str]:
    wanted = writing.files(given)
    for change in wanted:
        change.write()
    return [changes.relative(change.path, given.found.folder) for change in wanted]


def test_invoke_yaml_is_small_and_has_its_schema(tmp_path: Path) -> None:
    file(tmp_path, "wrangler.jsonc", wrangler())
    lines = invoke_file.text(answered(tmp_path)).splitlines()
    assert lines[0] == "# yaml-language-server: $schema=deployment/config/invoke.schema.json"
    assert yaml.safe_load("\n".join(lines))["deploy"] == {
        "worker": {"name": "shop", "config": "wrangler.jsonc"},
        "environments": {"staging": {"worker": {"name": "shop-staging"}}},
    }


def test_what_wrangler_deployed_until_now_stays_the_worker_that_is_released(
    tmp_path: Path,
) -> None:
    parts = {"prod": {"name": "shop-live"}, "staging": {"vars": {}}}
    file(tmp_path, "wrangler.jsonc", wrangler(env=parts))
    below = yaml.safe_load(invoke_file.text(answered(tmp_path)))["deploy"]
    production, staging = (project.read(below, name).worker for name in ("production", "staging"))
    assert (production.name, production.environment) == ("shop-live", "prod")
    assert (staging.name, staging.environment) == ("shop-staging", "staging")
    assert project.read(below, "local").worker.environment == ""


def test_the_environment_file_asks_only_for_what_this_worker_needs(tmp_path: Path) -> None:
    routes = [{"pattern": "shop.example.com", "custom_domain": True}]
    file(tmp_path, "wrangler.jsonc", wrangler(routes=routes, account_id="0" * 32))
    file(tmp_path, ".dev.vars", "MAPS_KEY=x\n")
    text = writing.environment_file(answered(tmp_path), "production")
    lines = [line for line in text.splitlines() if line and line[0] != "#"]
    assert "WORKER_URL=https://shop.example.com" in lines
    assert f"CLOUDFLARE_ACCOUNT_ID={'0' * 32}" in lines
    assert "MAPS_KEY=" in lines
    assert not [line for line in lines if line.startswith(("STRIPE", "RATE_", "JWT", "OPENAI"))]
    assert "your_subdomain" in writing.environment_file(answered(tmp_path), "staging")


def test_an_account_that_nobody_filled_in_is_not_taken_for_one(tmp_path: Path) -> None:
    file(tmp_path, "wrangler.jsonc", wrangler(account_id="your-account-id-here"))
    assert "your-account-id-here" not in writing.environment_file(answered(tmp_path), "production")


def test_secrets_are_private_files_that_git_ignores(tmp_path: Path) -> None:
    file(tmp_path, "wrangler.jsonc", wrangler())
    committed(tmp_path)
    save(answered(tmp_path))
    kept = tmp_path / "deployment/config/production.env"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    shown = git(tmp_path, "status", "--porcelain", "--untracked-files=all").splitlines()
    assert sorted(line.split()[-1] for line in shown) == [
        ".gitignore",
        "deployment/config/invoke.schema.json",
        "deployment/config/local.env",
        "deployment/config/production.env.example",
        "deployment/config/staging.env.example",
        "invoke.yaml",
    ]


def test_written_again_nothing_is_new_and_what_a_person_filled_in_stays(tmp_path: Path) -> None:
    file(tmp_path, "wrangler.jsonc", wrangler())
    save(answered(tmp_path))
    (tmp_path / "deployment/config/production.env").write_text("TURSO_AUTH_TOKEN=mine\n")
    assert save(answered(tmp_path)) == []


def test_what_exists_is_shown_as_a_difference_and_kept(tmp_path: Path) -> None:
    file(tmp_path, "wrangler.jsonc", wrangler())
    file(tmp_path, ".gitignore", "node_modules/\n/.sandbox/")
    file(tmp_path, "invoke.yaml", "# ours\nrun: {echo: true}\n")
    given = answered(tmp_path, tasks_py=True)
    out = Console(io.StringIO())
    changes.show(out, writing.files(given), tmp_path)
    shown = out.stream.getvalue()  # type: ignore[attr-defined]
    assert "changed  .gitignore" in shown
    assert "+.backups/" in shown
    assert "-node_modules/" not in shown
    save(given)
    ignored = (tmp_path / ".gitignore").read_text().splitlines()
    assert ignored[:2] == ["node_modules/", "/.sandbox/"]
    assert ".sandbox/" not in ignored
    both = yaml.safe_load((tmp_path / "invoke.yaml").read_text())
    assert (both["run"], both["deploy"]["worker"]["name"]) == ({"echo": True}, "shop")
    assert both["tasks"]["executor_class"] == "xswarm_deploy.cli.executor.Executor"
    assert (tmp_path / "invoke.yaml").read_text().startswith("# ours\n")


@pytest.mark.parametrize(
    ("script", "builds"),
    [
        ("vite build --mode staging", "npm run build:staging"),
        ("vite build --mode staging && wrangler deploy --env staging", None),
    ],
)
def test_an_environment_with_a_script_of_its_own_is_built_by_it(
    tmp_path: Path, script: str, builds: str | None
) -> None:
    """Unless that one deploys: a release would be overtaken by its own build."""
    file(tmp_path, "wrangler.jsonc", wrangler())
    scripts = {"build": "vite build", "build:staging": script}
    file(tmp_path, "package.json", {"devDependencies": {"vite": "8"}, "scripts": scripts})
    file(tmp_path, "node_modules/vite/package.json", {"version": "8.0.0"})
    block = invoke_file.deploy(answered(tmp_path))
    assert block["worker"]["build"] == "npm run build"
    assert block["environments"]["staging"]["worker"].get("build") == builds


def test_code_that_is_made_of_a_pages_projects_functions_is_ignored(tmp_path: Path) -> None:
    assert "functions-worker/" not in writing.gitignore(tmp_path)
    file(tmp_path, "functions-worker/index.js", "")
    assert "functions-worker/" in writing.gitignore(tmp_path).splitlines()


def test_a_file_that_is_a_link_stays_one_and_nothing_half_written_is_left(tmp_path: Path) -> None:
    target = file(tmp_path, "real/ignored", "a\n")
    (tmp_path / ".gitignore").symlink_to(target)
    changes.FileChange(tmp_path / ".gitignore", "b\n").write()
    assert (tmp_path / ".gitignore").is_symlink()
    assert target.read_text() == "b\n"
    assert [each.name for each in (tmp_path / "real").iterdir()] == ["ignored"]


def test_a_worker_without_a_configuration_gets_one(tmp_path: Path) -> None:
    file(tmp_path, "src/index.ts", "export default {};")
    file(tmp_path, "package.json", {"name": "@acme/Cool Shop"})
    save(answered(tmp_path))
    found = look(tmp_path, choosing.chosen(tmp_path, Flags()))
    assert (found.name, found.content["main"]) == ("cool-shop", "src/index.ts")


def test_without_a_terminal_what_is_missing_is_named_with_its_flag(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="Which file") as caught:
        answered(tmp_path)
    assert "--main" in caught.value.remedy
    file(tmp_path, "wrangler.jsonc", wrangler())
    for folder in ("one/migrations", "two/migrations"):
        file(tmp_path, f"{folder}/1.sql", "SELECT 1;")
    with pytest.raises(Refused, match="Which migrations") as caught:
        answered(tmp_path)
    assert "--migrations" in caught.value.remedy
    assert answered(tmp_path, migrations="none").migrations is None
    chosen = answered(tmp_path, migrations="two/migrations").migrations
    assert chosen
    assert chosen.path == tmp_path / "two/migrations"


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        ({"name": "Bad Name"}, "--name"),
        ({"uses": "strip"}, "--uses"),
        ({"ci": "jenkins"}, "--ci"),
        ({"migrations": "nowhere"}, "--migrations"),
    ],
)
def test_a_flag_that_is_wrong_is_refused(tmp_path: Path, flags: dict[str, str], named: str) -> None:
    file(tmp_path, "wrangler.jsonc", wrangler())
    with pytest.raises(Refused, match=f"{named} .* cannot be taken"):
        answered(tmp_path, **flags)


@pytest.mark.parametrize("name", ["a", "shop", "a-b_c", "x" * 63])
def test_a_good_name(name: str) -> None:
    assert questions.name_judge(name) == ""


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a b", "x" * 64, "a.b"])
def test_a_bad_name(name: str) -> None:
    assert questions.name_judge(name)


def test_the_sql_of_another_database_is_not_taken(tmp_path: Path) -> None:
    file(tmp_path, "wrangler.jsonc", wrangler())
    file(tmp_path, "drizzle/0000.sql", "CREATE TABLE a (b serial);")
    file(tmp_path, "package.json", {"dependencies": {"postgres": "3"}})
    assert answered(tmp_path).migrations is None


@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_a_pipeline_is_written_once_and_can_be_read(tmp_path: Path, ci: str) -> None:
    file(tmp_path, "apps/my api/wrangler.jsonc", wrangler())
    file(tmp_path, "apps/my api/.dev.vars", "MAPS_KEY=x\n")
    committed(tmp_path, branch="trunk")
    given = answered(tmp_path / "apps/my api", ci=ci)
    (written,) = (name for name in save(given) if name.endswith(".yml"))
    text = (given.found.folder / written).read_text()
    assert yaml.safe_load(text)
    assert "apps/my api" in text
    assert '"trunk"' in text
    assert "MAPS_KEY" in text
    assert "%%" not in text
    (given.found.folder / written).write_text("mine: xswarm")
    assert not [name for name in save(given) if name.endswith(".yml")]


def test_names_of_the_ignored_files_are_what_git_takes(tmp_path: Path) -> None:
    file(tmp_path, "wrangler.jsonc", wrangler())
    committed(tmp_path)
    save(answered(tmp_path))
    for name in (".dev.vars", ".backups/x", ".deployments/x", ".sandbox/x"):
        ended = subprocess.run(["git", "check-ignore", name], cwd=tmp_path, check=False)
        assert ended.returncode == 0, name
    assert settings.CONFIG.as_posix() == "deployment/config"


@pytest.mark.parametrize(
    ("more", "address"),
    [
        ({"workers_dev": False}, "https://none.invalid"),
        ({"workers_dev": False, "routes": ["shop.example.com/*"]}, "https://shop.example.com"),
        ({"workers_dev": True}, "your_subdomain"),
    ],
)
def test_a_worker_without_an_address_is_said_to_have_none(
    tmp_path: Path, more: dict[str, Any], address: str
) -> None:
    file(tmp_path, "wrangler.jsonc", wrangler(**more))
    given = answered(tmp_path)
    assert f"{address}" in writing.environment_file(given, "production")
    told = [hint for hint in hints.hints(given) if "no address" in hint]
    assert bool(told) == (address == "https://none.invalid")


def test_new_files_are_shown_before_they_are_written(tmp_path: Path) -> None:
    """The short ones whole; long ones by their length, or whole when asked; secrets never."""
    file(tmp_path, "wrangler.jsonc", wrangler())
    wanted = writing.files(answered(tmp_path))
    said = {}
    for whole in (False, True):
        out = io.StringIO()
        changes.show(Console(out), wanted, tmp_path, whole=whole)
        said[whole] = out.getvalue()
    assert "+    name: shop\n" in said[False]
    assert "+ENVIRONMENT=local\n" in said[False]
    assert re.search(r"invoke\.schema\.json  \(\d+ lines\)\n", said[False])
    assert re.search(r"production\.env  \(mode 0600, git ignores it, \d+ lines\)\n", said[True])
    assert "+CLOUDFLARE_API_TOKEN=" not in said[False]
    assert said[True].count("+CLOUDFLARE_API_TOKEN=") == 2  # the two examples


def test_a_pages_project_beside_the_worker_is_said_to_be_no_part_of_releases(
    tmp_path: Path,
) -> None:
    file(tmp_path, "site/wrangler.jsonc", {"name": "my-site", "pages_build_output_dir": "dist"})
    file(tmp_path, "api/wrangler.jsonc", wrangler("api"))
    (told,) = [hint for hint in hints.hints(answered(tmp_path)) if "Pages" in hint]
    assert told == (
        "site/wrangler.jsonc is a Pages project, and no part of releases; one that is:"
        " deploy.pages in invoke.yaml, with project my-site and directory site/dist"
    )
