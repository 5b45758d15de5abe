"""Which version answers, as decisions without a network."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from xswarm_twin.edge.routing import (
    Route,
    Target,
    branch_alias,
    bucket,
    choose_version,
    overrides,
    target_of,
)

OWN = Target("worker", "shop")


@pytest.mark.parametrize(
    ("host", "target"),
    [
        ("127.0.0.1:8787", OWN),
        ("localhost", OWN),
        ("example.com", OWN),
        ("shop.localhost:1", Target("worker", "shop")),
        ("my-other.localhost", Target("worker", "my-other")),
        ("0123abcd-my-other.localhost", Target("worker", "my-other", "0123abcd")),
        ("SITE.localhost.", Target("pages", "site")),
        ("0123abcd.site.localhost", Target("pages", "site", "0123abcd")),
        ("feature-one.site.localhost", Target("pages", "site", "feature-one")),
        ("both.localhost", Target("worker", "both")),
        ("012-shop.localhost", None),
        ("unknown.localhost", None),
        ("a.b.localhost", None),
    ],
)
def test_hosts_name_targets(host: str, target: Target | None) -> None:
    assert target_of(host, OWN, {"shop", "my-other", "both"}, {"site", "both"}) == target


def test_shares_are_of_the_whole(workshop: Any) -> None:
    first, second = (workshop.version({"index.js": ""}) for _ in range(2))
    route = Route({first: 75, second: 25}, enabled=True, previews=True)
    chosen = Counter(
        getattr(choose_version(route, "shop", {}, chance / 1000), "number", None)
        for chance in range(1000)
    )
    assert chosen == {first.number: 750, second.number: 250}
    only = Route({first: 100, second: 0}, enabled=True, previews=True)
    assert choose_version(only, "shop", {}, 0.0) == first
    assert choose_version(only, "shop", {}, 0.999999) == first
    assert choose_version(Route({}, True, True), "shop", {}, 0.5) is None


def test_a_newer_share_grows_in_place(workshop: Any) -> None:
    old, new = (workshop.version({"index.js": ""}) for _ in range(2))
    before: set[int] = set()
    for percentage in (10, 50, 90, 100):
        route = Route({old: 100 - percentage, new: percentage}, enabled=True, previews=True)
        now = {
            user
            for user in range(500)
            if choose_version(route, "shop", {"Cloudflare-Workers-Version-Key": str(user)}, 0)
            == new
        }
        assert before <= now
        before = now
    assert len(before) == 500


def test_keys_spread_evenly() -> None:
    places = [bucket(str(number)) for number in range(2000)]
    assert all(0 <= place < 1 for place in places)
    assert 900 < sum(place < 0.5 for place in places) < 1100


def test_overrides_are_read() -> None:
    assert overrides('a="1", b-2="x-y";p=1') == {"a": "1", "b-2": "x-y"}
    assert overrides("a=1") == overrides("") == {}


@pytest.mark.parametrize("header", ['3d-viewer="1"', '_x="1"', 'a="1", 3d="2"', 'a = "1"', 'a="1'])
def test_overrides_that_are_no_dictionary_are_ignored_wholly(header: str) -> None:
    assert overrides(header) == {}


def test_branches_become_hosts() -> None:
    assert branch_alias("Feature/One_two") == "feature-one-two"
