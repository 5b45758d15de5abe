"""Keep people and secrets out of labels, logs and reports: ids, e-mails, tokens, SQL values."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache

# Every expression here is linear in the text, since anybody may write it (a path, a summary).
# Where a search would begin again inside what it has read, a last branch takes that whole run
# and leaves it as it is; its groups are empty then. tests/test_regular_expressions.py measures.
# Only single characters are repeated possessively: Python 3.11.2, where the bridge may run,
# goes wrong where a group is.
_ADDRESS = re.compile(r"[\w.+-]++(@[\w-]++(?:\.[\w-]++)+)?")
_TOKENS = re.compile(
    r"""(?x)
    \b(?:sk|pk|rk|whsec|re)[-_](?:ant-|live_|test_|proj-)?[\w-]{8,}+  # Stripe, Anthropic, OpenAI
    | \bSG\.[\w-]{8,}+\.[\w-]{8,}+                                    # SendGrid
    | \b(?:AC|SK)[0-9a-f]{32}\b                                       # Twilio
    | \beyJ[\w-]{8,}+(?:\.[\w-]*+){0,2}                               # JSON web tokens
    | \bxox[abprs]-[\w-]{8,}+                                         # Slack
    | \b[0-9a-fA-F]{32,}+\b                                           # any long hexadecimal
    """
)
_BEARER = re.compile(r"(?i)\b(bearer|basic|token)(\s++)[\w.~+/=-]{8,}+")
_CREDENTIALS = re.compile(r"(?<=\w)://[^/\s:@]*+(?::[^/\s@]*+)?@")
_ASSIGNED = re.compile(
    r"""(?ix)
    ((?:password|passwd|secret|token|api[_-]?key|authorization|signature)[\w-]*+)
    (?: (\\*+["']?\s*+[=:]\s*+)
        (?: "(?:[^"\\]++|\\[\s\S])*(?:"|\\?\Z)      # also one cut off
          | '(?:[^'\\]++|\\[\s\S])*(?:'|\\?\Z)
          | \\++"[^"]*+(?:"|\Z)                      # JSON inside of JSON
          | [^\s&,;}"']++ ) )?"""
)
_SLACK_HOOK = re.compile(r"(?i)(https://hooks\.slack\.com/)\S++")


def pseudonym(identity: str) -> str:
    """Return an id as it is, or a short hash of it where it would have to be masked."""
    if mask_text(identity) == identity:
        return identity
    return hashlib.sha256(identity.encode("utf-8", "replace")).hexdigest()[:12]


def mask_text(text: str) -> str:
    """Replace e-mail addresses, tokens, credentials and assigned secrets in free text."""
    text = _SLACK_HOOK.sub(r"\1:token", text)
    text = _CREDENTIALS.sub("://:credentials@", text)
    text = _BEARER.sub(r"\1\2:token", text)
    text = _ASSIGNED.sub(_mask_assigned, text)
    text = _TOKENS.sub(":token", text)
    return _ADDRESS.sub(_mask_address, text) if "@" in text else text


def mask_beginning(text: str, longest: int) -> str:
    """Mask as much of a text as is shown; what is cut off is not read.

    Args:
        text: of any length; a word that would be cut in two goes wholly.
        longest: characters of the answer.
    """
    if len(text) > 2 * longest:
        text = "".join(text[: 2 * longest].rsplit(maxsplit=1)[:1])
    masked = mask_text(text)
    return masked if len(masked) <= longest else masked[: longest - 1] + "…"


def _mask_assigned(found: re.Match[str]) -> str:
    return f"{found[1]}{found[2]}:token" if found[2] else found[0]


def _mask_address(found: re.Match[str]) -> str:
    return ":email" if found[1] else found[0]


_MARKS = re.compile(r"([=&#])")
_TELLING = re.compile(r"(?i)token|key|secret|password|signature|code|auth|session|e-?mail")
_NUMBER = re.compile(r"[+-]?\d++(?:[.,]\d++)*")
_SLUG = re.compile(r"[a-z]+(?:[-_.][a-z]+)*(?:[-_.]?v?\d{1,2})?", re.ASCII)
_HEXADECIMAL = re.compile(r"[0-9a-fA-F]{4,}")
_LONGEST_WORD = 32  # characters; a longer path segment is an id
_SLUG_WORDS = 3  # of a path segment; as many or more are a title
_LONGEST_PATH = 2_000  # characters; what follows is shown nowhere


def mask_path(path: str) -> str:
    """Replace what varies in a path: numbers become ``:num``, e-mails ``:email``, ids ``:id``.

    Of matrix parameters (``;jsessionid=…``) nothing is kept. The query is kept, with the values of
    telling parameters masked. A path of more than 2,000 characters is cut.
    """
    if len(path) > _LONGEST_PATH:
        path = path[:_LONGEST_PATH].rpartition("/")[0] + "/…"
    path, mark, query = path.partition("?")
    masked = "/".join(_mask_segment(segment) for segment in path.split("/"))
    return masked + (mask_query(mark + query) if query else "")


PLACEHOLDERS = frozenset((":num", ":email", ":id", ":slug"))
"""What :func:`shape` has in place of what varies; files keep their kind (``:id.js``)."""
FILES = frozenset(
    (
        *("avif", "css", "csv", "gif", "htm", "html", "ico", "jpeg", "jpg", "js", "json", "map"),
        *("md", "mjs", "mp3", "mp4", "pdf", "php", "png", "svg", "ttf", "txt", "wasm", "webm"),
        *("webp", "woff", "woff2", "xml", "zip"),
    )
)
"""Endings of files' names."""


def shape(path: str) -> str:
    """Return a path as a label, where no router names its route: what varies is replaced.

    Titles (three words or more) become ``:slug``, and all else is as :func:`mask_path` has it.
    Queries, matrix parameters (``;v=1``), doubled slashes and one at the end are left out.
    """
    path = path.partition("?")[0]
    if len(path) > _LONGEST_PATH:
        path = path[:_LONGEST_PATH].rpartition("/")[0] or ":id"
    parts = (part.partition(";")[0] for part in path.split("/"))
    return "/" + "/".join(":num" if p.isdecimal() else _shaped(p) for p in parts if p)


@lru_cache(maxsize=1_000)
def _shaped(segment: str) -> str:
    name, _, kind = segment.rpartition(".")
    if name and kind.lower() in FILES:
        shaped = _shaped(name)
        return f"{shaped}.{kind.lower()}" if shaped in PLACEHOLDERS else segment
    if _is_title(segment):
        return ":slug"
    masked = _mask_segment(segment) if segment.isprintable() else ":id"
    return ":slug" if masked not in PLACEHOLDERS and _words(masked) >= _SLUG_WORDS else masked


def _words(segment: str) -> int:
    return segment.replace("_", "-").count("-") + 1


def _is_title(segment: str) -> bool:
    """Return whether most words of a segment are words, however long it is; no UUID is one."""
    words = segment.replace("_", "-").split("-")
    real = sum(word.isalpha() and not _HEXADECIMAL.fullmatch(word) for word in words)
    return len(words) >= _SLUG_WORDS and real >= len(words) / 2 and "@" not in segment


def mask_query(query: str) -> str:
    """Mask the values of parameters that carry tokens or addresses, and what looks like one.

    Args:
        query: with its leading ``?``.
    """
    shown, name, hidden = [], "", False
    for part in _MARKS.split(mask_text(query.replace("%40", "@"))):
        hidden = hidden and part not in ("&", "#")
        if hidden:
            continue
        shown.append(part)
        if part == "=" and _TELLING.search(name):
            shown.append(":masked")
            hidden = True
        name = part
    return "".join(shown)


def _mask_segment(segment: str) -> str:
    segment, parameters, _ = segment.partition(";")
    if parameters:
        return f"{_mask_segment(segment)};:masked"
    if not segment:
        return segment
    if _NUMBER.fullmatch(segment):
        return ":num"
    if "@" in segment or "%40" in segment:
        return ":email"
    if len(segment) <= _LONGEST_WORD and _SLUG.fullmatch(segment.lower()):
        return segment
    return ":id" if any(map(str.isdigit, segment)) or len(segment) > _LONGEST_WORD else segment


_SQL = re.compile(
    r"""(?xs)
      --[^\n]*                              # a comment to the line's end
    | /\*.*?(?:\*/|\Z)                      # a comment, also one cut off
    | [xX]?'(?:[^']++|'')*(?:'|\Z)          # a string or blob, also one cut off
    | (?P<name>"(?:[^"]|"")*"|`[^`]*`|\[[^\[\]]*+\]|[A-Za-z_][\w$]*+)
    | (?P<parameter>[?:@$]\w++)
    | \.?\d(?:[eE][+-]?\d|[\w.])*         # a number, decimal or hexadecimal
    """
)
_LISTS = re.compile(r"\( ?\?(?: ?, ?\?)+ ?\)(?: ?, ?\( ?\?(?: ?, ?\?)* ?\))*")
_LONGEST_SQL = 500  # characters
_READ_SQL = 20_000  # characters: a list of many values is one mark at the end


def mask_sql(sql: str) -> str:
    """Return a statement's shape: values become ``?``, lists of values ``(?, …)``, comments go.

    Names in double quotes are kept, as the standard has it.
    """
    shape = _SQL.sub(_mask_sql_part, sql[:_READ_SQL])
    shape = _LISTS.sub("(?, …)", " ".join(shape.split()))
    return shape if len(shape) <= _LONGEST_SQL else shape[: _LONGEST_SQL - 1] + "…"


def _mask_sql_part(found: re.Match[str]) -> str:
    if found["name"]:
        return found[0]
    if found["parameter"]:
        return "?"
    return " " if found[0].startswith(("--", "/*")) else "?"
