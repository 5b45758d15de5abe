"""A bad day of the API and of the edge: what is late, refused or hidden, and for how long."""

from __future__ import annotations

import time

import pytest

from tests.twin.cloudflare.stand_in import Api
from xswarm_twin.cloudflare.degraded import Profile
from xswarm_twin.cloudflare.envelope import Refusal
from xswarm_twin.edge.degraded import Degraded


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_after_many_calls_all_are_refused_for_a_while() -> None:
    clock = Clock()
    profile = Profile(1, 60, clock)
    for _ in range(40):
        profile.require_quota()
    with pytest.raises(Refusal) as refused:
        profile.require_quota()
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (429, "60")
    clock.now += 59.5
    with pytest.raises(Refusal) as refused:
        profile.require_quota()
    assert refused.value.headers["Retry-After"] == "1"
    clock.now += 1
    profile.require_quota()


def test_what_is_new_reaches_the_edge_late() -> None:
    clock = Clock()
    degraded = Degraded(3, clock)
    degraded.deployed("shop")
    degraded.uploaded("version")
    assert not degraded.overrides("shop")
    assert not degraded.previews("version")
    assert degraded.overrides("other")
    clock.now += 3
    assert degraded.overrides("shop")
    assert degraded.previews("version")


@pytest.mark.parametrize(
    ("agent", "challenged"),
    [("python-requests/2.32", True), ("", True), ("xswarm-deploy/1.0", False), ("curl/8", False)],
)
def test_unknown_callers_are_challenged(agent: str, challenged: bool) -> None:
    assert Degraded(1).challenges({"User-Agent": agent}) is challenged


def test_a_new_worker_is_not_known_at_once(api: Api) -> None:
    api.worker("older")
    url = f"{api.origin}/__sandbox/profile"
    subdomain = {"json": {"enabled": True}}
    api.session.put(url, json={"name": "degraded", "seconds": 0.5}, timeout=60)
    api.worker("newer")
    assert api.refused("POST", "A/workers/scripts/newer/subdomain", **subdomain) == (404, 10007)
    assert api.refused("GET", "A/workers/services/newer") == (404, 10007)
    time.sleep(0.6)
    api.result("POST", "A/workers/scripts/newer/subdomain", **subdomain)
    api.session.delete(url, timeout=60)


def test_a_profile_begins_and_ends(api: Api) -> None:
    api.worker()
    url, profile = f"{api.origin}/__sandbox/profile", {"name": "degraded", "seconds": 0.5}
    assert api.session.put(url, json={"name": "sunny"}, timeout=60).status_code == 400
    assert api.session.put(url, json=profile, timeout=60).status_code == 200
    time.sleep(0.6)  # a Worker that was just made is not known
    api.version()
    assert api.edge.degraded is not None
    assert len(api.result("GET", "A/workers/scripts/shop/versions")["items"]) == 1
    assert api.session.delete(url, timeout=60).status_code == 200
    assert len(api.result("GET", "A/workers/scripts/shop/versions")["items"]) == 2
    assert api.edge.degraded is None
