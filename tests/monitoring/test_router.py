"""The routes that are listed of an application, judged by its framework's own description."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI

from xswarm_monitoring.router import listed


def test_routes_of_included_and_mounted_routers_are_listed() -> None:
    """As larger applications of FastAPI are made; by its own description of itself."""
    inner, outer = APIRouter(prefix="/deep"), APIRouter(prefix="/v1/{tenant}")
    api, mounted = FastAPI(), FastAPI()

    @inner.get("/x")
    @outer.post("/items/{item}")
    @mounted.get("/in")
    @api.get("/top")
    async def answer() -> int:
        return 1

    outer.include_router(inner, prefix="/more")
    api.include_router(outer, prefix="/api")
    api.mount("/mounted", mounted)
    described = {
        (method.upper(), path)
        for path, operations in api.openapi()["paths"].items()
        for method in operations
    }
    assert len(described) == 3
    told = set(listed(api))
    assert described <= told
    assert ("GET", "/mounted/in") in told
