"""What the edge's tests share: a workshop for versions, and an edge that is surely closed."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.twin.objects.whole import Objects
from xswarm_twin.edge.edge import Edge
from xswarm_twin.model import AssetFile, Assets, Module, PagesDeployment, WorkerVersion

TOKEN = "token-of-the-twin"
_TYPES = {
    ".js": "application/javascript+module",
    ".py": "text/x-python",
    ".txt": "text/plain",
    ".bin": "application/octet-stream",
    ".json": "application/json",
}
_MEDIA = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8"}


@dataclass
class Workshop:
    """Make versions and Pages deployments as an upload would leave them on disk."""

    folder: Path
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def version(
        self, modules: Mapping[str, str | bytes], worker: str = "shop", **given: Any
    ) -> WorkerVersion:
        """Make a version; the first module is the main one."""
        number = next(self._numbers)
        folder = self.folder / f"version-{number}"
        python = next(iter(modules), "").endswith(".py")
        return WorkerVersion(
            id=str(uuid.uuid4()),
            worker=worker,
            number=number,
            created_on=f"2026-01-01T00:00:{number:02d}.000Z",
            folder=folder,
            main_module=next(iter(modules), None),
            modules=tuple(self._module(folder, name, text) for name, text in modules.items()),
            **{
                "bindings": (),
                "compatibility_date": "2026-01-01",
                "compatibility_flags": ("python_workers",) if python else (),
                **given,
            },
        )

    def assets(self, files: Mapping[str, str], **config: Any) -> Assets:
        """Make static files."""
        return Assets(self.files(files), config)

    def pages(self, files: Mapping[str, str], **given: Any) -> PagesDeployment:
        """Make a Pages deployment."""
        made = PagesDeployment(
            id=str(uuid.uuid4()),
            project="site",
            environment="production",
            branch="main",
            created_on="2026-01-01T00:00:00.000Z",
            files=self.files(files),
        )
        return dataclasses.replace(made, **given)

    def files(self, files: Mapping[str, str]) -> dict[str, AssetFile]:
        """Lay files on disk, named as a content store would."""
        folder = self.folder / f"files-{next(self._numbers)}"
        folder.mkdir(parents=True)
        made = {}
        for number, (path, text) in enumerate(files.items()):
            (folder / str(number)).write_text(text)
            media_type = _MEDIA.get(Path(path).suffix, "text/plain; charset=utf-8")
            made[path] = AssetFile(path, media_type, folder / str(number))
        return made

    def _module(self, folder: Path, name: str, text: str | bytes) -> Module:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return Module(name, _TYPES.get(Path(name).suffix, "application/octet-stream"), folder)


@dataclass
class Stage:
    """An open edge, its state folder and store, and a client."""

    edge: Edge
    state: Path
    objects: Objects
    client: aiohttp.ClientSession

    async def serve(self, *versions: WorkerVersion) -> str:
        """Deploy versions in equal shares and give the Worker's URL."""
        split = {version: 100 / len(versions) for version in versions}
        worker = versions[0].worker
        await self.edge.deploy(worker, split, enabled=True, previews=True)
        return f"http://127.0.0.1:{await self.edge.listen('worker', worker, 0)}"

    async def text(self, url: str, **options: Any) -> tuple[int, str]:
        """GET a URL and give status and text."""
        async with self.client.get(url, allow_redirects=False, **options) as response:
            return response.status, await response.text()


Play = Callable[[Callable[[Stage], Awaitable[None]]], None]


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path / "uploads")


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Return what runs a test's coroutine with an edge that is closed afterwards."""

    def run(scene: Callable[[Stage], Awaitable[None]]) -> None:
        async def whole() -> None:
            async with stage(tmp_path / ".sandbox") as opened:
                await scene(opened)

        asyncio.run(whole())

    return run


@asynccontextmanager
async def stage(state: Path) -> AsyncIterator[Stage]:
    objects = Objects(state / "objects")
    edge = Edge(state, objects, drain=60.0, token=TOKEN)
    try:
        async with aiohttp.ClientSession() as client:
            yield Stage(edge, state, objects, client)
    finally:
        await edge.close()
        objects.close()


def javascript_version(workshop: Workshop, text: str) -> WorkerVersion:
    """Make a version that answers everything with a text."""
    code = f"export default {{ fetch() {{ return new Response('{text}') }} }}"
    return workshop.version({"index.js": code})
