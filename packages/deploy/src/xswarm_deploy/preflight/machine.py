"""The machine and the checkout: tools, clock, git, the age of the last backup."""

from __future__ import annotations

import platform
import re
import subprocess
import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from xswarm_deploy import child, git, running
from xswarm_deploy.bundling import programs
from xswarm_deploy.preflight.looking import Seen, probe
from xswarm_deploy.settings.variables import LOCAL
from xswarm_deploy.steps import backup

if TYPE_CHECKING:
    from xswarm_deploy.model.report import Probe
    from xswarm_deploy.site import Site

GROUP: Final = "machine"
NODE: Final = (22, 12)  # what wrangler 4.164 needs
LATE: Final = timedelta(hours=1)
"""How long a scheduled backup may take to be there."""
SKEW_WARNED: Final = 30.0  # seconds
SKEW_REFUSED: Final = 240.0  # signatures are taken for 5 minutes


def probes(site: Site) -> list[Probe]:
    """Look at what a deployment is made with."""
    made: list[Probe] = [
        probe("Python", GROUP, lambda: platform.python_version()),
        probe("Node", GROUP, lambda: _node(site)),
        probe("wrangler", GROUP, lambda: _wrangler(site)),
        probe("git", GROUP, lambda: _git(site), critical=False),
        probe("backup", GROUP, lambda: _backup(site), critical=False),
    ]
    needs = ("CLOUDFLARE_API_BASE_URL", "CLOUDFLARE_API_TOKEN", "CLOUDFLARE_ACCOUNT_ID")
    return [*made, probe("clock", GROUP, lambda: _clock(site), needs=needs)]


def _node(site: Site) -> Seen | str:
    """Report which Node runs wrangler, and which a build, where that is another."""
    found = _told([str(programs.node()), "--version"])
    match = re.match(r"v(\d+)\.(\d+)", found)
    if match and (int(match[1]), int(match[2])) >= NODE:
        other = programs.other_node() if site.settings.project.worker.build else None
        return f"{found}; the build runs by {_told([str(other), '--version'])}" if other else found
    needed = ".".join(map(str, NODE))
    return Seen("fail", f"{found or 'no answer'}, {needed} is needed", "inv tools.install")


def _wrangler(site: Site) -> str:
    """Report which wrangler bundles: the Worker's own, or the one that came with this tool."""
    settings = site.settings
    return programs.described(settings.path(settings.project.worker.config).parent)


def _git(site: Site) -> Seen | str:
    """Report what is deployed from: branch, commit, and what is not committed."""
    root = site.settings.root
    branch = git.output(root, "rev-parse", "--abbrev-ref", "HEAD")
    if not branch:
        why, way_on = git.unread(root)
        if why:
            return Seen("warn", f"git does not read the checkout: {why}", way_on)
        told = (
            "no commit yet" if git.output(root, "rev-parse", "--git-dir") else "not a git checkout"
        )
        return Seen("warn", told, "deploy from a commit, to find it again")
    wanted, detached = site.settings.project.check.branch, branch == "HEAD"
    here = "a commit" if detached else branch
    evidence = f"{here} at {git.output(root, 'rev-parse', '--short', 'HEAD')}"
    if detached and _is_of(root, wanted):
        branch, evidence = wanted, f"{evidence}, of {wanted}"
    if site.settings.environment == LOCAL:
        return evidence
    changed = len(git.output(root, "status", "--porcelain").splitlines())
    wrong = {f"{changed} file(s) not committed": "commit them"} if changed else {}
    wrong |= {f"not on {wanted}": f"git switch {wanted}"} if branch != wanted else {}
    if wrong:
        return Seen("warn", f"{evidence}: {', '.join(wrong)}", ", then: ".join(wrong.values()))
    return evidence


def _is_of(root: Path, branch: str) -> bool:
    """Return whether the commit that is checked out is one of a branch; pipelines check out none.

    Source: GitLab's runner and actions/checkout of a tag leave HEAD detached, and fetch the branch.
    """
    return any(
        not git.refusal(root, "merge-base", "--is-ancestor", "HEAD", f"refs/{place}/{branch}")
        for place in ("remotes/origin", "heads")
    )


def _backup(site: Site) -> Seen | str:
    """Report how old the newest proven backup is; before the first release there is none."""
    found = backup.proven(site)
    if found is None:
        return Seen("skip", "no backup yet: the release makes one first")
    newest = found.created
    hours = (time.time() - newest.timestamp()) / 3600
    evidence = f"the newest is {hours:.0f} hours old"
    schedule = site.settings.text("BACKUP_SCHEDULE")
    try:
        due = last_due(schedule, datetime.now(UTC) - LATE)
    except ValueError as error:
        return Seen("warn", f"BACKUP_SCHEDULE cannot be read: {error}", "write five cron fields")
    if newest < due and site.settings.environment != LOCAL:
        missed = f"{evidence}; cron made none at {due:%Y-%m-%d %H:%M} UTC ({schedule})"
        return Seen("warn", missed, "inv backup, and let cron run it: see BACKUP_SCHEDULE")
    if hours > site.settings.project.check.backup_age_hours:
        return Seen("warn", evidence, "inv backup; see BACKUP_SCHEDULE")
    return evidence


def last_due(schedule: str, before: datetime) -> datetime:
    """Return when a schedule was last due.

    Args:
        schedule: five cron fields, in UTC.
        before: with its time zone.

    Raises:
        ValueError: they cannot be read.
    """
    from cronsim import CronSim, CronSimError

    try:
        return next(CronSim(schedule, before, reverse=True))
    except (CronSimError, StopIteration):
        raise ValueError(f"{schedule!r} are no five cron fields") from None


def _clock(site: Site) -> Seen | str:
    """Compare with Cloudflare's clock: signatures and leases hang on it."""
    reply = site.cloudflare.http.get("/user/tokens/verify", expect=range(300, 500))
    dated = reply.headers.get("Date", "")
    if not dated:
        return Seen("skip", "the reply has no date")
    skew = abs(time.time() - parsedate_to_datetime(dated).timestamp())
    evidence = f"{skew:.0f} s from Cloudflare's"
    if skew > SKEW_REFUSED:
        return Seen("fail", evidence, "set this machine's clock (timedatectl set-ntp true)")
    if skew > SKEW_WARNED:
        return Seen("warn", evidence, "set this machine's clock (timedatectl set-ntp true)")
    return evidence


def _told(command: list[str]) -> str:
    """Return what a command prints; nothing where it fails or is not there."""
    try:
        ended = running.run(command, timeout=20, env=child.environment())
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ended.stdout.strip() if ended.returncode == 0 else ""
