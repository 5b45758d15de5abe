"""The documents as a site: it builds without a warning and without a network, and hides nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build it where every way out of this machine ends at a proxy that is not there."""
    folder = tmp_path_factory.mktemp("site")
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:1")
    ended = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(folder)],
        cwd=PROJECT,
        env={**os.environ, **nowhere, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "WARNING" not in ended.stderr
    return folder


def test_every_document_is_a_page(site: Path) -> None:
    pages = {page.with_suffix("").name for page in site.rglob("*.html")}
    documents = [file.stem for file in (PROJECT / "deployment/docs").rglob("*.md")]
    assert [name for name in documents if name not in pages] == []


def test_a_page_loads_nothing_from_elsewhere(site: Path) -> None:
    loaded = re.compile(r"<(?:script|img|link)[^>]* (?:src|href)=\"?(https?://[^\" >]+)")
    found = {
        (page.name, address)
        for page in site.rglob("*.html")
        for address in loaded.findall(page.read_text(encoding="utf-8"))
        if "rel=canonical" not in address
    }
    assert found == set()


def test_no_environment_file_is_published(site: Path) -> None:
    assert [file for file in site.rglob("*") if ".env" in file.name] == []


def test_the_quickstart_comes_first_and_the_four_kinds_are_there() -> None:
    nav = yaml.safe_load((PROJECT / "mkdocs.yml").read_text())["nav"]
    names = [next(iter(each)) for each in nav if isinstance(each, dict)]
    assert nav[1] == {"Tutorial": ["quickstart.md"]}
    assert names == ["Tutorial", "How to", "Guide", "Reference", "Explanation"]
