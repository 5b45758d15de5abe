"""Measure uploads over a slow uplink: `python benchmarks/uplink.py [Mbit/s …]`, by default 10 100.

A TCP proxy in front of the twin's Cloudflare API forwards so many bits a second. Ours is
`inv pages` and `inv worker` whole, with a site of 53 MB and a Worker of 9 MB (below 8 Mbit/s a
tenth of them). The peer is `wrangler pages deploy` and `wrangler deploy` over the same proxy; the
floor is what the bytes of the bodies take at that rate (base64 makes the site's a third longer).
Everything runs in a copy of the project with a twin of its own, which is ended at the end.
"""

from __future__ import annotations

import base64
import random
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from benchmarks.deployments import Wrangler, wall  # noqa: E402 - the path first
from tests.support.house import House, temporary_house  # noqa: E402 - the path first
from tests.support.uplink import Uplink  # noqa: E402 - the path first

MB = 1_000_000
SITE, FILES, WORKER = 53 * MB, 53, 9 * MB
SLOW = 8  # Mbit/s; below it a tenth of the bytes says as much


def main(rates: list[float]) -> None:
    """Print each figure beside its peer's and the floor."""
    with temporary_house() as house:
        house.inv("deploy.local", "--message", "warm up")
        wrangler = Wrangler(house, house.root.parent)
        for rate in rates:
            share = 1.0 if rate >= SLOW else 0.1
            compare(house, wrangler, rate, int(SITE * share), int(WORKER * share))


def compare(house: House, wrangler: Wrangler, rate: float, site: int, worker: int) -> None:
    """Release a site and a Worker over one uplink, by ours and by wrangler."""
    direct = str(house.status["CLOUDFLARE_API_BASE_URL"])
    with Uplink(direct, rate * MB / 8) as uplink:
        point(house, direct, uplink.url)
        wrangler.environment["CLOUDFLARE_API_BASE_URL"] = uplink.url
        try:
            pages(house, wrangler, rate, site)
            code(house, wrangler, rate, worker)
        finally:
            point(house, uplink.url, direct)
            wrangler.environment["CLOUDFLARE_API_BASE_URL"] = direct


def pages(house: House, wrangler: Wrangler, rate: float, size: int) -> None:
    """Release a site whose every file is new."""
    folder = house.root / "site/large"
    folder.mkdir(exist_ok=True)
    command = ("pages", "deploy", str(house.root / "site"), "--project-name", "xswarm-boss")
    fill(folder, size)
    ours = wall(lambda: house.inv("pages"))
    fill(folder, size)
    theirs = seconds(partial(wrangler.run, *command, "--branch", "main"))
    show(f"site of {size / MB:.0f} MB at {rate:g} Mbit/s", ours, theirs, size * 4 / 3, rate)


def code(house: House, wrangler: Wrangler, rate: float, size: int) -> None:
    """Release a Worker with a large module."""
    data(house.root / "worker/src/large.py", size)
    data(wrangler.folder / "src/large.py", size)
    ours = wall(lambda: house.inv("worker"))
    theirs = seconds(partial(wrangler.run, "deploy", "--config", str(wrangler.config)))
    show(f"Worker of {size / MB:.0f} MB at {rate:g} Mbit/s", ours, theirs, size, rate)


def fill(folder: Path, size: int) -> None:
    """Write files of noise, which Cloudflare has not seen yet."""
    for number in range(FILES):
        (folder / f"{number}.bin").write_bytes(random.randbytes(size // FILES))


def data(file: Path, size: int) -> None:
    """Write a Python module of so many bytes."""
    noise = base64.b64encode(random.randbytes(size * 3 // 4)).decode()
    file.write_text(f'DATA = "{noise}"\n')


def point(house: House, old: str, new: str) -> None:
    """Let the twin's environment name another address of Cloudflare's API."""
    file = house.root / ".sandbox/endpoints.env"
    text = file.read_text()
    assert old in text, f"{old} is not in {file.name}"
    file.write_text(text.replace(old, new))


def seconds(act: Callable[[], object]) -> float | None:
    """Return the seconds something takes; None: it failed."""
    try:
        return wall(act)
    except (SystemExit, subprocess.SubprocessError) as error:
        print(str(error)[-300:], file=sys.stderr)
        return None


def show(what: str, ours: float, theirs: float | None, size: float, rate: float) -> None:
    """Print one comparison."""
    floor = size * 8 / (rate * MB)
    peer = f"{theirs:8.1f} s   {ours / theirs:5.2f} ×" if theirs else "  failed          "
    print(f"{what:<30} {ours:8.1f} s   wrangler {peer}   floor {floor:8.1f} s", flush=True)


if __name__ == "__main__":
    main([float(word) for word in sys.argv[1:]] or [10.0, 100.0])
