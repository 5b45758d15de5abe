"""Which routes nobody asks, where routes are found, and what is suggested."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import yaml

from xswarm_deploy.model.report import run_probes
from xswarm_deploy.preflight import routes as looks
from xswarm_deploy.settings.project import Authentication, Project, Route, Verify, Webhooks
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.site import Site
from xswarm_deploy.verification import coverage, sources, suggest
from xswarm_deploy.verification.sources import Found

PROJECT = Project(
    verify=Verify(
        routes=(
            Route("/api/teams/7?all=1"),
            Route("/api/teams", "POST", (400,)),
            Route("/page", site=True),
        ),
        version_path="/version",
        authentication=Authentication("/signup", "/login", "/me"),
        not_asked=("/internal/*", "DELETE /api/teams/*"),
    ),
    webhooks=Webhooks(stripe_path="/stripe"),
)


@pytest.mark.parametrize(
    ("method", "path", "asked"),
    [
        ("GET", "/api/teams/{id}", True),
        ("GET", "/api/teams/:id{[0-9]+}", True),
        ("GET", "/api/teams/<int:id>", True),
        ("GET", "/api/*", True),
        ("ALL", "/api/teams/:id", True),
        ("GET", "/api/teams/{id}/tasks", False),
        ("GET", "/api/teams", False),
        ("POST", "/api/teams", True),
        ("POST", "/api/teams/{id}", False),
        ("DELETE", "/api/teams/{id}", True),
        ("GET", "/internal/queue", True),
        ("GET", "/version", True),
        ("POST", "/signup", True),
        ("DELETE", "/me", True),
        ("POST", "/stripe", True),
        ("GET", "/stripe", False),
        ("GET", "/page", False),
        ("GET", "/health/live", True),
    ],
)
def test_what_is_asked(method: str, path: str, asked: bool) -> None:
    assert (coverage.missing([(method, path)], PROJECT) == []) is asked


CODE = {
    "hono.ts": (
        """
        import { Hono } from 'hono'
        const app = new Hono().basePath('/v1')
        // app.get('/commented', (c) => c.text('no'))
        app.get('/users/:id', (c) => c.json({}))
        app.post("/users", zValidator(...), handler)
           .delete(`/users/:id`, handler)
        app.route('/mounted', other)
        const reply = await client.get('/elsewhere', options)
        """,
        {("GET", "/v1/users/:id"), ("POST", "/v1/users"), ("DELETE", "/v1/users/:id")},
    ),
    "bare.js": (
        """
        if (url.pathname === "/a" && request.method === "GET") return one();
        if (pathname == '/b') return two();
        """,
        {("GET", "/a"), ("GET", "/b")},
    ),
    "api.py": (
        """
        router = APIRouter(tags=["x"], prefix="/api")
        @router.get("/things/{id}", response_model=Thing)
        async def thing(id: int): ...
        @router.api_route("/both", methods=["GET", "POST"])
        def both(): ...
        """,
        {("GET", "/api/things/{id}"), ("GET", "/api/both"), ("POST", "/api/both")},
    ),
    "flask_app.py": (
        """
        @app.route("/plain")
        def plain(): ...
        @app.route("/form", methods=("POST",))
        def form(): ...
        """,
        {("GET", "/plain"), ("POST", "/form")},
    ),
    "tables.py": (
        """
        ROUTES = (
            Route("DELETE", "/t/{id}", gone),
            Route("/s", shown, methods=["PUT"]),
            Route('/r', r),
        )
        """,
        {("DELETE", "/t/{id}"), ("PUT", "/s"), ("GET", "/r")},
    ),
}


@pytest.mark.parametrize("name", CODE)
def test_routes_in_the_code(name: str, tmp_path: Path) -> None:
    text, wanted = CODE[name]
    for ignored in ("node_modules/x", "tests", ".git"):
        (tmp_path / ignored).mkdir(parents=True)
        (tmp_path / ignored / name).write_text('app.get("/ignored", x)')
    (tmp_path / name).write_text(text)
    found = list(sources.in_code(tmp_path, tmp_path))
    assert {(one.method, one.path) for one in found} == wanted
    for one in found:
        line = text.splitlines()[int(one.where.rpartition(":")[2]) - 1]
        assert one.path.rpartition("/")[2].rstrip("}") in line


def test_routes_of_a_sitemap_and_of_the_traffic() -> None:
    text = (
        "<urlset><url><loc> https://x.test/a?b=1 </loc></url><url><loc>https://x.test</loc></url>"
    )
    assert [one.path for one in sources.in_sitemap(text, "sitemap.xml")] == ["/a", "/"]
    report = {"requests": {"routes": [{"route": "(unmatched)"}, {"route": "/r", "method": "PUT"}]}}
    assert list(sources.in_metrics(report)) == [Found("PUT", "/r", "traffic")]
    titles = ["GET https://x.test/users/12345/cart", "cron * * * * *"]
    assert list(sources.in_titles(titles)) == [Found("GET", "/users/:num/cart", "traffic")]


class World:
    """A Worker whose answers a test sets, by path."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, object]] = {}
        world = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = world.answers.get(self.path.partition("?")[0], (404, {}))
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Write nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.server.shutdown()
    made.server.server_close()


NEW, POSTED = {"method": "GET", "path": "/new"}, {"method": "POST", "path": "/x"}
ROUTES = {"monitor": [], "routes": [NEW, POSTED]}
PATHS = {"/o": {"get": {}, "parameters": []}, "/p/{id}": {"put": {}}}
OPENAPI = {"openapi": "3.1.0", "paths": PATHS}


def test_the_check_names_what_nobody_asks(settings: Callable[..., Settings], world: World) -> None:
    def look(verify: dict[str, object]) -> tuple[str, str]:
        made = Site(settings({"verify": verify}, WORKER_URL=world.url))
        report = run_probes("check", looks.probes(made))
        return report.findings[0].status, report.findings[0].evidence

    status, evidence = look({})
    assert (status, "no /openapi.json" in evidence) == ("skip", True)
    world.answers["/openapi.json"] = (200, OPENAPI)
    status, evidence = look({"routes": [{"path": "/o"}]})
    assert (status, evidence) == ("warn", "1 of 2 are asked by nobody: PUT /p/{id}")
    world.answers["/api/metrics/routes"] = (200, ROUTES)
    asked = [{"path": "/new"}, {"path": "/x", "method": "POST"}]
    assert look({"routes": asked}) == ("pass", "all 2 of the router's routes are asked")
    assert look({"routes": asked[:1]})[1] == "1 of 2 are asked by nobody: POST /x"


def test_what_is_suggested_was_asked_and_is_what_invoke_yaml_takes(
    settings: Callable[..., Settings], world: World
) -> None:
    world.answers |= {
        "/api/metrics/routes": (200, ROUTES),
        "/new": (200, {}),
        "/": (200, {}),
        "/secret": (401, {}),
    }
    worker = {"name": "w", "config": "w/wrangler.jsonc"}
    project = {"pages": {"directory": "site"}, "worker": worker}
    made = Site(settings(project, WORKER_URL=world.url))
    root = made.settings.root
    (root / "w").mkdir(exist_ok=True)
    (root / "site").mkdir(exist_ok=True)
    code = "".join(f"app.get('/{path}', x)\n" for path in ("new", "secret", "gone"))
    (root / "w/index.ts").write_text(code)
    (root / "site/sitemap.xml").write_text("<loc>https://x.test/about</loc>")
    found = {one.path: one for one in suggest.suggestions(made, ["GET http://w/users/77"])}
    assert found["/new"].where == ("w/index.ts:1", "the router's routes")
    lines = "\n".join(one.line() for one in found.values())
    assert yaml.safe_load(lines) == [
        {"path": "/new", "status": [200]},
        {"path": "/secret", "status": [401]},
        {"path": "/about", "status": [200], "site": True},
    ]
    assert "# GET /gone: answers 404" in lines
    assert '# - {path: /x, method: POST, body: "{}", status: [400, 401, 403]}' in lines
    assert '# - {path: "/users/:num", status' in lines
    assert found["/x"].as_json()["ready"] is False
