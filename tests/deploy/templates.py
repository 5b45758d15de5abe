"""Workers of a folder, such as Cloudflare's templates, through a release on the local twin.

``python -m tests.deploy.templates FOLDER…`` deploys each by an invoke.yaml of three lines, verifies
it, deploys it again, and rolls back. A Worker whose packages are not installed is given a stub of
its code with the same classes, so that all of its configuration is still released; what its
configuration takes for granted (other Workers, an id that is to be filled in) is provided.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests

from tests.deploy.differential import _copied, configuration
from tests.support.house import House, temporary_house

NAME = "shop"
PROJECT = """\
deploy:
  worker: {{name: {name}, config: {name}/{file}}}
  verify: {{unproven: allow}}
"""
"""The last line is for Workers of which "/" is a static file: no tail shows who served it."""
HELLO = b"export default { fetch() { return new Response('hello'); } };"


class Shop:
    """A project with a twin that stays, and one Worker, which is another template each time."""

    def __init__(self, house: House) -> None:
        self.house = house
        write_project(house.root, "wrangler.json")
        house.inv("sandbox.up")
        state = json.loads((house.root / ".sandbox/state.json").read_text())
        keys = json.loads((house.root / ".sandbox/credentials.json").read_text())
        account = keys["CLOUDFLARE_ACCOUNT_ID"]
        self.base = f"http://127.0.0.1:{state['ports']['api']}/client/v4/accounts/{account}"
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {keys['CLOUDFLARE_API_TOKEN']}"

    def through(self, folder: Path) -> str:
        """Take a Worker through deploy, verify and rollback; return why it failed, or nothing."""
        self._clear()
        target = _copied(folder, self.house.root / NAME)
        file, content = configuration(target)
        _fill(file, content)
        write_project(self.house.root, file.name)
        provide_services(self.session, self.base, content, NAME)
        for task in ("sandbox.up", "deploy.local", "verify"):
            if why := self._run(task):
                return why
        first = self._live()
        again = {"vars": (content.get("vars") or {}) | {"NTH": "2"}}
        file.write_text(json.dumps(content | again))
        if why := self._run("deploy.local") or self._run("rollback", "--version", first, "--yes"):
            return why
        return "" if self._live() == first else "rollback: another version is live"

    def _run(self, *words: str) -> str:
        ended = self.house.inv(*words, check=False)
        return f"{words[0]}: {_last(ended.stdout + ended.stderr)}" if ended.returncode else ""

    def _clear(self) -> None:
        """Forget the Worker before."""
        shutil.rmtree(self.house.root / NAME, ignore_errors=True)
        shutil.rmtree(self.house.root / ".deployments", ignore_errors=True)
        self.session.delete(f"{self.base}/workers/scripts/{NAME}", timeout=60)

    def _live(self) -> str:
        releases = self.house.releases()
        return str(next(release["version"] for release in releases if release["live"]))


def provide_services(
    session: requests.Session, base: str, content: Mapping[str, Any], own: str
) -> None:
    """Make the Workers that one is bound to.

    Args:
        session: authorised.
        base: of the account's API.
        content: the Worker's configuration.
        own: its name.
    """
    for one in content.get("services") or ():
        if one["service"] != own:
            form: Any = {
                "metadata": (None, json.dumps({"main_module": "index.js"}), "application/json"),
                "index.js": ("index.js", HELLO, "application/javascript+module"),
            }
            url = f"{base}/workers/scripts/{one['service']}"
            session.put(url, files=form, timeout=60).raise_for_status()


def write_project(root: Path, file: str) -> None:
    """Write the three lines of invoke.yaml."""
    (root / "invoke.yaml").write_text(PROJECT.format(name=NAME, file=file))


def _fill(file: Path, content: dict[str, Any]) -> None:
    """Fill in what a person is asked to fill in; the Worker has another name here."""
    for one in content.get("services") or ():
        if one["service"] == content["name"]:
            one["service"] = NAME
    content["name"] = NAME
    for one in content.get("kv_namespaces") or ():
        if str(one.get("id", "<")).startswith("<"):
            one["id"] = "0" * 32
    for one in content.get("d1_databases") or ():
        one["database_id"] = one.get("database_id") or "00000000-0000-4000-8000-000000000000"
    file.write_text(json.dumps(content))
    (file.parent / "package.json").unlink(missing_ok=True)  # the stub needs no packages


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = [line for line in lines if line[:1] in "✗❌" or "why:" in line]
    return " | ".join(told or lines[-3:])[:600]


def main(folders: list[Path]) -> int:
    """Take each through; print how each fared, and return how many failed."""
    failed = 0
    with temporary_house(forking=True) as house:
        shop = Shop(house)
        for folder in folders:
            try:
                why = shop.through(folder)
            except AssertionError as error:
                why = " ".join(str(error).split())[-400:]
            failed += bool(why)
            print(f"{folder.name}: {why or 'deployed, verified, rolled back'}", flush=True)  # noqa: T201
    print(f"{len(folders) - failed} of {len(folders)}")  # noqa: T201
    return failed


if __name__ == "__main__":
    raise SystemExit(main([Path(word) for word in sys.argv[1:]]))
