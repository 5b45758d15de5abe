from __future__ import annotations

from deployment.errors import Refused
from deployment.secret import Secret


def test_an_error_is_redacted_where_it_is_made() -> None:
    Secret("canary-of-an-error", "CANARY")
    said = "it is\x1b[2J canary-of-an-error"
    error = Refused(said, said, said)
    for text in (error.render(), str(error), str(error.message), repr(error)):
        assert "canary" not in text
        assert "\x1b" not in text


def test_no_text_of_anothers_looks_like_a_line_of_ours() -> None:
    shown = Refused("it failed\n✓ released", "why\n  next: ./inv rollback", "inv check").render()
    assert [line for line in shown.splitlines() if not line.startswith("        ")] == [
        "✗ it failed",
        "  why:  why",
        "  next: ./inv check",
    ]
