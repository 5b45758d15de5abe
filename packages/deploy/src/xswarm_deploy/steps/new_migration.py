"""New migration files: an empty one, or the two of a column that gets another name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from xswarm_deploy.database import expand, migrations
from xswarm_deploy.errors import Refused

if TYPE_CHECKING:
    from xswarm_deploy.settings.settings import Settings


def write_new(settings: Settings, name: str, depends: str = "") -> Path:
    """Write an empty migration file, and return its path.

    Args:
        settings: of any environment.
        name: words; the file's name is made of them.
        depends: what must come before; empty: the last file there is.

    Raises:
        Refused: there is such a file already, or it depends on none there is; or no folder
            is named.
    """
    if not settings.project.migrations.directory:
        raise Refused(
            "no folder of migrations is named",
            "deploy.migrations.directory is empty",
            "write directory: migrations under deploy.migrations in invoke.yaml",
        )
    folder = settings.path(settings.project.migrations.directory)
    folder.mkdir(exist_ok=True)
    found = migrations.read(folder)
    filename = re.sub(r"[^a-z0-9_]+", "-", name.lower().removesuffix(".sql")).strip("-") + ".sql"
    if filename == ".sql":
        raise Refused(f"{name!r} is no name for a migration", "no letter, no digit", "name it")
    if any(file.filename == filename for file in found):
        raise Refused(f"{filename} is there already", "", "choose another name")
    name = " ".join(name.split())  # it stands in a comment of one line
    depends = depends or (found[-1].name if found else "")
    header = f"-- name: {name}\n" + (f"-- depends: {depends}\n" if depends else "")
    text = f"{header}-- compatible: yes\n\n-- migrate:up\n\n\n-- migrate:down\n\n"
    migrations.order([*found, migrations.parse(filename, text)])
    try:
        with (folder / filename).open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise Refused(f"{filename} is there already", "", "choose another name") from None
    return folder / filename


def write_expansion(settings: Settings, name: str, asked: str) -> list[Path]:
    """Write the files of a column that gets another name in two releases.

    Args:
        settings: of any environment.
        name: words; the names of the files begin with them.
        asked: ``TABLE.OLD:NEW``.

    Returns:
        The file for this release, and the one for a later release, which ``.later`` keeps out.
    """
    directory = settings.project.migrations.directory
    found = migrations.read(settings.path(directory)) if directory else []
    both = expand.pair(asked, found)
    first = write_new(settings, f"{name}-expand")
    header = first.read_text(encoding="utf-8").partition("-- migrate:up")[0]
    first.write_text(header + both.expand, encoding="utf-8")
    later = first.with_name(f"{first.stem.removesuffix('-expand')}-contract.sql.later")
    head = f"-- name: {name}-contract\n-- depends: {first.stem}\n-- compatible: no\n\n"
    later.write_text(head + both.contract, encoding="utf-8")
    return [first, later]
