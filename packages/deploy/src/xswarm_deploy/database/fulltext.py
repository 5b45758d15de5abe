"""Full-text tables: of what is only an index, another table holds the rows."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from xswarm_deploy.database import schema
from xswarm_deploy.database.schema import Objects
from xswarm_deploy.database.statements import first_words, folded


def contents(made: Objects) -> Mapping[str, str]:
    """Return of each full-text index the table or view whose content it is over.

    One that has ``content`` for a column, and not for an option, holds its own rows.
    """
    found = {}
    for (_, name), sql in made.items():
        if first_words(sql, 3) != ("CREATE", "VIRTUAL", "TABLE"):
            continue
        tokens = [text.strip("'") if kind == "text" else text for kind, text in schema.lexed(sql)]
        for place, (word, sign) in enumerate(pairwise(tokens)):
            if folded(word) == "content" and sign == "=":
                found[name] = "".join(tokens[place + 2 : place + 3]).replace("''", "'")
    return found
