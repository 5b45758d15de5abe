"""The schema of invoke.yaml and the code that reads it judge alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin

import fastjsonschema
import pytest
import yaml

from tests import words
from xswarm_deploy.errors import Refused
from xswarm_deploy.settings import deploy_schema, project, schema
from xswarm_deploy.settings.project import Names, Project
from xswarm_monitoring.rules import Rules

PROJECT = Path(__file__).resolve().parents[2]
WRONG: dict[object, list[Any]] = {
    str: [3, True, {"a": 1}],
    int: ["three", True, 1.5],
    float: ["three", True],
    bool: ["yes", 1],
    Names: [3, {"a": 1}, [3]],
}
RIGHT: dict[object, list[Any]] = {
    str: ["a"],
    int: [3],
    float: [3, 1.5],
    bool: [True],
    Names: ["a", ["a", "b"], []],
}


@cache
def fits() -> Callable[[Any], Any]:
    """Return what raises where a file does not fit the schema."""
    judge: Callable[[Any], Any] = fastjsonschema.compile(schema.document(), use_default=False)
    return judge


def leaves(kind: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Return the path and the type of each setting; a list's items stand under ``[]``."""
    for name, each in kind.__annotations__.items():
        if hasattr(each, "_fields"):
            yield from leaves(each, (*path, name))
        elif get_origin(each) is tuple and hasattr(get_args(each)[0], "_fields"):
            yield from leaves(get_args(each)[0], (*path, name, "[]"))
        else:
            yield (*path, name), each


SETTINGS = list(leaves(Project))


def document(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """Return a file with one setting, and what must stand beside it."""
    for name in reversed(path):
        value = [{**_needed(path), **value}] if name == "[]" else {name: value}
    return {"deploy": value}


def _needed(path: tuple[str, ...]) -> dict[str, Any]:
    return {"path": "/"} if "routes" in path else {"percent": 10}


def judged(content: dict[str, Any]) -> tuple[bool, bool]:
    """Return whether the schema takes it, and whether the code does."""
    try:
        fits()(content)
        by_schema = True
    except fastjsonschema.JsonSchemaException:
        by_schema = False
    try:
        project.read(content["deploy"])
        by_code = True
    except Refused:
        by_code = False
    return by_schema, by_code


@pytest.mark.parametrize(("path", "kind"), SETTINGS, ids=[".".join(p) for p, _ in SETTINGS])
def test_a_value_of_the_wrong_kind_is_refused_by_both_and_a_right_one_by_neither(
    path: tuple[str, ...], kind: Any
) -> None:
    listed = get_origin(kind) is tuple
    item = get_args(kind)[0] if listed else kind
    if get_origin(kind) is not None and not listed:  # a mapping
        item = get_args(kind)[1]
        values: list[tuple[Any, bool]] = [({"a": v}, False) for v in WRONG[item]]
        values += [({"a": v}, True) for v in RIGHT[item]]
    elif listed:
        values = [([v], False) for v in WRONG[item]] + [(RIGHT[item], True), ([], True)]
        values += [(v, True) for v in RIGHT[item]] + [({"a": 1}, False)]
    else:
        values = [(v, False) for v in WRONG[item]] + [(v, True) for v in RIGHT[item]]
    choices = deploy_schema._CHOICES.get(".".join(("deploy", *path)))
    for value, right in values:
        given = choices[0] if right and choices else value
        assert judged(document(path, given)) == (right, right), given


@pytest.mark.parametrize("path", ["deploy", "deploy.worker", "deploy.verify", "deploy.pages"])
def test_an_unknown_setting_is_refused_by_both(path: str) -> None:
    content: Any = {"nonsense": 1}
    for name in reversed(path.split(".")[1:]):
        content = {name: content}
    assert judged({"deploy": content}) == (False, False)


@pytest.mark.parametrize(("where", "values"), deploy_schema._CHOICES.items())
def test_each_choice_is_one_that_the_code_takes(where: str, values: tuple[str, ...]) -> None:
    path = tuple(where.split(".")[1:])
    for value in values:
        assert judged(document(path, value)) == (True, True)
    if where not in ("deploy.env", "deploy.migrations.down"):
        assert judged(document(path, "nonsense")) == (False, False)


def test_environments_hold_the_same_settings() -> None:
    good = {"staging": {"worker": {"name": "a"}, "verify": {"routes": [{"path": "/"}]}}}
    assert judged({"deploy": {"environments": good}}) == (True, True)
    assert judged({"deploy": {"environments": {"stagng": {}}}})[0] is False


def test_this_repositorys_own_file_fits() -> None:
    fits()(yaml.safe_load((PROJECT / "invoke.yaml").read_text(encoding="utf-8")))


def test_monitor_takes_what_the_rules_take() -> None:
    below = schema.document()["properties"]["monitor"]["properties"]
    blocks = ("thresholds", "repeat")
    values: dict[str, Any] = {name: 1 for name in below if name not in blocks}
    values |= {name: dict.fromkeys(below[name]["properties"], 1) for name in blocks}
    values |= dict.fromkeys(("runbook", "dashboard"), "https://wiki.example/{name}")
    values["window"] = 60
    latency = {"target": 0.95, "threshold": 0.5}
    values["window"] = "5m"
    values["slo"] = {"availability": 0.999, "latency": latency, "window": "30d", "release": "allow"}
    otlp = {"kind": "otlp", "endpoint": "https://x.test", "secret": "KEY", "user": 7, "every": "1m"}
    otlp |= {"signals": ["logs"], "temporality": "delta", "encoding": "protobuf", "sample": 0.5}
    otlp |= {"headers": {"X-Id": "a"}}
    write = {"kind": "remote_write", "endpoint": "https://y.test/w", "secret": "K", "header": "X-K"}
    values["push"] = [otlp, write]
    values["status_page"] = {"title": "Shop", "components": {"worker": "Shop"}, "version": True}
    values["status_page"] |= {"incidents_from": "error", "contact": "mailto:help@shop.test"}
    fits()({"monitor": values})
    assert Rules.read(values)
    for name in values:
        with pytest.raises(fastjsonschema.JsonSchemaException):
            fits()({"monitor": {name: "nonsense"}})
        with pytest.raises(ValueError, match=r"monitor"):
            Rules.read({name: "nonsense"})


def test_every_setting_says_what_it_is() -> None:
    silent = [name for name, each in _described(schema.document()["properties"]) if not each]
    assert silent == []


def _described(properties: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, each in properties.items():
        below = each.get("items", each)
        if "properties" in below:
            yield from _described(below["properties"], f"{prefix}{name}.")
        else:
            yield prefix + name, each.get("description", "")


def test_what_the_documents_show_fits() -> None:
    shown = [
        (file.name, block)
        for file in words.files()
        for block in re.findall(r"^```yaml\n(deploy:.*?)^```", file.read_text(), re.M | re.S)
    ]
    assert shown
    for _, block in shown:
        fits()(yaml.safe_load(block))
