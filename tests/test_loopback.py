from __future__ import annotations

import pytest

from xswarm_deploy.loopback import is_loopback


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
