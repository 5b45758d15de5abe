"""What stands in the records: the audit trail, notifications, going back, restored backups."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.deploy.world import observe, site_of
from tests.support.house import House
from xswarm_deploy.services.multipart import Module, Upload
from xswarm_deploy.steps.traffic import DEPLOYABLE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


_JAVASCRIPT = "application/javascript+module"
_PREVIEW = b"export default {fetch: () => new Response('a preview')}"


def trail(house: House) -> list[dict[str, Any]]:
    return list(house.json("local", "audit", "--last", "1000"))


def test_the_trail_tells_who_did_what_and_is_unbroken(deployed: House) -> None:
    events = trail(deployed)
    assert [events[0]["event"], events[-1]["event"]] == ["begin", "end"]
    assert all(event["who"] and event["host"] for event in events)
    assert "unbroken" in deployed.inv("local", "audit.verify").stdout
    found = deployed.inv("local", "audit.verify", "--head", events[-1]["hash"])
    assert events[-1]["hash"] in found.stdout
    missing = deployed.inv("local", "audit.verify", "--head", "0" * 64, check=False)
    assert missing.returncode == 1
    assert "no event has the hash" in missing.stderr


def test_an_edited_event_is_found_and_named(deployed: House) -> None:
    with site_of(deployed.root).database as database:
        row = database.query("SELECT who FROM _release_audit WHERE number = 3")[0]
        try:
            database.execute("UPDATE _release_audit SET who = 'nobody' WHERE number = 3")
            ended = deployed.inv("local", "audit.verify", check=False)
        finally:
            database.execute("UPDATE _release_audit SET who = ? WHERE number = 3", (row["who"],))
    assert ended.returncode == 1
    assert "event 3 was edited" in ended.stderr
    deployed.inv("local", "audit.verify")


def test_a_restored_backup_keeps_the_books_as_they_are(deployed: House) -> None:
    deployed.inv("local", "backup")
    deployed.inv("deploy.local", "--skip-backup", "--message", "after the backup")
    releases, events, version = deployed.releases(), trail(deployed), deployed.version()
    deployed.inv("local", "backup.restore", "latest", "--yes")
    assert [r["release"] for r in deployed.releases()][-len(releases) :] == [
        r["release"] for r in releases
    ]
    assert trail(deployed)[: len(events)] == events
    deployed.inv("local", "audit.verify")
    assert deployed.json("local", "deploy.status")["lock"] == "free"
    assert deployed.version() == version
    deployed.inv("deploy.local", "--skip-backup")


def test_what_cannot_be_restored_moves_nothing(deployed: House) -> None:
    deployed.inv("local", "backup")
    (newest, *_) = deployed.json("local", "backup.list")
    damaged = deployed.root / ".backups" / f"local-damaged-{newest['file']}"
    damaged.write_bytes((deployed.root / ".backups" / newest["file"]).read_bytes()[:-20])
    releases, state = deployed.releases(), observe(deployed.root)
    back = ("rollback", "--version", deployed.version(), "--yes", "--restore-db")
    restore = ("local", "backup.restore", "--yes", "--file")
    listing = {back: "inv backup.list", restore: "inv local backup.list"}
    try:
        for name in ("nope", str(deployed.root / "README.md"), damaged.name):
            for command, remedy in listing.items():
                ended = deployed.inv(*command, name, check=False)
                assert ended.returncode == 2, ended.stdout + ended.stderr
                assert remedy in ended.stderr
    finally:
        damaged.unlink()
    assert deployed.releases() == releases
    assert observe(deployed.root) == state


def test_going_back_takes_the_database_along_when_asked(deployed: House) -> None:
    deployed.inv("local", "backup")
    with site_of(deployed.root).database as database:
        database.execute("CREATE TABLE later (v)")
    deployed.inv("rollback", "--version", deployed.version(), "--restore-db", "latest", "--yes")
    with site_of(deployed.root).database as database:
        assert not database.query("SELECT 1 FROM sqlite_schema WHERE name = 'later'")
    assert deployed.releases()[0]["message"].startswith("back to")


def test_going_back_is_a_release_that_can_be_undone(deployed: House) -> None:
    first, before = deployed.version(), observe(deployed.root)
    page, wrangler = deployed.root / "site/index.html", deployed.root / "worker/wrangler.jsonc"
    text, configuration = page.read_text(), wrangler.read_text()
    page.write_text(text.replace("</body>", "<p>second</p></body>"))
    wrangler.write_text(configuration.replace("* * * * *", "*/5 * * * *"))
    try:
        deployed.inv("deploy.local", "--message", "second")
    finally:
        page.write_text(text)
        wrangler.write_text(configuration)
    second, after = deployed.version(), observe(deployed.root)
    assert after["crons"] == [["*/5 * * * *"]]
    deployed.inv("rollback", "--version", first, "--yes")
    assert deployed.version() == first
    back = observe(deployed.root)
    assert back["pages"] != after["pages"]
    assert back["crons"] == before["crons"]
    deployed.inv("rollback", "--version", second, "--yes")
    assert deployed.version() == second
    assert observe(deployed.root) == after


def test_rotated_keys_are_warned_of(deployed: House) -> None:
    first = deployed.version()
    deployed.inv("deploy.local", "--skip-backup")
    overlay = deployed.root / ".sandbox/endpoints.env"
    text = overlay.read_text()
    rotated = re.sub(r"^ADMIN_TOKEN=.*$", f"ADMIN_TOKEN={'0123456789abcdef' * 3}", text, flags=re.M)
    assert rotated != text
    overlay.write_text(rotated)
    try:
        shown = deployed.inv("local", "rollback", "--version", first, "--dry").stdout
    finally:
        overlay.write_text(text)
    assert "ADMIN_TOKEN changed since" in shown
    assert (
        "changed since" not in deployed.inv("local", "rollback", "--version", first, "--dry").stdout
    )


def test_people_are_told_and_a_deaf_channel_stops_nobody(deployed: House) -> None:
    deployed.inv("sandbox.fault", "slack", "status:500", "--times", "50")
    try:
        ended = deployed.inv("deploy.local", "--skip-backup")
    finally:
        deployed.inv("sandbox.fault", "slack", "off")
    assert "nobody was notified" in ended.stdout
    assert "⚠ notify" in ended.stdout
    assert deployed.releases()[0]["status"] == "succeeded"


def test_a_release_is_shown_with_its_changes(deployed: House) -> None:
    newest = deployed.releases()[0]["release"]
    shown = deployed.json("local", "deploy.show", newest)
    text = deployed.inv("local", "deploy.show", newest).stdout
    assert shown["status"] == "succeeded"
    assert {change["state"] for change in shown["changes"]} == {"done"}
    assert "upload" in json.dumps(shown)
    assert "version of boss-ai" in text


def age(house: House) -> None:
    """Upload a hundred previews: Cloudflare then deploys nothing older."""
    site = site_of(house.root)
    form = Upload({"main_module": "i.js"}, (Module("i.js", _JAVASCRIPT, _PREVIEW),), "----preview")
    for _ in range(DEPLOYABLE):
        site.cloudflare.upload_version(site.worker, form.body(), form.headers)


def test_a_live_version_that_cloudflare_deploys_no_more_is_left_at_once(deployed: House) -> None:
    """Late in this file, for nothing older can be gone back to."""
    old = deployed.version()
    age(deployed)
    assert "cannot go back to it" in deployed.inv("local", "check").stdout
    planned = deployed.json("local", "deploy.plan")["irreversible"]
    assert [entry["resource"] for entry in planned] == ["traffic of boss-ai"]
    deployed.inv("deploy.local", "--skip-backup", "--message", "at once")
    assert deployed.version() != old
    refused = deployed.inv("local", "rollback", "--version", old, "--yes", check=False)
    assert refused.returncode == 2, refused.stdout + refused.stderr
    assert "too old to be deployed again" in refused.stderr
    newest = deployed.version()
    deployed.inv("deploy.local", "--skip-backup", "--message", "as always")
    deployed.inv("local", "rollback", "--version", newest, "--yes")
    assert deployed.version() == newest


def test_what_fails_after_that_leaves_the_new_code_what_it_runs_on(deployed: House) -> None:
    old, before = deployed.version(), observe(deployed.root)
    age(deployed)
    migration = deployed.root / "migrations/later.sql"
    page = deployed.root / "site/index.html"
    text = page.read_text()
    migration.write_text(
        "-- migrate:up\nCREATE TABLE later (v);\n-- migrate:down\nDROP TABLE later;\n"
    )
    page.write_text(text.replace("</body>", "<p>later</p></body>"))
    fault = ("sandbox.fault", "cloudflare")
    deployed.inv(*fault, "503", "--times", "99", "--method", "POST", "--path", "pages/.*/deploy")
    try:
        ended = deployed.inv("deploy.local", "--skip-backup", check=False)
        assert ended.returncode == 4, ended.stdout + ended.stderr
        assert "left as it is, since it goes with that: database, later" in ended.stderr
        assert "next: fix what failed, then: ./inv deploy.local" in ended.stderr
        assert "the previous version is live again" not in ended.stdout
        assert deployed.version() != old
        with site_of(deployed.root).database as database:
            assert database.query("SELECT 1 FROM sqlite_schema WHERE name = 'later'")
        assert observe(deployed.root)["pages"] == before["pages"]
        again = deployed.inv("local", "deploy.abort", check=False)
        assert again.returncode == 4, again.stdout + again.stderr
        deployed.inv(*fault, "off")
        deployed.inv("deploy.local", "--skip-backup")
        assert observe(deployed.root)["pages"] != before["pages"]
    finally:
        deployed.inv(*fault, "off")
        page.write_text(text)
