from __future__ import annotations

from pathlib import Path

import pytest
from invoke.config import Config
from invoke.context import Context, MockContext

from tests.adoption.repositories import file, wrangler
from xswarm_deploy.adoption import updating
from xswarm_deploy.cli import context
from xswarm_deploy.errors import Refused
from xswarm_deploy.tasks import init, update


@pytest.fixture
def root(c: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a repository that was set up by this version."""
    file(tmp_path, "wrangler.jsonc", wrangler())
    file(tmp_path, ".dev.vars", "MAPS_KEY=x\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(context, "ROOT", tmp_path)
    init.init(c, yes=True, deploy=False)
    return tmp_path


def of(root: Path, *, dry: bool = False) -> Context:
    config = Config(project_location=root, overrides={"run": {"dry": dry}})
    config.load_project()
    return MockContext(config)


def test_what_this_version_wrote_needs_nothing(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    update.update(of(root))
    assert capsys.readouterr().out.endswith(
        "nothing to do: the files are as this version writes them\n"
    )


@pytest.mark.slow
def test_what_an_older_version_wrote_is_shown_and_then_written(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "deployment/config/invoke.schema.json").write_text("{}")
    example = root / "deployment/config/production.env.example"
    example.write_text("WORKER_URL=https://shop.example.com\n")
    with pytest.raises(Refused, match="Write these 2 files"):
        update.update(of(root))
    update.update(of(root, dry=True), yes=True)
    assert example.read_text() == "WORKER_URL=https://shop.example.com\n"
    update.update(of(root), yes=True)
    said = capsys.readouterr().out
    assert "+TURSO_DATABASE_URL=" in said
    assert "WORKER_URL=https://shop.example.com\n" in example.read_text()
    assert "MAPS_KEY=" in example.read_text()
    update.update(of(root))
    assert "nothing to do" in capsys.readouterr().out


def test_what_people_filled_in_stays_and_they_are_told(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = root / "deployment/config/production.env"
    kept.write_text(
        "TURSO_DATABASE_URL=libsql://mine\nDATABASE_CONNECTION_POOL_SIZE=3\nMAPS_KEY=x\n"
    )
    before = kept.read_bytes()
    update.update(of(root))
    said = capsys.readouterr().out
    assert "has no CLOUDFLARE_API_TOKEN: API token" in said
    assert "DATABASE_CONNECTION_POOL_SIZE is not read by this version; delete its line" in said
    assert "MAPS_KEY is not read" not in said
    assert kept.read_bytes() == before


def test_a_setting_that_is_gone_is_named(root: Path) -> None:
    with pytest.raises(Refused, match=r"unknown setting deploy\.pool"):
        updating.files(root, {"pool": 3, "worker": {"name": "shop"}})


def test_this_repositorys_own_files_are_up_to_date() -> None:
    here = Path(__file__).parents[2]
    assert updating.files(here, context.values(of(here))) == []
