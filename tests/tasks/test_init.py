from __future__ import annotations

from pathlib import Path

import pytest
from invoke.context import Context
from invoke.exceptions import Exit

from tests.adoption.repositories import file, wrangler
from xswarm_deploy.adoption import trial
from xswarm_deploy.errors import Refused
from xswarm_deploy.tasks import init


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return somebody's repository, in which the command is typed."""
    file(tmp_path, "wrangler.jsonc", wrangler())
    file(tmp_path, "src/index.ts", 'if (url.pathname === "/status") {}')
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Note which commands were run, in place of running them; the twin answers everything."""
    found: list[tuple[str, ...]] = []

    def run(root: Path, *words: str) -> int:
        found.append(words)
        return 3 if (root / "broken").exists() else 0

    monkeypatch.setattr(trial, "run", run)
    monkeypatch.setattr(trial, "answers", lambda root, paths: dict.fromkeys(paths, 200))
    return found


def test_without_a_terminal_nothing_is_written_unless_yes(c: Context, root: Path) -> None:
    before = sorted(root.rglob("*"))
    with pytest.raises(Refused, match="Write these 8 files"):
        init.init(c)
    assert sorted(root.rglob("*")) == before


def test_dry_shows_the_files_and_writes_none(
    dry: Context, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(root.rglob("*"))
    init.init(dry, yes=True)
    assert "new      invoke.yaml" in capsys.readouterr().out
    assert sorted(root.rglob("*")) == before


def test_it_ends_with_a_release_and_the_routes_that_answered(
    c: Context, root: Path, ran: list[tuple[str, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    init.init(c, yes=True)
    assert [words[0] for words in ran] == ["deploy.local", "verify"]
    assert "- path: /status" in (root / "invoke.yaml").read_text()
    assert "./inv production check" in capsys.readouterr().out


def test_a_release_that_fails_is_its_exit_code(
    c: Context, root: Path, ran: list[tuple[str, ...]]
) -> None:
    (root / "broken").touch()
    with pytest.raises(Exit) as caught:
        init.init(c, yes=True)
    assert caught.value.code == 3


def test_packages_that_are_missing_are_named_and_nothing_is_released(
    c: Context, root: Path, ran: list[tuple[str, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    file(root, "package.json", {"dependencies": {"hono": "4", "stripe": "20"}})
    init.init(c, yes=True)
    said = capsys.readouterr().out
    assert ran == []
    assert "next: npm install  (hono is not there)" in said
    assert "found, not managed: stripe" in said


def test_what_is_typed_next_is_typed_in_the_folder_that_was_set_up(
    c: Context, root: Path, ran: list[tuple[str, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    """From the top of several Workers, whose packages are not installed."""
    for name in ("api", "mail"):
        file(root, f"apps/{name}/wrangler.jsonc", wrangler(name))
    file(root, "apps/api/package.json", {"dependencies": {"hono": "4"}})
    (root / "wrangler.jsonc").unlink()
    init.init(c, yes=True, config="apps/api/wrangler.jsonc")
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("next:")]
    assert told == [
        "next: cd apps/api",
        "next: npm install  (hono is not there)",
        "next: ./inv deploy.local",
    ]


def test_a_d1_database_and_its_migrations_are_the_releases_own(
    c: Context, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = wrangler(d1_databases=[{"binding": "DB", "database_id": "0" * 32}])
    file(root, "wrangler.jsonc", content)
    file(root, "migrations/1.sql", "SELECT 1;")
    init.init(c, yes=True, deploy=False)
    said = capsys.readouterr().out
    assert "  D1         DB" in said
    assert "DB (D1): its tables are migrated by releases" in said
    assert "directory: migrations" in (root / "invoke.yaml").read_text()
    assert "d1:DB" in (root / "deployment/config/local.env").read_text()


@pytest.mark.parametrize("worker", ["{name: shop}", "shop"])
def test_what_is_set_up_already_is_refused(c: Context, root: Path, worker: str) -> None:
    file(root, "invoke.yaml", f"deploy: {{worker: {worker}}}\n")
    with pytest.raises(Refused, match="is set up already") as caught:
        init.init(c, yes=True)
    assert caught.value.remedy == "inv update shows what a newer version of the tool would change"


def test_a_worker_that_is_set_up_in_its_own_folder_is_refused_from_above(
    c: Context, root: Path
) -> None:
    """A submodule, say; an invoke.yaml above the start is another Worker's, or plain Invoke's."""
    (root / "wrangler.jsonc").unlink()
    file(root, "worker/wrangler.jsonc", wrangler())
    own = file(root, "worker/invoke.yaml", "deploy: {worker: {name: shop}}\n")
    with pytest.raises(Refused, match="is set up already") as caught:
        init.init(c, yes=True)
    assert str(own) in caught.value.what
