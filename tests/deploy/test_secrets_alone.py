"""Secrets without code, end to end: sent, verified, live, undone, rotated, removed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import requests

from tests.support.house import House

pytestmark = pytest.mark.slow


def put(house: House, name: str, value: str) -> None:
    """Change a secret of the twin's environment."""
    file = house.root / ".sandbox/endpoints.env"
    text, count = re.subn(rf"(?m)^{name}=.*$", f"{name}={value}", file.read_text())
    assert count == 1
    file.write_text(text)


def answers_to(house: House, token: str) -> bool:
    """Return whether the Worker takes a token for its administrator's."""
    headers = {"Authorization": f"Bearer {token}"}
    return requests.get(f"{house.url}/api/metrics", headers=headers, timeout=60).ok


def signed_up(house: House) -> str:
    """Make an account, and return its session's token."""
    account = {"email": "rotated@verification.invalid", "password": "Before-the-rotation-1"}
    reply = requests.post(f"{house.url}/api/auth/signup", json=account, timeout=60)
    return str(reply.json()["token"])


def whose(house: House, session: str) -> int:
    """Ask whose session it is; return the answer's status."""
    headers = {"Authorization": f"Bearer {session}"}
    return requests.get(f"{house.url}/api/auth/me", headers=headers, timeout=60).status_code


def changed(house: House) -> list[str]:
    return list(house.json("secrets.diff")["changed"])


def test_a_changed_secret_is_a_version_that_is_verified_and_live(deployed: House) -> None:
    before, token = deployed.version(), "first-changed-token-0123456789-abcdef"
    put(deployed, "ADMIN_TOKEN", token)
    assert changed(deployed) == ["ADMIN_TOKEN"]
    deployed.inv("secrets")
    assert deployed.version() != before
    assert answers_to(deployed, token)
    assert changed(deployed) == []
    assert "nothing to do" in deployed.inv("secrets").stdout


def test_what_does_not_pass_verification_is_undone_and_can_be_sent_again(deployed: House) -> None:
    before, token = deployed.version(), "second-changed-token-0123456789-abcdef"
    put(deployed, "ADMIN_TOKEN", token)
    config = deployed.root / "invoke.yaml"
    good = config.read_text()
    config.write_text(good.replace("{path: /api/suggestions,", "{path: /api/no-such-route,"))
    try:
        ended = deployed.inv("secrets", check=False)
    finally:
        config.write_text(good)
    assert ended.returncode == 3
    assert "GET /api/no-such-route: 404" in ended.stderr
    assert deployed.version() == before
    assert not answers_to(deployed, token)
    assert changed(deployed) == ["ADMIN_TOKEN"]
    deployed.inv("secrets")
    assert answers_to(deployed, token)


def test_an_older_release_brings_its_secrets_back(deployed: House) -> None:
    first = deployed.releases()[-1]["version"]
    deployed.inv("rollback", "--version", first, "--yes")
    assert deployed.version() == first
    assert changed(deployed) == ["ADMIN_TOKEN"]
    deployed.inv("deploy.local")
    assert changed(deployed) == []


def test_a_secret_that_was_left_behind_is_pruned(deployed: House) -> None:
    config = deployed.root / "deployment/config/local.env"
    good = config.read_text()
    config.write_text(f"{good}\nJWT_SECRET_PREVIOUS=left-behind-0123456789-0123456789\n")
    deployed.inv("secrets")
    config.write_text(good)
    assert "JWT_SECRET_PREVIOUS" in deployed.json("secrets.list")
    deployed.inv("secrets.prune")  # the local twin asks nobody
    left = deployed.json("secrets.list")
    assert "JWT_SECRET_PREVIOUS" not in left
    assert {"STRIPE_WEBHOOK_SECRET", "SENDGRID_WEBHOOK_PUBLIC_KEY", "JWT_SECRET"} <= set(left)


def test_a_rotation_goes_live_and_is_finished(deployed: House) -> None:
    file = deployed.root / ".sandbox/endpoints.env"
    old, session = value(file, "JWT_SECRET"), signed_up(deployed)
    ended = deployed.inv("secrets.rotate", "JWT_SECRET", "--yes")
    new = value(file, "JWT_SECRET")
    assert new != old
    assert value(file, "JWT_SECRET_PREVIOUS") == old
    assert new not in ended.stdout + ended.stderr
    deployed.inv("verify")
    assert whose(deployed, session) == 200  # nobody is signed out by a rotation
    deployed.inv("secrets.rotate", "JWT_SECRET", "--finish", "--yes")
    assert whose(deployed, session) == 401
    assert "JWT_SECRET_PREVIOUS" not in deployed.json("secrets.list")
    deployed.inv("verify")


def test_stripes_signing_secret_is_rotated(deployed: House) -> None:
    before = deployed.version()
    ended = deployed.inv("secrets.rotate", "STRIPE_WEBHOOK_SECRET", "--yes")
    assert "1 replaced endpoint(s) deleted" in ended.stdout
    assert deployed.version() != before
    assert "nothing to do" in deployed.inv("webhooks").stdout


def value(file: Path, name: str) -> str:
    found = re.search(rf"(?m)^{name}=(.*)$", file.read_text())
    assert found
    return found[1].strip("'\"")
