"""Applications that tell of no routes, by the paths that they are asked for."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tests.support.monitoring import Hands, SQLite
from xswarm_monitoring import abuse, instruments, outcomes
from xswarm_monitoring.bounds import RETIRED, add, bound, visible
from xswarm_monitoring.exposition import write
from xswarm_monitoring.groups import Groups
from xswarm_monitoring.instruments import OVERFLOW, Family, Kind
from xswarm_monitoring.metrics import Metrics
from xswarm_monitoring.paths import DEPTH, WIDTH, Paths
from xswarm_monitoring.sketch import Sketch
from xswarm_monitoring.storage import Storage
from xswarm_monitoring.tail import measure
from xswarm_monitoring.window import Labels, Window, load

REQUESTS = instruments.REQUESTS.name
PAGES = ("/", "/about", "/pricing", "/login", "/api/session", "/api/orders/:num")
SCANNED = tuple(
    f"/{folder}{name}"
    for folder in ("", "blog/", "wp/", "old/", "site/", "backup/", "new/", "test/")
    for name in (
        *("wp-login.php", "xmlrpc.php", ".env", ".git/config", "wp-admin/setup-config.php"),
        *(f"wp-content/plugins/plugin{letter}/readme.txt" for letter in "abcdefghijklmnop"),
        *("vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php", "phpmyadmin/index.php"),
    )
)


def labels(paths: Paths, asked: Iterable[str]) -> Counter[str]:
    return Counter(paths.label(path) or "-" for path in asked)


@pytest.fixture
def paths(hands: Hands) -> Paths:
    return Paths(lambda: hands.now)


def test_a_blog_of_5000_slugs_is_a_few_labels_and_all_its_requests(paths: Paths) -> None:
    slugs = [f"/blog/{first}{second}" for first in _words(100) for second in _words(50)]
    found = labels(paths, [*slugs, "/about", "/pricing"])
    assert (found["/about"], found["/pricing"], found.total()) == (1, 1, 5_002)
    assert found["/blog/*"] == 5_000 - WIDTH
    assert len(found) == WIDTH + 3


def test_hashed_assets_are_one_label_for_each_kind(paths: Paths) -> None:
    chance = random.Random(1)
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    built = [
        f"/assets/index-{''.join(chance.choices(letters, k=8))}.{kind}"
        for kind in ("js", "css", "woff2")
        for _ in range(2_000)
    ]
    chance.shuffle(built)
    found = labels(paths, built)
    grouped = sum(found[f"/assets/{each}.{kind}"] for each in ("*", ":id") for kind in _KINDS)
    assert grouped >= 6_000 - WIDTH
    assert len(found) <= WIDTH + 2 * len(_KINDS)


_KINDS = ("js", "css", "woff2")


def test_a_scanner_that_all_is_answered_takes_no_page_s_label(paths: Paths, hands: Hands) -> None:
    """A single-page application answers 200 to any path at all."""
    noise = [f"/{word}.php" for word in _words(400)] + list(SCANNED)
    asked: Counter[str] = Counter()
    for _ in range(30):
        asked += labels(paths, [*noise, *("/checkout", "/orders/17") * 20])
        hands.turn(60)
    assert asked["/checkout"] > 20 * 30 * 0.9  # it came last, and found all places taken
    assert asked["/orders/:num"] > 20 * 30 * 0.9
    assert asked.total() == 30 * (len(noise) + 40)
    assert len(asked) < 500


def test_a_page_gets_its_label_back_once_the_scan_is_over(paths: Paths, hands: Hands) -> None:
    labels(paths, [f"/{word}" for word in _words(3_000)])
    assert paths.label("/seldom") == "/*"
    hands.turn(3_600)
    assert paths.label("/seldom") == "/seldom"


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("/users;jsessionid=8A1C/orders;sort=asc", "/users/orders"),
        ("/;jsessionid=8A1C", "/"),
        ("/search?q=ada@example.com", "/search"),
        ("//wp//login.php", "/wp/login.php"),
        ("/blog/", "/blog"),
        ("", "/"),
        ("*", "/*"),
        ("/über-uns", "/über-uns"),
        ("/日本語", "/日本語"),
        ("/file%20name", "/:id"),
        ("/" + "x" * 5_000, "/:id"),
        ("/line\nbreak/\x1b[31m", "/:id/:id"),
        ("/photos/IMG_2041.JPG", "/photos/:id.jpg"),
        ("/posts/my-first-post.html", "/posts/:slug.html"),
        ("/static/app.js", "/static/app.js"),
        ("/a/b/c/d/e/f/g/h/i/j", "/a/b/c/d/e/f/g/*"),
    ],
)
def test_what_varies_in_a_path_is_in_no_label(paths: Paths, path: str, label: str) -> None:
    assert paths.label(path) == label


@given(some.lists(some.text(max_size=40).map("/{}".format), max_size=300))
def test_no_set_of_paths_makes_more_labels_than_there_is_room_for(asked: list[str]) -> None:
    paths = Paths(lambda: 0.0)
    for _ in range(3):
        found = labels(paths, asked)
        assert found.total() == len(asked)
        assert len(found) <= 2 * WIDTH + 20
        assert all(label.startswith("/") and label.count("/") <= DEPTH for label in found)


def test_deep_and_wide_paths_have_some_hundreds_of_labels(paths: Paths) -> None:
    chance, words = random.Random(2), _words(60)
    asked = ["/" + "/".join(chance.choices(words, k=6)) for _ in range(20_000)]
    assert len(labels(paths, asked)) < 1_000


def test_what_is_refused_has_a_label_only_where_something_was_answered(paths: Paths) -> None:
    assert paths.label("/users/17", answered=False) is None
    assert paths.label("/users/18") == "/users/:num"
    assert paths.label("/users/19", answered=False) == "/users/:num"
    assert paths.label("/users", answered=False) is None
    labels(paths, [f"/{word}" for word in _words(500)])
    assert paths.label("/no-such-page", answered=False) is None  # it is a scan, not "/*"


def test_the_tail_of_a_worker_is_grouped_alike_and_its_scans_are_known(hands: Hands) -> None:
    metrics = Metrics(clock=hands.clock)
    asked = [(f"/blog/{word}", 200) for word in _words(300)] + [("/caf%C3%A9", 200)]
    asked += [(path, 404) for path in SCANNED]
    events = [_event(path, status) for path, status in asked]
    assert measure(json.dumps(events).encode(), metrics) == (len(events), 0)
    total = metrics.total()
    routes = Counter[str]()
    for (route, _, _), sketch in total.sketches[REQUESTS].items():
        routes[route] += sketch.count
    assert routes["/café"] == 1
    assert routes["/blog/*"] == 300 - WIDTH
    assert routes[instruments.NO_ROUTE] == abuse.counted(total)["scans"] == len(SCANNED)


# What all isolates have, together


def test_a_window_keeps_what_was_counted_most_and_groups_the_rest() -> None:
    whole = Window(0, 60, {REQUESTS: {}})
    for number in range(800):
        whole.sketches[REQUESTS][f"/blog/{number}", "GET", "200"] = _sketch(1)
    whole.sketches[REQUESTS]["/checkout", "GET", "200"] = _sketch(9)
    bound(whole, instruments.by_name(instruments.FAMILIES))
    found = whole.sketches[REQUESTS]
    assert found["/checkout", "GET", "200"].count == 9
    assert found["/blog/*", "GET", "200"].count == 301
    assert len(found) == 501


def test_the_first_errors_of_a_known_route_are_that_route_s(hands: Hands, sqlite: SQLite) -> None:
    """All label sets are taken by routes that answered well when one of them begins to fail."""
    storage, metrics = Storage(sqlite.execute, instance="a"), Metrics(clock=hands.clock)
    asyncio.run(storage.prepare())
    for status in (200, 503):
        for number in range(500 if status == 200 else 90):
            metrics.requests.observe(f"/api/{number}", "GET", status, 0.1)
        metrics.seal()
        asyncio.run(storage.flush(metrics, "v"))
        asyncio.run(storage.compact(hands.now))
        hands.turn(60)
    (whole, *more) = asyncio.run(storage.read(0, hands.now + 1))
    for each in more:
        whole.merge(each)
    for found in (metrics.total(), asyncio.run(storage.total()), whole):
        failed = [labels[0] for labels in found.sketches[REQUESTS] if labels[2] == "503"]
        assert sorted(failed) == sorted(f"/api/{number}" for number in range(90))
        assert sum(sketch.count for sketch in found.sketches[REQUESTS].values()) == 590


def test_a_series_makes_way_after_an_hour_and_nothing_is_counted_twice(hands: Hands) -> None:
    """Ten days of slugs that come and go: what Prometheus sees never goes back."""
    family = Family("reads", Kind.COUNTER, "Reads", ("path", "status"), closed=1, limit=20)
    families = {family.name: family}
    total, seen, increases, given = Window(0, 0), Counter[Labels](), Counter[Labels](), 0
    for hour in range(240):
        fresh: dict[Labels, float] = {(f"/blog/{hour}-{n}", "200"): 1 for n in range(15)}
        fresh["/", "200"] = 5
        given += 20
        add(total, Window(hour * 3601, hour * 3601 + 60, counts={"reads": fresh}), families)
        total = load(total.dump())
        shown = visible(total).counts["reads"]
        increases += _increases(seen, shown)
        seen = Counter({labels: int(count) for labels, count in shown.items()})
        assert len(shown) <= 21
    assert increases.total() == given  # as Prometheus counts, series that are new included
    assert sum(total.counts["reads"].values()) == given
    assert increases["/", "200"] == 240 * 5
    assert (RETIRED, "200") in total.counts["reads"]


def test_the_501st_route_is_one_of_its_own_an_hour_later(hands: Hands, sqlite: SQLite) -> None:
    storage = Storage(sqlite.execute, instance="a")
    metrics, texts = Metrics(clock=hands.clock), []
    asyncio.run(storage.prepare())

    def answered(routes: Sequence[str]) -> None:
        for route in routes:
            metrics.requests.observe(route, "GET", 200, 0.1)
        asyncio.run(storage.flush(metrics, "v"))
        asyncio.run(storage.compact(hands.now))
        texts.append(asyncio.run(storage.total()))
        hands.turn(60)
        metrics.tick(hands.now)

    answered([f"/t/{number}" for number in range(500)])
    answered(["/checkout"])
    assert ("/*", "GET", "200") in texts[-1].sketches[REQUESTS]
    hands.turn(2 * 3600)
    metrics.tick(hands.now)
    answered(["/checkout", "/checkout"])
    found = texts[-1].sketches[REQUESTS]
    assert found["/checkout", "GET", "200"].count == 2
    assert found["/*", "GET", "200"].count == 1
    assert sum(sketch.count for sketch in found.values()) == 503
    told = outcomes.complete(texts[-1], (), {})
    assert told.counts[outcomes.HTTP_REQUESTS.name]["ok",] == 503
    assert RETIRED not in write(told, {**metrics.families, "http_requests": outcomes.HTTP_REQUESTS})


def test_a_scrape_sees_what_will_be_counted(hands: Hands, sqlite: SQLite) -> None:
    """Rows that a scrape adds up itself are added to the running total later: to the same one."""
    storage = Storage(sqlite.execute, instance="a")
    asyncio.run(storage.prepare())
    metrics, chance = Metrics(clock=hands.clock), random.Random(3)
    before: dict[Labels, int] = {}
    for _ in range(30):
        for _ in range(60):
            metrics.requests.observe(f"/s/{chance.randrange(900)}", "GET", 200, 0.1)
        asyncio.run(storage.flush(metrics, "v"))
        scraped = _counts(asyncio.run(storage.total()))
        assert all(scraped.get(labels, count) >= count for labels, count in before.items())
        if chance.random() < 0.3:
            asyncio.run(storage.compact(hands.now))
            assert _counts(asyncio.run(storage.total())) == scraped
        before = scraped
        hands.turn(400)
        metrics.tick(hands.now)


def test_a_total_of_an_earlier_version_is_read_and_retires_nothing_at_once() -> None:
    known: dict[Labels, float] = {(f"/old/{number}",): 1 for number in range(500)}
    earlier = load(Window(0, 10, counts={"x": known}).dump())
    assert earlier.seen == {}
    add(earlier, Window(10, 99_999, counts={"x": {("/new",): 1.0}}), {})
    assert len(earlier.counts["x"]) == 501
    assert earlier.counts["x"]["/*",] == 1
    add(earlier, Window(0, 200_000, counts={"x": {("/new",): 1.0}}), {})
    assert earlier.counts["x"]["/new",] == 1


def test_labels_that_are_no_paths_have_no_group() -> None:
    groups = Groups((each,) for each in ("ada", "bob", "eve", "/a/1", "/a/2", "/a/3"))
    assert [groups.of(each) for each in ("zoe", "/a/4", "/b/c", "x/y")] == [
        None,
        "/a/*",
        "/*",
        None,
    ]
    family = Family("calls", Kind.COUNTER, "Calls", ("who",), limit=2)
    assert family.beyond(("zoe",), groups, 2) == (OVERFLOW,)


def _increases(before: Counter[Labels], shown: dict[Labels, float]) -> Counter[Labels]:
    """Return by how much each series grew; one that shrank, or is new, began at zero."""
    return Counter(
        {
            labels: int(count) - (before[labels] if before[labels] <= count else 0)
            for labels, count in shown.items()
        }
    )


def _counts(total: Window) -> dict[Labels, int]:
    return {
        labels: sketch.count for labels, sketch in visible(total).sketches.get(REQUESTS, {}).items()
    }


def _sketch(count: int) -> Sketch:
    sketch = Sketch()
    for _ in range(count):
        sketch.observe(0.1)
    return sketch


def _event(path: str, status: int) -> dict[str, Any]:
    address = f"https://x.test{path if '%' in path else quote(path)}"
    about = {"request": {"url": address, "method": "GET"}, "response": {"status": status}}
    return {"event": about, "outcome": "ok", "wallTime": 1}


def _words(count: int) -> list[str]:
    """Return different words without a digit."""
    letters = "abcdefghijklmnopqrst"
    return [letters[n % 20] + letters[n // 20 % 20] + letters[n // 400 % 20] for n in range(count)]
