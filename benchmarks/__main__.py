"""Run benchmarks and write what they print to RESULTS.md: python -m benchmarks [NAME …].

Each is a script of its own, which measures ours and its peer in one run. A section of RESULTS.md is
the output of one script, with the day and the machine; those that did not run keep theirs. It ends
with 1 where a goal was missed or a script failed.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
os.environ.setdefault("XSWARM_TWIN_CALLS", "0")  # one twin takes the calls of many releases
RESULTS = FOLDER / "RESULTS.md"
NAMES = (
    "deployments",
    "releases",
    "migrations",
    "backups",
    "pages",
    "secrets_sync",
    "check",
    "verify",
    "canaries",
    "monitoring",
    "monitoring_cost",
    "monitoring_growth",
    "uplink",
    "distance",
    "growth",
    "twin",
)
HEADER = """# Results of the benchmarks

Written by `./inv benchmark`, or `./inv benchmark --name NAME` for one. Read the ratios: seconds are
those of one machine on one day.
"""


def main(names: Sequence[str]) -> int:
    """Run the named benchmarks, or all; return the exit code."""
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        remedy = f"./inv benchmark --name NAME, one of {', '.join(NAMES)}"
        sys.stderr.write(f"✗ there is no benchmark {unknown[0]}\n  next: {remedy}\n")
        return 2
    failed = [name for name in names or NAMES if not measure(name)]
    if failed:
        sys.stderr.write(f"✗ failed, or missed a goal: {', '.join(failed)}\n")
    return bool(failed)


def measure(name: str) -> bool:
    """Run one benchmark, show what it prints, and write it down; return whether it succeeded."""
    sys.stderr.write(f"· {name}\n")
    command = [sys.executable, str(FOLDER / f"{name}.py")]
    ended = subprocess.run(command, cwd=FOLDER.parent, stdout=subprocess.PIPE, text=True)
    sys.stdout.write(ended.stdout)
    sys.stdout.flush()
    if ended.stdout.strip():
        text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
        RESULTS.write_text(written(text, name, section(name, ended.stdout)), encoding="utf-8")
    return ended.returncode == 0


def written(text: str, name: str, new: str) -> str:
    """Return RESULTS.md with one section replaced or added, in the order of the benchmarks."""
    parts = re.split(r"^(?=## )", text, flags=re.M)[1:]
    sections = {part.splitlines()[0].removeprefix("## "): part.strip() + "\n" for part in parts}
    sections[name] = new
    return "\n".join([HEADER, *(sections[each] for each in NAMES if each in sections)])


def section(name: str, output: str) -> str:
    """Return the section of one benchmark."""
    day = datetime.now(UTC).date().isoformat()
    return f"## {name}\n\n{day}, {machine()}\n\n```text\n{output.strip(chr(10))}\n```\n"


def machine() -> str:
    """Return what this machine is, without its name."""
    found = re.search(r"^model name\s*: (.+)", _processors(), flags=re.M)
    processor = found[1] if found else platform.processor() or platform.machine()
    system = f"{platform.system()} {platform.release()}"
    cores = f"{os.cpu_count()} cores of {processor}"
    return f"{cores}, load {os.getloadavg()[0]:.1f}, {system}, Python {platform.python_version()}"


def _processors() -> str:
    file = Path("/proc/cpuinfo")
    return file.read_text(encoding="utf-8") if file.exists() else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
