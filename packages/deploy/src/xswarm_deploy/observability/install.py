"""Put the stack on a host, wholly or not at all, and take it away again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from xswarm_deploy.errors import CheckFailed, DeployError, NotRolledBack, Refused
from xswarm_deploy.observability import alertmanager, prometheus, units
from xswarm_deploy.observability.files import File, all_files
from xswarm_deploy.observability.host import Found, Host
from xswarm_deploy.observability.stack import Places, Stack

MANIFEST = "installed.json"
"""Lists what was put on the host, with its hashes, so that only that is taken away."""

_PROGRAMS = ("prometheus", "prometheus-alertmanager", "python3")


@dataclass(frozen=True)
class Outcome:
    """What was done on a host.

    Args:
        changed: files written or removed.
        kept: files left as they were: right already, or changed by somebody since.
        checked: what found the files good, e.g. ``promtool check config``.
        running: the units that run; none where only files were put.
    """

    changed: tuple[PurePosixPath, ...]
    kept: tuple[PurePosixPath, ...]
    checked: tuple[str, ...] = ()
    running: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Return what a person reads."""
        told = [f"✓ {path}" for path in self.changed]
        told += [f"✓ checked by {check}" for check in self.checked]
        told += [f"✓ running: {unit}" for unit in self.running]
        return told if self.changed else [*told, "nothing to do: all files are as they should be"]


def plan(host: Host, stack: Stack) -> list[File]:
    """Return the files that differ from what they should be; reads only."""
    wanted = _wanted(stack)
    group = _group(host, stack.places)
    return [file for file in wanted if not _is_right(host.read(file.path), file, group)]


def install(host: Host, stack: Stack) -> Outcome:
    """Put what differs on the host, check it there, and start or reload what runs by it.

    Raises:
        Refused: Prometheus or Alertmanager is missing, or the account may not write.
        CheckFailed: the host's own tools find a fault, or a unit does not run; the host
            is as it was before.
        NotRolledBack: and it could not be made so again.
    """
    wanted, group = _wanted(stack), _group(host, stack.places)
    _require_programs(host, stack.places)
    found = {file.path: host.read(file.path) for file in wanted}
    changed = [file for file in wanted if not _is_right(found[file.path], file, group)]
    right = tuple(file.path for file in wanted if file not in changed)
    if not changed:
        return Outcome((), right, running=_running(host, stack.places))
    checked = _check(host, stack)
    gone = _no_longer_wanted(host, stack.places, wanted)
    before = {file.path: found[file.path] for file in changed} | gone
    _all_or_nothing(
        lambda: _change(host, stack, changed, group, tuple(gone)),
        lambda: _restore(host, stack.places, before),
    )
    return Outcome(tuple(before), right, checked, _running(host, stack.places))


def uninstall(host: Host, places: Places) -> Outcome:
    """Stop what was installed, and remove its files; what was measured stays on the host.

    A file that somebody changed since it was installed is kept.

    Raises:
        CheckFailed: a unit could not be stopped.
    """
    listed = installed(host, places)
    if not listed:
        return Outcome((), ())
    _stop(host, places)
    ours = {path: host.read(path) for path in listed}
    gone = tuple(path for path, file in ours.items() if file and _hash(file) == listed[path])
    kept = tuple(path for path, file in ours.items() if file and path not in gone)
    for path in (*gone, places.configuration / MANIFEST):
        host.remove(path)
    for name in ("xswarm_monitoring", "deployment/monitoring", "deployment"):  # two of before 1.1
        host.remove_empty(places.library / name)
    host.remove_empty(places.library)
    for folder in (places.configuration / "secrets", places.configuration):
        host.remove_empty(folder)
    _reload_units(host, places)
    return Outcome(gone, kept)


def _no_longer_wanted(
    host: Host, places: Places, wanted: Sequence[File]
) -> dict[PurePosixPath, Found]:
    """Return the files that were installed and have no place any more, if nobody changed them."""
    kept = {file.path for file in wanted}
    listed = {path: sha256 for path, sha256 in installed(host, places).items() if path not in kept}
    there = {path: host.read(path) for path in listed}
    return {path: file for path, file in there.items() if file and _hash(file) == listed[path]}


def _wanted(stack: Stack) -> list[File]:
    files = all_files(stack)
    listed = {str(file.path): file.sha256 for file in files}
    manifest = stack.places.configuration / MANIFEST
    return [*files, File(manifest, json.dumps(listed, indent=2, sort_keys=True) + "\n")]


def installed(host: Host, places: Places) -> Mapping[PurePosixPath, str]:
    """Return the files that were installed on a host, with their hashes; none: nothing was."""
    found = host.read(places.configuration / MANIFEST)
    listed: dict[str, str] = json.loads(found.content) if found else {}
    return {PurePosixPath(path): sha256 for path, sha256 in listed.items()}


def _is_right(found: Found | None, file: File, group: int | None) -> bool:
    if found is None or _hash(found) != file.sha256 or found.mode != file.mode:
        return False
    return not file.secret or group is None or found.group == group


def _hash(found: Found) -> str:
    return hashlib.sha256(found.content).hexdigest()


def _group(host: Host, places: Places) -> int | None:
    """Return the group that may read the secrets; None where nothing will run by them."""
    return host.group(places.user) if places.managed else None


def _require_programs(host: Host, places: Places) -> None:
    missing = [name for name in _PROGRAMS if not host.has(name)]
    if missing and places.managed:
        raise Refused(
            f"{host.name} has no {' and no '.join(missing)}",
            "the units could not run",
            f"on the host: apt-get install --no-install-recommends {' '.join(_PROGRAMS)}",
        )


def _check(host: Host, stack: Stack) -> tuple[str, ...]:
    """Let the host's own tools judge all files, in a folder beside, before any is in use."""
    folder = stack.places.configuration
    aside = folder / ".checking"
    copies = [
        File(aside / file.path.relative_to(folder), file.content, file.secret)
        for file in all_files(stack)
        if file.path.is_relative_to(folder)
    ]
    commands = [
        ["promtool", "check", "config", str(aside / prometheus.CONFIGURATION)],
        ["amtool", "check-config", str(aside / alertmanager.CONFIGURATION)],
    ]
    try:
        for file in copies:
            host.write(file.path, file.content.encode(), file.mode)
        return tuple(" ".join(command[:-1]) for command in commands if _judged(host, command))
    finally:
        for file in copies:
            host.remove(file.path)
        for empty in (aside / "secrets", aside, folder / "secrets", folder):
            host.remove_empty(empty)


def _judged(host: Host, command: Sequence[str]) -> bool:
    """Run one check; tells whether its tool is there.

    Raises:
        CheckFailed: it found a fault.
    """
    if not host.has(command[0]):
        return False
    ended = host.run(command)
    if ended.code:
        what = f"{host.name}: {' '.join(command[:-1])} found a fault; nothing was changed"
        raise CheckFailed(what, ended.output[-1000:])
    return True


def _change(
    host: Host,
    stack: Stack,
    changed: Sequence[File],
    group: int | None,
    gone: Sequence[PurePosixPath],
) -> None:
    for file in changed:
        host.write(file.path, file.content.encode(), file.mode, group if file.secret else None)
    for file in changed:
        if not _is_right(host.read(file.path), file, group):
            raise CheckFailed(f"{host.name}: {file.path} reads back other than it was written")
    for path in gone:
        if stack.places.managed and path.parent == stack.places.units:
            _systemctl(host, "disable", "--now", path.name)
        host.remove(path)
    _start(host, stack.places, (file.path for file in changed))


def _all_or_nothing(change: Callable[[], None], restore: Callable[[], None]) -> None:
    try:
        change()
    except BaseException as error:
        try:
            restore()
        except DeployError as second:
            raise NotRolledBack(str(error), str(second), "look at the host") from error
        raise


def _restore(host: Host, places: Places, before: Mapping[PurePosixPath, Found | None]) -> None:
    fresh = before.get(places.configuration / MANIFEST, ...) is None
    if fresh:
        _stop(host, places)
    for path, found in before.items():
        if found is None:
            host.remove(path)
        else:
            host.write(path, found.content, found.mode, found.group)
    if not fresh:
        _start(host, places, before)


def _start(host: Host, places: Places, changed: Iterable[PurePosixPath]) -> None:
    """Start the units; one whose own file changed starts anew, others read their files anew."""
    _reload_units(host, places)
    if not places.managed:
        return
    paths = set(changed)
    for unit in _present(host, places):
        again = "restart" if places.units / unit in paths else "reload-or-restart"
        _systemctl(host, "enable", unit)
        _systemctl(host, again, unit)
        _systemctl(host, "is-active", unit)


def _stop(host: Host, places: Places) -> None:
    if not places.managed:
        return
    for unit in reversed(_present(host, places)):
        _systemctl(host, "disable", "--now", unit)


def _present(host: Host, places: Places) -> list[str]:
    """Return the units that the host has: the bridge is there only with a telephone."""
    return [unit for unit in units.names(places) if host.read(places.units / unit)]


def _reload_units(host: Host, places: Places) -> None:
    if places.managed:
        _systemctl(host, "daemon-reload")


def _running(host: Host, places: Places) -> tuple[str, ...]:
    if not places.managed:
        return ()
    names = _present(host, places)
    return tuple(unit for unit in names if host.run(["systemctl", "is-active", unit]).code == 0)


def _systemctl(host: Host, *arguments: str) -> None:
    ended = host.run(["systemctl", *arguments])
    if ended.code:
        raise CheckFailed(f"{host.name}: systemctl {' '.join(arguments)} failed", ended.output)
