"""How a repository deployed until now; wrangler itself says which flags it has."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.adoption.repositories import file, wrangler
from tests.adoption.test_shapes import CODE, answered, repository
from xswarm_deploy.adoption import deploying, hints
from xswarm_deploy.bundling import programs
from xswarm_deploy.bundling.configuration_keys import KEYS
from xswarm_deploy.errors import typed

PROJECT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_each_flag_of_wrangler_deploy_is_known_and_names_a_key_of_its_file() -> None:
    program = [str(programs.node()), str(programs.wrangler(PROJECT)), "deploy", "--help"]
    ended = subprocess.run(program, check=True, capture_output=True, text=True)
    told = re.findall(r"^ +(?:-\w, |   +)?(--[\w-]+(?:, --[\w-]+)*) ", ended.stdout, re.MULTILINE)
    named = {flag.removeprefix("--") for line in told for flag in line.split(", ")}
    assert {"assets", "var", "keep-vars", "route", "domains", "env"} <= named
    assert named == {*deploying.FLAGS, *deploying.OTHERWISE}
    assert set(deploying.FLAGS.values()) <= {*KEYS}


SCRIPTS: dict[str, tuple[dict[str, str], dict[str, Any], dict[str, str]]] = {
    "none": ({"deploy": "wrangler deploy --env production"}, {}, {}),
    "switches": (
        {"deploy": "wrangler deploy --minify --keepVars"},
        {},
        {"minify": "minify", "keep-vars": "keep_vars"},
    ),
    "the file says it, too": ({"deploy": "wrangler deploy --minify"}, {"minify": True}, {}),
    "one more of what the file has some of": (
        {"deploy": "npx wrangler@4 deploy --var SHA:$SHA --assets=./dist"},
        {"vars": {"A": "1"}},
        {"var": "vars", "assets": "assets"},
    ),
    "beside other commands": (
        {"deploy": "vite build --minify && pnpm exec wrangler deploy --define 'A:\"1\"' | tee log"},
        {},
        {"define": "define"},
    ),
    "of wrangler's other commands": ({"dev": "wrangler dev --minify"}, {}, {}),
    "a quote that does not end": ({"deploy": "wrangler deploy --minify '"}, {}, {}),
}


@pytest.mark.parametrize("shape", SCRIPTS)
def test_flags_of_the_scripts_are_found(shape: str) -> None:
    scripts, content, wanted = SCRIPTS[shape]
    assert deploying.flags({"scripts": scripts}, content) == wanted


def test_what_deployed_until_now_is_told(tmp_path: Path) -> None:
    scripts = {"deploy": "wrangler deploy --minify --env production"}
    files = {"wrangler.jsonc": wrangler(), "package.json": {"scripts": scripts}, **CODE}
    action = "jobs: {a: {steps: [{uses: cloudflare/wrangler-action@v3}]}}\n"
    file(tmp_path / "shop", ".github/workflows/ci.yml", "# wrangler deploy\nrun: wrangler types\n")
    file(tmp_path / "shop", ".github/workflows/release.yml", action)
    said = hints.hints(answered(repository(tmp_path / "shop", files)))
    assert [line for line in said if "wrangler" in line and "D1" not in line] == [
        "package.json's scripts give wrangler deploy --minify: a release reads wrangler.jsonc"
        " alone, so write it there (minify)",
        ".github/workflows/release.yml deploys by wrangler: take that out, or it puts a version of"
        " its own live past every release",
    ]


def test_a_configuration_that_wrangler_does_not_take_is_told(tmp_path: Path) -> None:
    files = {"wrangler.jsonc": wrangler(), "wrangler.toml": 'name = "old"\n', **CODE}
    given = answered(repository(tmp_path / "shop", files))
    assert given.name == "shop"
    said = "wrangler.toml is not read: wrangler takes wrangler.jsonc before it"
    assert said in hints.hints(given)


def test_a_pipeline_of_gitlabs_that_stays_is_told(tmp_path: Path) -> None:
    own = file(tmp_path / "shop", ".gitlab-ci.yml", "deploy: {script: [npx wrangler deploy]}\n")
    given = answered(repository(tmp_path / "shop", {"wrangler.jsonc": wrangler(), **CODE}))
    given = replace(given, ci="gitlab")
    stays = ".gitlab-ci.yml is yours, and stays: include the pipeline there (how-to, pipelines)"
    assert stays in hints.hints(given)
    own.write_text("script: [xswarm deploy.prod]\n")
    assert stays not in hints.hints(given)


def test_another_worker_or_file_of_the_scripts_is_told(tmp_path: Path) -> None:
    scripts = {
        "deploy": "wrangler deploy -c ./wrangler.prod.jsonc --name=shop-live --env=x",
        "deploy:staging": "wrangler deploy --name shop-staging --config wrangler.jsonc",
    }
    assert deploying.named({"scripts": scripts}, "env") == ["x"]
    files = {"wrangler.jsonc": wrangler(), "package.json": {"scripts": scripts}, **CODE}
    said = hints.hints(answered(repository(tmp_path / "shop", files)))
    assert [line for line in said if line.startswith("package.json")] == [
        "package.json's scripts deploy the Worker shop-live (--name): where that is the live one,"
        " correct deploy.worker.name in invoke.yaml",
        "package.json's scripts deploy from ./wrangler.prod.jsonc: where that is the live one's,"
        " correct deploy.worker.config in invoke.yaml",
    ]


def test_the_table_of_next_js_tags_is_told(tmp_path: Path) -> None:
    """``opennextjs-cloudflare deploy`` makes it; a release leaves a schema to its migrations."""
    d1 = [{"binding": "NEXT_TAG_CACHE_D1", "database_name": "tags"}]
    files = {"wrangler.jsonc": wrangler(d1_databases=d1), **CODE}
    said = hints.hints(answered(repository(tmp_path / "shop", files)))
    assert any("populateCache remote" in line for line in said)


@pytest.mark.parametrize(
    ("script", "line", "told"),
    [
        ("vite build && wrangler deploy", "npm run deploy", True),
        ("opennextjs-cloudflare build && opennextjs-cloudflare deploy", "pnpm run deploy", True),
        ("wrangler deploy", "pnpm --filter api run deploy", True),
        ("wrangler deploy", "yarn deploy --env production", True),
        ("wrangler deploy", "bun run deploy:docs", False),
        ("wrangler deploy", "true\n  # npm run deploy", False),
        ("vercel", "npm run deploy", False),
        ("vercel", "npx opennextjs-cloudflare deploy", True),
    ],
)
def test_a_workflow_that_runs_a_script_which_deploys_is_told(
    tmp_path: Path, script: str, line: str, told: bool
) -> None:
    package = {"scripts": {"deploy": script}}
    workflow = file(tmp_path, ".github/workflows/ci.yml", f"steps:\n  - run: {line}\n")
    assert list(deploying.others(tmp_path, package)) == ([workflow] if told else [])


def test_a_worker_that_the_build_makes_beside_is_told(tmp_path: Path) -> None:
    """As Cloudflare's Vite plugin writes its auxiliaryWorkers."""
    folder = tmp_path / "shop"
    other = str(folder / "workers/api/wrangler.jsonc")
    redirect = {
        "configPath": "../../dist/shop/wrangler.json",
        "auxiliaryWorkers": [{"configPath": "../../dist/api/wrangler.json"}],
    }
    scripts = {"deploy": "wrangler deploy && wrangler deploy -c dist/api/wrangler.json"}
    files = {
        "wrangler.jsonc": wrangler(),
        "package.json": {"scripts": scripts},
        ".wrangler/deploy/config.json": redirect,
        "dist/shop/wrangler.json": wrangler(userConfigPath=str(folder / "wrangler.jsonc")),
        "dist/api/wrangler.json": wrangler("api", userConfigPath=other),
        **CODE,
    }
    said = hints.hints(answered(repository(folder, files)))
    assert [line for line in said if "api" in line] == [
        "the build makes api, too, which releases of shop leave alone: release it before, by its"
        f" own (cd workers/api, then {typed('inv init')})"
    ]


@pytest.mark.parametrize(
    ("scripts", "build", "told"),
    [
        ({"deploy": "npm run build && wrangler deploy"}, "npm run build", []),
        ({"predeploy": "vite build", "deploy": "wrangler deploy"}, "", ["vite build"]),
        (
            {"deploy": "wrangler deploy && node warm.js", "postdeploy": "npm run purge"},
            "",
            ["node warm.js", "npm run purge"],
        ),
        (
            {
                "deploy": "npm test && npm run db && npm run ok && wrangler deploy",
                "db": "wrangler d1 migrations apply DB --remote",
                "ok": "eslint .",
            },
            "",
            [],
        ),
        (
            {"deploy": "opennextjs-cloudflare build && opennextjs-cloudflare deploy"},
            "npx opennextjs-cloudflare build",
            [],
        ),
        ({"deploy": "vite build && vercel"}, "", []),
        (
            {"deploy:live": "pnpm --filter @acme/web run build && wrangler deploy"},
            'pnpm --filter "@acme/web..." run build',
            [],
        ),
        (
            {"deploy": "turbo run build --filter=@acme/web && wrangler deploy"},
            'pnpm --filter "@acme/web..." run build',
            [],
        ),
        (
            {"deploy": "pnpm --filter @acme/web run seed && wrangler deploy"},
            'pnpm --filter "@acme/web..." run build',
            ["pnpm --filter @acme/web run seed"],
        ),
        (
            {"deploy": "pnpm --filter web run build && wrangler deploy"},
            'pnpm --filter "website..." run build',
            ["pnpm --filter web run build"],
        ),
        (
            {
                "predeploy:production": "vite build",
                "deploy:production": "drizzle-kit migrate && wrangler deploy --env production",
            },
            "",
            ["vite build"],
        ),
    ],
)
def test_what_the_script_runs_beside_wrangler_is_told(
    scripts: dict[str, str], build: str, told: list[str]
) -> None:
    assert deploying.beside({"scripts": scripts}, build) == told


def test_a_tool_whose_ledger_is_not_kept_is_told(tmp_path: Path) -> None:
    """drizzle-kit would run the release's migrations again, and fail at the first table."""
    scripts = {
        "deploy:live": "drizzle-kit migrate && wrangler deploy",
        "db:new": "drizzle-kit generate",
    }
    package = {"scripts": scripts, "dependencies": {"@libsql/client": "1"}}
    made = {"drizzle/meta/_journal.json": {"entries": []}, "drizzle/0000_a.sql": "SELECT 1;"}
    files = {"wrangler.jsonc": wrangler(), "package.json": package, **made, **CODE}
    said = hints.hints(answered(repository(tmp_path / "shop", files)))
    (told,) = (line for line in said if "drizzle-kit" in line)
    assert told.startswith("package.json runs drizzle-kit migrate (deploy:live): releases migrate")


def test_data_that_staging_would_share_with_production_is_told(tmp_path: Path) -> None:
    kv = [{"binding": "CACHE", "id": "a" * 32}, {"binding": "MADE"}]
    bound: dict[str, Any] = {
        "kv_namespaces": kv,
        "r2_buckets": [{"binding": "FILES", "bucket_name": "files"}],
    }
    files = {"wrangler.jsonc": wrangler(**bound), **CODE}
    said = hints.hints(answered(repository(tmp_path / "shop", files)))
    (line,) = (line for line in said if "env.staging" in line)
    assert "with CACHE, FILES of its own" in line
    own = wrangler(**bound, env={"staging": {}})
    said = hints.hints(answered(repository(tmp_path / "own", {"wrangler.jsonc": own, **CODE})))
    assert not any("env.staging" in line for line in said)


def test_other_workers_that_the_scripts_deploy_are_told_until_they_are_set_up(
    tmp_path: Path,
) -> None:
    scripts = {"deploy": "wrangler deploy && wrangler deploy -c workers/jobs/wrangler.jsonc"}
    files = {
        "wrangler.jsonc": wrangler(),
        "package.json": {"scripts": scripts},
        "workers/jobs/wrangler.jsonc": wrangler("jobs"),
        **CODE,
    }
    given = answered(repository(tmp_path / "shop", files))
    (line,) = (line for line in hints.hints(given) if "jobs" in line)
    assert "a Worker of its own: cd workers/jobs, then" in line
    file(tmp_path / "shop", "workers/jobs/invoke.yaml", "")
    assert not any("jobs" in line for line in hints.hints(given))


def test_what_only_this_machine_builds_in_is_told(tmp_path: Path) -> None:
    """A pipeline's clone has no .env: Vite would write ``undefined`` into the code."""
    files = {
        "wrangler.jsonc": wrangler(),
        "package.json": {"devDependencies": {"vite": "8"}, "scripts": {"build": "vite build"}},
        ".gitignore": ".env\n",
        ".env": "VITE_API=a\nPUBLIC_SITE=b\nTOKEN=c\nOTHER=d\n",
        "src/lib/a.ts": 'import { TOKEN } from "$env/static/private";',
        **CODE,
    }
    given = answered(repository(tmp_path / "shop", files))
    (line,) = (line for line in hints.hints(given) if "git ignores" in line)
    assert line.startswith("the build writes VITE_API, PUBLIC_SITE, TOKEN of .env into the code")
    assert not any("git ignores" in line for line in hints.hints(replace(given, ci="none")))
