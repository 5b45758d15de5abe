"""Routes behind the paths that their routers are mounted at; Starlette judges its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from xswarm_deploy.verification import sources

HONO = {
    "src/index.ts": """\
import { Hono } from 'hono'
import users, { type Env } from './users'
import { orders as o } from './api/orders.js'
const app = new Hono<{ Bindings: Env }>()
const v1 = new Hono()
// app.get('/old', h)
app.get('/', (c) => c.text('hi'))
v1.route('/users', users)
v1.route("/orders", o)
v1.get('/ping', (c) => fetch('https://x.test/none'))
app.route('/v1', v1)
app.on(['GET'], ['/on'], h)
export default app
""",
    "src/users.ts": """\
const users = new Hono()
  .get('/', h)
  .get('/:id', h)
export default users
""",
    "src/api/orders.ts": """\
export const orders = new Hono().basePath('/x')
orders.post('/new', h)
""",
}
HONO_ROUTES = {
    ("GET", "/"),
    ("GET", "/v1/users"),
    ("GET", "/v1/users/:id"),
    ("POST", "/v1/orders/x/new"),
    ("GET", "/v1/ping"),
}
FASTAPI = {
    "src/main.py": """\
from fastapi import FastAPI
from .routers import items, users
from admin.routes import (
    router as admin_router,
)
app = FastAPI()
app.include_router(items.router)
app.include_router(
    users.router,
    prefix="/users",
)
app.include_router(admin_router, prefix="/admin", tags=["a"])

@app.get("/")
async def root(): ...
""",
    "src/routers/items.py": """\
router = APIRouter(prefix="/items", tags=["items"])
inner: APIRouter = APIRouter()
router.include_router(inner, prefix="/inner")

@router.get("/")
@router.get("/{id}")
@router.post("")
@inner.get("/x")
""",
    "src/routers/users.py": "router = APIRouter()\n@router.get('/me')\n",
    "src/admin/routes.py": "router = APIRouter()\n@router.get('/stats')\n",
}
FASTAPI_ROUTES = {
    ("GET", "/"),
    ("GET", "/items"),
    ("GET", "/items/{id}"),
    ("POST", "/items"),
    ("GET", "/items/inner/x"),
    ("GET", "/users/me"),
    ("GET", "/admin/stats"),
}
OTHERS = [
    (
        "const router = AutoRouter({ base: '/api' })\nrouter.get('/todos', h)",
        {("GET", "/api/todos")},
    ),
    (
        "const r = express.Router()\nr.get('/a', h)\nconst app = express()\napp.use('/b', r)",
        {("GET", "/b/a")},
    ),
    (
        "switch (url.pathname) { case '/a': f(); case \"/b\": }\nif (path === '/c') {}",
        {("GET", "/a"), ("GET", "/b"), ("GET", "/c")},
    ),
    ("bp = Blueprint('a', __name__, url_prefix='/bp')\n@bp.route('/x')\n", {("GET", "/bp/x")}),
    ("const a = new Hono()\na.route('/a', a)\na.get('/x', h)", {("GET", "/x")}),  # in itself
]
APPLICATION = """\
app = Starlette(routes=[
    Route("/", page), Route("/post", page, methods=["POST"]),
    Mount("/api", routes=[
        Route("/x", page),
        Mount("/v2", routes=[Route("/y/{id}", page)]),
        Route("/z", page),
    ]),
    Route("/last", page),
])
"""


def named(texts: dict[str, str]) -> set[tuple[str, str]]:
    return {(one.method, one.path) for one in sources.in_texts(texts)}


def test_hono_sub_applications_have_the_paths_of_where_they_are() -> None:
    assert named(HONO) == HONO_ROUTES


def test_fastapi_routers_have_their_prefixes() -> None:
    assert named(FASTAPI) == FASTAPI_ROUTES


@pytest.mark.parametrize(("text", "routes"), OTHERS)
def test_other_forms(text: str, routes: set[tuple[str, str]]) -> None:
    assert named({"index.ts": text}) == routes


def test_starlette_has_the_routes_that_were_found() -> None:
    def page(_request: object) -> Response:
        return Response("")

    names = {"Starlette": Starlette, "Route": Route, "Mount": Mount, "page": page}
    exec(APPLICATION, names)
    application = names["app"]
    assert isinstance(application, Starlette)
    assert named({"app.py": APPLICATION}) == set(listed(application.routes))


def listed(routes: Iterable[BaseRoute], before: str = "") -> Iterator[tuple[str, str]]:
    for one in routes:
        if isinstance(one, Mount):
            yield from listed(one.routes, before + one.path)
        elif isinstance(one, Route):
            yield from ((verb, before + one.path) for verb in (one.methods or ()) if verb != "HEAD")


FILES = [
    ("@sveltejs/kit", "src/routes/+page.svelte", "", ["GET /"]),
    ("@sveltejs/kit", "src/routes/(app)/about/+page.svelte", "", ["GET /about"]),
    ("@sveltejs/kit", "src/routes/blog/[slug]/+page.svelte", "", ["GET /blog/:slug"]),
    ("@sveltejs/kit", "src/routes/about/+layout.svelte", "", []),
    (
        "@sveltejs/kit",
        "src/routes/api/[...rest]/+server.ts",
        "export const GET = 1;\nexport async function POST() {}",
        ["GET /api/*", "POST /api/*"],
    ),
    ("astro", "src/pages/index.astro", "", ["GET /"]),
    ("astro", "src/pages/about.md", "", ["GET /about"]),
    ("astro", "src/pages/_draft.astro", "", []),
    ("astro", "src/pages/404.astro", "", []),
    ("astro", "src/pages/[lang]/index.astro", "", ["GET /:lang"]),
    ("next", "src/app/page.tsx", "", ["GET /"]),
    ("next", "app/(shop)/cart/page.tsx", "", ["GET /cart"]),
    ("next", "app/api/hello/route.ts", "export async function GET() {}", ["GET /api/hello"]),
    ("next", "app/@modal/x/page.tsx", "", []),
    ("next", "pages/docs/[[...slug]].tsx", "", ["GET /docs/*"]),
    ("nuxt", "server/api/hello.get.ts", "", ["GET /api/hello"]),
    ("nuxt", "server/api/hello.post.ts", "", []),
    ("nuxt", "app/pages/about.vue", "", ["GET /about"]),
    ("@remix-run/react", "app/routes/_index.tsx", "", ["GET /"]),
    ("@remix-run/react", "app/routes/concerts.$city.tsx", "", ["GET /concerts/:city"]),
    ("@react-router/fs-routes", "app/routes/_auth.login/route.tsx", "", ["GET /login"]),
    ("@react-router/fs-routes", "app/routes/files.$.tsx", "", ["GET /files/*"]),
    ("@react-router/fs-routes", "app/routes/sitemap[.]xml.ts", "", ["GET /sitemap.xml"]),
    ("@solidjs/start", "src/routes/(app)/users/[id].tsx", "", ["GET /users/:id"]),
    ("@tanstack/react-start", "src/routes/__root.tsx", "", []),
    ("@tanstack/react-start", "src/routes/_auth.tsx", "", []),
    ("@tanstack/react-start", "src/routes/_auth/posts.$id.edit.tsx", "", ["GET /posts/:id/edit"]),
    ("@tanstack/react-start", "src/routes/posts_/index.tsx", "", ["GET /posts"]),
    ("@tanstack/react-start", "src/routes/-draft.tsx", "", []),
    ("vite", "src/routes/+page.svelte", "", []),
]
ROUTES_TS = """
import { type RouteConfig, index, layout, prefix, route } from "@react-router/dev/routes";
// route("commented", "out.tsx")
export default [
  index("routes/home.tsx"),
  route("about", "routes/about.tsx"),
  layout("layouts/dash.tsx", [
    route("dash", "dash.tsx", { id: "dash" }, [
      index("dash/home.tsx"), route("settings", "dash/settings.tsx"), route(":id", "one.tsx"),
    ]),
  ]),
  ...prefix("/projects", [index("projects.tsx"), route('archive/:year?', 'archive.tsx')]),
  route("*?", "catchall.tsx"),
] satisfies RouteConfig;
"""


def test_react_routers_own_list_of_routes(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"devDependencies": {"@react-router/dev": "7"}}')
    (tmp_path / "app").mkdir()
    (tmp_path / "app/routes.ts").write_text(ROUTES_TS)
    found = sources.in_code(tmp_path, tmp_path)
    assert [one.path for one in found] == [
        *("/", "/about", "/dash", "/dash/settings", "/dash/:id"),
        *("/projects", "/projects/archive", "/*"),
    ]


@pytest.mark.parametrize(("package", "name", "text", "routes"), FILES)
def test_routes_that_are_files(
    tmp_path: Path, package: str, name: str, text: str, routes: list[str]
) -> None:
    (tmp_path / "package.json").write_text(f'{{"dependencies": {{"{package}": "1"}}}}')
    file = tmp_path / name
    file.parent.mkdir(parents=True)
    file.write_text(text)
    found = sources.in_code(tmp_path, tmp_path)
    assert [f"{one.method} {one.path}" for one in found] == routes
