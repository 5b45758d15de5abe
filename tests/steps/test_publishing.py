"""What must not be published: tried by name, by content, and by the folder named by mistake."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from xswarm_deploy.errors import Refused
from xswarm_deploy.secret import Secret
from xswarm_deploy.services.files import asset_files
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.steps import publishing

VALUE = "canary-of-a-published-file"


@pytest.fixture
def put(tmp_path: Path) -> Callable[[str, bytes], list[str]]:
    def put(name: str, content: bytes) -> list[str]:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return publishing.private(asset_files(tmp_path))

    return put


@pytest.mark.parametrize(
    "name",
    [
        "production.env",
        ".env",
        ".env.local",
        "a/.dev.vars",
        ".dev.vars.production",
        ".git/config",
        "x/.SSH/known_hosts",
        ".npmrc",
        "ID_RSA",
        "store.p12",
        "terraform.tfstate",
        ".sandbox/endpoints.env",
        "production.env.bak",
    ],
)
def test_private_names_are_found(put: Callable[[str, bytes], list[str]], name: str) -> None:
    assert put(name, b"A=1") != []


@pytest.mark.parametrize(
    ("link", "target", "told"),
    [
        ("logo.png", "config/production.env", "/logo.png: it links to ../config/production.env: "),
        (
            "a/b/logo.png",
            ".ssh/id_rsa",
            "/a/b/logo.png: it links to ../.ssh/id_rsa: .ssh is",
        ),
        ("img", ".aws/sso/cache.json", "/img/cache.json: it links to ../.aws/sso/cache.json: "),
    ],
)
def test_a_link_to_a_private_file_is_told_whatever_its_own_name(
    tmp_path: Path, link: str, target: str, told: str
) -> None:
    """A key of another environment is no known value: its name alone tells of it."""
    private, published = tmp_path / target, tmp_path / "site" / link
    for folder in (private.parent, published.parent):
        folder.mkdir(parents=True)
    private.write_text("A=1")
    published.symlink_to(private.parent if link == "img" else private)
    (found,) = publishing.private(asset_files(tmp_path / "site"))
    assert found.startswith(told)


def test_a_link_to_what_is_not_private_is_published(tmp_path: Path) -> None:
    """As in a monorepo; and where the project lies is nobody's affair."""
    site, shared = tmp_path / ".sandbox/own/site", tmp_path / ".sandbox/own/shared"
    for folder in (site, shared):
        folder.mkdir(parents=True)
    (shared / "logo.png").write_text("PNG")
    (site / "logo.png").symlink_to("../shared/logo.png")
    (site / "img").symlink_to("../shared")
    assert publishing.private(asset_files(site)) == []


@pytest.mark.parametrize(
    "content",
    [
        VALUE.encode(),
        b"\x00\xff" + VALUE.encode().hex().encode(),
        b"-----BEGIN PRIVATE KEY-----\nMIG",
        b"-----BEGIN OPENSSH PRIVATE KEY-----",
        b"AGE-SECRET-KEY-1QQQ",
    ],
)
def test_private_content_is_found(put: Callable[[str, bytes], list[str]], content: bytes) -> None:
    Secret(VALUE, "CANARY")
    (told,) = put("app.js", b"const a = '" + content + b"'")
    assert told.startswith("/app.js: it holds")
    assert VALUE not in told


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("index.html", b"<h1>environment</h1>"),
        (".env.example", b"A=your_value"),
        ("production.env.example", b"A="),
        (".well-known/security.txt", b"Contact: x"),
        ("certificate.pem", b"-----BEGIN CERTIFICATE-----"),
        ("slides.key", b"PK"),
        ("environment.js", b"export const env = {}"),
    ],
)
def test_what_may_be_published_is_not_held_up(
    put: Callable[[str, bytes], list[str]], name: str, content: bytes
) -> None:
    assert put(name, content) == []


def test_a_pointer_of_git_lfs_is_no_file(put: Callable[[str, bytes], list[str]]) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
    (told,) = put("logo.png", pointer)
    assert "git lfs pull" in told


def test_a_secret_that_becomes_known_later_is_found(
    put: Callable[[str, bytes], list[str]], tmp_path: Path
) -> None:
    assert put("app.js", b"canary-known-later-only") == []
    Secret("canary-known-later-only", "LATER")
    assert publishing.private(asset_files(tmp_path)) == ["/app.js: it holds the value of LATER"]


def test_the_rules_are_looked_into_and_a_release_is_refused(tmp_path: Path) -> None:
    Secret(VALUE, "CANARY")
    with pytest.raises(Refused, match="this would be published"):
        publishing.require_public((), [f"/*\n  Authorization: {VALUE}"])
    (tmp_path / "local.env").write_text("A=1")
    with pytest.raises(Refused, match=r"local\.env"):
        publishing.require_public(asset_files(tmp_path))


def test_the_folder_that_a_build_names_is_looked_into(settings: Callable[..., Settings]) -> None:
    """A build's own configuration stands in its own folder, and its files beside it."""
    chosen = settings()
    worker = chosen.path(chosen.project.worker.config).parent
    for name, content in {
        ".wrangler/deploy/config.json": '{"configPath": "../../build/wrangler.json"}',
        "build/wrangler.json": '{"name": "boss-ai", "assets": {"directory": "client"}}',
        "build/client/app.js": VALUE,
    }.items():
        (worker / name).parent.mkdir(parents=True, exist_ok=True)
        (worker / name).write_text(content)
    files, _ = publishing.published(chosen)
    assert [file.path for file in files if file.path.endswith("app.js")] == ["/app.js"]
