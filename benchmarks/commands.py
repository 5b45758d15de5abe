"""A release of everything, and the commands that a person would type for the same; for distance.py.

New code, three secrets, two migrations, ten pages and one webhook. The peer's migrations go to a D1
database, since wrangler knows no other.
"""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Mapping
from pathlib import Path

import requests

from benchmarks.deployments import Wrangler
from tests.support.house import House

EVENTS = "invoice.payment_failed"
MORE = f"{EVENTS}, charge.refunded"
SECRETS = ("JWT_SECRET", "JWT_SECRET_PREVIOUS", "ADMIN_TOKEN")
PAGES = 10
MIGRATION = """-- migrate:up
CREATE TABLE {name} (id INTEGER PRIMARY KEY, said TEXT);
-- migrate:down
DROP TABLE {name};
"""


class Commands:
    """What is typed for wrangler and Stripe.

    Args:
        house: the project, whose site they deploy.
        wrangler: runs wrangler.
        addresses: the twin's variables, a round trip away.
    """

    def __init__(self, house: House, wrangler: Wrangler, addresses: Mapping[str, str]) -> None:
        self.house, self.wrangler = house, wrangler
        self.stripe, self.key = addresses["STRIPE_API_BASE"], addresses["STRIPE_SECRET_KEY_TEST"]
        self.folder = wrangler.folder.parent / "database"
        self.hook = self._hook()
        if not self.folder.exists():
            self._make_database()

    def run(self) -> None:
        """Release everything."""
        wrangler, d1 = self.wrangler, str(self.folder / "wrangler.jsonc")
        wrangler.run("secret", "bulk", str(self.folder / "secrets.json"), "--name", "boss-ai")
        wrangler.run("d1", "migrations", "apply", "bench", "--remote", "--config", d1)
        wrangler.run("deploy", "--config", str(wrangler.config))
        site = ("pages", "deploy", str(self.house.root / "site"))
        wrangler.run(*site, "--project-name", "xswarm-boss", "--branch", "main")
        self._curl()

    def change(self, mark: str) -> None:
        """Make secrets and migrations anew."""
        values = {name: secrets.token_hex(24) for name in SECRETS}
        (self.folder / "secrets.json").write_text(json.dumps(values))
        for number in range(2):
            name = f"bench_{mark}_{number}"
            text = f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, said TEXT);\n"
            (self.folder / "migrations" / f"{name}.sql").write_text(text)

    def _hook(self) -> str:
        url = f"{self.stripe}/v1/webhook_endpoints"
        listed = requests.get(url, auth=(self.key, ""), timeout=60)
        return str(listed.json()["data"][0]["id"])

    def _curl(self) -> None:
        at = f"{self.stripe}/v1/webhook_endpoints/{self.hook}"
        command = ["curl", "-sSf", "-o", "/dev/null", "-u", f"{self.key}:", at]
        subprocess.run([*command, "-d", f"enabled_events[]={EVENTS}"], check=True)

    def _make_database(self) -> None:
        (self.folder / "migrations").mkdir(parents=True)
        given = self.wrangler.environment
        made = requests.post(
            f"{given['CLOUDFLARE_API_BASE_URL']}/accounts/{given['CLOUDFLARE_ACCOUNT_ID']}/d1/database",
            headers={"Authorization": f"Bearer {given['CLOUDFLARE_API_TOKEN']}"},
            json={"name": "bench"},
            timeout=60,
        ).json()["result"]
        database = {
            "binding": "DB",
            "database_name": "bench",
            "database_id": made["uuid"],
            "migrations_dir": "migrations",
        }
        text = {
            "name": "boss-ai",
            "compatibility_date": "2025-01-01",
            "d1_databases": [database],
        }
        (self.folder / "wrangler.jsonc").write_text(json.dumps(text))


def change(house: House, mark: str) -> None:
    """Change secrets, migrations, pages and the webhook of ours."""
    for name in SECRETS:
        _set(house.root / ".sandbox/endpoints.env", name, secrets.token_hex(24))
    for number in range(2):
        name = f"bench_{mark}_{number}"
        (house.root / "migrations" / f"{name}.sql").write_text(MIGRATION.format(name=name))
    settings = house.root / "invoke.yaml"
    text = settings.read_text()
    before, after = (MORE, EVENTS) if MORE in text else (EVENTS, MORE)
    settings.write_text(text.replace(f"{before}]", f"{after}]"))


def change_pages(house: House) -> None:
    """Write ten pages anew, for whoever deploys next."""
    folder: Path = house.root / "site/bench"
    folder.mkdir(exist_ok=True)
    for number in range(PAGES):
        page = f"<!doctype html><title>{number}</title><p>{secrets.token_hex(1000)}</p>"
        (folder / f"{number}.html").write_text(page)


def _set(file: Path, name: str, value: str) -> None:
    kept = [line for line in file.read_text().splitlines() if not line.startswith(f"{name}=")]
    file.write_text("\n".join([*kept, f"{name}={value}", ""]))
