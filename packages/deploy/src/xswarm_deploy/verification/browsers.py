"""What browsers are told: security headers, and which other origins may call (CORS)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from xswarm_deploy.model.report import NO_ANSWER, Finding, Probe
from xswarm_deploy.verification.asker import Answer, Ask, Asker

HEADERS: Final = "headers"
CORS: Final = "cors"
ALLOW: Final = "Access-Control-Allow-Origin"
FOREIGN: Final = "https://somebody-else.invalid"
HTTPS_ONLY: Final = "strict-transport-security"  # browsers ignore it over http (RFC 6797, 8.1)
ANY: Final = "*"


def probes(asker: Asker) -> list[Probe]:
    """Return the probes that invoke.yaml asks for: headers of the Worker and the site, and CORS."""
    wanted = asker.site.settings.project.verify
    made: list[Probe] = []
    if wanted.headers:
        made.append(_headers(asker, "headers", Ask(wanted.headers_path), wanted.headers))
    if wanted.site_headers and asker.target.site_url:
        ask = Ask("/", site=True)
        made.append(_headers(asker, "site headers", ask, wanted.site_headers))
    return made + (_cors(asker, wanted.cors_path) if wanted.cors_path else [])


def _headers(asker: Asker, name: str, ask: Ask, wanted: Mapping[str, str]) -> Probe:
    base = asker.target.site_url if ask.site else asker.target.url
    asked = {
        header: value
        for header, value in wanted.items()
        if header.lower() != HTTPS_ONLY or base.startswith("https:")
    }

    def look() -> Finding:
        _, said = asker.judged(ask, lambda answer: wrong_headers(answer, asked))
        if said:
            remedy = "let every answer carry it (deploy.verify.headers in invoke.yaml)"
            return Finding(name, HEADERS, "fail", True, said, remedy)
        return Finding(name, HEADERS, "pass", True, f"{len(asked)} as wanted")

    return Probe(name, HEADERS, look)


def wrong_headers(answer: Answer, wanted: Mapping[str, str]) -> str:
    """Return which headers are missing or another than wanted; ``*`` takes any value."""
    if answer.status == 0:
        return f"{NO_ANSWER} ({answer.text})"
    found = {name.lower(): value for name, value in answer.headers.items()}
    said = [_wrong_header(name, value, found.get(name.lower())) for name, value in wanted.items()]
    return ", ".join(part for part in said if part)


def _wrong_header(name: str, wanted: str, found: str | None) -> str:
    if found is None:
        return f"{name} is missing"
    if wanted in (ANY, found) or wanted.lower() == found.lower():
        return ""
    return f"{name} is {found!r} instead of {wanted!r}"


def _cors(asker: Asker, path: str) -> list[Probe]:
    """Ask as an allowed origin and as a foreign one; CORS_ALLOWED_ORIGINS says which is which."""
    listed = asker.site.settings.text("CORS_ALLOWED_ORIGINS").split(",")
    allowed = [origin.strip().rstrip("/") for origin in listed if origin.strip()]
    made = [_origin(asker, path, FOREIGN, ANY if ANY in allowed else "")]
    made += [_origin(asker, path, origin, origin) for origin in allowed if origin != ANY]
    return made


def _origin(asker: Asker, path: str, origin: str, wanted: str) -> Probe:
    """Ask and preflight as one origin.

    Args:
        asker: asks the target.
        path: a route of the API.
        origin: who asks.
        wanted: what must be allowed; empty: nothing.
    """
    name = f"CORS for {origin}"
    asks = (
        Ask(path, headers={"Origin": origin}),
        Ask(path, "OPTIONS", headers={"Origin": origin, "Access-Control-Request-Method": "GET"}),
    )

    def look() -> Finding:
        said = [asker.judged(ask, lambda answer: _wrong_origin(answer, wanted))[1] for ask in asks]
        if any(said):
            evidence = "; ".join(
                f"{ask.method}: {words}" for ask, words in zip(asks, said, strict=True) if words
            )
            remedy = "mend CORS in the Worker, or CORS_ALLOWED_ORIGINS"
            return Finding(name, CORS, "fail", True, evidence, remedy)
        return Finding(name, CORS, "pass", True, "allowed" if wanted else "not allowed")

    return Probe(name, CORS, look)


def _wrong_origin(answer: Answer, wanted: str) -> str:
    if answer.status == 0:
        return f"{NO_ANSWER} ({answer.text})"
    found = answer.headers.get(ALLOW, "")
    if found == wanted:
        return ""
    return f"{ALLOW} is {found or 'missing'!r} instead of {wanted or 'missing'!r}"
