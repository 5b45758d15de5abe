"""Draw the README's picture: a deployment, one that breaks, and a rollback, on a terminal.

python benchmarks/picture.py             # writes deployment/docs/deploy.svg anew

Nothing in it is made up: the commands run in a copy of the project with a twin of its own, on a
real terminal, and what they print is drawn, colours and times included.
"""

from __future__ import annotations

import io
import re
import shlex
import sys
from pathlib import Path
from typing import Final

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from benchmarks import installed  # noqa: E402 - the path first

installed.require()

from tests.support.house import House, temporary_house  # noqa: E402 - the path first

PICTURE: Final = PROJECT / "deployment/docs/deploy.svg"
WIDTH: Final = 104  # characters
MAIN: Final = "worker/src/main.py"
BROKEN: Final = "raise RuntimeError('broken at import')\n"
_CONTROL: Final = re.compile(r"\x1b\[2K|\x1b\[\?25[lh]|\r")


def main() -> None:
    """Run the three commands, and draw them."""
    import pexpect  # noqa: F401 - missing, it says so before the twin is started

    with temporary_house() as house:
        house.inv("deploy.local", "--message", "first")
        first = house.version()
        shown = [on_terminal(house, "deploy.local", "--message", "invoices")]
        source = house.root / MAIN
        source.write_text(source.read_text() + BROKEN)
        broken = ("deploy.local", "--message", "a broken one")
        shown.append(on_terminal(house, *broken, note="raises at import"))
        shown.append(on_terminal(house, "rollback", "--version", first[:8]))
    draw("\n".join(shown))


def on_terminal(house: House, *words: str, note: str = "") -> str:
    """Run a command on a terminal; return the prompt, what was typed, and what came."""
    import pexpect

    program, *arguments = house.command(*words)
    said = pexpect.run(
        shlex.join([program, *arguments]),
        cwd=str(house.root),
        env={**house.environment(TERM="xterm-256color"), "COLUMNS": str(WIDTH)},
        encoding="utf-8",
        timeout=120,
    )
    comment = f"\x1b[2m     # {note}\x1b[0m" if note else ""
    lines = [_CONTROL.sub("", line) for line in str(said).splitlines()]
    told = [line for line in lines if line.strip() and not line.startswith("\x1b[2mlocal (")]
    return "\n".join([f"\x1b[1;32m$\x1b[0m ./inv {shlex.join(words)}{comment}", *told, ""])


def draw(text: str) -> None:
    """Write the picture."""
    from rich.console import Console
    from rich.text import Text

    recorded = Console(record=True, width=WIDTH, file=io.StringIO())
    recorded.print(Text.from_ansi(text, overflow="fold"))
    recorded.save_svg(str(PICTURE), title="xSwarm Boss", unique_id="deploy")


if __name__ == "__main__":
    main()
