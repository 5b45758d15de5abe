"""The programs that judge what this project makes, and how a machine gets them.

They are no Python packages: age, zstd and sqlite3 read our backups, Prometheus our metrics,
Chromium our pages; sshd is a host to install on, and wrk its users. ``python -m
tests.support.judges`` installs those that are missing, where it may; a test that needs one which is
still missing is not run (:mod:`tests.support.needs`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin"  # where sshd is, and few users look


@dataclass(frozen=True)
class Judge:
    """A program that tests need.

    Args:
        program: its name on PATH; tests name it by this.
        apt: the package of Debian and Ubuntu.
        brew: the package of Homebrew; empty: macOS has it, or nobody packs it.
        others: further names the same program may have.
        slow: only tests that ``--quick`` leaves out need it.
    """

    program: str
    apt: str
    brew: str
    others: tuple[str, ...] = ()
    slow: bool = False


JUDGES = {
    judge.program: judge
    for judge in (
        Judge("git", "git", "git"),
        Judge("age", "age", "age"),
        Judge("age-keygen", "age", "age", slow=True),
        Judge("zstd", "zstd", "zstd"),
        Judge("sqlite3", "sqlite3", "sqlite"),
        Judge("openssl", "openssl", "openssl"),
        Judge("promtool", "prometheus", "prometheus"),
        Judge("prometheus", "prometheus", "prometheus", slow=True),
        Judge("victoria-metrics", "victoria-metrics", "victoriametrics", slow=True),
        Judge("amtool", "prometheus-alertmanager", "alertmanager"),
        Judge("prometheus-alertmanager", "prometheus-alertmanager", "", slow=True),
        Judge("sshd", "openssh-server", ""),
        Judge("ssh-keygen", "openssh-client", ""),
        Judge("wrk", "wrk", "wrk", slow=True),
        Judge(
            "chromium",
            "chromium",
            "--cask chromium",
            others=("chromium-browser", "google-chrome", "google-chrome-stable", "chrome"),
            slow=True,
        ),
    )
}

# No service may start by itself, and one package that cannot be had keeps no other away.
APT = """
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    trap 'rm -f $policy' EXIT
    printf '#!/bin/sh\\nexit 101\\n' >$policy && chmod +x $policy
fi
export DEBIAN_FRONTEND=noninteractive
install() { apt-get install -y -qq --no-install-recommends "$@" >/dev/null; }
apt-get update -qq
install "$@" || for package; do install "$package" || true; done
"""


def find(program: str) -> str | None:
    """Return the path of a judge's program, under whichever of its names; None if it is missing."""
    judge = JUDGES[program]
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), SYSTEM_PATH))
    found = (shutil.which(name, path=path) for name in (judge.program, *judge.others))
    return next(filter(None, found), None)


def missing(programs: Sequence[str]) -> list[str]:
    """Return those of the programs that this machine lacks."""
    return [program for program in programs if not find(program)]


def command(programs: Sequence[str]) -> str:
    """Return the command that installs programs on this machine, as a person types it."""
    packages = " ".join(_packages(programs) or programs)
    if _brew():
        return f"brew install {packages}"
    if shutil.which("apt-get"):
        return f"sudo apt-get install --no-install-recommends {packages}"
    return f"install what this system calls {packages}"


def install(programs: Sequence[str]) -> str:
    """Install programs by the system's package manager, where it may; return its complaints."""
    packages, privilege = _packages(programs), _privilege()
    if _brew():
        commands = [["brew", "install", *package.split()] for package in packages]
    elif privilege is not None and shutil.which("apt-get"):
        commands = [[*privilege, "sh", "-c", APT, "sh", *packages]]
    else:
        return ""
    sys.stderr.write(f"· installing {', '.join(packages)} for the tests (once)\n")
    return "".join(_run(command) for command in commands)


def _packages(programs: Sequence[str]) -> list[str]:
    judges = [JUDGES[program] for program in programs]
    names = [judge.brew if _brew() else judge.apt for judge in judges]
    return list(dict.fromkeys(filter(None, names)))


def _brew() -> bool:
    return sys.platform == "darwin" and shutil.which("brew") is not None


def _privilege() -> list[str] | None:
    """Return what makes a command root's, without asking anyone; None if nothing does."""
    if os.geteuid() == 0:
        return []
    asked = ["sudo", "-n", "true"]
    if shutil.which("sudo") and not subprocess.run(asked, capture_output=True).returncode:
        return ["sudo", "-n"]
    return None


def _run(words: list[str]) -> str:
    ended = subprocess.run(
        words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    return ended.stderr


def main() -> None:
    """Install the judges that are missing; ``--quick`` leaves out those of slow tests."""
    quick = "--quick" in sys.argv[1:]
    wanted = missing([judge.program for judge in JUDGES.values() if not (quick and judge.slow)])
    complaints = install(wanted) if wanted else ""
    if missing(wanted):
        sys.stderr.writelines(f"  {line}\n" for line in complaints.splitlines()[-3:])


if __name__ == "__main__":
    main()
