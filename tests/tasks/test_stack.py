"""The tasks of the stack, beside a host that only answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from invoke.context import Context

from xswarm_deploy.cli import context
from xswarm_deploy.errors import Refused
from xswarm_deploy.observability import install as installer
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.tasks import stack


@pytest.fixture
def host(settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stand in for a host over SSH; it notes what was done to it."""
    done: list[str] = []

    @contextmanager
    def connected(name: str) -> Iterator[str]:
        yield name

    file, found = SimpleNamespace(path="/etc/prometheus.yml"), settings(ADMIN_EMAIL="ops@a.test")
    outcome = SimpleNamespace(lines=lambda: ["✓ put"], changed=[file], kept=["/etc/own.yml"])

    def did(what: str) -> Callable[..., Any]:
        def act(*_given: object) -> Any:
            done.append(what)
            return outcome

        return act

    monkeypatch.setattr(context, "settings", lambda _c: found)
    monkeypatch.setattr(stack, "connected", connected)
    monkeypatch.setattr(installer, "plan", lambda *_: [file])
    monkeypatch.setattr(installer, "install", did("install"))
    monkeypatch.setattr(installer, "installed", lambda *_: [file.path])
    monkeypatch.setattr(installer, "uninstall", did("uninstall"))
    return done


def test_the_stack_is_installed_and_removed_once_agreed(
    c: Context, dry: Context, host: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    stack.install(dry, "ops@host")
    stack.uninstall(dry, "ops@host")
    for act in (stack.install, stack.uninstall):
        with pytest.raises(Refused, match="not confirmed"):
            act(c, "ops@host")
    assert host == []
    stack.install(c, "ops@host", yes=True)
    stack.uninstall(c, "ops@host", yes=True)
    assert host == ["install", "uninstall"]
    assert "kept, since somebody changed it: /etc/own.yml" in capsys.readouterr().out


def test_files_are_written_without_a_secret(c: Context, host: list[str], tmp_path: Path) -> None:
    stack.files(c, to=str(tmp_path / "monitoring"))
    written = [path.read_text() for path in (tmp_path / "monitoring").rglob("*") if path.is_file()]
    token = context.settings(c).secret("ADMIN_TOKEN").reveal()
    assert written
    assert not [text for text in written if token in text]
