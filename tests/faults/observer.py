"""Look at the world as anybody could: plain SQLite, plain HTTP. It shares no code with the tool."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import Request, urlopen


class Seen(NamedTuple):
    """What users meet, and what the next release would find.

    Args:
        code: the versions that have traffic.
        schema: the tables of users, and what they are made of.
        pages: what the static site holds, by its commit's words.
        crons: the cron triggers.
        secret: the value that the environment file names, and whether the Worker has the same.
        webhooks: what Stripe, SendGrid and Twilio deliver, and where to.
    """

    code: tuple[str, ...]
    schema: tuple[str, ...]
    pages: str
    crons: tuple[str, ...]
    secret: str
    webhooks: tuple[str, ...]


@dataclass
class Observer:
    """Watch one world.

    Args:
        api: the address of the account's API.
        token: what opens it.
        database: the SQLite file.
        environment: the environment file.
        secret_of: the value of a secret that a version has, as its code would read it.
        webhooks: what the providers deliver, and where to, in words.
    """

    api: str
    token: str
    database: Path
    environment: Path
    secret_of: Callable[[str, str], str]
    webhooks: Callable[[], tuple[str, ...]]
    acknowledged: int = 0
    failed: str = ""

    def seen(self) -> Seen:
        """Return the world as it is."""
        crons = self._get("/workers/scripts/shop/schedules")["schedules"]
        return Seen(
            tuple(sorted(self.live())),
            tuple(self._query("SELECT sql FROM sqlite_master WHERE name = 'users'")),
            self._pages(),
            tuple(sorted(str(each["cron"]) for each in crons)),
            self._secret(),
            self.webhooks(),
        )

    def live(self) -> list[str]:
        """Return the versions that have traffic."""
        newest = self._get("/workers/scripts/shop/deployments")["deployments"][0]["versions"]
        return [str(one["version_id"]) for one in newest if float(one["percentage"]) > 0]

    def users(self, codes: dict[str, str], newer: str) -> None:
        """Do what users do at this moment: each live version reads, and one row is written.

        Args:
            codes: version → the statement that its code runs.
            newer: the statement of a version that was made since.
        """
        for version in self.live():
            try:
                self._query(codes.get(version, newer))
            except sqlite3.Error as error:
                self.failed = self.failed or f"version {version[:8]} failed a user: {error}"
        with sqlite3.connect(self.database, timeout=5) as connection:
            connection.execute("INSERT INTO users (name) VALUES ('met during the release')")
        connection.close()
        self.acknowledged += 1

    def rows(self) -> int:
        """Return how many users there are."""
        return int(self._query("SELECT count(*) FROM users")[0])

    def _pages(self) -> str:
        found = self._get("/pages/projects/site")["canonical_deployment"]
        return str(found["deployment_trigger"]["metadata"]["commit_message"]).rpartition(" ")[2]

    def interrupted(self) -> list[str]:
        """Return the releases that have neither ended nor were given up."""
        return self._query("SELECT release FROM _releases WHERE status IN ('running', 'undoing')")

    def ended(self) -> int:
        """Return how many releases have ended, well or not."""
        return len(self._query("SELECT release FROM _releases")) - len(self.interrupted())

    def _secret(self) -> str:
        """Return the value in the file, by how it begins, and by what users' sessions rest on."""
        lines = dict(
            line.partition("=")[::2]
            for line in self.environment.read_text(encoding="utf-8").splitlines()
        )
        value = lines["JWT_SECRET"].strip('"')
        known = value if value.startswith("canary") else "a fresh one"
        kept = "the old one kept; " * bool(lines.get("JWT_SECRET_PREVIOUS", "").strip('"'))
        has = {self.secret_of(version, "JWT_SECRET") for version in self.live()}
        return f"{known}; {kept}the Worker has {'it' if has == {value} else 'another'}"

    def _query(self, sql: str) -> list[str]:
        with sqlite3.connect(self.database, timeout=5) as connection:
            found = [str(row[0]) for row in connection.execute(sql)]
        connection.close()
        return found

    def _get(self, path: str) -> Any:
        request = Request(self.api + path, headers={"Authorization": f"Bearer {self.token}"})
        with urlopen(request, timeout=60) as answer:
            return json.load(answer)["result"]
