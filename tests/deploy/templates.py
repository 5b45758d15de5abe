"""Workers of a folder, such as Cloudflare's templates, through a release on the local twin.

``python -m tests.deploy.templates FOLDER…`` deploys each by an invoke.yaml of three lines, verifies
it, deploys it again, and rolls back. A Worker whose packages are not installed is given a stub of
its code with the same classes, so that all of its configuration is still released; what its
configuration takes for granted (other Workers, an id that is to be filled in) is provided.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests

from tests.deploy.differential import _copied, configuration
from tests.support.house import House, build

MINIMAL = """\
deploy:
  worker: {{name: {name}, config: {name}/{file}}}
  verify: {{unproven: allow}}
"""
"""The last line is for Workers of which "/" is a static file: no tail shows who served it."""
HELLO = b"export default { fetch() { return new Response('hello'); } };"


def through(house: House, folder: Path) -> str:
    """Take a Worker through deploy, verify and rollback; return why it failed, or nothing."""
    target = _copied(folder, house.root / folder.name)
    file, content = configuration(target)
    _fill(file, content)
    name = str(content["name"])
    target = target.rename(house.root / name)
    written = MINIMAL.format(name=name, file=file.name)
    (house.root / "invoke.yaml").write_text(written)
    house.inv("sandbox.up")
    _beside(house, content)
    for step in (("deploy.local",), ("verify",)):
        ended = house.inv(*step, check=False)
        if ended.returncode:
            return f"{step[0]}: {_last(ended.stdout + ended.stderr)}"
    first = _live(house)
    changed = house.root / name / file.name
    changed.write_text(json.dumps(content | {"vars": (content.get("vars") or {}) | {"NTH": "2"}}))
    ended = house.inv("deploy.local", check=False)
    if ended.returncode:
        return f"deploy.local again: {_last(ended.stdout + ended.stderr)}"
    ended = house.inv("rollback", "--version", first, "--yes", check=False)
    if ended.returncode:
        return f"rollback: {_last(ended.stdout + ended.stderr)}"
    return "" if _live(house) == first else "rollback: another version is live"


def _fill(file: Path, content: dict[str, Any]) -> None:
    """Fill in what a person is asked to fill in."""
    for one in content.get("kv_namespaces") or ():
        if str(one.get("id", "<")).startswith("<"):
            one["id"] = "0" * 32
    for one in content.get("d1_databases") or ():
        one["database_id"] = one.get("database_id") or "00000000-0000-4000-8000-000000000000"
    file.write_text(json.dumps(content))
    (file.parent / "package.json").unlink(missing_ok=True)  # the stub needs no packages


def _beside(house: House, content: Mapping[str, Any]) -> None:
    """Make the Workers that this one is bound to."""
    status = house.status
    account, base = status["CLOUDFLARE_ACCOUNT_ID"], status["CLOUDFLARE_API_BASE_URL"]
    for one in content.get("services") or ():
        if one["service"] != content["name"]:
            form = {
                "metadata": (None, json.dumps({"main_module": "index.js"}), "application/json"),
                "index.js": ("index.js", HELLO, "application/javascript+module"),
            }
            url = f"{base}/accounts/{account}/workers/scripts/{one['service']}"
            headers = {"Authorization": f"Bearer {status['CLOUDFLARE_API_TOKEN']}"}
            requests.put(url, files=form, headers=headers, timeout=30).raise_for_status()


def _live(house: House) -> str:
    return str(next(release["version"] for release in house.releases() if release["live"]))


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = [line for line in lines if line[:1] in "✗❌" or "why:" in line]
    return " | ".join(told or lines[-3:])[:600]


def main(folders: list[Path]) -> int:
    """Take each through; print how each fared, and return how many failed."""
    failed = 0
    with tempfile.TemporaryDirectory(prefix="templates-") as scratch:
        house = build(Path(scratch) / "project")
        try:
            for folder in folders:
                try:
                    why = through(house, folder)
                except AssertionError as error:
                    why = " ".join(str(error).split())[-400:]
                failed += bool(why)
                print(f"{folder.name}: {why or 'deployed, verified, rolled back'}", flush=True)  # noqa: T201
        finally:
            house.inv("sandbox.down")
    print(f"{len(folders) - failed} of {len(folders)}")  # noqa: T201
    return failed


if __name__ == "__main__":
    raise SystemExit(main([Path(word) for word in sys.argv[1:]]))
