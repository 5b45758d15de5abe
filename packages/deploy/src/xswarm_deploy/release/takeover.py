"""Take over a release whose deployer died: finish it, or undo it; from any machine."""

from __future__ import annotations

from collections.abc import Callable

from xswarm_deploy.console import Console
from xswarm_deploy.fence import fenced
from xswarm_deploy.model.record import Record
from xswarm_deploy.release import lock, records, recovery, undo
from xswarm_deploy.release.interruption import stoppable, unstoppable
from xswarm_deploy.release.release import Release
from xswarm_deploy.release.transaction import guarded, report_success, send_notification
from xswarm_deploy.site import Site


def resume(site: Site, name: str = "", console: Console | None = None) -> None:
    """Finish a release whose deployer died; undo it when it turns out not to be good.

    Args:
        site: the environment.
        name: the beginning of its id; empty: the one that died.
        console: where its steps are shown; by default standard output.

    Raises:
        Refused: this checkout is not what the release was made from; nothing was changed.
    """
    shown = console or Console()
    with stoppable():
        dead = _taken_over(site, name, recovery.require_resumable, records.SUCCEEDED, shown)
        if dead is None:
            return
        if recovery.write_success_if_known(dead):
            dead.ledger.lease.release()
            shown.line(f"✓ release {dead.record.release} had succeeded; now it is written")
            return
        try:
            recovery.require_same_inputs(dead)
        except BaseException:
            dead.ledger.lease.release()  # it stays as it is: who has its files may still finish it
            raise
        with guarded(dead):
            recovery.carry_on(dead)
        report_success(dead)


def abort(site: Site, name: str = "", console: Console | None = None) -> None:
    """Undo a release whose deployer died, or which could not be undone before.

    Args:
        site: the environment.
        name: the beginning of its id; empty: the one that died.
        console: where its steps are shown; by default standard output.

    Raises:
        NotRolledBack: something is still changed; it is named.
    """
    shown = console or Console()
    with stoppable():
        dead = _taken_over(site, name, recovery.require_abortable, records.ROLLED_BACK, shown)
        if dead is None:
            return
        try:
            with unstoppable(shown), fenced(dead.ledger.lease):
                undo.abandon(dead)
        finally:
            dead.ledger.lease.release()
        ended = f"{dead.record.kind} {dead.record.release} was aborted: all is as before"
        send_notification(dead, ended)
        shown.line(f"✓ release {dead.record.release} is undone", "bold")


def _taken_over(
    site: Site,
    name: str,
    require: Callable[[Site, Record], None],
    wanted: str,
    console: Console,
) -> Release | None:
    """Take an interrupted release over with its lease; None: it is as wanted, which is printed."""
    site.settings.require_sound()
    records.prepare(site.database)
    record = recovery.find(site, name)
    if record is None or record.status == wanted:
        state = f"{record.release} is {wanted}" if record else "no release is interrupted"
        console.line(f"nothing to do: {state}")
        return None
    require(site, record)
    lease = lock.acquire_patiently(
        site.database,
        site.connect,
        f"settling {record.release}",
        lambda by: console.line(f"· waiting for the lease of {by}: {by.left:.0f} s left"),
    )
    try:
        record = recovery.find(site, record.release) or record  # settled by another meanwhile?
        require(site, record)
        return recovery.reopened(site, record, lease, console)
    except BaseException:
        lease.release()
        raise
