from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from xswarm_deploy.cli import yaml_file
from xswarm_deploy.errors import Refused

PROJECT = Path(__file__).resolve().parents[2]


def read(folder: Path, text: str) -> object:
    file = folder / "invoke.yaml"
    file.write_text(text)
    return yaml_file.read(file)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing",
        "a: &a {b: 1, c: [x, 2024-01-02]}\nd: {<<: *a, b: 2}\ne: [*a, *a]\nf: *a\n",
        "a: &a {b: 1}\nc: &c {d: 2}\ne:\n  <<: *a\n  <<: *c\n",
        "1: a\n'1': {}\n".replace("'1'", "true"),
        (PROJECT / "invoke.yaml").read_text(),
    ],
)
def test_it_reads_what_pyyaml_reads(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == yaml.safe_load(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("deploy: {a: 1}\nx: 1\ndeploy: {b: 2}\n", "deploy twice in one block: lines 1 and 3"),
        ("deploy:\n  verify: {}\n  'verify': {}\n", "verify twice in one block: lines 2 and 3"),
        ("a: [{name: x, name: y}]\n", "name twice in one block: lines 1 and 1"),
    ],
)
def test_what_stands_twice_is_not_dropped_in_silence(tmp_path: Path, text: str, said: str) -> None:
    yaml.safe_load(text)  # which drops it
    with pytest.raises(Refused, match=said):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- deploy", "must be a block of `key: value` lines"),
        ("deploy:worker", "must be a block of `key: value` lines"),
        ("deploy: &a\n  worker: *a\n", "an alias of itself"),
    ],
)
def test_what_is_no_block_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        read(tmp_path, text)
