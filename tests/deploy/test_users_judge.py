"""Canaries of a Worker that measures nothing itself: users judge, and each keeps to a version.

What only users ask fails, so that no question of a release's own would notice.
"""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
import requests

from tests.deploy.load import PAUSE
from tests.support.house import House, temporary_house

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PROJECT = """\
deploy:
  worker:
    name: shop
    config: shop/wrangler.json
    affinity: http.request.cookies["session"][0]
    canary: [{percent: 50, soak: 8}]
  verify: {routes: [{path: /}]}
"""
CODE = """\
export default { fetch(request) {
  if (BROKEN && new URL(request.url).pathname === "/buy") throw new Error("nobody can buy");
  return new Response("VERSION");
} };
"""
SESSIONS, THREADS = 12, 3


@dataclass
class Users:
    """What each session was answered, in order."""

    answers: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def flips(self) -> int:
        """Return how often a session met another version than just before, beyond the one move."""
        changes = (
            sum(one != other for one, other in pairwise(told)) for told in self.answers.values()
        )
        return sum(max(0, count - 1) for count in changes)

    def come_again(self) -> None:
        """Wait until each session has asked once more."""
        known = {key: len(told) for key, told in self.answers.items()}
        while any(len(self.answers[key]) <= count for key, count in known.items()):
            time.sleep(0.1)

    def ask(self, url: str, thread: int) -> None:
        with requests.Session() as session:
            number = 0
            while not self.ended.wait(PAUSE):
                number += 1
                key = f"user-{thread}-{number % SESSIONS}"
                reply = session.get(f"{url}/buy", cookies={"session": key}, timeout=30)
                self.answers[key].append(reply.text if reply.ok else str(reply.status_code))


@pytest.fixture(scope="module")
def shop() -> Iterator[House]:
    with temporary_house(forking=True) as house:
        (house.root / "shop").mkdir()
        written = {"name": "shop", "main": "index.js", "compatibility_date": "2026-11-01"}
        (house.root / "shop/wrangler.json").write_text(json.dumps(written))
        (house.root / "invoke.yaml").write_text(PROJECT)
        write(house, "one")
        house.inv("deploy.local")
        yield house


def write(house: House, version: str, *, broken: bool = False) -> None:
    code = CODE.replace("VERSION", version).replace("BROKEN", str(broken).lower())
    (house.root / "shop/index.js").write_text(code)


@contextmanager
def users(house: House) -> Iterator[Users]:
    found, url = Users(), house.url
    threads = [threading.Thread(target=found.ask, args=(url, n)) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        found.ended.set()
        for thread in threads:
            thread.join()


def test_each_user_moves_once_to_a_version_that_is_good(shop: House) -> None:
    write(shop, "two")
    with users(shop) as met:
        shop.inv("deploy.local")
        met.come_again()
    assert set().union(*met.answers.values()) == {"one", "two"}
    assert {told[-1] for told in met.answers.values()} == {"two"}
    assert met.flips == 0


def test_one_that_fails_its_users_is_taken_back(shop: House) -> None:
    """By a tail or by the analytics: whichever has heard of enough of them first."""
    asked = "routes: [{path: /, status: [200, 204]}]"  # which no canary asks: users alone decide
    (shop.root / "invoke.yaml").write_text(PROJECT.replace("routes: [{path: /}]", asked))
    before = requests.get(shop.url, timeout=30).text
    write(shop, "broken", broken=True)
    with users(shop) as met:
        ended = shop.inv("deploy.local", check=False)
    assert (ended.returncode, "users by" in ended.stderr) == (3, True), ended.stderr
    assert "500" in set().union(*met.answers.values())
    assert requests.get(shop.url, timeout=30).text == before
    assert list(shop.json("worker.status")["split"].values()) == [100.0]
