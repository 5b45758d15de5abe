"""Repositories of other people's kinds: what create-cloudflare and frameworks write, in small."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

TYPESCRIPT = """\
interface Env { GREETING: string; API_KEY?: string }

export default {
	async fetch(request: Request, env: Env): Promise<Response> {
		const url = new URL(request.url);
		if (url.pathname === "/api/hello") return Response.json({ hello: env.GREETING });
		if (url.pathname === "/api/key") return new Response(env.API_KEY ? "set" : "none");
		if (url.pathname === "/private") return new Response("no", { status: 401 });
		if (url.pathname === "/logout") throw new Error("nobody may ask for this");
		if (url.pathname !== "/") return new Response("Not found", { status: 404 });
		return new Response("Hello World!");
	},
};
"""
JAVASCRIPT = """\
export default {
	async fetch() {
		return new Response("Hello from JavaScript");
	},
};
"""
PYTHON = """\
from workers import Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        return Response("Hello from Python")
"""
BUILD = """\
const fs = require("fs");
fs.mkdirSync("dist/server", { recursive: true });
fs.mkdirSync(".wrangler/deploy", { recursive: true });
const leaked = Object.keys(process.env).filter((name) => name.startsWith("CLOUDFLARE_API"));
const code = `export default { fetch() { return new Response("built ${leaked.join()}") } }`;
fs.writeFileSync("dist/server/index.js", code);
const made = { name: "shop", main: "index.js", compatibility_date: "2026-11-01", no_bundle: true };
fs.writeFileSync("dist/server/wrangler.json", JSON.stringify(made));
const named = { configPath: "../../dist/server/wrangler.json" };
fs.writeFileSync(".wrangler/deploy/config.json", JSON.stringify(named));
"""
"""A build that writes what those of Astro, React Router and Cloudflare's Vite plugin do."""


def file(root: Path, name: str, content: str | dict[str, Any]) -> Path:
    """Write one file; a mapping as JSON."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def git(root: Path, *words: str) -> str:
    """Run git as a person of the tests."""
    named = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.test")
    command = ["git", "-C", str(root), *named, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def committed(root: Path, branch: str = "main") -> str:
    """Make a repository of a folder, with all of it committed; return the commit."""
    git(root, "init", "--quiet", "-b", branch)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "all")
    return git(root, "rev-parse", "HEAD")


def wrangler(name: str = "shop", **more: Any) -> dict[str, Any]:
    """Return a configuration as create-cloudflare writes it."""
    return {
        "name": name,
        "main": "src/index.ts",
        "compatibility_date": "2026-11-01",
        "observability": {"enabled": True},
        **more,
    }
