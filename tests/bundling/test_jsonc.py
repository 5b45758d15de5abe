from __future__ import annotations

import pytest

from xswarm_deploy.bundling import jsonc


@pytest.mark.parametrize("text", ["{} /* not ended", "{} /*/", '{"a": "not ended\n}', "{,}"])
def test_what_is_not_ended_is_refused_as_wrangler_refuses_it(text: str) -> None:
    with pytest.raises(ValueError, match="line 1"):
        jsonc.loads(text)


def test_comments_and_trailing_commas_are_taken() -> None:
    text = '{"a": ["//x", /* , */ 1,], // b\n "c": "/* \\" */",}'
    assert jsonc.loads(text) == {"a": ["//x", 1], "c": '/* " */'}
