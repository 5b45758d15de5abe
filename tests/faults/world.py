"""A small world that a release changes: the twin's API in this process, a file as the database.

The edge only remembers what it was told, so nobody serves; what users would meet is judged by the
statements that each version's code runs (:mod:`tests.faults.observer`). Verification is judged
elsewhere, on a whole twin: here a version is as good as the scenario says.
"""

from __future__ import annotations

import contextvars
import io
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest

from tests.faults.interception import install
from tests.faults.observer import Observer
from tests.faults.providers import Providers
from tests.steps.fakes import BODY
from tests.support.project import LOCAL_VALUES, using_everything
from tests.twin.cloudflare.stand_in import ACCOUNT, Api
from xswarm_deploy import fence
from xswarm_deploy.bundling.bundle import Bundle
from xswarm_deploy.console import Console
from xswarm_deploy.model.report import Report
from xswarm_deploy.release import ledger, lock, outage, release, undo
from xswarm_deploy.services import doubt
from xswarm_deploy.services.clock import Clock
from xswarm_deploy.services.http import Http
from xswarm_deploy.settings.settings import CONFIG, load
from xswarm_deploy.site import Site
from xswarm_deploy.verification import address, canary, prospect, verify

OLD_CODE: Final = "SELECT name FROM users"
FAR: Final = "FAULTS_FAR"
"""A variable: where it is set, the ledger is written as one that is a round trip away."""
NEW_CODE: Final = "SELECT name || email FROM users"
_FIRST: Final = """\
-- migrate:up
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);
-- migrate:down
DROP TABLE users;
"""
_SECOND: Final = """\
-- depends: first
-- migrate:up
ALTER TABLE users ADD COLUMN email TEXT NOT NULL DEFAULT '';
-- migrate:down
ALTER TABLE users DROP COLUMN email;
"""
_CODE: Final = "export default { fetch() {} }"
_OTHER_CODE: Final = b"export default { fetch() {}, new: true }"


_TRIES: Final = 50  # of making the world's folder anew
_ON_ITS_WAY: Final = 4.0  # seconds; no retry waits so long


@dataclass
class Time:
    """A clock that goes on as fast as anybody waits."""

    passed: float = 0.0
    due: Callable[[], object] = lambda: None
    """Called when time has passed: what was held back on its way arrives, after a while."""

    def sleep(self, seconds: float) -> None:
        self.passed += seconds
        if seconds >= _ON_ITS_WAY:
            self.due()

    def monotonic(self) -> float:
        return _MONOTONIC() + self.passed

    @property
    def clock(self) -> Clock:
        return Clock(_NOW, self.monotonic, self.sleep)


_MONOTONIC, _NOW = Clock().monotonic, Clock().now


@dataclass
class World:
    """One world, made anew from its template for each case."""

    folder: Path
    time: Time
    providers: Providers
    templates: dict[str, Path] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)
    api: Api | None = None
    good: Callable[[], bool] = lambda: True
    codes: dict[str, str] = field(default_factory=dict)
    opened: list[Site] = field(default_factory=list)
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What a scenario's checkout has in its invoke.yaml beside the usual."""
    kept: dict[str, str] = field(default_factory=dict)

    @property
    def project(self) -> Path:
        """Return the checkout that deploys."""
        return self.folder / "project"

    def reset(self, prepared: str = "") -> None:
        """Begin anew, as the template is.

        Args:
            prepared: what stands beyond the old release: a scenario's preparation.
        """
        self.close()
        for left in reversed(range(_TRIES)):
            shutil.rmtree(self.folder, ignore_errors=True)
            try:
                shutil.copytree(self.templates[prepared], self.folder)
                break
            except FileExistsError:  # a thread of the deployer before wrote a last line
                if not left:
                    raise
        self.providers.restore(self.kept[prepared])
        self.start()

    def keep(self, prepared: str) -> None:
        """Keep the world as it is now, as a template."""
        observer = self.observer()
        for version in observer.live():
            self.codes.setdefault(version, NEW_CODE if self.codes else OLD_CODE)
            self.named.setdefault(version, "the new one" if self.named else "the old one")
        self.close()
        self.templates[prepared] = self.folder.with_name(f"template {prepared}".strip())
        shutil.copytree(self.folder, self.templates[prepared])
        self.kept[prepared] = self.providers.kept()

    def start(self) -> None:
        """Start the API on the world's own state."""
        self.time.passed = 0.0
        self.good = lambda: True
        self.api = Api(self.folder / "cloudflare")
        _environment(self.project, self.api.base, self.providers.values)

    def close(self) -> None:
        """Stop what runs; what a deployer was still writing is written first."""
        for thread in threading.enumerate():
            if thread.name == "ledger":
                thread.join(_ON_ITS_WAY)
        for site in self.opened:
            site.database.close()
        self.opened.clear()
        if self.api:
            self.api.stop()
            self.api = None

    def site(self, *, elsewhere: bool = False) -> Site:
        """Open the environment, as a process of its own would.

        Args:
            elsewhere: from another checkout, which has no journal.
        """
        root = self.project
        if elsewhere:
            root = self.folder / "elsewhere"
            ignored = shutil.ignore_patterns(".deployments")
            shutil.copytree(self.project, root, dirs_exist_ok=True, ignore=ignored)
        wanted = {**_PROJECT, **self.settings}
        made = Site(load("local", using_everything(wanted), root, {}))
        bundle: Future[Bundle] = Future()
        code = (root / "worker" / "index.js").read_bytes()
        bundle.set_result(Bundle(BODY.replace(b"export default {}", code), code.decode()))
        made.__dict__["bundling"] = bundle
        self.opened.append(made)
        return made

    def observer(self) -> Observer:
        """Return who looks from outside."""
        assert self.api is not None
        base = self.api.base + self.api.account
        file = self.project / CONFIG / "local.env"
        delivering, database = self.providers.delivering, self.folder / "app.db"
        return Observer(base, ACCOUNT.token, database, file, self._secret_of, delivering)

    def _secret_of(self, version: str, name: str) -> str:
        assert self.api is not None
        bindings = self.api.edge.bindings.get(version, ())
        return next((str(each["text"]) for each in bindings if each["name"] == name), "none")

    def console(self) -> Console:
        """Return where nobody reads."""
        return Console(io.StringIO())

    def make_new(self) -> None:
        """Change the checkout: other code, a migration, another site, other triggers."""
        (self.project / "migrations" / "second.sql").write_text(_SECOND)
        (self.project / "site" / "index.html").write_text("new")
        (self.project / "worker" / "index.js").write_bytes(_OTHER_CODE)
        _configuration(self.project, "5 5 * * *")

    def as_another(self, act: Callable[[], object]) -> None:
        """Act as a process of its own would: outside of this one's release and fence."""
        with fence.lifted():
            contextvars.Context().run(act)


_PROJECT: Final[Mapping[str, Any]] = {
    "uses": "",
    "worker": {
        "name": "shop",
        "config": "worker/wrangler.jsonc",
        "secrets": "JWT_SECRET,ADMIN_TOKEN",
        "variables": "",
        "canary": [],
    },
    "pages": {"project": "site", "directory": "site"},
    "webhooks": {},
}


def write_project(root: Path) -> None:
    """Write a checkout of the first release."""
    for name in ("migrations", "site", "worker"):
        (root / name).mkdir(parents=True)
    (root / "migrations" / "first.sql").write_text(_FIRST)
    (root / "site" / "index.html").write_text("old")
    (root / "worker" / "index.js").write_text(_CODE)
    _configuration(root, "0 0 * * *")


def _configuration(root: Path, cron: str) -> None:
    content = {
        "name": "shop",
        "main": "index.js",
        "compatibility_date": "2026-01-01",
        "triggers": {"crons": [cron]},
    }
    (root / "worker" / "wrangler.jsonc").write_text(json.dumps(content))


def _environment(root: Path, cloudflare: str, providers: Mapping[str, str]) -> None:
    """Write where the API is now into the environment file; its secrets stay as they are."""
    file = root / CONFIG / "local.env"
    file.parent.mkdir(parents=True, exist_ok=True)
    values = {
        **LOCAL_VALUES,
        "TURSO_DATABASE_URL": f"file:{root.parent / 'app.db'}",
        "CLOUDFLARE_API_TOKEN": ACCOUNT.token,
        "CLOUDFLARE_ACCOUNT_ID": ACCOUNT.id,
        "BACKUP_ENABLED": "true",
        "CLOUDFLARE_API_BASE_URL": cloudflare,
        **providers,
    }
    file.write_text("".join(f'{name}="{value}"\n' for name, value in values.items()))
    file.chmod(0o600)


@contextmanager
def standing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Yield a world whose old release stands, and whose checkout holds the new one."""
    from tests.faults.scenarios import PREPARED, SETTINGS, deploy

    monkeypatch.setenv("XSWARM_TWIN_CALLS", "0")  # no account asks as often as these cases
    world = World(folder / "world", Time(), Providers(folder / "providers"))
    try:
        write_project(world.project)
        (world.folder / "cloudflare").mkdir()
        patch(world, monkeypatch)
        world.start()
        deploy(world, world.site())
        world.make_new()
        world.keep("")
        for scenario, prepare in PREPARED.items():
            world.reset()
            world.settings = SETTINGS.get(scenario, {})
            prepare(world)
            world.keep(scenario)
        yield world
    finally:
        world.close()
        world.providers.stop()


def patch(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let time pass as fast as it is waited for, and verification say what the scenario wants."""
    install(monkeypatch)
    if os.environ.get(FAR):
        monkeypatch.setattr(ledger, "_NEAR", "nowhere:")
    defaults = Http.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "clock", world.time.clock)

    def judged(*_: object, **__: object) -> Report:
        if not world.good():
            from xswarm_deploy.errors import CheckFailed

            raise CheckFailed("the version is not good", "the scenario says so")
        return Report("verify", ())

    monkeypatch.setattr(verify, "gate", judged)
    monkeypatch.setattr(verify, "run", lambda *_, **__: Report("verify", ()))
    for name in ("live", "dark", "preview", "look_ahead"):
        monkeypatch.setattr(verify, name, lambda *_, **__: None)
    monkeypatch.setattr(prospect, "required", lambda *_, **__: None)
    monkeypatch.setattr(address, "wait", lambda *_: None)
    passed = SimpleNamespace(outcome="pass", limited="", reasons=())
    monkeypatch.setattr(canary, "watch", lambda *_, **__: judged() and passed)
    monkeypatch.setattr(release, "Waiting", partial(outage.Waiting, clock=world.time.clock))
    monkeypatch.setattr(release, "_PAUSES", (0.0,) * 4)
    monkeypatch.setattr(doubt, "left", partial(doubt.left, clock=world.time.clock))
    monkeypatch.setattr(undo, "_LOOK", 5.0)
    monkeypatch.setattr(outage, "_STEP", 30.0)
    monkeypatch.setattr(lock.Lease, "keep", lambda self: self)  # time stands still between calls
    monkeypatch.setattr(lock, "awake_or_not", world.time.monotonic)
