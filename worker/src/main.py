"""The Worker's main module: the application behind the Workers SDK's ASGI adapter."""

from __future__ import annotations

from boss.app import create_app
from workers import asgi, fetch

app = create_app(fetch)
Default = asgi.entrypoint(app)
