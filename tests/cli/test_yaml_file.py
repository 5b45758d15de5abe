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


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("deploy:\n  webhooks: {stripe_api_version: 2024-13-01}\n", "'2024-13-01' is no timestamp"),
        ("deploy:\n  a: !!int x\n", "'x' is no int"),
        ("deploy:\n  a: !!bool x\n", "'x' is no bool"),
        ("deploy:\n  a: !!timestamp x\n", "'x' is no timestamp"),
        (f"deploy:\n  a: {'9' * 5000}\n", "'99999.*' is no int"),
    ],
)
def test_a_value_that_is_none_of_its_kind_has_its_line(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises((ValueError, KeyError, AttributeError)):
        yaml.safe_load(text)
    with pytest.raises(yaml.YAMLError, match=f"{said}.*\n.*line 2"):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: " + "[" * 200_000, "line 1 is too deep"),  # libyaml's composer ends the process
        ("a:\n" + "".join(f"{' ' * n}a:\n" for n in range(1, 300)), "line 101 is too deep"),
        (
            "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
            + "".join(
                f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n"
                for a, b in zip("abcdefg", "bcdefgh", strict=True)
            ),
            "line 5 stands for too many values",
        ),
    ],
)
def test_what_would_take_the_memory_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        read(tmp_path, text)
