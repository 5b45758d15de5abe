"""A package.json: read or refused; who installs it; what is not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from xswarm_deploy.bundling import node_packages
from xswarm_deploy.errors import Refused


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, "npm"),
        ({"pnpm-lock.yaml": ""}, "pnpm"),
        ({"app/yarn.lock": "", "pnpm-lock.yaml": ""}, "yarn"),
        ({"app/package.json": '{"packageManager": "bun@1.2"}', "app/yarn.lock": ""}, "bun"),
        ({"package.json": '{"packageManager": "pnpm@9"}'}, "pnpm"),
        ({"../bun.lock": ""}, "npm"),
    ],
)
def test_who_installs_is_what_is_named_or_locked(
    tmp_path: Path, files: dict[str, str], expected: str
) -> None:
    top = tmp_path / "top"
    (top / "app").mkdir(parents=True)
    for name, text in files.items():
        (top / name).write_text(text)
    assert node_packages.manager(top / "app", top) == expected


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '"x"', '{"dependencies": ["a"]}', '{"packageManager": 7}']
)
def test_what_is_no_package_json_is_refused_by_its_place(tmp_path: Path, content: str) -> None:
    (tmp_path / "package.json").write_text(content)
    with pytest.raises(Refused, match=r"package\.json cannot be read"):
        node_packages.read(tmp_path)


def test_a_package_may_be_installed_above(tmp_path: Path) -> None:
    (tmp_path / "node_modules/@scope/one").mkdir(parents=True)
    (tmp_path / "app").mkdir()
    named = json.loads('{"@scope/one": "1", "two": "2"}')
    assert node_packages.missing(tmp_path / "app", named) == ["two"]
