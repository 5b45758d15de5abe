"""Static files: which are taken, how they are hashed, how they travel."""

from __future__ import annotations

from pathlib import Path

import pytest

from xswarm_deploy.errors import Refused
from xswarm_deploy.services import files
from xswarm_deploy.services.files import asset_files, content_hash, pages_files


def site(folder: Path, **contents: str) -> Path:
    for name, content in contents.items():
        write(folder, name.replace("__", "/").replace("_DOT_", "."), content)
    return folder


def write(folder: Path, path: str, content: str = "x") -> None:
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(content)


def test_the_hash_is_wranglers() -> None:
    # Taken from wrangler 4.164: `pages deploy` of a file index.html holding "<h1>hi</h1>\n".
    from blake3 import blake3

    expected = blake3(b"PGgxPmhpPC9oMT4K" + b"html").hexdigest()[:32]
    assert content_hash(b"<h1>hi</h1>\n", ".html") == expected


def test_pages_leaves_out_what_wrangler_leaves_out(tmp_path: Path) -> None:
    for path in (
        "index.html",
        "a/b.css",
        "_headers",
        "_redirects",
        "_routes.json",
        "_worker.js",
        "functions/x.js",
        "a/node_modules/y.js",
        ".git/config",
        "a/.DS_Store",
        ".wrangler/z",
        ".well-known/security.txt",
        "sub/_headers",
    ):
        write(tmp_path, path)
    (tmp_path / "link.html").symlink_to(tmp_path / "index.html")
    found = [file.path for file in pages_files(tmp_path)]
    assert found == ["/.well-known/security.txt", "/a/b.css", "/index.html", "/sub/_headers"]


def test_assets_heed_assetsignore(tmp_path: Path) -> None:
    for path in ("index.html", "draft/a.md", "keep.md", "_headers"):
        write(tmp_path, path)
    write(tmp_path, ".assetsignore", "draft/\n*.md\n!keep.md\n")
    assert [file.path for file in asset_files(tmp_path)] == ["/index.html", "/keep.md"]


def test_a_file_above_the_limit_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "LARGEST_FILE", 10)
    write(tmp_path, "big.bin", "x" * 11)
    with pytest.raises(Refused, match=r"big\.bin"):
        pages_files(tmp_path)


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_FILES", 2)
    for name in "abc":
        write(tmp_path, name)
    with pytest.raises(Refused, match="3 files"):
        pages_files(tmp_path)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no folder site"):
        pages_files(tmp_path / "site")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("/a.html", "text/html"),
        ("/a.js", "application/javascript"),
        ("/a.css", "text/css"),
        ("/a.woff2", "font/woff2"),
        ("/a.json", "application/json"),
        ("/LICENSE", "application/octet-stream"),
    ],
)
def test_media_types_do_not_depend_on_the_machine(name: str, expected: str) -> None:
    assert files.media_type(name) == expected
