"""Keep people and secrets out of labels, logs and reports: ids, e-mails, tokens, SQL values."""

from __future__ import annotations

import hashlib
import re

_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_TOKENS = re.compile(
    r"""(?x)
    \b(?:sk|pk|rk|whsec|re)[-_](?:ant-|live_|test_|proj-)?[\w-]{8,}   # Stripe, Anthropic, OpenAI
    | \bSG\.[\w-]{8,}\.[\w-]{8,}                                      # SendGrid
    | \b(?:AC|SK)[0-9a-f]{32}\b                                       # Twilio
    | \beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?                             # JSON web tokens
    | \bxox[abprs]-[\w-]{8,}                                          # Slack
    | \b[0-9a-fA-F]{32,}\b                                            # any long hexadecimal
    """
)
_BEARER = re.compile(r"(?i)\b(bearer|basic|token)(\s+)[\w.~+/=-]{8,}")
_CREDENTIALS = re.compile(r"(?i)(\w+://)[^/\s:@]+(?::[^/\s@]*)?@")
_ASSIGNED = re.compile(
    r"""(?ix) (["']?\b[\w-]*(?:password|passwd|secret|token|api[_-]?key|authorization|signature)
    [\w-]*["']?\s*[=:]\s*) ("[^"]*"|'[^']*'|[^\s&,;}"']+)"""
)
_SLACK_HOOK = re.compile(r"(?i)(https://hooks\.slack\.com/)\S+")


def pseudonym(identity: str) -> str:
    """Return an id as it is, or a short hash of it where it would have to be masked."""
    if mask_text(identity) == identity:
        return identity
    return hashlib.sha256(identity.encode("utf-8", "replace")).hexdigest()[:12]


def mask_text(text: str) -> str:
    """Replace e-mail addresses, tokens, credentials and assigned secrets in free text."""
    text = _SLACK_HOOK.sub(r"\1:token", text)
    text = _CREDENTIALS.sub(r"\1:credentials@", text)
    text = _BEARER.sub(r"\1\2:token", text)
    text = _ASSIGNED.sub(r"\1:token", text)
    text = _TOKENS.sub(":token", text)
    return _EMAIL.sub(":email", text)


_PARAMETERS = re.compile(
    r"(?i)([?&][^=&]*(?:token|key|secret|password|signature|code|auth|session|e-?mail)[^=&]*=)[^&#]*"
)
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)*")
_SLUG = re.compile(r"[a-z]+(?:[-_.][a-z]+)*(?:[-_.]?v?\d{1,2})?", re.ASCII)
_LONGEST_WORD = 32  # characters; a longer path segment is an id


def mask_path(path: str) -> str:
    """Replace what varies in a path: numbers become ``:num``, e-mails ``:email``, ids ``:id``.

    The query is kept, with the values of telling parameters masked.
    """
    path, mark, query = path.partition("?")
    masked = "/".join(_mask_segment(segment) for segment in path.split("/"))
    return masked + (mask_query(mark + query) if query else "")


def mask_query(query: str) -> str:
    """Mask the values of parameters that carry tokens or addresses, and what looks like one.

    Args:
        query: with its leading ``?``.
    """
    return _PARAMETERS.sub(r"\1:masked", mask_text(query.replace("%40", "@")))


def _mask_segment(segment: str) -> str:
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
    | /\*.*?\*/                             # a comment
    | [xX]?'(?:[^']|'')*(?:'|\Z)            # a string or blob, also one cut off
    | (?P<name>"(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\]|[A-Za-z_][\w$]*)
    | (?P<parameter>[?:@$]\w+)
    | \.?\d(?:[eE][+-]?\d|[\w.])*         # a number, decimal or hexadecimal
    """
)
_LISTS = re.compile(r"\(\s*\?(?:\s*,\s*\?)+\s*\)(?:\s*,\s*\(\s*\?(?:\s*,\s*\?)*\s*\))*")
_LONGEST_SQL = 500  # characters


def mask_sql(sql: str) -> str:
    """Return a statement's shape: values become ``?``, lists of values ``(?, …)``, comments go.

    Names in double quotes are kept, as the standard has it.
    """
    shape = _SQL.sub(_mask_sql_part, sql)
    shape = _LISTS.sub("(?, …)", " ".join(shape.split()))
    return shape if len(shape) <= _LONGEST_SQL else shape[: _LONGEST_SQL - 1] + "…"


def _mask_sql_part(found: re.Match[str]) -> str:
    if found["name"]:
        return found[0]
    if found["parameter"]:
        return "?"
    return " " if found[0].startswith(("--", "/*")) else "?"
