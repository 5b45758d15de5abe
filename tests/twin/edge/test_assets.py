"""Static files: the decisions, judged by workerd's own assets service on the same requests."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from xswarm_twin.edge.assets import goes_to_worker, pages_site, worker_site
from xswarm_twin.edge.capnp import text
from xswarm_twin.edge.children import Children, Command
from xswarm_twin.programs import find_workerd

ROOT = Path(__file__).parents[3]
FILES = {
    "/index.html": "home",
    "/404.html": "missing",
    "/about.html": "about",
    "/both.html": "both page",
    "/both/index.html": "both folder",
    "/docs/index.html": "docs",
    "/docs/404.html": "docs missing",
    "/docs/deep/page.html": "page",
    "/file.txt": "file",
    "/index": "index without an end",
    "/odd/index/index.html": "odd",
    "/sp ace/ü.html": "umlaut",
    "/exact": "exact",
    "/exact.html": "exact page",
    "/a@b.txt": "at",
}
HEADERS = """
# a comment
/*
  X-All: yes
/docs/*
  X-Docs: :splat
  X-All: twice
  Cache-Control: public, max-age=60
/:page.txt
  X-Page: :page
  ! X-All
https://other.example/*
  X-Other: no
nonsense
"""
REDIRECTS = """
# a comment
/old /about 301
/twice /first
/twice /second
/query /about?x=1
/away https://example.com/there 308
/moved/* /docs/:splat 302
/blog/:year/:slug /docs/:slug-:year 307
/shown /about 200
/shown-missing /nothing 200
/strange /about 299
/* /index.html 200
//evil/* /:splat
/after-dynamic /about 303
/fragment /about#part
"""
PATHS = [
    *FILES,
    *("/", "/about", "/about/", "/about/index", "/about/index.html", "/both", "/both/"),
    *("/both/index", "/both.html/", "/docs", "/docs/", "/docs/index", "/docs/deep", "/docs/deep/"),
    *("/docs/deep/page", "/docs/deep/page/", "/docs/missing", "/missing", "/docs/deep/missing/x"),
    *("/index/", "/index.html/", "/odd/index", "/odd/index/", "/odd", "/exact/", "/exact.html"),
    *("/sp%20ace/%C3%BC", "/a%40b.txt", "/%61bout", "//about", "/docs//"),
    *("/about?q=1", "/about/?q=1", "/old", "/old?q=1", "/twice", "/query", "/query?y=2"),
    *("/away", "/away?q=1", "/moved/deep/page", "/moved/", "/blog/2024/x", "/blog/2024", "/shown"),
    *("/shown-missing", "/strange", "/after-dynamic", "/fragment", "/fragment?q=1", "/moved//x.y"),
    *("/file.txt/", "/docs/deep/page.html/", "/404", "/404.html", "/docs/404"),
]
COMPARED = ("Location", "Cache-Control", "X-All", "X-Docs", "X-Page", "X-Other", "Allow")
MODES = ["auto-trailing-slash", "force-trailing-slash", "drop-trailing-slash", "none"]


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("not_found", ["none", "404-page", "single-page-application"])
def test_as_workerd_serves_the_same_files(
    play: Any, workshop: Any, tmp_path: Path, mode: str, not_found: str
) -> None:
    config = {"html_handling": mode, "not_found_handling": not_found}
    version = workshop.version(
        {}, assets=workshop.assets(FILES, **config, _headers=HEADERS, _redirects=REDIRECTS)
    )

    async def scene(stage: Any) -> None:
        ours = await stage.serve(version)
        children = Children()
        command = await asyncio.to_thread(assets_service, tmp_path, config)
        judge = await children.start(command, print)
        theirs = f"http://127.0.0.1:{judge.ports['http']}"
        try:
            different = {}
            for path in PATHS:
                for method in ("GET", "POST") if path in ("/about", "/missing") else ("GET",):
                    pair = [await ask(stage.client, base, method, path) for base in (ours, theirs)]
                    if pair[0] != pair[1]:
                        different[method, path] = pair
        finally:
            await judge.stop()
            await children.close()
        assert different == {}

    play(scene)


def assets_service(folder: Path, config: dict[str, str]) -> Command:
    """Lay the same files out for workerd's assets service, with the same rules."""
    for name, content in FILES.items():
        target = folder / "judge" / name.removeprefix("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
    settings = json.dumps({**config, "headers": HEADERS, "redirects": REDIRECTS})
    path = folder / "judge.capnp"
    path.write_text(
        'using Workerd = import "/workerd/workerd.capnp";\n'
        'const config :Workerd.Config = (services = [(name = "assets", assets = ('
        f"path = {text(str(folder / 'judge'))}, config = {text(settings)},"
        ' compatibilityDate = "2026-01-01"))],'
        ' sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "assets")]);'
    )
    binary = str(find_workerd(ROOT))
    return Command(
        lambda fd: (binary, "serve", "--experimental", f"--control-fd={fd}", str(path)),
        folder,
        sockets=("http",),
    )


async def ask(
    client: aiohttp.ClientSession, base: str, method: str, path: str
) -> tuple[int, str, dict[str, str]]:
    url = URL(base + path.replace(" ", "%20").replace("ü", "%C3%BC"), encoded=True)
    headers = {"Host": "site.example"}
    async with client.request(method, url, allow_redirects=False, headers=headers) as response:
        told = {
            name: ", ".join(response.headers.getall(name))
            for name in COMPARED
            if name in response.headers
        }
        body = await response.text() if response.status == 200 or "html" in path else ""
        return response.status, body, told


def test_etags_ranges_and_types(play: Any, workshop: Any) -> None:
    version = workshop.version({}, assets=workshop.assets({"/a.css": "0123456789"}))

    async def scene(stage: Any) -> None:
        url = await stage.serve(version)
        async with stage.client.get(f"{url}/a.css") as response:
            etag = response.headers["ETag"]
            assert response.headers["Content-Type"] == "text/css; charset=utf-8"
            assert response.headers["Server"] == "cloudflare"
        for sent in (etag, f"W/{etag}"):
            assert (await stage.text(f"{url}/a.css", headers={"If-None-Match": sent}))[0] == 304
        assert (await stage.text(f"{url}/a.css", headers={"If-None-Match": '"x"'}))[0] == 200
        part = await stage.text(f"{url}/a.css", headers={"Range": "bytes=2-4"})
        assert part == (206, "234")
        async with stage.client.head(f"{url}/a.css") as response:
            assert (response.status, response.headers["Content-Length"]) == (200, "10")

    play(scene)


WORKER = """export default { async fetch(request, env) {
  const path = new URL(request.url).pathname;
  if (path === "/through") return env.ASSETS.fetch(new URL("/page", request.url));
  return new Response("worker " + path) } }"""
SITE = {"/index.html": "home", "/page.html": "page", "/api/static.txt": "static"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            {},
            {"/": "home", "/page": "page", "/x": "worker /x", "/api/static.txt": "static"},
        ),
        (
            {"run_worker_first": True},
            {"/": "worker /", "/page": "worker /page", "/through": "page"},
        ),
        (
            {"run_worker_first": ["/api/*", "!/api/static.txt"]},
            {"/": "home", "/api/x": "worker /api/x", "/api/static.txt": "static"},
        ),
        (
            {"not_found_handling": "single-page-application"},
            {"/x": "worker /x", "/x navigate": "home", "/page": "page"},
        ),
    ],
)
def test_files_and_worker_share_the_paths(
    play: Any, workshop: Any, config: dict[str, Any], expected: dict[str, str]
) -> None:
    version = workshop.version(
        {"index.js": WORKER},
        bindings=({"type": "assets", "name": "ASSETS"},),
        assets=workshop.assets(SITE, **config),
    )

    async def scene(stage: Any) -> None:
        url = await stage.serve(version)
        found = {}
        for asked in expected:
            path, _, mode = asked.partition(" ")
            headers = {"Sec-Fetch-Mode": mode or "cors"}
            _, found[asked] = await stage.text(url + path, headers=headers)
        assert found == expected

    play(scene)


def test_pages(play: Any, workshop: Any) -> None:
    first = workshop.pages({"/index.html": "first"}, redirects="/go/:x /:x 301\n")
    second = workshop.pages(
        {"/index.html": "second", "/404.html": "lost", "/a/page.html": "page"},
        headers="/a/*\n  X-A: :splat\n",
    )
    draft = workshop.pages({"/index.html": "draft"}, branch="Feature/One", environment="preview")

    async def scene(stage: Any) -> None:
        url = f"http://127.0.0.1:{await stage.edge.listen('pages', 'site', 0)}"
        assert (await stage.text(url))[0] == 404
        await stage.edge.publish(first, production=True)
        assert await stage.text(url) == (200, "first")
        assert await stage.text(f"{url}/any/where") == (200, "first")
        async with stage.client.get(f"{url}/go/there", allow_redirects=False) as response:
            assert (response.status, response.headers["Location"]) == (301, "/there")
        await stage.edge.publish(second, production=True)
        await stage.edge.publish(draft, production=False)
        assert await stage.text(url) == (200, "second")
        assert await stage.text(f"{url}/a/nothing") == (404, "lost")
        async with stage.client.get(f"{url}/a/page.html", allow_redirects=False) as response:
            assert (response.status, response.headers["Location"]) == (308, "/a/page")
        async with stage.client.get(f"{url}/a/page") as response:
            assert response.headers["X-A"] == "page"
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert "X-Robots-Tag" not in response.headers
        port = url.rpartition(":")[2]
        for host, content in {
            f"{first.id[:8]}.site": "first",
            "feature-one.site": "draft",
            "site": "second",
        }.items():
            async with stage.client.get(
                url, headers={"Host": f"{host}.localhost:{port}"}
            ) as response:
                assert await response.text() == content
                assert ("X-Robots-Tag" in response.headers) == (host != "site")
        await stage.edge.unpublish("site")
        assert (await stage.text(url))[0] == 404

    play(scene)


def test_a_page_without_404_is_an_application(workshop: Any) -> None:
    assert pages_site(workshop.pages({"/index.html": ""}), production=True).not_found == (
        "single-page-application"
    )
    with_404 = workshop.pages({"/404.html": ""})
    assert pages_site(with_404, production=True).not_found == "404-page"


def test_worker_first_patterns(workshop: Any) -> None:
    patterns = ["/api/*", "!/api/docs/*", "/exact"]
    version = workshop.version({}, assets=workshop.assets({}, run_worker_first=patterns))
    site = worker_site(version)
    assert site is not None
    first = [
        path
        for path in ("/api/x", "/api/docs/x", "/exact", "/exactly", "/")
        if goes_to_worker(site, path)
    ]
    assert first == ["/api/x", "/exact"]
