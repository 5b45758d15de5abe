"""A scratch project in good order, whose parts are made bad one by one; for the check."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.steps.fakes import bundling
from tests.steps.provider_fakes import (
    SoundCloudflare,
    SoundModels,
    SoundObjects,
    SoundSendGrid,
    SoundSlack,
    SoundStripe,
    SoundTwilio,
)
from tests.support.needs import require
from tests.support.project import using_everything
from xswarm_deploy.bundling import programs
from xswarm_deploy.database import backup as backups
from xswarm_deploy.database.client import connect
from xswarm_deploy.model.report import Finding
from xswarm_deploy.preflight import check
from xswarm_deploy.services.errors import ServiceError
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.site import Site
from xswarm_deploy.steps import backup, migrate

CONFIGURATION: dict[str, Any] = {
    "name": "boss-ai",
    "main": "main.js",
    "compatibility_date": "2026-01-01",
    "r2_buckets": [{"binding": "R2_BUCKET", "bucket_name": "xswarm-boss"}],
    "vars": {"PLAIN": "1"},
}
PROJECT: dict[str, Any] = {
    "worker": {"config": "worker/wrangler.jsonc"},
    "check": {"required_tables": ["users"]},
    "webhooks": {"stripe_events": ["charge.refunded"]},
}
TABLE = """\
-- migrate:up
CREATE TABLE users (id TEXT PRIMARY KEY);
-- migrate:down
DROP TABLE users;
"""


class Place:
    """The project. What a test puts into its attributes, its site has.

    Args:
        settings: makes settings in good order.
        root: the project's folder.
        patch: replaces what belongs to the machine.
    """

    def __init__(
        self, settings: Callable[..., Settings], root: Path, patch: pytest.MonkeyPatch
    ) -> None:
        self.root = root
        self.patch = patch
        self.environment = "local"
        self.project: dict[str, Any] = {}
        self.monitor: dict[str, Any] = {}
        self.values: dict[str, str] = {}
        self.unread: list[str] = []
        self._settings = settings
        self.parts: dict[str, Any] = {
            "cloudflare": SoundCloudflare(),
            "stripe": SoundStripe(),
            "twilio": SoundTwilio(),
            "sendgrid": SoundSendGrid(),
            "anthropic": SoundModels(),
            "openai": SoundModels(),
            "slack": SoundSlack(),
            "objects": SoundObjects(),
            "bundling": bundling(),
        }
        self.configure()
        self.write("worker/main.js", "export default {}")
        self.write("migrations/schema.sql", TABLE)
        patch.setattr(programs, "wrangler", lambda folder: _fake_wrangler(self.root))
        patch.setattr("xswarm_deploy.preflight.machine._node", lambda _: "v24.0.0")

    def write(self, path: str, content: str) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        return file

    def configure(self, **changed: Any) -> None:
        """Write the wrangler configuration; a key that is None is left out."""
        content = {**CONFIGURATION, **changed}
        kept = {key: value for key, value in content.items() if value is not None}
        self.write("worker/wrangler.jsonc", json.dumps(kept))

    def site(self, project: dict[str, Any] | None = None, **values: str) -> Site:
        asked = using_everything({**PROJECT, **self.project, **(project or {})})
        settings = self._settings(asked, **{**self.values, **values})
        site = Site(
            replace(
                settings,
                environment=self.environment,
                monitor=self.monitor,
                unread=tuple(self.unread),
            )
        )
        site.facts["release"] = "r1"
        site.__dict__.update(self.parts)
        return site

    def look(self, name: str, project: dict[str, Any] | None = None, **values: str) -> Finding:
        """Return one finding by its name."""
        findings = check.run(self.site(project, **values), only=[name]).findings
        return next(finding for finding in findings if finding.name == name)

    def migrate(self) -> None:
        """Apply the migrations."""
        site = self.site()
        for change in migrate.plan(site):
            migrate.apply(site, change)


def _fake_wrangler(root: Path) -> Path:
    package = root / "node_modules/wrangler/package.json"
    package.parent.mkdir(parents=True, exist_ok=True)
    if not package.exists():
        package.write_text('{"version": "4.164.0"}')
    return package.parent / "wrangler-dist/cli.js"


class Failing:
    """Any client, all of whose calls fail in one way."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: object) -> Any:
            raise self.error

        return call


def failed(kind: type[ServiceError], status: int = 0, **more: Any) -> Failing:
    return Failing(kind("Provider", "GET /x", status=status, **more))


class Zones(SoundCloudflare):
    """A zone xswarm.test, whose records and settings a test sets."""

    records: tuple[dict[str, Any], ...] = ({"type": "CNAME", "proxied": True},)
    ssl: str = "strict"
    minimum: str = "1.2"
    https: str = "on"

    def zone(self, name: str) -> dict[str, Any] | None:
        return {"id": "z", "name": name} if name == "xswarm.test" else None

    def dns_records(self, zone_id: str, name: str) -> list[dict[str, Any]]:
        return list(self.records)

    def zone_setting(self, zone_id: str, setting: str) -> str:
        settings = {"ssl": self.ssl, "min_tls_version": self.minimum}
        return settings.get(setting, self.https)


def backed_up(site: Site, hours: float, environment: str = "local") -> None:
    """Make a backup, and let its name and its manifest say that it is so old."""
    wanted = backups.BackupRequest(environment)
    with connect(f"file:{site.settings.root / 'small.db'}") as database:
        made = backups.make(database, backup.folder(site), wanted)
    assert made.manifest is not None
    then = datetime.now(UTC) - timedelta(hours=hours)
    name = f"{environment}-{then:%Y%m%dT%H%M%S%f}"[:-3] + "Z.db.zst"
    aged = replace(made.manifest, created=then.isoformat(timespec="milliseconds"), file=name)
    backups.manifest_path(made.path).unlink()
    named = made.path.rename(made.path.with_name(name))
    backups.manifest_path(named).write_text(aged.as_json())


def git(root: Path, *arguments: str) -> None:
    require("git")
    identity = ["-c", "user.name=t", "-c", "user.email=t@t.test"]
    subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True)
