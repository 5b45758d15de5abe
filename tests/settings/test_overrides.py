"""A variable of the process environment sets its setting, whether or not the file has it."""

from __future__ import annotations

from typing import Any

import pytest

from xswarm_deploy.errors import Refused
from xswarm_deploy.settings import deploy_schema, overrides
from xswarm_deploy.settings.overrides import laid_over
from xswarm_deploy.settings.project import read

SMALL = {"worker": {"name": "shop"}}


@pytest.mark.parametrize(
    ("name", "text", "path", "value"),
    [
        ("INVOKE_DEPLOY_WORKER_LONGEST_SOAK", "5", ("worker", "longest_soak"), 5.0),
        ("INVOKE_DEPLOY_WORKER_NAME", "other", ("worker", "name"), "other"),
        ("INVOKE_DEPLOY_VERIFY_TIMEOUT_SECONDS", " 20 ", ("verify", "timeout_seconds"), 20.0),
        ("INVOKE_DEPLOY_USES", "stripe,twilio", ("uses",), "stripe,twilio"),
    ],
)
def test_it_is_set_where_the_file_has_it_not(
    name: str, text: str, path: tuple[str, ...], value: object
) -> None:
    found: Any = laid_over(SMALL, {name: text}, "deploy")
    assert read(found).worker.name
    for step in path:
        found = found[step]
    assert (found, type(found)) == (value, type(value))
    assert SMALL == {"worker": {"name": "shop"}}


def test_one_of_an_environment_is_set_there() -> None:
    given = {"INVOKE_DEPLOY_ENVIRONMENTS_STAGING_WORKER_NAME": "shop-staging"}
    found = laid_over(SMALL, given, "deploy")
    assert (read(found, "staging").worker.name, read(found).worker.name) == ("shop-staging", "shop")


@pytest.mark.parametrize(("text", "value"), [("true", True), ("FALSE", False), ("0", False)])
def test_a_truth_is_read_as_people_write_it(text: str, value: bool) -> None:
    name = next(iter(_names("boolean")))
    assert list(_values(laid_over(SMALL, {name: text}, "deploy"))).count(value) == 1


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("INVOKE_DEPLOY_WORKR_NAME", "x", "did you mean INVOKE_DEPLOY_WORKER_NAME"),
        ("INVOKE_DEPLOY_VERIFY_TIMEOUT_SECONDS", "soon", "must be of the kind number"),
        ("INVOKE_DEPLOY_VERIFY_ROUTES", "x", "cannot be set by a text"),
    ],
)
def test_what_sets_nothing_is_refused(name: str, text: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        laid_over(SMALL, {name: text}, "deploy")


def test_what_invoke_has_set_itself_is_known() -> None:
    file = {"verify": {"budgets": {"/health": 50}}}
    given = {"INVOKE_DEPLOY_VERIFY_BUDGETS_/HEALTH": "70"}
    assert laid_over(file, given, "deploy") == file


def test_the_monitors_settings_are_set_likewise() -> None:
    found = laid_over({}, {"INVOKE_MONITOR_SLO_AVAILABILITY": "0.99"}, "monitor")
    assert found == {"slo": {"availability": 0.99}}


def test_settings_are_those_of_the_schema() -> None:
    listed = {path: kind() for path, kind in deploy_schema.settings()}
    below = overrides._below(deploy_schema.block(), ("deploy",))
    described = {path: kind() for path, kind in below}
    shown = {"description", "default", "enum"}
    assert listed == {
        path: {name: said for name, said in kind.items() if name not in shown}
        for path, kind in described.items()
    }


def _names(kind: str) -> list[str]:
    every = overrides._settings("deploy")
    found = [path for path, said in every if said().get("type") == kind]
    return [overrides._name(path) for path in found if path[1] != "environments"]


def _values(tree: Any) -> list[object]:
    if isinstance(tree, dict):
        return [value for inner in tree.values() for value in _values(inner)]
    return [tree]
