"""Repositories as teams have them, each from its files to what ``init`` would write.

The shapes are those that create-cloudflare, frameworks' generators and public repositories have.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.adoption.repositories import committed, file, git, wrangler
from xswarm_deploy.adoption import (
    address,
    answers,
    choosing,
    found,
    hints,
    invoke_file,
    pipelines,
    writing,
)
from xswarm_deploy.adoption.answers import Answers, Flags
from xswarm_deploy.errors import Refused

Files = dict[str, Any]
CODE = {"src/index.ts": "export default { fetch: () => new Response() };"}
D1 = [{"binding": "DB", "database_name": "shop", "database_id": "1"}]
COREPACK = "npm install --global corepack && corepack enable"
PNPM_INSTALL = "pnpm install --frozen-lockfile"
TURBO = {"tasks": {"build": {"dependsOn": ["^build"]}}}
SHARED = {"name": "@acme/shared", "main": "dist/index.js", "scripts": {"build": "tsup"}}
API = {"name": "@acme/api", "dependencies": {"@acme/shared": "workspace:*"}}
WEB = {
    "name": "@acme/web",
    "scripts": {"build": "vite build"},
    "dependencies": {"@acme/shared": "workspace:*"},
    "devDependencies": {"@cloudflare/vite-plugin": "1"},
}


def package(*names: str, **scripts: str) -> dict[str, Any]:
    return {"dependencies": dict.fromkeys(names, "1"), "scripts": scripts}


def monorepo(own: Mapping[str, Any], **more: Any) -> Files:
    """Return one Worker in apps/api, and a package that it is made from."""
    shared = more.pop("shared", SHARED)
    return {
        "apps/api/package.json": own,
        "apps/api/wrangler.jsonc": wrangler("api"),
        "apps/api/src/index.ts": "",
        "packages/shared/package.json": shared,
        "packages/shared/src/index.ts": "",
        ".gitignore": "dist/\nnode_modules/\n",
        **{_file(name): content for name, content in more.items()},
    }


def _file(name: str) -> str:
    return name.replace("__", ".").replace("package_lock", "package-lock")


def sited(own: Mapping[str, Any], **more: Any) -> Files:
    """Return the same with a package beside it whose build makes the Worker's static files."""
    site = {"name": "@acme/site", "scripts": {"build": "vite build"}, "dependencies": {}}
    assets = {"directory": "../site/dist/client"}
    return {
        **monorepo(own, **more),
        "apps/site/package.json": site,
        "apps/api/wrangler.jsonc": {"name": "api", "main": "src/index.ts", "assets": assets},
    }


PNPM = {"pnpm-workspace.yaml": "packages: ['apps/*', 'packages/*']\n", "pnpm-lock.yaml": ""}
WORKSPACES = {"package.json": {"workspaces": ["apps/*", "packages/*"]}}
HALF = {"package.json": {"workspaces": {"packages": ["./apps/*", "packages/*/"]}}}

SHAPES: dict[str, tuple[Files, dict[str, Any]]] = {
    "comments, trailing commas, $schema, an byte order mark": (
        {
            "wrangler.jsonc": '\ufeff{\r\n // ours\r\n "$schema": "x", "name": "shop",\r\n'
            ' /* a,} */ "main": "src/index.ts",\r\n}\r\n',
            **CODE,
        },
        {"name": "shop", "build": ""},
    ),
    "named environments alone": (
        {
            "wrangler.jsonc": {
                "main": "src/index.ts",
                "env": {
                    "dev": {"name": "shop-dev"},
                    "production": {
                        "name": "shop-prod",
                        "account_id": "0123456789abcdef0123456789abcdef",
                        "routes": [{"pattern": "shop.example.com", "custom_domain": True}],
                    },
                },
            },
            **CODE,
        },
        {
            "production": ("shop-prod", "production"),
            "staging": ("shop-dev", "dev"),
            "url": "https://shop.example.com",
            "account": "0123456789abcdef0123456789abcdef",
        },
    ),
    "an environment's route": (
        {"wrangler.jsonc": wrangler(env={"production": {"route": "api.example.com/*"}}), **CODE},
        {"production": ("shop-production", "production"), "url": "https://api.example.com"},
    ),
    "an environment that inherits its route": (
        {
            "wrangler.jsonc": wrangler(routes=["api.example.com/*"], env={"production": {}}),
            **CODE,
        },
        {"production": ("shop-production", "production"), "url": "https://api.example.com"},
    ),
    "a route of some paths": (
        {"wrangler.jsonc": wrangler(routes=["example.com/api/*", "*.example.com/*"]), **CODE},
        {"url": "https://shop.your_subdomain.workers.dev"},
    ),
    "assets alone, built": (
        {
            "wrangler.jsonc": {"name": "site", "assets": {"directory": "./dist"}},
            "package.json": package("vite", build="vite build"),
        },
        {"build": "npm run build", "install": "npm install"},
    ),
    "Rust, built by wrangler": (
        {"wrangler.toml": 'name = "w"\nmain = "build/w.mjs"\n[build]\ncommand = "worker-build"\n'},
        {"name": "w", "build": "", "install": ""},
    ),
    "secrets of environments": (
        {
            "wrangler.jsonc": wrangler(),
            ".dev.vars.production": "A_KEY=x\n",
            ".dev.vars.example": "B_KEY=\n",
            ".env": "NOBODYS=1\n",
            **CODE,
        },
        {"secrets": ["B_KEY", "A_KEY"]},
    ),
    "secrets in .env": (
        {
            "wrangler.jsonc": wrangler(vars={"PLAIN": "1"}),
            ".env": "RESEND_KEY=x\nVITE_X=1\nPLAIN=2\nOTHERS=1\nCLOUDFLARE_API_TOKEN=y\nMAPS=\n",
            ".env.example": "STRIPE_KEY=\n",
            "src/index.ts": "export default { fetch(_, env) { const { MAPS, n: m } = env;"
            " return f(env.RESEND_KEY, process.env['STRIPE_KEY'], import.meta.env.VITE_X) } }",
        },
        {"secrets": ["RESEND_KEY", "MAPS", "STRIPE_KEY"]},
    ),
    "drizzle, in a folder of its own choice": (
        {
            "wrangler.jsonc": wrangler(d1_databases=D1),
            "drizzle.config.ts": 'export default { out: "./src/db/out", dialect: "sqlite" }',
            "src/db/out/0000_a.sql": "CREATE TABLE a (b);",
            "seeds/rows.sql": "INSERT INTO a VALUES (1);",
            **CODE,
        },
        {"migrations": "src/db/out", "database": "d1:DB"},
    ),
    "drizzle, of another database": (
        {
            "wrangler.jsonc": wrangler(hyperdrive=[{"binding": "H", "id": "1"}]),
            "drizzle/0000_a.sql": "CREATE TABLE a (b serial);",
            "drizzle/meta/_journal.json": {"version": "7", "dialect": "postgresql", "entries": []},
            **CODE,
        },
        {"migrations": "", "database": "d1:shop-releases"},
    ),
    "prisma": (
        {
            "wrangler.jsonc": wrangler(d1_databases=D1),
            "prisma/migrations/20250101_init/migration.sql": "CREATE TABLE a (b);",
            "prisma/migrations/20250201_two/migration.sql": "CREATE TABLE b (b);",
            "prisma/migrations/migration_lock.toml": 'provider = "sqlite"',
            **CODE,
        },
        {"migrations": "prisma/migrations", "database": "d1:DB"},
    ),
    "React Router": (
        {
            "wrangler.jsonc": wrangler(main="./workers/app.ts"),
            "workers/app.ts": "",
            "package.json": package("@react-router/dev", build="react-router build"),
            "app/routes.ts": 'export default [index("home.tsx"), route("about", "about.tsx")];',
        },
        {"build": "npm run build", "routes": ["/about"]},
    ),
    "Next.js by OpenNext": (
        {
            "wrangler.jsonc": wrangler(main=".open-next/worker.js"),
            "package.json": package("@opennextjs/cloudflare", "next", build="next build"),
            "app/api/hello/route.ts": "export async function GET() {}",
        },
        {"build": "npx opennextjs-cloudflare build", "routes": ["/api/hello"]},
    ),
    "Next.js by OpenNext, its pages among the static files": (
        {
            "wrangler.jsonc": wrangler(main=".open-next/worker.js"),
            "package.json": package("@opennextjs/cloudflare", "next", build="next build"),
            "open-next.config.ts": 'import cache from "@opennextjs/cloudflare/overrides/'
            'incremental-cache/static-assets-incremental-cache";',
        },
        {
            "build": "npx opennextjs-cloudflare build"
            " && npx opennextjs-cloudflare populateCache local"
        },
    ),
    "a Vite project whose wrangler file is in a folder": (
        {
            "worker/wrangler.jsonc": wrangler(main="index.ts"),
            "worker/index.ts": "",
            "vite.config.ts": 'cloudflare({ configPath: "./worker/wrangler.jsonc" })',
            "package.json": package("@cloudflare/vite-plugin", build="vite build"),
        },
        {"config": "worker/wrangler.jsonc", "build": "(cd .. && npm run build)"},
    ),
    "a Pages project that became a Worker": (
        {
            "wrangler.jsonc": wrangler(
                main="functions-worker/index.js", assets={"directory": "./dist"}
            ),
            "functions/api/hello.ts": "export const onRequest = () => new Response();",
            "functions-worker/index.js": "",
            "package.json": package(build="vite build"),
        },
        {"build": "npm run build && npx wrangler pages functions build --outdir functions-worker"},
    ),
    "TanStack Start": (
        {
            "wrangler.jsonc": wrangler(main="@tanstack/react-start/server-entry"),
            "package.json": package("@tanstack/react-start", build="vite build"),
            "src/routes/about.tsx": "",
        },
        {"build": "npm run build", "routes": ["/about"]},
    ),
    "a Python Worker with packages": (
        {
            "wrangler.toml": 'name = "p"\nmain = "src/entry.py"\n',
            "src/entry.py": "",
            "pyproject.toml": '[project]\nname = "p"\nversion = "1"\ndependencies = ["fastapi"]\n',
        },
        {"install": "pip install --quiet uv && uv run pywrangler sync"},
    ),
    "a configuration of another name": (
        {"wrangler.prod.toml": 'name = "shop"\nmain = "src/index.ts"\n', **CODE},
        {"config": "wrangler.prod.toml", "name": "shop"},
    ),
    "bun, pinned": (
        {
            "wrangler.jsonc": wrangler(),
            "bun.lock": "",
            "package.json": package("hono") | {"packageManager": "bun@1.2.3"},
            **CODE,
        },
        {"install": "npm install --global bun@1.2.3 && bun install --frozen-lockfile"},
    ),
    "yarn, classic": (
        {
            "wrangler.jsonc": wrangler(),
            "yarn.lock": "# v1\n",
            "package.json": package("hono"),
            **CODE,
        },
        {"install": "npm install --global yarn && yarn install --frozen-lockfile"},
    ),
    "yarn with Plug'n'Play": (
        {
            "wrangler.jsonc": wrangler(),
            "yarn.lock": "__metadata:\n  version: 8\n",
            ".pnp.cjs": "",
            "package.json": package("hono") | {"packageManager": "yarn@4.5.0"},
            **CODE,
        },
        {
            "missing": [],
            "install": f"{COREPACK} && yarn install --immutable",
        },
    ),
    "an old pnpm, in a folder": (
        {
            "worker/wrangler.jsonc": wrangler(),
            "worker/src/index.ts": "",
            "worker/package.json": package("hono"),
            "worker/pnpm-lock.yaml": "lockfileVersion: '6.0'\n",
        },
        {
            "install": f"(cd worker && npm install --global pnpm@8 && {PNPM_INSTALL})",
            "missing": ["hono"],
        },
    ),
    "turbo and pnpm, a Worker that wrangler bundles": (
        monorepo(API, turbo__json=TURBO, **PNPM),
        {"build": 'pnpm exec turbo run build "--filter=@acme/api^..."'},
    ),
    "turbo and pnpm, a framework's build": (
        monorepo(WEB, turbo__json=TURBO, **PNPM),
        {"build": 'pnpm exec turbo run build "--filter=@acme/web..."'},
    ),
    "turbo without a task that builds": (
        monorepo(API, turbo__json={"tasks": {"lint": {}}}, **PNPM),
        {"build": 'pnpm --filter "@acme/api^..." run build'},
    ),
    "pnpm alone": (
        monorepo(WEB, **PNPM),
        {"build": 'pnpm --filter "@acme/web..." run build', "missing_some": "@acme/shared"},
    ),
    "a package whose source is imported as it stands": (
        monorepo(API, shared=SHARED | {"main": "src/index.ts"}, **PNPM),
        {"build": ""},
    ),
    "turbo, and static files that another package makes": (
        sited({**API, "scripts": {"build": "tsc"}}, turbo__json=TURBO, **PNPM),
        {
            "build": 'pnpm exec turbo run build "--filter=@acme/api..." "--filter=@acme/site..."',
        },
    ),
    "pnpm, and static files that another package makes": (
        sited({"name": "@acme/api"}, **PNPM),
        {"build": 'pnpm --filter "@acme/site..." run build'},
    ),
    "npm's workspaces, and static files that another package makes": (
        sited(API, **WORKSPACES),
        {"build": "npm run --prefix ../../packages/shared build && npm run --prefix ../site build"},
    ),
    "nx, and static files that another package makes": (
        sited(API, nx__json={}, **WORKSPACES),
        {"build": "npx nx run-many --targets=build --projects=@acme/shared,@acme/site"},
    ),
    "npm's workspaces": (
        monorepo(WEB, **WORKSPACES),
        {"build": "npm run --prefix ../../packages/shared build && npm run build"},
    ),
    "yarn's workspaces": (
        monorepo(API, yarn__lock="", **HALF),
        {"build": "yarn workspace @acme/shared run build"},
    ),
    "bun's workspaces": (
        monorepo(API, bun__lock="", **WORKSPACES),
        {"build": "bun run --cwd ../../packages/shared build"},
    ),
    "npm's workspaces, with the tools in the root": (
        monorepo(API, **WORKSPACES, package_lock__json={}, turbo__json=TURBO),
        {
            "build": 'npx turbo run build "--filter=@acme/api^..."',
            "install": "(cd ../.. && npm ci)",
        },
    ),
    "npm's workspaces, no lock file": (
        monorepo(API, **WORKSPACES),
        {"install": "(cd ../.. && npm install)"},
    ),
    "a configuration below its package": (
        {
            "config/wrangler.prod.jsonc": wrangler(
                main="../dist/index.js", migrations_dir="../migrations"
            ),
            "package.json": package("hono", "stripe", build="tsup"),
            "package-lock.json": "{}",
            "src/index.ts": 'app.get("/api/health", (c) => c.json({}));',
            ".gitignore": "dist/\n",
        },
        {
            "config": "config/wrangler.prod.jsonc",
            "build": "(cd .. && npm run build)",
            "install": "npm ci",
            "routes": ["/api/health"],
            "missing": ["hono", "stripe"],
        },
    ),
    "a Worker without a package, below another application's": (
        {
            "worker/wrangler.jsonc": wrangler(),
            "worker/src/index.ts": "",
            "package.json": package("vite", build="vite build"),
        },
        {"config": "worker/wrangler.jsonc", "build": "", "install": "npm install"},
    ),
    "nx": (
        monorepo(API, nx__json={}, **WORKSPACES),
        {"build": "npx nx run-many --targets=build --projects=@acme/shared"},
    ),
}


def repository(root: Path, files: Files) -> Path:
    """Write a repository, and return the folder in which somebody types ``init``."""
    for name, content in files.items():
        file(root, name, content)
    committed(root)
    below = root / "apps/api"
    return below if below.is_dir() else root


def told(given: Answers) -> dict[str, Any]:
    """Return what is expected of a shape, by its name in SHAPES."""
    below, looked = invoke_file.deploy(given), given.found
    return {
        **below["worker"],
        "migrations": (below.get("migrations") or {}).get("directory", ""),
        "build": looked.build,
        "install": pipelines._install(given),
        "secrets": list(looked.secrets),
        "routes": list(looked.routes),
        "missing": list(looked.missing),
        "database": given.database,
        "production": given.environment("production"),
        "staging": given.environment("staging"),
        "url": address.of(given, "production"),
        "account": writing._account(given, "production"),
    }


def answered(root: Path) -> Answers:
    return answers.answered(found.look(root, choosing.chosen(root, Flags())), Flags(ci="github"))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_is_read_right(tmp_path: Path, shape: str) -> None:
    files, wanted = SHAPES[shape]
    wanted = dict(wanted)
    given = answered(repository(tmp_path / "shop", files))
    some = wanted.pop("missing_some", None)
    assert {name: told(given)[name] for name in wanted} == wanted
    assert some is None or some in given.found.missing


REFUSED: dict[str, tuple[Files, str, str]] = {
    "Pages, by its script": (
        {"package.json": package("vite", deploy="npm run build && wrangler pages deploy ./dist")},
        "is a Pages project, and no Worker",
        '"assets": {"directory": "./dist"}',
    ),
    "Pages, by its functions": (
        {"functions/api/x.ts": "", "public/index.html": ""},
        "it has a folder functions",
        '"main": "functions-worker/index.js", "assets": {"directory": "public",'
        ' "binding": "ASSETS", "run_worker_first": true}',
    ),
    "Pages, built by what takes its public files from public": (
        {
            "package.json": package("react-scripts", build="react-scripts build"),
            "functions/api/x.ts": "",
            "public/index.html": "",
        },
        "npm install --save-dev wrangler@4 && npm run build && npx wrangler pages functions build",
        '"assets": {"directory": "build",',
    ),
    "Pages, of a wrangler that reads assets in another way": (
        {
            "package.json": package("wrangler"),
            "node_modules/wrangler/package.json": {"version": "3.70.0"},
            "node_modules/wrangler/wrangler-dist/cli.js": "",
            "functions/api/x.ts": "",
            "wrangler.toml": 'name = "x"\npages_build_output_dir = "out"\n',
        },
        "is a Pages project, and no Worker",
        "make a Worker of it: npm install --save-dev wrangler@4 && npx wrangler pages functions",
    ),
    "Pages, by its configuration, whose variables and bindings stay": (
        {
            "wrangler.toml": 'name = "x"\npages_build_output_dir = "out"\n[vars]\nA = "1"\n',
            "functions/api/x.ts": "",
            "out/_routes.json": {"version": 1, "include": ["/api/*"], "exclude": ["/api/docs/*"]},
        },
        "is a Pages project, and no Worker",
        "in wrangler.toml write in place of pages_build_output_dir:"
        ' main = "functions-worker/index.js", and the line assets = { directory = "out",'
        ' binding = "ASSETS", run_worker_first = ["/api/*", "!/api/docs/*"] }',
    ),
    "an example alone": (
        {"wrangler.toml.example": 'name = "x"\n', **CODE},
        "wrangler.toml.example is an example",
        "cp wrangler.toml.example wrangler.toml, fill it in, then: ",
    ),
    "another example alone": (
        {"wrangler.example.jsonc": "{}", **CODE},
        "wrangler.example.jsonc is an example",
        "cp wrangler.example.jsonc wrangler.jsonc, fill it in, then: ",
    ),
    "an example in a name of another form": (
        {"wrangler-example.toml": 'name = "x"\n', "package.json": package("vite"), **CODE},
        "wrangler-example.toml is an example",
        "cp wrangler-example.toml wrangler.toml, fill it in, then: ",
    ),
    "examples alone, of which the plainest is named": (
        {"wrangler.mail.example.json": "{}", "wrangler.example.json": "{}", **CODE},
        "wrangler.example.json is an example",
        "cp wrangler.example.json wrangler.json, fill it in, then: ",
    ),
    "an example in a folder, beside a configuration for tests": (
        {"api/wrangler.toml.template": 'name = "x"\n', "test/wrangler.test.jsonc": wrangler()},
        "api/wrangler.toml.template is an example",
        "cp api/wrangler.toml.template api/wrangler.toml, fill it in, then: ",
    ),
    "Pages, beside a Worker that is an example": (
        {
            "site/wrangler.toml": 'name = "x"\npages_build_output_dir = "out"\n',
            "api/wrangler.toml.template": 'name = "x"\n',
        },
        "is a Pages project, and no Worker",
        " init --config api/wrangler.toml; or make a Worker of it: in wrangler.toml write",
    ),
    "several of other names": (
        {"wrangler.api.toml": 'main = "a.js"\n', "wrangler-cron.toml": 'main = "b.js"\n', **CODE},
        "there are wrangler-cron.toml, wrangler.api.toml",
        "name it with --config",
    ),
    "a workspace that cannot be read": (
        {**monorepo(API, **WORKSPACES), "pnpm-workspace.yaml": "packages: [\n"},
        "pnpm-workspace.yaml cannot be read",
        "correct it",
    ),
    "a turbo.json that cannot be read": (
        monorepo(API, turbo__json='{"tasks": }', **PNPM),
        "turbo.json cannot be read",
        "correct it",
    ),
}


@pytest.mark.parametrize("shape", REFUSED)
def test_a_shape_that_cannot_be_released_is_told_with_the_way_on(
    tmp_path: Path, shape: str
) -> None:
    files, why, way = REFUSED[shape]
    with pytest.raises(Refused) as caught:
        answered(repository(tmp_path / "shop", files))
    assert why in caught.value.render()
    assert way in caught.value.render()


def test_a_build_that_turbo_keeps_for_all_environments_is_told_of(tmp_path: Path) -> None:
    files = monorepo(WEB, turbo__json=TURBO, **PNPM)
    files["apps/api/wrangler.jsonc"] = wrangler("web", env={"staging": {}})
    root = tmp_path / "shop"
    said = hints.hints(answered(repository(root, files)))
    assert any("CLOUDFLARE_ENV" in line for line in said)
    turbo = {"tasks": {"build": {"dependsOn": ["^build"], "env": ["CLOUDFLARE_ENV"]}}}
    (root / "turbo.json").write_text(json.dumps(turbo))
    assert not any("CLOUDFLARE_ENV" in line for line in hints.hints(answered(root / "apps/api")))


def test_a_package_that_was_built_once_is_built_again(tmp_path: Path) -> None:
    """What lies in dist is not in git: a fresh clone has none of it."""
    root = tmp_path / "shop"
    below = repository(root, monorepo(API, **PNPM))
    file(root, "packages/shared/dist/index.js", "")
    assert git(root, "status", "--porcelain") == ""
    assert answered(below).found.build == 'pnpm --filter "@acme/api^..." run build'
