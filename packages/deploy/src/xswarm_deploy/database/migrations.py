"""Migration files: what they say, in which order they run, and what they must not say.

A file holds ``-- migrate:up`` and ``-- migrate:down`` parts, as dbmate's do, or as goose
(``-- +goose Up``), sql-migrate (``-- +migrate Up``), micrate, node-pg-migrate
(``-- Up Migration``) and node's sqlite (``-- Up``) write it; a file without these marks is one
up part, and ``NAME.up.sql`` and ``NAME.down.sql`` are the parts of one migration, as are ``up.sql``
and ``down.sql`` in a folder. Comments before the first part may say::

    -- name: Team Management
    -- depends: schema, auth
    -- transaction: none
    -- compatible: no
    -- critical: no
    -- irreversible: why there is no down part
    -- removes: posts, likes
    -- changes: users.email
    -- accepts: rebuilds-table
"""

from __future__ import annotations

import hashlib
import heapq
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Final, Literal

from xswarm_deploy.database import migration_folder, statements
from xswarm_deploy.database.statements import Fragment, folded
from xswarm_deploy.errors import Refused

Part = Literal["up", "down"]

_MARK = re.compile(
    r"--\s*(?:migrate:(?P<own>up|down)"
    r"|\+(?:goose|migrate|micrate)\s+(?P<other>(?i:up|down)))\b(?P<rest>.*)"
)
_OPENS, _CLOSES = frozenset({"BEGIN"}), frozenset({"COMMIT", "END"})
_RARER = (
    r"--\s*(?:(?P<part>up|down)(?:\s+migration)?"  # node's sqlite, node-pg-migrate
    r"|(?P<undo>//\s*@UNDO)"  # MyBatis
    r"|(?P<alone>\+goose\s+NO\s+TRANSACTION|no-transaction|atlas:txmode\s+none))\s*"
)
"""Marks and words of other tools: goose, sqlx and Atlas say so that there is no transaction."""
_OPTION = re.compile(r"--\s*+(?P<key>[a-z]++)\s*+:\s*+(?P<value>\S*+(?:[^\S\n]++\S++)*)\s*")
_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "name": (),
    "depends": (),
    "irreversible": (),
    "removes": (),
    "changes": (),
    "accepts": (),
    "transaction": ("none", "one"),
    "compatible": ("yes", "no"),
    "critical": ("yes", "no"),
}


@dataclass(frozen=True)
class Migration:
    """One file.

    Args:
        filename: its name in the folder, e.g. ``teams.sql``.
        text: what it holds, with line ends of Unix.
        options: what the comments before its first part say.
        parts: the text of each part, and the line it begins on.
        made_down: a down part that was made from the up part; empty: the file's own counts.
    """

    filename: str
    text: str
    options: Mapping[str, str]
    parts: Mapping[str, tuple[str, int]]
    made_down: str = ""

    @property
    def name(self) -> str:
        """Return the name others depend on: the file's, without ``.sql``."""
        return self.filename.removesuffix(".sql")

    @property
    def title(self) -> str:
        """Return the name for people."""
        return self.options.get("name", self.name)

    @cached_property
    def checksum(self) -> str:
        """Return the SHA-256 of the text, hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def depends(self) -> tuple[str, ...]:
        """Return the names of the migrations that must come before."""
        if "depends" not in self.options:
            return ()
        named = re.split(r"[,\s]+", self.options["depends"])
        return tuple(name.removesuffix(".sql") for name in named if name)

    @property
    def transactional(self) -> bool:
        """Return whether it runs in a transaction; only ``transaction: none`` does not."""
        return self.options.get("transaction") != "none"

    @property
    def compatible(self) -> bool:
        """Return whether the code of before still works with the schema of after."""
        return self.options.get("compatible", "yes") == "yes"

    @property
    def critical(self) -> bool:
        """Return whether the service cannot run without it."""
        return self.options.get("critical", "yes") == "yes"

    @property
    def irreversible(self) -> str:
        """Return the reason there is no down part; empty where there is one."""
        return self.options.get("irreversible", "")

    @property
    def removes(self) -> frozenset[str]:
        """Return the tables, in small letters, of which the file says that rows go along."""
        return self._named("removes")

    @property
    def changes(self) -> frozenset[str]:
        """Return the tables, or columns as ``table.column``, of which it says that values change.

        In small letters.
        """
        return self._named("changes")

    @property
    def accepts(self) -> frozenset[str]:
        """Return the rules of ``migrate.lint`` that were thought of."""
        return frozenset(re.split(r"[,\s]+", self.options.get("accepts", "")))

    @cached_property
    def up(self) -> tuple[Fragment, ...]:
        """Return the statements that apply it."""
        return self._fragments("up")

    @cached_property
    def down(self) -> tuple[Fragment, ...]:
        """Return the statements that take it back."""
        return self._fragments("down") or tuple(statements.split(self.made_down))

    @property
    def conditional(self) -> bool:
        """Return whether what it makes may be there already: ``IF NOT EXISTS``, or a text of it."""
        return any("exists" in fragment.sql.lower() for fragment in self.up)

    @cached_property
    def faults(self) -> tuple[str, ...]:
        """Return what the file must not say, each with its line; empty: nothing.

        Both homes take the same files, so what libSQL's server refuses is refused
        for both, before anything runs.
        """
        return tuple(_faults(self))

    def _named(self, option: str) -> frozenset[str]:
        named = self.options.get(option, "").split(",")
        return frozenset(folded(name.strip()) for name in named if name.strip())

    def _fragments(self, part: Part) -> tuple[Fragment, ...]:
        text, line = self.parts.get(part, ("", 1))
        found = statements.split(text, line)
        if self.transactional and "begin" in text.lower():
            found = _without_transactions(found)
        return tuple(found)


def read(folder: Path) -> list[Migration]:
    """Read a folder's migrations, in the order they run.

    Args:
        folder: where the ``.sql`` files are, or folders with a ``migration.sql`` each.

    Raises:
        Refused: the folder or a file cannot be read, or is a program; an unknown option; a
            dependency that is not there, or a circle of them.
    """
    files = migration_folder.paths(folder)
    return order([_read_parts(name, path, files) for name, path in _ups(files)])


@cache  # a run reads the same files when it looks, when it plans, and when it applies
def parse(filename: str, text: str) -> Migration:
    """Read one file's text.

    Raises:
        Refused: an unknown option, or a part given twice.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    marks, options = _comments(filename, text)
    parts: dict[str, tuple[str, int]] = {}
    if marks and marks[0][0] == "down" and not statements.is_blank(text[: marks[0][1]]):
        parts["up"] = (text[: marks[0][1]], 1)
    ends = [start for _, start, _ in marks[1:]] + [len(text)]
    for (part, _, begin), end in zip(marks, ends, strict=False):  # without marks: no part
        if part in parts:
            raise Refused(f"{filename} has two parts migrate:{part}", "", "join them")
        parts[part] = (text[begin:end], text.count("\n", 0, begin) + 1)
    return Migration(filename, text, options, parts or {"up": (text, 1)})


def order(migrations: Sequence[Migration]) -> list[Migration]:
    """Order by dependency; what is free to go first goes by its number, or by name.

    Raises:
        Refused: a dependency that is not there, or a circle of them.
    """
    by_name = {migration.name: migration for migration in migrations}
    waiting = {name: set(migration.depends) for name, migration in by_name.items()}
    followers: dict[str, list[str]] = {}
    for name, needed in waiting.items():
        _require_known(by_name[name], {other for other in needed if other not in by_name})
        for other in needed:
            followers.setdefault(other, []).append(name)
    ready = [migration_folder.place(name) for name, needed in waiting.items() if not needed]
    heapq.heapify(ready)
    ordered: list[Migration] = []
    while ready:
        *_, name = heapq.heappop(ready)
        ordered.append(by_name[name])
        for follower in followers.get(name, ()):
            waiting[follower].remove(name)
            if not waiting[follower]:
                heapq.heappush(ready, migration_folder.place(follower))
    _require_no_circle([name for name, needed in waiting.items() if needed])
    return ordered


def _faults(migration: Migration) -> list[str]:
    idle = not migration.up and not migration.made_down  # a plain folder may hold comments alone
    found = [f"{migration.filename}: the up part is empty"] if idle else []
    if not migration.down and not migration.irreversible:
        found.append(
            f"{migration.filename}: the down part is missing or empty; write one,"
            " or say why there is none: -- irreversible: REASON; a whole folder of up parts is"
            " taken with down: generated under deploy.migrations in invoke.yaml"
        )
    found += [f"{migration.filename}:{line}: {why}" for line, why in _unread(migration)]
    for fragment in (*migration.up, *migration.down):
        reason = statement_fault(fragment.sql, transactional=migration.transactional)
        if reason:
            found.append(f"{migration.filename}:{fragment.line}: {reason}")
    return found


def _unread(migration: Migration) -> Iterator[tuple[int, str]]:
    """Return the lines of what would run otherwise than its author meant, and why."""
    for text, line in migration.parts.values():
        if (start := statements.unended_comment(text)) >= 0:
            why = "the comment that begins here has no end: what follows it would never run"
            yield line + text.count("\n", 0, start), why
    text = migration.text
    marks, _ = _comments(migration.filename, text)
    if marks and marks[0][0] == "up" and (above := statements.split(text[: marks[0][1]])):
        yield above[0].line, "this stands above -- migrate:up, and would never run: put it below"
    taken = {start for _, start, _ in marks}
    for start, end in statements.line_comments(text):
        if start not in taken and (near := _NEARLY.match(text, start, end)):
            yield text.count("\n", 0, start) + 1, _NO_VALUES if near["env"] else _NO_MARK


_NEARLY: Final = re.compile(
    r"--\s*(?:migrate\s*:\s*(?:up|down)\b|\+\s*(?:goose|migrate|micrate)\s*:?\s*(?:up|down)\b"
    r"|\+goose\s+(?P<env>ENVSUB\s+ON)\b)",
    re.IGNORECASE,
)
_NO_MARK: Final = (
    "this looks like the mark of a part, and is none: write -- migrate:up or -- migrate:down"
)
_NO_VALUES: Final = "goose would put variables of the environment here, and this tool does not"


def statement_fault(sql: str, *, transactional: bool = True) -> str:
    """Return why a statement may not stand in a migration; empty: it may.

    ``PRAGMA foreign_keys`` may stand where a transaction is: it is done before BEGIN.
    """
    verb, second = (*statements.first_words(sql, 2), "", "")[:2]
    if not transactional and verb != "CREATE" and (asked := statements.of_connection(sql)):
        return (
            f"{asked}() is of the statement before, which without a transaction may run on another"
            " connection; leave out -- transaction: none"
        )
    if verb in ("BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE"):
        return f"{verb} would break the transaction that the migration runs in; leave it out"
    if verb in ("ATTACH", "DETACH", "VACUUM", "ANALYZE"):
        return f"{verb} is refused by libSQL's server"
    if verb not in ("CREATE", "PRAGMA"):
        return ""
    if verb == "CREATE":
        temporary = second in ("TEMP", "TEMPORARY")
        why = "temporary objects are refused by libSQL's server; make an ordinary one, and drop it"
        return why if temporary else ""
    if second == "FOREIGN_KEYS" and not transactional:
        return "foreign keys are lifted in a transaction only; leave out -- transaction: none"
    return "" if second in _PRAGMAS else f"PRAGMA {second.lower()} is refused by libSQL's server"


_PRAGMAS = frozenset(
    {"FOREIGN_KEYS", "DEFER_FOREIGN_KEYS", "USER_VERSION", "FOREIGN_KEY_CHECK", "TABLE_INFO"}
)


def _without_transactions(found: Sequence[Fragment]) -> list[Fragment]:
    """Leave out BEGIN and COMMIT, as other tools' files have them: all runs in one transaction.

    One without the other stays, and is a fault.
    """
    verbs = ["".join(statements.first_words(fragment.sql, 1)) for fragment in found]
    if _OPENS.isdisjoint(verbs) or _CLOSES.isdisjoint(verbs):
        return list(found)
    left_out = _OPENS | _CLOSES
    return [each for each, verb in zip(found, verbs, strict=True) if verb not in left_out]


def _ups(files: Mapping[str, Path]) -> list[tuple[str, Path]]:
    """Return the files that begin a migration.

    Raises:
        Refused: a down part has no up part.
    """
    alone = [
        path
        for name, path in files.items()
        if name.endswith(".down.sql") and f"{name[:-9]}.up.sql" not in files
    ]
    if alone:
        raise Refused(f"{alone[0]} has no up part", "", "add it, or remove the file")
    return [(name, path) for name, path in files.items() if not name.endswith(".down.sql")]


def _read_parts(name: str, path: Path, files: Mapping[str, Path]) -> Migration:
    """Read a file, and the one with its down part where that is another."""
    text = _text(path)
    if not name.endswith(".up.sql"):
        return parse(name, text)
    below = files.get(f"{name[:-7]}.down.sql")
    filename = f"{name[:-7]}.sql"
    if below is None:
        return parse(filename, text)
    down = _text(below)
    joined = parse(filename, f"{text}\n-- migrate:down\n{down}")
    return replace(joined, parts={**joined.parts, "down": (down, 1)})


def _text(path: Path) -> str:
    try:
        text = path.read_bytes().decode()  # by half quicker than read_text
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{path.name} cannot be read", str(error), "save it as UTF-8") from None
    return text.replace("\r\n", "\n")  # a \r alone ends no comment, and may stand in a value


@cache
def _rarer() -> re.Pattern[str]:
    """Return the pattern of what few files have, compiled when a comment is no mark."""
    return re.compile(_RARER, re.IGNORECASE)


def _comments(filename: str, text: str) -> tuple[list[tuple[str, int, int]], dict[str, str]]:
    """Return the marks of parts (part, where it starts, where its text begins) and options.

    A part's name alone (``-- Up``) is a mark where a file has both.
    """
    marks: list[tuple[str, int, int]] = []
    bare: list[tuple[str, int, int]] = []
    options: dict[str, str] = {}
    blank, seen = True, 0  # whether nothing but comments came so far, and how far that was read
    for start, end in statements.line_comments(text):
        blank = blank and statements.is_blank(text[seen:start])
        seen = end
        if mark := _MARK.fullmatch(text, start, end):
            marks.append(((mark["own"] or mark["other"]).lower(), start, end))
            if any(said in mark["rest"] for said in ("transaction:false", "notransaction")):
                options["transaction"] = "none"  # as dbmate and sql-migrate write it
        elif mark := _rarer().fullmatch(text, start, end):
            if mark["undo"]:
                raise Refused(f"{filename} has a part -- //@UNDO", "", "write: -- migrate:down")
            if mark["alone"] and (blank or "goose" in mark["alone"].lower()):
                options["transaction"] = "none"
            elif mark["part"]:
                bare.append((mark["part"].lower(), start, end))
        elif not marks and blank:
            options.update(_option(filename, text[start:end]))
    both = {part for part, *_ in bare} == {"up", "down"}
    return bare if both and not marks else marks, options


def _option(filename: str, comment: str) -> dict[str, str]:
    found = _OPTION.fullmatch(comment)
    if not found or found["key"] not in _OPTIONS:
        return {}
    key, value, allowed = found["key"], found["value"], _OPTIONS[found["key"]]
    if allowed and value not in allowed:
        raise Refused(f"{filename}: {key} is {value!r}", f"it may be {' or '.join(allowed)}")
    return {key: value}


def _require_known(migration: Migration, unknown: set[str]) -> None:
    if unknown:
        raise Refused(
            f"{migration.filename} depends on {', '.join(sorted(unknown))}, which is not there",
            "",
            "correct its line -- depends:, or add the file",
        )


def _require_no_circle(left: Sequence[str]) -> None:
    if left:
        raise Refused(
            f"Migrations depend on each other in a circle: {', '.join(sorted(left))}",
            "",
            "take one of their -- depends: out",
        )
