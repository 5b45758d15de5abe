"""A Worker in TypeScript with static files, by invoke.yaml alone, on the real runtime."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from tests.support.house import House

pytestmark = pytest.mark.slow

CHOSEN: dict[str, Any] = {
    "INVOKE_DEPLOY_WORKER_NAME": "typescript",
    "INVOKE_DEPLOY_WORKER_CONFIG": "tests/fixtures/typescript/wrangler.toml",
    "INVOKE_DEPLOY_VERIFY_SKIP": "routes,database,authentication,webhooks,headers,cors,limits",
    "INVOKE_DEPLOY_VERIFY_VERSION_PATH": "/api/health",
    "INVOKE_DEPLOY_VERIFY_PERFORMANCE_PATH": "/api/health",
    "INVOKE_DEPLOY_PAGES_DIRECTORY": "",
    "INVOKE_DEPLOY_WEBHOOKS_STRIPE_PATH": "",
    "INVOKE_DEPLOY_WEBHOOKS_VOICE_PATH": "",
    "INVOKE_DEPLOY_WEBHOOKS_SMS_PATH": "",
    "INVOKE_DEPLOY_WEBHOOKS_EMAIL_PATH": "",
}


def test_files_and_code_are_one_version_and_go_back_together(house: House) -> None:
    house.inv("deploy.local", **CHOSEN)
    url = json.loads(house.inv("sandbox.status", "--json", **CHOSEN).stdout)["worker_url"]
    first = requests.get(f"{url}/api/health", timeout=60).json()
    assert first["has_secret"] is True
    page = requests.get(url, timeout=60)
    assert "Typed" in page.text
    assert page.headers["X-Frame-Options"] == "DENY"
    assert (
        requests.get(f"{url}/style.css", timeout=60).headers["Content-Type"].startswith("text/css")
    )
    missing = requests.get(f"{url}/nothing", timeout=60)
    assert (missing.status_code, "Nothing here" in missing.text) == (404, True)
    moved = requests.get(f"{url}/old", timeout=60, allow_redirects=False)
    assert (moved.status_code, moved.headers["Location"]) == (301, "/")

    file = house.root / "tests/fixtures/typescript/public/index.html"
    file.write_text(file.read_text().replace("Typed", "Changed"))
    house.inv("deploy.local", **CHOSEN)
    assert "Changed" in requests.get(url, timeout=60).text
    house.inv("rollback", "--version", first["version"], "--yes", **CHOSEN)
    assert "Typed" in requests.get(url, timeout=60).text
