"""What the twin holds of a deployment, without what differs between two equal ones."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import yaml

from xswarm_deploy.database.client import Database
from xswarm_deploy.release import records
from xswarm_deploy.settings.settings import load
from xswarm_deploy.site import Site

World = dict[str, Any]


def site_of(root: Path) -> Site:
    """Return the local environment of a house, as its commands see it."""
    values = yaml.safe_load((root / "invoke.yaml").read_text())["deploy"]
    return Site(load("local", values, root, {}))


def observe(root: Path) -> World:
    """Look at everything a release may change, at its provider."""
    site = site_of(root)
    with site.database as database:
        return {
            **_cloudflare(root / ".sandbox/cloudflare/records.sqlite"),
            "stripe": sorted([e.url, list(e.events), e.enabled] for e in site.stripe.endpoints()),
            "twilio": dict(site.twilio.number(site.settings.text("TWILIO_PHONE_NUMBER")).urls),  # type: ignore[union-attr]
            "sendgrid": sorted(
                [hook.url, list(hook.events), hook.enabled]
                for hook in site.sendgrid.event_webhooks()
            ),
            **_database(database),
        }


def _cloudflare(file: Path) -> World:
    """Read the stand-in's own records: code and secrets byte for byte, by their hashes."""
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as found:
        rows = found.execute("SELECT kind, key, body FROM records ORDER BY position").fetchall()
    found.close()
    by_kind: dict[str, dict[str, Any]] = {}
    for kind, key, body in rows:
        by_kind.setdefault(kind, {})[key] = json.loads(body)
    deployments = list(by_kind.get("deployment", {}).values())
    split = deployments[-1]["versions"] if deployments else []
    return {
        "worker": [
            [share["percentage"], _content(by_kind["version"][share["version_id"]])]
            for share in split
            if share["percentage"] > 0
        ],
        "open": [worker["enabled"] for worker in by_kind.get("worker", {}).values()],
        "crons": [
            sorted(schedule["cron"] for schedule in worker["schedules"])
            for worker in by_kind.get("worker", {}).values()
        ],
        "pages": [
            _published(by_kind["publication"][project["canonical"]])
            for project in by_kind.get("project", {}).values()
            if project.get("canonical")
        ],
        "buckets": sorted(by_kind.get("bucket", {})),
    }


def _content(version: dict[str, Any]) -> dict[str, Any]:
    own = ("id", "number", "created_on", "annotations", "startup_ms", "startup_time_ms", "source")
    kept = {name: value for name, value in version.items() if name not in own}
    return {**kept, "bindings": sorted(map(repr, kept["bindings"]))}  # their order means nothing


def _published(publication: dict[str, Any]) -> dict[str, Any]:
    return {name: publication.get(name) for name in ("files", "headers", "redirects")}


def _database(database: Database) -> World:
    """Read the schema and all rows.

    Not the ledger, which tells of every attempt, and not what the Worker itself measures.
    """
    found = database.query(
        "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name"
    )
    schema = {row.text("name"): row.text("sql") for row in found}
    kept = {
        name: sql
        for name, sql in schema.items()
        if name not in records.TABLES and not name.startswith("monitoring_")
    }
    tables = [name for name, sql in kept.items() if sql.startswith("CREATE TABLE")]
    return {"schema": kept, "rows": {name: _rows(database, name) for name in tables}}


def _rows(database: Database, table: str) -> list[str]:
    columns = "filename, checksum, status" if table == "_migrations" else "*"
    if table in ("_migration_texts", "sqlite_sequence"):  # kept of what was taken back, too
        return []
    return sorted(repr(dict(row)) for row in database.query(f'SELECT {columns} FROM "{table}"'))


def differences(one: World, other: World) -> list[str]:
    """Name what two worlds differ in; empty: nothing."""
    found = []
    for name in sorted(set(one) | set(other)):
        left, right = one.get(name), other.get(name)
        if isinstance(left, dict) and isinstance(right, dict):
            found += [
                f"{name}.{key}: {left.get(key)!r} ≠ {right.get(key)!r}"
                for key in sorted(set(left) | set(right))
                if left.get(key) != right.get(key)
            ]
        elif left != right:
            found.append(f"{name}: {left!r} ≠ {right!r}")
    return found
