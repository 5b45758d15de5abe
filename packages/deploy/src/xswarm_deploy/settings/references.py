"""Values that stand elsewhere: ``op://…``, ``vault:…``, ``sops:…``, ``command:…``.

An environment file may name where a value is kept instead of holding it. The tool that
keeps it is asked when the environment is loaded, all of them at once. It gets a list of
arguments and never a shell; what it prints is the value, and is shown nowhere.

    STRIPE_SECRET_KEY_LIVE=op://Production/Stripe/secret key
    JWT_SECRET=vault:secret/boss#jwt_secret
    OPENAI_API_KEY=sops:deployment/config/secrets.enc.yaml#openai/key
    ANTHROPIC_API_KEY=command:pass show boss/anthropic
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent import futures
from pathlib import Path
from typing import Final

from xswarm_deploy import running
from xswarm_deploy.errors import Refused, Unavailable
from xswarm_deploy.settings import handed_on

SECONDS: Final = 60.0  # a person may have to touch a key meanwhile
_AT_ONCE: Final = 8


def is_reference(value: str) -> bool:
    """Return whether a value of an environment file says where the value is."""
    return value.startswith(tuple(_COMMANDS))


def resolved(values: Mapping[str, str], root: Path, seconds: float = SECONDS) -> dict[str, str]:
    """Return values with every reference replaced by what it names.

    Args:
        values: by name.
        root: the folder in which commands run: the project's.
        seconds: the time limit of each.

    Raises:
        Refused: a reference is incomplete, or its command failed or gave nothing.
        Unavailable: its program is not installed, or did not end in time.
    """
    named = {name: value for name, value in values.items() if is_reference(value)}
    if not named:
        return dict(values)
    with futures.ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="reference") as pool:
        found = pool.map(lambda name: _asked(name, named[name], root, seconds), named)
        return {**values, **dict(zip(named, found, strict=True))}


def command(reference: str) -> list[str]:
    """Return the command that prints what a reference names.

    Raises:
        ValueError: the reference is incomplete; the words say of what form it must be.
    """
    scheme = next(scheme for scheme in _COMMANDS if reference.startswith(scheme))
    return _COMMANDS[scheme](reference.removeprefix(scheme))


def _op(rest: str) -> list[str]:
    if rest.count("/") < 2:
        raise ValueError("op://vault/item/field")
    return ["op", "read", "--no-newline", f"op://{rest}"]


def _vault(rest: str) -> list[str]:
    path, field = _divided(rest, "vault:path#field")
    return ["vault", "kv", "get", f"-field={field}", path]


def _sops(rest: str) -> list[str]:
    file, keys = _divided(rest, "sops:file#key/key")
    extract = "".join(f"[{json.dumps(key)}]" for key in keys.split("/"))
    return ["sops", "-d", "--extract", extract, file]


def _command(rest: str) -> list[str]:
    words = _words(rest)
    if not words:
        raise ValueError("command:program arguments")
    return words


def _words(line: str) -> list[str]:
    """Divide a command line at its spaces; on Windows a backslash is a part of a path."""
    parts = shlex.shlex(line, posix=True)
    parts.whitespace_split, parts.commenters = True, ""
    if sys.platform == "win32":
        parts.escape = ""
    return list(parts)


def _divided(rest: str, form: str) -> tuple[str, str]:
    where, _, name = rest.partition("#")
    if not where or not name or where.startswith("-"):
        raise ValueError(form)
    return where, name


def _asked(name: str, reference: str, root: Path, seconds: float) -> str:
    try:
        words = command(reference)
    except ValueError as error:
        raise Refused(f"{name} is an incomplete reference", f"it must be: {error}") from None
    value = _run(name, words, root, seconds).removesuffix("\n").removesuffix("\r")
    if not value.strip():
        raise Refused(f"{name}: {words[0]} gave nothing", "a blank value is none", _by_hand(words))
    return value


def _run(name: str, words: list[str], root: Path, seconds: float) -> str:
    """Run it; what it prints stays here, also when it fails: it may hold the value."""
    import shutil  # with bz2 and lzma: 5 ms, and few values are references

    what = f"{name}: {words[0]} did not give its value"
    try:
        ended = running.captured(
            [shutil.which(words[0]) or words[0], *words[1:]],  # of Windows its .cmd, too
            cwd=root,
            env=handed_on.environment(),
            timeout=seconds,
        )
    except OSError as error:
        raise Unavailable(what, f"{error.strerror}: {words[0]}", f"install {words[0]}") from None
    except subprocess.TimeoutExpired:
        raise Unavailable(what, f"no answer in {seconds:.0f} s", _by_hand(words)) from None
    if ended.returncode:
        raise Refused(what, f"it ended with {ended.returncode}", _by_hand(words))
    try:
        return ended.stdout.decode()
    except UnicodeDecodeError:
        raise Refused(what, "it is no text", _by_hand(words)) from None


def _by_hand(words: list[str]) -> str:
    return f"see what it says: {shlex.join(words)}"


_COMMANDS: Final[Mapping[str, Callable[[str], list[str]]]] = {
    "op://": _op,
    "vault:": _vault,
    "sops:": _sops,
    "command:": _command,
}
