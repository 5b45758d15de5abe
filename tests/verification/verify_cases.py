"""Each thing verification looks at, in each way it can be; VERIFICATION.md is made of it.

``python -m tests.verification.verify_cases`` writes the document anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.steps.sound_worker import ALLOWED
from xswarm_deploy.verification.performance import Speed

DOCUMENT: Final = Path(__file__).resolve().parents[2] / "deployment/docs/VERIFICATION.md"
HEAD: Final = """\
# What verification answers

Everything `./inv verify` and the gates of a release look at, in each way it can be, and the answer.
What is asked, and how to configure it, is in [the guide](guide/verification.md). Every line is a
test in `tests/verification/test_verify.py`; `python -m tests.verification.verify_cases` writes this
document, and a test holds it to the lines.

✅ good; ⚠️ a warning; ❌ fails the release, which is undone; ❔ nobody can say.

| looked at | it is so | answer | the evidence contains |
|---|---|---|---|
"""
SIGNS: Final = {"pass": "✅", "warn": "⚠️", "fail": "❌", "unknown": "❔"}

GOOD = {
    "GET /": "pass",
    "sign up": "pass",
    "session cookie": "pass",
    "log in": "pass",
    "wrong password refused": "pass",
    "token accepted": "pass",
    "no token refused": "pass",
    "tampered token refused": "pass",
    "account deleted": "pass",
    "version": "pass",
    "headers": "pass",
    "site headers": "pass",
    "CORS for https://somebody-else.invalid": "pass",
    f"CORS for {ALLOWED}": "pass",
    "rate limit": "pass",
    "static site": "pass",
    "performance": "pass",
}
"""What a sound Worker and site get."""
WAYS = [
    ("sign up fails", "sign up", "500 instead of 200 or 201"),
    ("gives no token", "sign up", "without token"),
    ("cookie for scripts", "session cookie", "without httponly"),
    ("login fails", "log in", "500"),
    ("takes any password", "wrong password refused", "200 instead of 400"),
    ("another account", "token accepted", "another account"),
    ("needs no token", "no token refused", "200 instead of 401"),
    ("takes any token", "tampered token refused", "200 instead of 401"),
    ("takes unsigned tokens", "tampered token refused", "200 instead of 401"),
    ("keeps accounts", "account deleted", "still accepted"),
    ("no headers", "headers", "X-Content-Type-Options is missing"),
    ("another header", "headers", "'sniff' instead of 'nosniff'"),
    ("refuses its origin", f"CORS for {ALLOWED}", "'missing' instead of"),
    ("allows every origin", "CORS for https://somebody-else.invalid", "instead of 'missing'"),
    ("no limit told", "rate limit", "RateLimit-Limit is missing"),
    ("another limit", "rate limit", "RateLimit-Limit is 7 instead of 60 or 1000"),
    ("does not count", "rate limit", "not counted"),
    ("/logo.svg", "site /logo.svg", "404"),
    ("/code.js", "site /code.js", "404"),
]
"""A defect of the Worker or the site, the finding that fails, what its evidence contains."""

WRONG_ANSWERS: Final[list[tuple[str, tuple[int, Any], dict[str, Any], str]]] = [
    ("a server's error, twice", (500, "boom"), {}, "500 instead of 200: boom"),
    ("another status", (404, ""), {}, "404 instead of 200"),
    ("without the text", (200, "hello"), {"text": "goodbye"}, "without 'goodbye'"),
    ("its JSON lacks a key", (200, {"a": 1}), {"json": ["a", "b"]}, "has no b"),
    ("no JSON, where keys are wanted", (200, "no json"), {"json": ["a"]}, "has no a"),
    (
        "not as the schema says",
        (200, {"a": "x"}),
        {"schema": "schema.json"},
        "data.a must be integer",
    ),
    ("no JSON, where a schema is", (200, "no json"), {"schema": "schema.json"}, "must be object"),
    ("no answer, twice", (0, ""), {}, "no answer"),
]
"""How a route's answer is, the answer, what is wanted of the route, what is said of it."""


@dataclass(frozen=True)
class VersionCase:
    """How the version that answers is.

    Args:
        way: in words.
        status: the answer.
        says: what the evidence contains.
        split: what Cloudflare says is deployed.
        expected: the version that must answer; empty: any that has traffic.
        path: the route that tells it; empty: none.
        named: whether that route tells it.
        tailed: the version that a tail hears; empty: the deployed one; None: there is no tail.
        settings: further ones of deploy.verify.
    """

    way: str
    status: str
    says: str
    split: Mapping[str, float] = field(default_factory=lambda: {"v1": 100.0})
    expected: str = ""
    path: str = "/health"
    named: bool = True
    tailed: str | None = ""
    settings: Mapping[str, str] = field(default_factory=dict)


VERSIONS: Final = (
    VersionCase("the one that was deployed", "pass", "v1", expected="v1"),
    VersionCase("one that has traffic", "pass", "v1"),
    VersionCase("another than was deployed", "fail", "v1 answers instead of v2", expected="v2"),
    VersionCase("one without traffic", "fail", "v1 answers instead of v9", {"v9": 100.0}),
    VersionCase("not told by the route, seen by a tail", "pass", "as a tail shows", named=False),
    VersionCase("told by no route, seen by a tail", "pass", "as a tail shows", path=""),
    VersionCase(
        "told by no route, and a tail shows another",
        "fail",
        "v0 answers instead of v1",
        path="",
        tailed="v0",
    ),
    VersionCase(
        "told by no route, and there is no tail", "unknown", "unproven", path="", tailed=None
    ),
    VersionCase(
        "so, and `unproven: allow`",
        "warn",
        "unproven",
        path="",
        tailed=None,
        settings={"unproven": "allow"},
    ),
    VersionCase(
        "told by no route, not deployed",
        "fail",
        "has no version v2 deployed",
        expected="v2",
        path="",
    ),
    VersionCase("never deployed", "fail", "was never deployed", {}, path=""),
)


def speed(p50: float, p95: float) -> Speed:
    """Return percentiles of 20 requests."""
    return Speed(p50, p95, p95, 20)


VERDICTS: Final[list[tuple[str, Speed, Speed | None, str, str]]] = [
    ("fast", speed(10, 20), None, "pass", "good"),
    ("as before", speed(10, 20), speed(9, 19), "pass", "the previous version p50 9 ms"),
    ("p95 from 500 ms", speed(300, 600), None, "warn", "good is under 500 ms"),
    ("p95 from 2 s", speed(300, 2000), None, "fail", "too slow"),
    ("p95 half as slow again", speed(60, 200), speed(60, 100), "warn", "slower than before"),
    ("slower by less than noise", speed(10, 60), speed(10, 20), "pass", "good"),
    ("median three times slower", speed(400, 450), speed(100, 120), "fail", "too slow"),
    ("so, but by less than 100 ms", speed(90, 95), speed(10, 20), "warn", "slower than before"),
]
"""How the speed is, now, before, the answer, what is said."""

DELIVERIES: Final = [
    ("rightly signed, taken", True, 200, "pass", "HTTP 200"),
    ("rightly signed, for nobody", True, 404, "warn", "nobody has this handle"),
    ("rightly signed, refused", True, 401, "fail", "HTTP 401"),
    ("rightly signed, broken", True, 500, "fail", "HTTP 500"),
    ("unsigned, wrongly signed or old: refused", False, 401, "pass", "HTTP 401"),
    ("unsigned, wrongly signed or old: taken", False, 200, "fail", "has to refuse"),
    ("unsigned, wrongly signed or old: not found", False, 404, "fail", "HTTP 404"),
]
"""A webhook's delivery, whether it is welcome, the Worker's answer, ours, what is said."""


LIMITED: Final = (
    "it limits its callers (429) for longer than two minutes",
    "429: the Worker limits",
)
"""What is neither a pass nor a failure; a version without traffic gets none before it is told."""


def rows() -> list[tuple[str, str, str, str]]:
    """Return all lines: looked at, way, answer, evidence."""
    sound = [(name, "sound", status, "") for name, status in GOOD.items()]
    defects = [(name, defect, "fail", said) for defect, name, said in WAYS]
    answers = [("a route", way, "fail", said) for way, _, _, said in WRONG_ANSWERS]
    answers.append(("a route", LIMITED[0], "unknown", LIMITED[1]))
    versions = [("version", case.way, case.status, case.says) for case in VERSIONS]
    speeds = [("performance", way, status, said) for way, _, _, status, said in VERDICTS]
    deliveries = [("a webhook", way, status, said) for way, _, _, status, said in DELIVERIES]
    return [*sound, *defects, *answers, *versions, *deliveries, *speeds]


def document() -> str:
    """Return VERIFICATION.md."""
    lines = [f"| {name} | {way} | {SIGNS[status]} | {said} |" for name, way, status, said in rows()]
    return HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
