"""Patterns that are compiled at first use: they answer as compiled ones do."""

from __future__ import annotations

import copy
import pickle
import re
from typing import Any

import pytest

from xswarm_deploy import patterns


def _compiled_in(package: str, text: str, flags: int = 0) -> Any:
    """Return what a module of a package gets of ``re.compile``."""
    scope: dict[str, Any] = {"__name__": package, "re": re, "text": text, "flags": flags}
    return eval("re.compile(text, flags)", scope)


@pytest.mark.parametrize("package", ["xswarm_deploy.errors", "yaml.reader", "urllib3.util.url"])
def test_a_pattern_answers_as_a_compiled_one(package: str) -> None:
    with patterns.later():
        late = _compiled_in(package, "(?P<word>b+)", re.IGNORECASE)
    assert not isinstance(late, re.Pattern)
    assert late.search("aBBc")["word"] == "BB"
    assert late.sub("-", "aBBc") == "a-c"
    assert (late.pattern, late.groups) == ("(?P<word>b+)", 1)
    for other in (copy.copy(late), copy.deepcopy(late), pickle.loads(pickle.dumps(late))):
        assert other.fullmatch("BB")


def test_others_get_compiled_ones() -> None:
    with patterns.later():
        assert isinstance(_compiled_in("tasks", "a"), re.Pattern)
        assert isinstance(_compiled_in("yamlish", "a"), re.Pattern)
    assert isinstance(_compiled_in("yaml", "a"), re.Pattern)


def test_what_is_no_pattern_is_told_at_first_use() -> None:
    with patterns.later():
        late = _compiled_in("yaml", "(")
    with pytest.raises(re.error):
        late.search("")
