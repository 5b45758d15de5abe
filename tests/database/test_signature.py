"""Who vouches for a manifest: judged by openssl's own HMAC."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.needs import require
from xswarm_deploy.database import backup, manifest, signature
from xswarm_deploy.database.backup import Backup, BackupRequest
from xswarm_deploy.database.client import Database
from xswarm_deploy.errors import Refused
from xswarm_deploy.secret import Secret

OLD, NEW = "a" * 32, "b" * 32


def keys(text: str) -> Secret:
    return Secret(text, signature.NAME)


def made(database: Database, folder: Path, signing: str) -> Backup:
    database.execute("CREATE TABLE IF NOT EXISTS t (v)")
    kept = backup.make(database, folder, BackupRequest("test", signing=keys(signing)))
    return backup.of_path(kept.path)


def state(found: Backup, text: str) -> signature.State:
    assert found.manifest is not None
    return signature.state(found.manifest, keys(text))


def test_a_new_key_signs_and_the_old_one_is_still_believed(local: Database, tmp_path: Path) -> None:
    before, after = made(local, tmp_path, OLD), made(local, tmp_path, f"{NEW}, {OLD}")
    for keyring, expected in {
        OLD: ("good", "another key"),
        f"{NEW},{OLD}": ("good", "good"),
        NEW: ("another key", "good"),
        "": ("unchecked", "unchecked"),
    }.items():
        assert (state(before, keyring), state(after, keyring)) == expected
    assert state(made(local, tmp_path, ""), OLD) == "none"


@pytest.mark.parametrize("name", ["sha256", "environment", "beside", "database_size", "content"])
def test_nothing_of_a_manifest_can_be_changed(local: Database, tmp_path: Path, name: str) -> None:
    found = made(local, tmp_path, OLD)
    beside = backup.manifest_path(found.path)
    held = json.loads(beside.read_text())
    held[name] = {
        "sha256": "0" * 64,
        "environment": "other",
        "beside": ["CREATE INDEX i ON t (v)"],
        "database_size": 1 << 40,
        "content": {**held["content"], "violations": 1},
    }[name]
    beside.write_text(json.dumps(held))
    assert state(backup.of_path(found.path), OLD) == "changed"


def test_how_a_manifest_is_laid_out_does_not_matter(local: Database, tmp_path: Path) -> None:
    found = made(local, tmp_path, OLD)
    beside = backup.manifest_path(found.path)
    beside.write_text(json.dumps(json.loads(beside.read_text()), sort_keys=True))
    assert state(backup.of_path(found.path), OLD) == "good"


@pytest.mark.parametrize("keyring", [OLD, ""])
def test_one_of_a_later_version_is_read_where_its_format_is_ours(
    local: Database, tmp_path: Path, keyring: str
) -> None:
    found = made(local, tmp_path, keyring)
    beside = backup.manifest_path(found.path)
    held = json.loads(beside.read_text()) | {"tool": "9.0"}
    held["content"]["pages"] = 7
    beside.write_text(json.dumps(held))
    before, read = found.manifest, backup.of_path(found.path).manifest
    assert before is not None
    assert read is not None
    assert (read.file, read.content.tables) == (found.path.name, before.content.tables)
    assert state(backup.of_path(found.path), keyring) == ("changed" if keyring else "none")
    beside.write_text(json.dumps(held | {"format": 2, "content": []}))
    with pytest.raises(Refused, match="is of format 2") as caught:
        _ = backup.of_path(found.path).manifest
    assert "pip install -U xswarm-deploy" in caught.value.remedy


def test_openssl_makes_the_same_signature(local: Database, tmp_path: Path) -> None:
    require("openssl")
    found = made(local, tmp_path, OLD)
    held = json.loads(backup.manifest_path(found.path).read_text())
    signed = held.pop("signature")
    text = json.dumps(held, sort_keys=True, separators=(",", ":"))
    answer = subprocess.run(
        ["openssl", "dgst", "-sha256", "-hmac", OLD],
        input=text.encode(),
        capture_output=True,
        check=True,
    )
    assert answer.stdout.decode().split()[-1] == signed["hmac"]


def test_one_of_an_earlier_version_is_read_without(local: Database, tmp_path: Path) -> None:
    found = made(local, tmp_path, "")
    assert found.manifest is not None
    assert "signature" not in json.loads(backup.manifest_path(found.path).read_text())
    assert replace(found.manifest, read="").as_json() == found.manifest.as_json()
    assert manifest.parse(found.manifest.as_json(), "x").signature is None
