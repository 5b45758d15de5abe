"""The three wheels: built, installed outside this repository, and used there."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).resolve().parents[1]
PACKAGES = ("monitoring", "twin", "deploy")
OF_THE_CHECKOUT = {"test.py", "benchmark.py", "docs.py"}
"""Tasks by which the tool itself is made; a team's repository has tests of its own."""
APPLICATION = """
import asyncio
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from xswarm_monitoring.asgi import Monitor

routes = [Route("/", lambda request: PlainTextResponse("hello"))]
app = Monitor(Starlette(routes=routes), service="shop")

async def ask(path):
    sent = []
    scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(),
             "query_string": b"", "headers": [(b"host", b"app.test")], "scheme": "http",
             "http_version": "1.1", "server": ("app.test", 80), "client": ("127.0.0.1", 1)}
    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}
    async def send(message):
        sent.append(message)
    await app(scope, receive, send)
    return sent[0]["status"], b"".join(m.get("body", b"") for m in sent[1:])

async def main():
    print(await ask("/"), (await ask("/health/live"))[0])

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheels from this checkout; hatchling is among the requirements."""
    folder = tmp_path_factory.mktemp("wheels")
    run(
        *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"),
        *("--wheel-dir", str(folder), *(str(PROJECT / "packages" / name) for name in PACKAGES)),
    )
    return folder


@pytest.fixture(scope="module")
def elsewhere(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Install them into an empty environment, in a folder that knows nothing of this one."""
    folder = tmp_path_factory.mktemp("elsewhere")
    venv.create(folder / "venv", with_pip=False)
    run(
        *(sys.executable, "-m", "pip", "--python", str(folder / "venv/bin/python"), "install"),
        *("--quiet", "--disable-pip-version-check", "--no-compile", "--find-links", str(wheels)),
        *("--constraint", str(constraints(folder)), "xswarm-deploy[twin]", "starlette"),
    )
    yield folder
    run(str(folder / "venv/bin/xswarm-twin"), "down", cwd=folder)


def constraints(folder: Path) -> Path:
    """Write the pinned versions without their hashes, which constraints do not take."""
    lines = [
        line.removesuffix("\\").strip()
        for name in ("requirements", "requirements-sandbox", "requirements-test")
        for line in (PROJECT / f"{name}.txt").read_text().splitlines()
        if "==" in line and not line.startswith((" ", "#"))
    ]
    file = folder / "constraints.txt"
    file.write_text("\n".join(sorted(set(lines))) + "\n")
    return file


def run(*command: str, cwd: Path | None = None) -> str:
    ended = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.mark.parametrize("name", PACKAGES)
def test_a_wheel_is_typed_and_holds_its_package_alone(wheels: Path, name: str) -> None:
    (wheel,) = wheels.glob(f"xswarm_{name}-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        files = archive.namelist()
    assert f"xswarm_{name}/py.typed" in files
    assert {file.split("/")[0].split("-")[0] for file in files} == {f"xswarm_{name}"}
    assert not [file for file in files if "node_modules" in file or "__pycache__" in file]


def test_the_tasks_are_in_the_wheel_of_the_tool(wheels: Path) -> None:
    (wheel,) = wheels.glob("xswarm_deploy-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        shipped = {Path(file).name for file in archive.namelist() if "/tasks/" in file}
    assert shipped == {path.name for path in (PROJECT / "tasks").glob("*.py")} - OF_THE_CHECKOUT


def test_the_tool_lists_the_same_tasks_as_here(elsewhere: Path) -> None:
    words = ("--list", "--list-format", "json")
    there = json.loads(run(str(elsewhere / "venv/bin/xswarm"), *words, cwd=elsewhere))
    here = json.loads(run(str(Path(sys.executable).with_name("xswarm")), *words, cwd=PROJECT))
    assert there["tasks"]
    assert there["collections"]
    here["tasks"] = [one for one in here["tasks"] if one["name"] not in ("benchmark", "docs")]
    here["collections"] = [one for one in here["collections"] if one["name"] != "test"]
    assert there == here


def test_a_tasks_py_of_two_lines_gives_them_to_inv(elsewhere: Path) -> None:
    folder = elsewhere / "their repository"
    folder.mkdir()
    (folder / "tasks.py").write_text("from xswarm_deploy.tasks import ns\n\n__all__ = ['ns']\n")
    listed = run(str(elsewhere / "venv/bin/inv"), "--list", cwd=folder)
    assert "deploy.local" in listed


def test_somebodys_repository_is_set_up_by_what_is_in_the_wheel(elsewhere: Path) -> None:
    folder = elsewhere / "shop"
    (folder / "src").mkdir(parents=True)
    (folder / "src/index.ts").write_text("export default { fetch: () => new Response() };\n")
    xswarm = str(elsewhere / "venv/bin/xswarm")
    run(xswarm, "init", "--yes", "--no-deploy", "--ci", "github", cwd=folder)
    written = {file.name for file in folder.rglob("*") if file.is_file()}
    assert {"wrangler.jsonc", "invoke.yaml", "invoke.schema.json", "deploy.yml"} <= written
    assert "nothing to do" in run(xswarm, "update", cwd=folder)
    looked = subprocess.run(
        [xswarm, "doctor", "--json"], cwd=folder, capture_output=True, check=False
    )
    found = {each["name"]: each["status"] for each in json.loads(looked.stdout)["findings"]}
    assert (found["Node"], found["twin"], found["invoke.yaml"]) == ("pass", "pass", "pass")


def test_the_library_mounts_in_a_starlette_application(elsewhere: Path) -> None:
    said = run(str(elsewhere / "venv/bin/python"), "-c", APPLICATION, cwd=elsewhere)
    assert said.strip() == "(200, b'hello') 200"


def test_the_twin_starts_and_ends_by_itself(elsewhere: Path) -> None:
    twin = str(elsewhere / "venv/bin/xswarm-twin")
    started = json.loads(run(twin, "up", "--worker", "shop", cwd=elsewhere))
    assert started["up"] is True
    assert started["worker_url"].startswith("http://127.0.0.1:")
    assert "process(es) ended" in run(twin, "down", cwd=elsewhere)
    assert json.loads(run(twin, "status", cwd=elsewhere))["up"] is False
