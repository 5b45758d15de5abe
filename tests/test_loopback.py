from __future__ import annotations

import pytest

from xswarm_deploy.loopback import is_address, is_loopback, is_nowhere


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8787/x",
        "http://localhost",
        "http://boss.localhost:1/",
        "http://[::1]:9",
        "http://127.9.9.9",
    ],
)
def test_an_address_of_this_machine_is_known(url: str) -> None:
    assert is_loopback(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "http://localhost@evil.example",
        "http://127.0.0.1:80@evil.example",
        "http://evil.example\\@127.0.0.1/",
        "http://evil.example/@127.0.0.1",
        "http://127.0.0.1\t.evil.example",
        "http://127.0.0.1 .evil.example",
        "http://127.0.0.1:99999",
        "http://[::1",
        "http://10.0.0.1",
        "http://0.0.0.0",
        "",
    ],
)
def test_what_only_looks_like_one_is_not(url: str) -> None:
    assert not is_loopback(url)


@pytest.mark.parametrize("host", ["shop.example", "shop.example.", "é.example", "[::1]:9", "h:443"])
def test_what_can_be_asked_is_an_address(host: str) -> None:
    assert is_address(f"https://{host}/x")


@pytest.mark.parametrize(
    "url",
    [
        *("https://[::1", "https://h:99999", "https://h:x", "https://", "https:///x", "https://.."),
        *("https://a..example", f"https://{'a' * 64}.example", "https://u:p@h", "https://h\\@e"),
        *("https://a b", "https://a\u200b.example", "no url", "https://*.example"),
    ],
)
def test_what_nobody_can_ask_is_none(url: str) -> None:
    assert not is_address(url)
    assert not is_nowhere(url)
