"""A fork that stands for a process ends as the process does, and says the same."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from tests.support import prefork
from tests.support.house import House, build

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not prefork.SUPPORTED, reason="every command is a process there"),
]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    return build(tmp_path_factory.mktemp("prefork") / "project")


@pytest.mark.parametrize(
    ("words", "environment"),
    [
        (["--list"], {}),
        (["--version"], {}),
        (["nonesuch"], {}),
        (["check", "--nonesuch"], {}),
        (["sandbox.status", "--json"], {}),
        (["deploy.prod"], {}),
        (["local", "config.show"], {"INVOKE_DEPLOY_WORKER_NAME": "another"}),
        (["local", "config.show"], {"INVOKE_DEPLOY_WORKER_CANARY": "none"}),
    ],
)
def test_it_says_and_ends_as_a_process_does(
    house: House, words: list[str], environment: dict[str, str]
) -> None:
    process = house.inv(*words, check=False, **environment)
    fork = prefork.run(words, house.root, house.environment(**environment), 60)
    assert (fork.returncode, fork.stdout, fork.stderr) == (
        process.returncode,
        process.stdout,
        process.stderr,
    )


def test_it_is_in_the_folder_that_it_was_given(house: House, tmp_path: Path) -> None:
    ended = prefork.run(["check"], tmp_path, house.environment(), 60)
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert "invoke.yaml" in ended.stderr


def test_one_that_does_not_end_is_killed(house: House) -> None:
    (house.root / "tasks.py").write_text(
        "import os, pathlib, time\nfrom invoke import task\n\n@task\ndef wait(c):\n"
        "    pathlib.Path('pid').write_text(str(os.getpid()))\n    time.sleep(3600)\n"
    )
    with pytest.raises(subprocess.TimeoutExpired):
        prefork.run(["wait"], house.root, house.environment(), 3)
    pid, until = int((house.root / "pid").read_text()), time.monotonic() + 60
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < until
        time.sleep(0.05)
