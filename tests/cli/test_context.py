from __future__ import annotations

import pytest
from invoke.config import Config
from invoke.context import Context, MockContext

from xswarm_deploy.cli import context
from xswarm_deploy.errors import Refused


def with_deploy(value: object) -> Context:
    return MockContext(Config(overrides={"deploy": value}))


@pytest.mark.parametrize(
    "value", [{"worker": {"name": "a"}}, {"environments": {"staging": {"worker": {"name": "a"}}}}]
)
def test_a_project_names_its_worker_for_all_or_for_one(value: object) -> None:
    c = with_deploy(value)
    context.select_environment(c, "staging")
    assert context.project_values(c)["env"] == "staging"


def test_the_variable_names_the_environment_whatever_invoke_yaml_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    c = with_deploy({"worker": {"name": "a"}})
    assert (context.named(c), context.environment(c)) == ("", "local")
    monkeypatch.setenv("INVOKE_DEPLOY_ENV", "production")
    assert context.environment(c) == "production"
    monkeypatch.setenv("INVOKE_DEPLOY_ENV", "stagng")
    with pytest.raises(Refused, match="unknown environment 'stagng'"):
        context.settings(c)
    context.select_environment(c, "staging")  # what the line names goes before
    assert context.environment(c) == "staging"


@pytest.mark.parametrize("value", [None, {}, {"worker": {}}, {"worker": {"config": "w.jsonc"}}])
def test_without_a_workers_name_nothing_is_acted_on(value: object) -> None:
    def act() -> None:
        c = with_deploy(value)
        context.select_environment(c, "production")
        context.settings(c)

    with pytest.raises(Refused, match="no Worker is named") as caught:
        act()
    assert "deploy: {worker: {name: NAME" in caught.value.remedy


@pytest.mark.parametrize("monitor", ["x", [1], 5])
def test_a_monitor_that_is_no_block_is_named(monitor: object) -> None:
    c = MockContext(Config(overrides={"deploy": {"worker": {"name": "a"}}, "monitor": monitor}))
    with pytest.raises(Refused, match="monitor must be a block"):
        context.settings(c)


def test_what_is_no_block_is_named() -> None:
    with pytest.raises(Refused, match="must be a block"):
        context.environment(with_deploy("boss-ai"))
