"""Fixtures that several rooms share."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from tests.support.project import LOCAL_VALUES, using_everything
from xswarm_deploy import errors, secret
from xswarm_deploy.services import doubt
from xswarm_deploy.settings.settings import CONFIG, Settings, load

pytest_plugins = [
    "tests.support.needs",
    "tests.support.slow",
    "tests.support.thrift",
    "tests.contracts.recorder",
]

# Whoever started the tests in the background may have Ctrl-C ignored, and what they start, too.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# One twin takes the calls of many releases in a minute, which no account would be allowed.
os.environ.setdefault("XSWARM_TWIN_CALLS", "0")

# What an example takes says how busy the machine is, and nothing of what is judged.
hypothesis_settings.register_profile(
    "unhurried", hypothesis_settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("unhurried")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long ones, so that none is left for one worker alone at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (item.path not in slow, item.path.parent.name != "deploy"))


@pytest.fixture
def environment_file(tmp_path: Path) -> Callable[..., Path]:
    """Write an environment file of a scratch project: good local values, then those given."""

    def write(environment: str = "local", **values: str) -> Path:
        file = tmp_path / CONFIG / f"{environment}.env"
        file.parent.mkdir(parents=True, exist_ok=True)
        database = f"file:{tmp_path / 'app.db'}"
        merged = {**LOCAL_VALUES, "TURSO_DATABASE_URL": database, **values}
        file.write_text("".join(f'{name}="{value}"\n' for name, value in merged.items()))
        return file

    return write


@pytest.fixture
def settings(tmp_path: Path, environment_file: Callable[..., Path]) -> Callable[..., Settings]:
    """Return settings of a scratch project in good order, with plain values given."""

    def make(project: dict[str, Any] | None = None, **values: str) -> Settings:
        environment_file("local", **values)
        return load("local", using_everything(project), tmp_path, {})

    return make


@pytest.fixture(autouse=True)
def no_doubt() -> None:
    """Begin each test as a process does: no call of another one is still awaited."""
    doubt.forget()


@pytest.fixture(autouse=True)
def no_secrets_of_others() -> Iterator[None]:
    """Forget after each test what secrets it made: in the next one's texts they are no secrets."""
    before = dict(secret._known)
    yield
    secret._known.clear()
    secret._known.update(before)
    for found in (secret._longest_first, secret._words, secret._public):
        found.clear()


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a developer's own settings out of the tests."""
    for name in ("INVOKE_DEPLOY_ENV", "DEPLOY_ENV_FILE", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(errors, "_acting_on", "")
