"""What a Worker's answers say of its rate limit, in each spelling that is in use."""

from __future__ import annotations

import pytest

from xswarm_deploy.services.pace import Allowance, allowance, limit, pause

NOW = 1_760_000_000.0


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"RateLimit-Remaining": "7", "RateLimit-Reset": "30"}, Allowance(7, 30)),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "20"}, Allowance(0, 20)),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1760000012"}, Allowance(0, 12)),
        ({"RateLimit": '"default";r=50;t=30'}, Allowance(50, 30)),
        ({"RateLimit": "limit=100, remaining=0, reset=9"}, Allowance(0, 9)),
        ({"RateLimit-Remaining": "3"}, Allowance(3, 0)),
        ({"RateLimit-Remaining": "many"}, None),
        ({"RateLimit": "nonsense"}, None),
        ({}, None),
    ],
)
def test_what_is_left_is_read(headers: dict[str, str], told: Allowance | None) -> None:
    assert allowance(headers, NOW) == told


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (200, {}, 0),
        (200, {"RateLimit-Remaining": "1", "RateLimit-Reset": "30"}, 0),
        (200, {"RateLimit-Remaining": "0", "RateLimit-Reset": "30"}, 30),
        (429, {"Retry-After": "17"}, 17),
        (429, {"retry-after": "Thu, 09 Oct 2025 08:53:25 GMT"}, 5),
        (429, {"Retry-After": "Mon, 01 Jan 2001 00:00:00 GMT"}, 1),
        (429, {"RateLimit-Remaining": "0", "RateLimit-Reset": "8"}, 8),
        (429, {"Retry-After": "soon"}, 1),
        (429, {}, 1),
    ],
)
def test_how_long_to_wait(status: int, headers: dict[str, str], seconds: float) -> None:
    assert pause(status, headers, NOW) == seconds


def test_the_limit_is_named() -> None:
    assert limit({"RateLimit-Limit": "60"}) == "60"
    assert limit({}) == ""
