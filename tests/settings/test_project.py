from __future__ import annotations

import math
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from invoke.config import Config
from invoke.context import Context

from xswarm_deploy.cli.context import values
from xswarm_deploy.errors import Refused
from xswarm_deploy.settings import project

PROJECT = Path(__file__).resolve().parents[2]


def test_the_projects_own_invoke_yaml_is_read_whole() -> None:
    config = Config(project_location=PROJECT)
    config.load_project()
    found = project.read(values(Context(config)))
    assert found.worker.name == "boss-ai"
    assert found.r2.bucket == "xswarm-boss"
    assert len(found.verify.routes) >= 12
    assert found.verify.routes[-1].status == (400, 401, 403)
    assert len(found.check.required_tables) == 10


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"wroker": {}}, "deploy.wroker"),
        ({"worker": {"nmae": "x"}}, 'deploy.worker.nmae; did you mean "name"?'),
        ({"worker": "boss-ai"}, "deploy.worker"),
        ({"worker": {"name": 3}}, "deploy.worker.name"),
        ({"verify": {"routes": [{"method": "GET"}]}}, "deploy.verify.routes[0]"),
        ({"verify": {"routes": "none"}}, "deploy.verify.routes"),
        ({"check": {"required_tables": "users, teams"}}, "deploy.check.required_tables"),
        ({"verify": {"performance_status": "200"}}, "deploy.verify.performance_status"),
        ({"uses": 3}, "deploy.uses"),
        ({"worker": {"secrets": ["A", 3]}}, "deploy.worker.secrets"),
        ({"verify": {"good_ms": True}}, "deploy.verify.good_ms"),
    ],
)
def test_a_wrong_key_or_kind_is_named(given: dict[str, Any], named: str) -> None:
    with pytest.raises(Refused) as caught:
        project.read(given)
    assert named in str(caught.value)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"verify": {"timeout_seconds": 0}}, "deploy.verify.timeout_seconds is 0"),
        ({"verify": {"timeout_seconds": math.nan}}, "deploy.verify.timeout_seconds is nan"),
        ({"verify": {"timeout_seconds": 1e300}}, "deploy.verify.timeout_seconds is 1e+300"),
        ({"verify": {"performance_concurrency": 0}}, "deploy.verify.performance_concurrency is 0"),
        ({"verify": {"good_ms": 10**400}}, "deploy.verify.good_ms is 1000"),
        ({"backup": {"keep_daily": -1}}, "deploy.backup.keep_daily is -1"),
        ({"worker": {"canary": [{"percent": 10, "soak": math.inf}]}}, "canary[0].soak is inf"),
    ],
)
def test_a_number_of_no_use_is_named(given: dict[str, Any], named: str) -> None:
    with pytest.raises(Refused) as caught:
        project.read(given)
    assert named in str(caught.value)
    assert "1,000,000,000" in caught.value.why


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"webhooks": {"stripe_api_version": date(2024, 6, 20)}},
            "stripe_api_version must be text",
        ),
        ({"worker": {"config": "a\0b"}}, "deploy.worker.config has a NUL"),
        ({"check": {"secret_days": "a week"}}, "secret_days must be a whole number"),
        ({"worker": {"canary_patience": "x"}}, "canary_patience must be a number"),
        ({"fast": 1}, "deploy.fast must be true or false"),
        ({"verify": 7}, "deploy.verify must be a block of"),
    ],
)
def test_another_kind_is_told_in_words_with_what_to_do(given: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused) as caught:
        project.read(given)
    assert said in caught.value.what
    assert caught.value.remedy


def test_a_date_that_is_meant_as_text_is_to_be_quoted() -> None:
    """YAML takes 2024-06-20 for a date; Stripe's versions have that form."""
    with pytest.raises(Refused) as caught:
        project.read({"webhooks": {"stripe_api_version": date(2024, 6, 20)}})
    assert caught.value.remedy == 'write "2024-06-20", in quotes'


def test_a_whole_number_is_taken_where_a_fraction_may_stand() -> None:
    found = project.read({"worker": {"canary": [{"percent": 10, "soak": 5}]}})
    assert found.worker.canary == (project.CanaryStep(10.0, 5.0),)


def test_names_are_a_list_or_one_text() -> None:
    one = project.read({"uses": ["stripe", "r2"], "worker": {"secrets": ["A", "B"]}})
    other = project.read({"uses": "stripe,r2", "worker": {"secrets": "A,B"}})
    assert one == other
    assert one.parts == {"stripe", "r2"}


def test_one_status_and_one_name_count_as_a_list_of_one() -> None:
    routes = [{"path": "/", "status": 200, "json": "status"}]
    found = project.read({"verify": {"routes": routes}, "check": {"required_tables": "users"}})
    assert (found.verify.routes[0].status, found.verify.routes[0].json) == ((200,), ("status",))
    assert found.check.required_tables == ("users",)


def test_an_environment_has_values_of_its_own() -> None:
    given = {
        "worker": {"name": "base", "config": "w.jsonc"},
        "environments": {"staging": {"worker": {"name": "other"}}},
    }
    staging, production = project.read(given, "staging"), project.read(given, "production")
    assert (staging.worker.name, staging.worker.config) == ("other", "w.jsonc")
    assert production.worker.name == "base"


@pytest.mark.parametrize(
    ("given", "may_be_later"),
    [
        ({"residency": {}}, True),
        ({"worker": {"placement": "smart"}}, True),
        ({"worker": {"nmae": "x"}}, False),  # a misspelt one is that
    ],
)
def test_a_setting_of_a_later_version_is_refused_with_the_way_on(
    given: dict[str, Any], may_be_later: bool
) -> None:
    with pytest.raises(Refused, match="unknown setting") as refused:
        project.read(given)
    assert ("pip install -U xswarm-deploy" in refused.value.remedy) is may_be_later


def test_an_environment_nobody_knows_is_named() -> None:
    with pytest.raises(Refused, match="unknown setting deploy"):
        project.read({"environments": {"stagng": {}}}, "staging")


@pytest.mark.parametrize(
    ("environment", "shares"), [("production", [10, 50]), ("staging", [10, 50]), ("local", [])]
)
def test_new_versions_get_the_traffic_by_and_by_but_on_a_laptop(
    environment: str, shares: list[float]
) -> None:
    config = Config(project_location=PROJECT)
    config.load_project()
    found = project.read(values(Context(config)), environment).worker.canary
    assert [step.percent for step in found] == shares
    assert all(step.soak >= 60 for step in found)


def test_staging_and_production_share_no_name() -> None:
    config = Config(project_location=PROJECT)
    config.load_project()
    given = values(Context(config))
    one, other = project.read(given, "staging"), project.read(given, "production")
    assert one.worker.name != other.worker.name
    assert one.pages.project != other.pages.project
    assert one.r2.bucket != other.r2.bucket
