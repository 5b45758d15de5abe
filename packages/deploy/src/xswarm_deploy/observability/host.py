"""A host over SSH: read, write and run there. An unknown host, or a changed one, is refused."""

from __future__ import annotations

import shlex
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from xswarm_deploy.errors import Refused, Unavailable
from xswarm_deploy.secret import redact

if TYPE_CHECKING:
    from fabric import Connection

_CONNECT_SECONDS = 15
_FORM: Final = "write --host user@host:22"
_COMMAND_SECONDS = 60


@dataclass(frozen=True)
class Found:
    """What a file on the host is: its content, its permissions, its group."""

    content: bytes
    mode: int
    group: int


@dataclass(frozen=True)
class Ended:
    """How a command on the host ended."""

    code: int
    output: str


class Host:
    """Read, write and run on a host; commands are lists, and never carry a secret."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._files: Any = connection.sftp()

    @property
    def name(self) -> str:
        """The host's name, for messages."""
        return str(self._connection.original_host)

    def run(self, command: Sequence[str]) -> Ended:
        """Run a command to its end.

        Raises:
            Unavailable: it did not end within a minute.
        """
        from invoke.exceptions import CommandTimedOut

        try:
            ended = self._connection.run(
                shlex.join(command),
                hide=True,
                warn=True,
                in_stream=False,
                timeout=_COMMAND_SECONDS,
            )
        except CommandTimedOut:
            why = f"no end within {_COMMAND_SECONDS} s"
            raise Unavailable(f"{self.name}: {command[0]} hangs", why) from None
        return Ended(ended.return_code, redact(f"{ended.stdout}{ended.stderr}".strip()))

    def has(self, program: str) -> bool:
        """Return whether there is a program."""
        return self.run(["command", "-v", program]).code == 0

    def group(self, name: str) -> int | None:
        """Return a group's number, None where there is no such group."""
        found = self.run(["getent", "group", name])
        return int(found.output.split(":")[2]) if found.code == 0 else None

    def read(self, path: PurePosixPath) -> Found | None:
        """Return a file as it is, None where there is none."""
        try:
            with self._files.open(str(path), "rb") as stream:
                status = stream.stat()
                content = stream.read()
        except FileNotFoundError:
            return None
        return Found(content, stat.S_IMODE(status.st_mode or 0), status.st_gid or 0)

    def write(
        self, path: PurePosixPath, content: bytes, mode: int, group: int | None = None
    ) -> None:
        """Put a file in its place at once, never half of it, and never open to others before.

        Raises:
            Refused: the account may not write there.
        """
        folder = str(path.parent / f".{path.name}.new")  # nobody else opens what is in it
        beside = f"{folder}/{path.name}"
        try:
            self._make_folder(path.parent)
            with suppress(OSError):  # it is there: left by one that died
                self._files.mkdir(folder, 0o700)
            self._files.chmod(folder, 0o700)
            with self._files.open(beside, "wb") as stream:
                stream.write(content)
                if group is not None:
                    self._files.chown(beside, stream.stat().st_uid or 0, group)
                stream.chmod(mode)
            self._files.posix_rename(beside, str(path))
            self._files.rmdir(folder)
        except PermissionError:
            raise Refused(
                f"{self.name}: the account may not write {path}",
                "permission denied",
                "log in as one who may, e.g. --host root@host",
            ) from None

    def _make_folder(self, folder: PurePosixPath) -> None:
        missing = []
        while not self._exists(folder):
            missing.append(folder)
            folder = folder.parent
        for each in reversed(missing):
            self._files.mkdir(str(each), 0o755)

    def _exists(self, path: PurePosixPath) -> bool:
        try:
            self._files.stat(str(path))
        except FileNotFoundError:
            return False
        return True

    def remove(self, path: PurePosixPath) -> None:
        """Remove a file; nothing where there is none."""
        with suppress(FileNotFoundError):
            self._files.remove(str(path))

    def remove_empty(self, folder: PurePosixPath) -> bool:
        """Remove a folder where it is empty, and return whether it is gone."""
        try:
            if self._files.listdir(str(folder)):
                return False
            self._files.rmdir(str(folder))
        except FileNotFoundError:
            pass
        return True


@contextmanager
def connected(
    host: str,
    *,
    known_hosts: Path | None = None,
    key: Path | None = None,
) -> Iterator[Host]:
    """Connect, and hang up afterwards.

    Args:
        host: as for ssh: ``user@host:port``, or a name of ~/.ssh/config.
        known_hosts: the file of known host keys; ssh's own by default.
        key: the private key; the agent's and ssh's own by default.

    Raises:
        Refused: the host's key is not known, or is another than the known one, or the
            host lets us not in.
        Unavailable: the host does not answer.
    """
    from paramiko import (  # type: ignore[import-untyped]
        AuthenticationException,
        BadHostKeyException,
        SSHException,
    )

    connection = _connection(host, known_hosts, key)
    try:
        connection.open()
        given = Host(connection)
    except BadHostKeyException:
        why = "its key is another than the known one: it was set up anew, or it is not the host"
        raise Refused(f"{host} is not trusted", why, "find out, then: ssh-keygen -R") from None
    except AuthenticationException as error:
        raise Refused(f"{host} lets us not in", redact(str(error)), "try: ssh " + host) from None
    except SSHException as error:
        if "known_hosts" not in str(error):
            raise Unavailable(f"{host} does not speak SSH", redact(str(error))) from None
        why = "its key is in no file of known hosts"
        remedy = f"compare its key by another way, then: ssh {host}"
        raise Refused(f"{host} is not trusted", why, remedy) from None
    except UnicodeError:  # of the codec for names of hosts
        why = "a part of its name is empty, too long, or has a character that no name has"
        raise Refused(f"{host!r} names no host", why, _FORM) from None
    except OSError as error:
        raise Unavailable(f"{host} does not answer", redact(str(error))) from None
    try:
        yield given
    finally:
        connection.close()


def _connection(host: str, known_hosts: Path | None, key: Path | None) -> Connection:
    from fabric import Connection

    given: dict[str, Any] = {"timeout": _CONNECT_SECONDS}
    if key:
        given |= {"key_filename": str(key), "allow_agent": False, "look_for_keys": False}
    try:
        connection = Connection(host, connect_kwargs=given)
    except ValueError:
        raise Refused(f"{host!r} names no host", "its port is no number", _FORM) from None
    _trust_only_known(connection, known_hosts)
    return connection


def _trust_only_known(connection: Connection, known_hosts: Path | None) -> None:
    """Make a connection, and those it goes through, refuse what they do not know."""
    from fabric import Connection
    from paramiko import RejectPolicy

    connection.client.load_system_host_keys(str(known_hosts) if known_hosts else None)
    connection.client.set_missing_host_key_policy(RejectPolicy())
    if isinstance(connection.gateway, Connection):
        _trust_only_known(connection.gateway, known_hosts)
