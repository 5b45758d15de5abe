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
    found = [file.path for file in pages_files(tmp_path)]
    assert found == ["/.well-known/security.txt", "/a/b.css", "/index.html", "/sub/_headers"]


def test_assets_heed_assetsignore(tmp_path: Path) -> None:
    for path in ("index.html", "draft/a.md", "keep.md", "_headers"):
        write(tmp_path, path)
    write(tmp_path, ".assetsignore", "draft/\n*.md\n!keep.md\n")
    assert [file.path for file in asset_files(tmp_path)] == ["/index.html", "/keep.md"]


def test_links_are_followed_as_wrangler_follows_them(tmp_path: Path) -> None:
    # wrangler 4.164 asks `stat`, and not `lstat`: what a monorepo links to is published.
    write(tmp_path, "shared/logo.svg")
    write(tmp_path, "site/index.html")
    (tmp_path / "site/home.html").symlink_to("index.html")
    (tmp_path / "site/img").symlink_to("../shared")
    for listed in (pages_files, asset_files):
        found = [file.path for file in listed(tmp_path / "site")]
        assert found == ["/home.html", "/img/logo.svg", "/index.html"]


@pytest.mark.parametrize(
    ("target", "why"), [("nowhere", "link to nothing"), (".", "it is in"), ("..", "it is in")]
)
def test_links_that_lead_nowhere_are_refused_unless_they_are_ignored(
    tmp_path: Path, target: str, why: str
) -> None:
    write(tmp_path, "site/a/index.html")
    (tmp_path / "site/a/link").symlink_to(target)
    for listed in (pages_files, asset_files):
        with pytest.raises(Refused, match=f"a/link .*{why}"):
            listed(tmp_path / "site")
    write(tmp_path, "site/.assetsignore", "link\n")
    assert [file.path for file in asset_files(tmp_path / "site")] == ["/a/index.html"]


def test_two_folders_that_link_to_each_other_are_refused(tmp_path: Path) -> None:
    for one, other in (("a", "b"), ("b", "a")):
        (tmp_path / "site" / one).mkdir(parents=True)
        (tmp_path / "site" / one / "link").symlink_to(f"../{other}")
    with pytest.raises(Refused, match="it is in"):
        asset_files(tmp_path / "site")


def test_server_code_of_pages_is_no_static_file(tmp_path: Path) -> None:
    write(tmp_path, "_worker.js/index.js")
    with pytest.raises(Refused, match=r"server code") as told:
        asset_files(tmp_path)
    assert ".assetsignore" in told.value.remedy
    write(tmp_path, ".assetsignore", "")  # wrangler's own way to say that it is meant
    assert [file.path for file in asset_files(tmp_path)] == ["/_worker.js/index.js"]


@pytest.mark.parametrize("content", [b"caf\xe9\n", "*.map\n".encode("utf-16")])
def test_an_assetsignore_that_wrangler_cannot_read_is_refused(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / ".assetsignore").write_bytes(content)
    with pytest.raises(Refused, match="cannot be read"):
        asset_files(tmp_path)


def test_rules_are_read_as_wrangler_reads_them(tmp_path: Path) -> None:
    (tmp_path / "_headers").write_bytes(b"/a\n  X-Y: caf\xe9\n")
    assert files.rule_texts(tmp_path) == {"_headers": "/a\n  X-Y: caf\ufffd\n"}


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
