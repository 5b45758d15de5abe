"""Pages Functions on the twin: bundled and deployed by real wrangler, run by workerd."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.twin.cloudflare.wrangler import ROOT, Twin
from xswarm_twin import programs
from xswarm_twin.edge.assets import Site
from xswarm_twin.edge.pages import Page
from xswarm_twin.model import PagesRoutes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

HELLO = """
export const onRequest = async ({ env, params, request, waitUntil }) => {
  await env.CACHE.put("word", env.WORD);
  return Response.json({
    word: await env.CACHE.get("word"), secret: env.KEY ?? null, who: params.who,
    path: new URL(request.url).pathname, method: request.method,
  });
};
"""
ASSET = "export const onRequest = ({ env, request }) => env.ASSETS.fetch(new URL('/', request.url))"
MIDDLEWARE = """
export const onRequest = async ({ next }) => {
  const answer = await next();
  const own = new Response(answer.body, answer);
  own.headers.set("X-Middleware", "yes");
  return own;
};
"""
BROKEN = "throw new Error('not today'); export const onRequest = () => new Response('no');"
SITE = ("pages", "deploy", "public", "--project-name", "site", "--branch", "main")


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twin]:
    running = Twin(tmp_path_factory.mktemp("twin"))
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.stop()


def test_functions_run_where_their_routes_say(twin: Twin) -> None:
    project = twin.folder / "pages"
    created = twin.wrangler("kv", "namespace", "create", "CACHE")
    namespace = created.split('"id": "')[1].split('"')[0]
    files = {
        "public/index.html": "<h1>root</h1>",
        "public/plain.txt": "plain",
        "functions/api/[who].js": HELLO,
        "functions/api/_middleware.js": MIDDLEWARE,
        "functions/home.js": ASSET,
        "wrangler.json": json.dumps(
            {
                "name": "site",
                "pages_build_output_dir": "public",
                "compatibility_date": "2026-01-01",
                "vars": {"WORD": "one"},
                "kv_namespaces": [{"binding": "CACHE", "id": namespace}],
            }
        ),
    }
    for name, text in files.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    twin.wrangler(
        *("pages", "project", "create", "site", "--production-branch", "main"), where=project
    )
    twin.wrangler("pages", "secret", "put", "KEY", "--project-name", "site", feed="s3cret")
    twin.wrangler(*SITE, where=project)
    answer = twin.page("pages", "/api/ann")
    assert answer.json() == {
        "word": "one",
        "secret": "s3cret",
        "who": "ann",
        "path": "/api/ann",
        "method": "GET",
    }
    assert answer.headers["X-Middleware"] == "yes"
    assert twin.page("pages", "/home").text == "<h1>root</h1>"
    static = twin.page("pages", "/plain.txt")
    assert (static.text, "X-Middleware" in static.headers) == ("plain", False)
    (project / "functions/home.js").write_text(BROKEN)
    refused = twin.attempt(*SITE, where=project)
    assert refused.returncode != 0
    said = refused.stdout + refused.stderr
    assert "Deployment failed!" in said
    assert "Failed to publish your Function. Got error" in said
    assert "not today" in said
    assert twin.page("pages", "/home").text == "<h1>root</h1>", "what served goes on serving"
    twin.stop()
    twin.start()
    assert twin.page("pages", "/api/ann").json()["secret"] == "s3cret", "as after a restart"


PATHS = ("/", "/a", "/a/", "/a/b", "/ab", "/a.b", "/api", "/api/x", "/axb", "/x/a", "/%C3%BC")
RULES = ("/", "/*", "/a", "/a/", "/a*", "/a/*", "/*/a", "/a.b", "*", "/api/*/x", "/%C3%BC")
_MATCHED = """
const { isRoutingRuleMatch: matches } = await import(process.argv[1]);
const [paths, rules] = JSON.parse(process.argv[2]);
console.log(JSON.stringify(rules.map((rule) => paths.filter((path) => matches(path, rule)))));
"""


def test_routes_are_matched_as_wrangler_matches_them(tmp_path: Path) -> None:
    program = tmp_path / "rules.ts"
    program.write_text((ROOT / "node_modules/wrangler/templates/pages-dev-util.ts").read_text())
    told = subprocess.run(
        [
            *(str(programs.node()), "--input-type=module", "-e", _MATCHED),
            *(str(program), json.dumps([PATHS, RULES])),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    for rule, matched in zip(RULES, json.loads(told.stdout), strict=True):
        page = Page(Site({}), None, PagesRoutes((rule,), ()))
        assert [path for path in PATHS if page.invokes(path)] == matched, rule
        excluding = Page(Site({}), None, PagesRoutes(("/*",), (rule,)))
        assert not any(excluding.invokes(path) for path in matched)
