"""Repositories with their packages installed, from ``init`` to a rollback on a twin of their own.

``python -m tests.adoption.templates FOLDER…`` takes each, such as Cloudflare's templates, the way a
team would: npm installs, ``xswarm init`` looks and makes the first release, ``verify``, a second
release, ``rollback``. Nothing of a repository is stubbed. ``TEMPLATES=FILE`` adds a line for each
to that file, and leaves out those that it has.

:mod:`tests.deploy.templates` is the same without packages, by an invoke.yaml of three lines.
``python -m tests.adoption.templates --page STUBBED INSTALLED`` writes the page of both.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import requests

from tests.adoption.repositories import committed
from tests.adoption.test_own_repository import Repository, opened
from tests.deploy.differential import configuration
from tests.deploy.templates import provide_services
from xswarm_deploy.settings import dev_vars, dotenv

NPM: Final = Path(sys.executable).with_name("npm")
GOOD: Final = "deployed, verified, rolled back"
PAGE: Final = Path(__file__).parents[2] / "deployment/docs/reference/templates.md"
HEAD: Final = """\
# Cloudflare's own templates

Repositories that nobody here wrote: each of
[cloudflare/templates](https://github.com/cloudflare/templates) goes to the local twin, is verified,
released once more, and rolled back. *Configuration* is its wrangler file by an invoke.yaml of
three lines, with a stub in the place of its code. *Whole* is its code, with its packages installed
and its build run, by what `xswarm init` writes: `python -m tests.adoption.templates FOLDER…` runs
it, on a machine that reaches nothing but the package registries. Ids and secrets that a person is
asked to fill in are filled in; Workers that one is bound to are there.

| template | configuration | whole |
|---|---|---|
"""
_PLACEHOLDERS: Final = ("<", "YOUR_", "REPLACE")


def through(folder: Path, root: Path) -> str:
    """Take a copy of a repository through all of it.

    Args:
        folder: the repository; its node_modules are used where they are there.
        root: where the copy is made.

    Returns:
        why it failed, or nothing.
    """
    shutil.copytree(folder, root, symlinks=True, copy_function=os.link)
    if not (root / "node_modules").is_dir():
        installed = subprocess.run(
            [str(NPM), "ci", "--no-audit", "--no-fund", "--loglevel=error"],
            cwd=root,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        if installed.returncode:
            return f"npm ci: {_last(installed.stderr)}"
    _filled(root)
    committed(root)
    with opened(root) as repository:
        return _released(repository)


def _released(repository: Repository) -> str:
    step = "init"
    try:
        _begun(repository)
        step = "release"
        repository.xswarm("deploy.local")
        first = repository.live()
        step = "verify"
        repository.xswarm("verify")
        step = "second release"
        _changed(repository)
        step = "rollback"
        repository.xswarm("rollback", "--version", first, "--yes")
        assert repository.live() == first, "another version is live"
    except (AssertionError, subprocess.TimeoutExpired) as error:
        return f"{step}: {_last(str(error))}"
    return ""


def _begun(repository: Repository) -> None:
    """Set up, and let the twin have the Workers that this one is bound to."""
    repository.xswarm("init", "--yes", "--no-deploy")
    repository.xswarm("sandbox.up")
    _, content = configuration(repository.root)
    known = repository.endpoints
    base = f"{known['CLOUDFLARE_API_BASE_URL']}/accounts/{known['CLOUDFLARE_ACCOUNT_ID']}"
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {known['CLOUDFLARE_API_TOKEN']}"
        provide_services(session, base, content, content["name"])


def _changed(repository: Repository) -> None:
    def change(content: dict[str, Any]) -> dict[str, Any]:
        return {"vars": (content.get("vars") or {}) | {"NTH": "2"}}

    _change(repository.root, change)
    repository.xswarm("deploy.local")


def _filled(root: Path) -> None:
    """Fill in what a template asks a person to fill in: ids of namespaces, databases; secrets."""
    example = root / f"{dev_vars.NAME}.example"
    if example.is_file():
        names = dotenv.parsed(example.read_text(encoding="utf-8-sig"), example.name)
        (root / dev_vars.NAME).write_text("".join(f"{name}=filled-in\n" for name in names))

    def fill(content: dict[str, Any]) -> dict[str, Any]:
        for key, field, one in (
            ("kv_namespaces", "id", "0" * 32),
            ("d1_databases", "database_id", "00000000-0000-4000-8000-000000000000"),
        ):
            for binding in content.get(key) or ():
                given = str(binding.get(field) or "")
                if not given or any(mark in given for mark in _PLACEHOLDERS):
                    binding[field] = one
        return content

    _, content = configuration(root)
    if json.dumps(fill(dict(content))) != json.dumps(configuration(root)[1]):
        _change(root, fill)


def _change(root: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    file, content = configuration(root)
    file.unlink()  # it is a link to the repository's own
    file.write_text(json.dumps(content | change(content)))


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = [line for line in lines if line[:1] in "✗❌" or "why:" in line or "next:" in line]
    return " | ".join(told or lines[-4:])[:900]


def page(stubbed: str, installed: str) -> str:
    """Return the page of what the two commands printed."""
    both = [
        dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
        for text in (stubbed, installed)
    ]
    names = sorted(set().union(*both))
    rows = [[name, *(_cell(told.get(name)) for told in both)] for name in names]
    counts = [
        f"{sum(one == GOOD for one in told.values())} of {len(told)} {what}"
        for told, what in zip(both, ("by configuration", "whole"), strict=True)
    ]
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    return f"{HEAD}{table}\n{', '.join(counts)}.\n"


def _cell(told: str | None) -> str:
    if told is None:
        return "not run"
    if told == GOOD:
        return "✅"
    parts = told.split(" | ")
    why = next((part for part in parts if part[:1] == "❌" or part.startswith("why:")), told)
    return why.removeprefix("❌ ").removeprefix("why:").strip()[:120]


def main(folders: list[Path]) -> int:
    """Take each through; print how each fared, and return how many failed."""
    kept = Path(os.environ["TEMPLATES"]) if "TEMPLATES" in os.environ else None
    done = kept.read_text().splitlines() if kept is not None and kept.is_file() else []
    names = {line.split(":", 1)[0] for line in done}
    for folder in folders:
        if folder.name in names:
            continue
        with tempfile.TemporaryDirectory(prefix="template-") as scratch:
            why = through(folder, Path(scratch) / folder.name)
        line = f"{folder.name}: {why or GOOD}"
        done.append(line)
        print(line, flush=True)  # noqa: T201
        if kept is not None:
            with kept.open("a") as file:
                file.write(f"{line}\n")
    failed = sum(not line.endswith(f": {GOOD}") for line in done)
    print(f"{len(done) - failed} of {len(done)}")  # noqa: T201
    return failed


if __name__ == "__main__":
    if sys.argv[1:2] == ["--page"]:
        PAGE.write_text(page(*(Path(word).read_text() for word in sys.argv[2:4])))
        raise SystemExit(0)
    raise SystemExit(main([Path(word) for word in sys.argv[1:]]))
