"""Rate limits: announced as the environment sets them."""

from __future__ import annotations

from typing import Final

from xswarm_deploy import texts
from xswarm_deploy.model.report import NO_ANSWER, Finding, Probe
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.verification.asker import Answer, Ask, Asker

GROUP: Final = "limits"
LIMIT: Final = "RateLimit-Limit"
LEFT: Final = "RateLimit-Remaining"


def probes(asker: Asker) -> list[Probe]:
    """Return the probe, where invoke.yaml names a route that is limited."""
    path = asker.site.settings.project.verify.limit_path
    return [Probe("rate limit", GROUP, lambda: _looked(asker, path))] if path else []


def _looked(asker: Asker, path: str) -> Finding:
    settings = asker.site.settings
    _, said = asker.judged(Ask(path, limited=True), lambda answer: wrong(answer, settings))
    if said:
        remedy = "the Worker must heed RATE_LIMIT_ENABLED and its two numbers"
        return Finding("rate limit", GROUP, "fail", True, said, remedy)
    words = " or ".join(limits(settings)) if settings.flag("RATE_LIMIT_ENABLED") else "switched off"
    return Finding("rate limit", GROUP, "pass", True, words)


def limits(settings: Settings) -> tuple[str, ...]:
    """Return the limits a client may be told, whichever is nearer: of the minute, of the hour."""
    per_minute = settings.text("RATE_LIMIT_REQUESTS_PER_MINUTE")
    return per_minute, settings.text("RATE_LIMIT_REQUESTS_PER_HOUR")


def wrong(answer: Answer, settings: Settings) -> str:
    """Return how an answer's limits differ from the environment's; empty: not at all."""
    if answer.status == 0:
        return f"{NO_ANSWER} ({answer.text})"
    told, said = answer.headers.get(LIMIT), answer.headers.get(LEFT, "")
    left = texts.number(said)
    if not settings.flag("RATE_LIMIT_ENABLED"):
        return f"a limit of {told} is told, though none is set" if told else ""
    if told not in limits(settings):
        wanted = " or ".join(limits(settings))
        return f"{LIMIT} is {told or 'missing'} instead of {wanted}"
    if left is None or left >= int(told):
        return f"{LEFT} is {said or 'missing'}: this request was not counted"
    return ""
