"""JSON with comments and trailing commas, as wrangler reads its configuration."""

from __future__ import annotations

import json
import re
from typing import Any, Final

# A string is matched first, so that what looks like a comment inside it stays.
_TOKENS: Final = re.compile(
    r'"(?:\\.|[^"\\\n])*(?:"|)'  # a string, also one that is not ended
    r"|//[^\n]*|/\*.*?(?:\*/|\Z)"  # a comment
    r"|,(?=(?:\s|//[^\n]*\n|/\*(?:[^*]|\*(?!/))*\*/)*[}\]])",  # a comma before a closing bracket
    re.DOTALL,
)


def loads(text: str) -> Any:
    """Parse JSONC.

    Raises:
        ValueError: it is none; line and column are those of the text.
    """
    return json.loads(_TOKENS.sub(_blanked, text.removeprefix("\ufeff")))


def _blanked(match: re.Match[str]) -> str:
    """Keep strings; put blanks in place of the rest, so that lines and columns stay."""
    token = match[0]
    unended = token.startswith("/*") and (len(token) < 4 or not token.endswith("*/"))
    if token.startswith('"') or unended or _follows_nothing(match):
        return token
    return re.sub(r"[^\n]", " ", token)


def _follows_nothing(match: re.Match[str]) -> bool:
    """Return whether a comma has no value before it: that is wrong in JSONC, too."""
    before = match.string[: match.start()].rstrip()[-1:]
    return match[0] == "," and before in ("", "{", "[", ",")
