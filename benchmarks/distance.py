"""Measure what a release takes far from its providers: `python benchmarks/distance.py [ms …]`.

Every provider of the twin is put a round trip of 20, 100 and 200 ms away, and each new connection
pays two of them more, for TCP and TLS. The twin's Worker is as near to them as ever. Ours
and wrangler's do the same work by turns:

(a) new code alone: `inv deploy.local` (nine steps) against `wrangler deploy`: at most 2 times;
(b) going back to the release before: `inv rollback` against `wrangler rollback`: at most 0.6
    times; and once more to a version that shares no deployment with the live one, as wrangler
    leaves them: that is brought to 0 % first;
(c) new code, three secrets, two migrations, ten pages and one webhook: `inv deploy.local` against
    the five commands that a person would type, one after another: at most 0.7 times;
(d) `inv check`, `deploy.plan`, `deploy.list`, `deploy.status`, without a peer.

Beside the seconds stand all calls, and the longest chain of calls that waited for each other. With
`--chain` the calls of that chain are listed: when each began and ended, whose it is, and what. With
`--picture` release and rollback at the last distance are drawn, a line a call, into
deployment/docs/distance-release.svg and distance-rollback.svg. On a busy machine calls that would
overlap follow each other; the further away all is, the less of that is in the chain: count at 600.
Everything runs in a copy of the project with a twin of its own, which is ended at the end.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from benchmarks import installed  # noqa: E402 - the path first

installed.require()

from benchmarks import commands  # noqa: E402
from benchmarks.deployments import Wrangler, median, wall  # noqa: E402
from tests.support.distance import Call, Distance, chain  # noqa: E402
from tests.support.house import House, temporary_house  # noqa: E402

RUNS = 3
CLIENTS = ("xswarm-boss", "wrangler/", "curl/")
PICTURES = {
    "release": PROJECT / "deployment/docs/distance-release.svg",
    "rollback": PROJECT / "deployment/docs/distance-rollback.svg",
}
READERS = (("check",), ("deploy.plan",), ("deploy.list",), ("deploy.status",))


def main(words: Sequence[str]) -> None:
    """Print each figure beside its peer's, for each distance."""
    distances = [float(word) for word in words if not word.startswith("-")] or [20.0, 100.0, 200.0]
    with temporary_house() as house:
        house.inv("deploy.local", "--message", "warm up")
        wrangler = Wrangler(house, house.root.parent)
        wrangler.run("deploy", "--config", str(wrangler.config))
        for milliseconds in distances:
            with Distance(milliseconds / 1000, CLIENTS) as distance:
                measure(house, wrangler, distance, shown=frozenset(words))


def measure(house: House, wrangler: Wrangler, distance: Distance, *, shown: frozenset[str]) -> None:
    """Compare at one distance, and leave the twin's addresses as they were."""
    file = house.root / ".sandbox/endpoints.env"
    near, api = file.read_text(), wrangler.environment["CLOUDFLARE_API_BASE_URL"]
    far = moved(near, distance)
    file.write_text("".join(f"{name}={value}\n" for name, value in far.items()))
    wrangler.environment["CLOUDFLARE_API_BASE_URL"] = far["CLOUDFLARE_API_BASE_URL"]
    try:
        house.inv("deploy.local", "--message", "webhooks have moved")
        print(f"{distance.seconds * 1000:.0f} ms a round trip", flush=True)
        show("release", releasing(house, wrangler, distance), shown)
        show("rollback", going_back(house, wrangler, distance), shown)
        show("further", going_back(house, wrangler, distance, beside=False), shown)
        show("everything", everything(house, wrangler, distance, far), shown)
        for words in READERS:
            row(" ".join(words), [timed(distance, partial(house.inv, "local", *words))], [], "")
    finally:
        file.write_text(near)
        wrangler.environment["CLOUDFLARE_API_BASE_URL"] = api
    house.inv("deploy.local", "--message", "webhooks are back")


def moved(text: str, distance: Distance) -> dict[str, str]:
    """Return the twin's variables with every address a round trip away."""
    lines = [line.partition("=") for line in text.splitlines() if "=" in line and line[0] != "#"]
    proxies: dict[str, str] = {}
    found = {}
    for name, _, value in lines:
        if not value.startswith(("http://127.0.0.1", "http://localhost")):
            found[name] = value
            continue
        origin = "/".join(value.split("/")[:3])
        if origin not in proxies:
            proxies[origin] = distance.before(name, origin)
        found[name] = value.replace(origin, proxies[origin].rstrip("/"))
    return found


Timed = tuple[float, list[Call]]


def timed(distance: Distance, act: Callable[[], object]) -> Timed:
    """Return the seconds that something takes, and its calls."""
    distance.taken()
    seconds = wall(act)
    return seconds, distance.taken()


def releasing(house: House, wrangler: Wrangler, distance: Distance) -> list[Call]:
    """Release new code by turns; return the calls of our last release."""
    ours, theirs = [], []
    for number in range(RUNS):
        for folder in (house.root / "worker", wrangler.folder):
            change(folder / "src/main.py", f"{distance.seconds} {number}")
        ours.append(timed(distance, partial(house.inv, "deploy.local")))
        deploy = ("deploy", "--config", str(wrangler.config))
        theirs.append(timed(distance, partial(wrangler.run, *deploy)))
    row("deploy.local", ours, theirs, "≤ 2 × wrangler deploy")
    return ours[-1][1]


def everything(
    house: House, wrangler: Wrangler, distance: Distance, addresses: Mapping[str, str]
) -> list[Call]:
    """Release a change of every kind by turns; return the calls of our last release."""
    typed = commands.Commands(house, wrangler, addresses)
    ours, theirs = [], []
    for number in range(RUNS):
        mark = f"{distance.seconds * 1000:.0f}_{number}"
        for folder in (house.root / "worker", wrangler.folder):
            change(folder / "src/main.py", f"everything {mark}")
        commands.change(house, mark)
        typed.change(mark)
        commands.change_pages(house)
        ours.append(timed(distance, partial(house.inv, "deploy.local")))
        commands.change_pages(house)
        theirs.append(timed(distance, typed.run))
    row("all at once", ours, theirs, "≤ 0.7 × the commands")
    return ours[-1][1]


def change(file: Path, mark: str) -> None:
    """Make the code another one."""
    text = file.read_text().partition("\n# distance ")[0].rstrip("\n")
    file.write_text(f"{text}\n# distance {mark}\n")


def going_back(
    house: House, wrangler: Wrangler, distance: Distance, *, beside: bool = True
) -> list[Call]:
    """Go to the version of before by ours, and to the newer one by wrangler, by turns.

    Args:
        house: the project.
        wrangler: its peer.
        distance: how far away all is.
        beside: whether the older version stands at 0 % beside the newer one, as a release leaves
            it, and not as wrangler does.

    Returns:
        The calls of our last one.
    """
    newer, older, *_ = [r["version"] for r in house.releases() if r["status"] == "succeeded"]
    words = ("rollback", newer, "--name", "boss-ai", "-y", "--message", "bench")
    ours, theirs = [], []
    back = partial(house.inv, "rollback", "--version", older, "--yes")
    for _ in range(RUNS):
        if beside:
            back()
            house.inv("rollback", "--version", newer, "--yes")
        ours.append(timed(distance, back))
        theirs.append(timed(distance, partial(wrangler.run, *words)))
    row("rollback" if beside else "further back", ours, theirs, "≤ 0.6 × wrangler rollback")
    return ours[-1][1]


def show(what: str, calls: Sequence[Call], shown: frozenset[str]) -> None:
    """List the chain of these calls, and draw them, where that is asked for."""
    if "--chain" in shown:
        for call in chain(calls):
            times = [1000 * (at - calls[0].began) for at in (call.began, call.ended)]
            print(f"  {times[0]:6.0f} {times[1]:6.0f} ms  {call.server:<20} {call.what[:100]}")
    if "--picture" in shown and what in PICTURES:
        draw(calls, PICTURES[what])


def row(what: str, ours: Sequence[Timed], theirs: Sequence[Timed], aim: str) -> None:
    """Print one comparison, by the middle of the runs."""
    seconds = median([each[0] for each in ours])
    text = f"{what:<14} {seconds:6.2f} s {described(ours)}"
    if theirs:
        peer = median([each[0] for each in theirs])
        text += f"   wrangler {peer:6.2f} s {described(theirs)}   {seconds / peer:5.2f} ×"
    print(f"{text}   {'aim ' + aim if aim else ''}".rstrip(), flush=True)


def described(runs: Sequence[Timed]) -> str:
    """Return how many calls the runs made, and how long their chains were, by the middle one."""
    calls = median([len(each[1]) for each in runs])
    return f"{calls:4.0f} calls, chain {median([len(chain(each[1])) for each in runs]):3.0f}"


def draw(calls: Sequence[Call], picture: Path) -> None:
    """Draw calls, a line each, from left to right in time.

    Args:
        calls: of one command.
        picture: the SVG file.
    """
    began, ended = calls[0].began, max(call.ended for call in calls)
    names = sorted({call.server for call in calls})
    scale, left, height = 760 / (ended - began), 230, 7
    lines = [
        f'<rect x="{left + (call.began - began) * scale:.1f}" y="{20 + row * height}" '
        f'width="{max(1.0, (call.ended - call.began) * scale):.1f}" height="{height - 2}" '
        f'fill="hsl({names.index(call.server) * 360 // len(names)} 60% 45%)"/>'
        for row, call in enumerate(calls)
    ]
    lines += [
        f'<text x="8" y="{30 + 16 * row}" '
        f'fill="hsl({row * 360 // len(names)} 60% 45%)">{name}</text>'
        for row, name in enumerate(names)
    ]
    lines += [
        f'<text x="{left + second * scale:.0f}" y="14" fill="#777">{second} s</text>'
        for second in range(int(ended - began) + 1)
    ]
    lines.append(
        f'<text x="{left + 600}" y="30" fill="#777">{len(calls)} calls, {len(chain(calls))} of them'
        " one after another</text>"
    )
    tall = max(40 + height * len(calls), 40 + 16 * len(names))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1000 {tall}"'
    style = 'font-family="system-ui, sans-serif" font-size="12">'
    picture.write_text("\n".join([f"{head} {style}", *lines, "</svg>", ""]), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
