"""The command line of the twin by itself: ``xswarm-twin up|status|logs|down|reset``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from xswarm_twin import supervisor
from xswarm_twin.errors import TwinError

_FAILED: Final = 2
_INTERRUPTED: Final = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 2 (what failed is printed) or 130 (Ctrl-C).

    Args:
        arguments: the words of the command line; None: those of this process.
    """
    parsed = _parser().parse_args(arguments)
    try:
        parsed.run(parsed)
    except TwinError as error:
        sys.stderr.write(error.render() + "\n")
        return _FAILED
    except KeyboardInterrupt:
        return _INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="xswarm-twin", description="Run a twin of production on loopback."
    )
    parser.add_argument(
        "--folder", type=Path, default=Path(), help="whose twin: its state is in FOLDER/.sandbox"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="start it, or find it running; print its addresses")
    up.add_argument("--worker", action="append", default=[], help="a Worker; may be repeated")
    up.add_argument("--pages", action="append", default=[], help="a Pages project's name; likewise")
    up.set_defaults(run=_up)
    status = commands.add_parser("status", help="print what runs, and its addresses, as JSON")
    status.set_defaults(run=_status)
    logs = commands.add_parser("logs", help="print the last lines of its logs")
    logs.add_argument("--name", default="", help="one process's; without it every log")
    logs.add_argument("--lines", type=int, default=40, help="how many of each (40)")
    logs.add_argument("--follow", action="store_true", help="go on with what is written")
    logs.set_defaults(run=_logs)
    for name, run, explained in (
        ("down", _down, "end every process; its data stays"),
        ("reset", _reset, "end it and delete all it holds"),
    ):
        commands.add_parser(name, help=explained).set_defaults(run=run)
    return parser


def _up(parsed: argparse.Namespace) -> None:
    workers = parsed.worker or ["worker"]
    supervisor.up(_folder(parsed), workers, parsed.pages or ["site"], progress=_report)
    _status(parsed)


def _status(parsed: argparse.Namespace) -> None:
    _write(json.dumps(supervisor.summary(_folder(parsed)), indent=2))


def _logs(parsed: argparse.Namespace) -> None:
    lines = supervisor.logs(_folder(parsed), parsed.name, lines=parsed.lines, follow=parsed.follow)
    for name, line in lines:
        _write(f"{name}: {line}")


def _down(parsed: argparse.Namespace) -> None:
    _write(f"{supervisor.down(_folder(parsed), progress=_report)} process(es) ended")


def _reset(parsed: argparse.Namespace) -> None:
    _write("deleted" if supervisor.reset(_folder(parsed), progress=_report) else "there was none")


def _folder(parsed: argparse.Namespace) -> Path:
    return Path(parsed.folder).resolve()


def _report(label: str, done: int, total: int | None, _unit: str) -> None:
    """Print what takes time before it begins, on stderr; stdout is for the answer."""
    sys.stderr.write(f"· {label}\n" if total is None else f"· {label} {done}/{total}\n")


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
