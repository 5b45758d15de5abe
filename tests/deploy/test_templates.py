"""What each template ships is what is released: limits, flags, canaries; twice, and a bad one."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
import yaml

from tests.deploy.test_canary_load import FAILING, edited
from tests.support.house import House, ask_canaries_one_route, temporary_house
from xswarm_deploy.settings.settings import PLACEHOLDERS
from xswarm_deploy.settings.variables import VARIABLES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

OWN = ("ENVIRONMENT", "WORKER_URL", "BASE_URL", "API_URL", "CORS_ALLOWED_ORIGINS")
"""Names of one environment alone; the twin has others."""


def ship(house: House, environment: str) -> None:
    """Let the twin have what a template and invoke.yaml say of an environment."""
    template = house.root / f"deployment/config/{environment}.env.example"
    secret = {variable.name for variable in VARIABLES if variable.secret}
    lines = [line for line in template.read_text().splitlines() if _ships(line, secret)]
    local = house.root / "deployment/config/local.env"
    local.write_text("\n".join([*lines, "ENVIRONMENT=local", "CORS_ALLOWED_ORIGINS=*", ""]))
    file = house.root / "invoke.yaml"
    values = yaml.safe_load(file.read_text())
    canary = values["deploy"]["environments"][environment]["worker"]["canary"]
    assert [step["percent"] for step in canary] == [10, 50]
    values["deploy"]["environments"]["local"] = {"worker": {"canary": canary}}
    file.write_text(yaml.safe_dump(values))


def _ships(line: str, secret: set[str]) -> bool:
    name, mark, value = line.partition("=")
    plain = name.removesuffix("_LIVE").removesuffix("_TEST")
    given = bool(mark and value.strip('"')) and not line.startswith("#")
    placeholder = any(each in value for each in PLACEHOLDERS)
    return given and not placeholder and name not in OWN and plain not in secret


@dataclass(frozen=True)
class Shipped:
    """A house whose twin runs what a template ships, after two releases.

    Args:
        house: where it is.
        environment: whose template it is.
        measured: what the Worker had measured then, and no customer had come.
    """

    house: House
    environment: str
    measured: dict[str, Any]


@pytest.fixture(scope="module", params=["production", "staging"])
def shipped(request: pytest.FixtureRequest) -> Iterator[Shipped]:
    """Release twice what a template ships; canaries ask a route whose callers are limited."""
    with temporary_house(forking=True) as house:
        ask_canaries_one_route(house.root, "/api/suggestions")
        ship(house, request.param)
        release(house)
        second = release(house)
        assert "canary at 50 %" not in second.stderr, "it is told of a failure alone"
        house.inv("verify")
        yield Shipped(house, request.param, house.json("monitor.metrics"))


def release(house: House, *, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Release with soaks of a second, by the setting that is made for it."""
    return house.inv("deploy.local", check=check, INVOKE_DEPLOY_WORKER_LONGEST_SOAK="1")


def limits(house: House) -> str:
    reply = requests.get(f"{house.url}/api/suggestions", timeout=60)
    return reply.headers.get("RateLimit-Limit", "")


def test_two_releases_in_a_row_succeed_and_a_bad_one_is_stopped(shipped: Shipped) -> None:
    house = shipped.house
    assert limits(house) in ("60", "120")
    good = house.version()
    if shipped.environment == "production":  # staging's limits are alike: canary after canary
        release(house)
        assert house.version() != good
        good = house.version()
    with edited(house, FAILING):
        ended = release(house, check=False)
    assert ended.returncode == 3
    assert re.search(r"/api/suggestions: \d+ of \d+ failed, before 0 of", ended.stderr)
    assert house.version() == good


@pytest.mark.parametrize("shipped", ["production"], indirect=True)  # staging's limits are alike
def test_own_probes_are_no_customers(shipped: Shipped) -> None:
    measured = shipped.measured
    assert measured["business"]["signups"]["total"] == 0
    assert measured["business"]["activities"]["total"] == 0
    assert measured["requests"]["total"] <= 2, measured["requests"]["routes"]
    assert measured["probes"]["total"] > 500


@pytest.mark.parametrize("shipped", ["production"], indirect=True)
def test_limits_are_switched_off_and_on(shipped: Shipped) -> None:
    house = shipped.house
    project, file = house.root / "invoke.yaml", house.root / "deployment/config/local.env"
    gradual, on = project.read_text(), file.read_text()
    project.write_text(yaml.safe_dump(without_canary(yaml.safe_load(gradual))))
    try:
        file.write_text(on.replace("RATE_LIMIT_ENABLED=true", "RATE_LIMIT_ENABLED=false"))
        release(house)
        assert limits(house) == ""
        file.write_text(on)
        release(house)
        assert limits(house) in ("60", "120")
    finally:
        project.write_text(gradual)


def without_canary(values: dict[str, Any]) -> dict[str, Any]:
    values["deploy"]["environments"]["local"] = {"worker": {"canary": []}}
    return values


@pytest.mark.parametrize("shipped", ["production"], indirect=True)
def test_fast_soaks_nothing_and_is_told_in_plan_and_audit(shipped: Shipped) -> None:
    """With the soaks as shipped: they alone would take ten minutes."""
    house = shipped.house
    assert "300 s" in house.inv("--dry", "deploy.local").stdout
    planned = house.inv("--dry", "deploy.local", "--fast").stdout
    assert planned.count("judged without a soak") == 2
    house.inv("deploy.local", "--fast", "--message", "an emergency")
    told = house.inv("local", "audit").stdout
    assert "an emergency (--fast: nothing is soaked)" in told
