"""What a bucket is set to over S3's API: who may ask it from a browser, what expires.

The rules of CORS are applied to what is asked; those of the lifecycle are kept, and nothing
expires here. Source: R2, "Configure CORS" and "Object lifecycles".
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree

METHODS: Final = ("GET", "PUT", "POST", "DELETE", "HEAD")
ROOTS: Final = {"cors": "CORSConfiguration", "lifecycle": "LifecycleConfiguration"}
MISSING: Final = {
    "cors": "NoSuchCORSConfiguration",
    "lifecycle": "NoSuchLifecycleConfiguration",
}
MAXIMUM_RULES: Final = {"cors": 100, "lifecycle": 1000}


@dataclass(frozen=True)
class CorsRule:
    """Who may ask: from which origins, by which methods, with which headers."""

    origins: tuple[str, ...]
    methods: tuple[str, ...]
    headers: tuple[str, ...]
    exposed: tuple[str, ...]
    seconds: str

    def allows(self, origin: str, method: str, headers: Sequence[str] = ()) -> bool:
        """Return whether a page of an origin may ask so."""
        return (
            method in self.methods
            and any(fnmatch.fnmatchcase(origin, one) for one in self.origins)
            and all(
                any(fnmatch.fnmatchcase(name.lower(), one.lower()) for one in self.headers)
                for name in headers
            )
        )


def problem(kind: str, document: ElementTree.Element) -> str:
    """Return what is wrong with a configuration; empty: nothing."""
    rules = list(document.iterfind(f"{{*}}{'CORSRule' if kind == 'cors' else 'Rule'}"))
    if _name(document) != ROOTS[kind] or not 1 <= len(rules) <= MAXIMUM_RULES[kind]:
        return f"a {ROOTS[kind]} of 1 to {MAXIMUM_RULES[kind]} rules is wanted"
    return next((why for rule in rules if (why := _problem_of(kind, rule))), "")


def cors_rules(document: ElementTree.Element) -> Iterator[CorsRule]:
    """Return the rules of CORS, in their order."""
    for rule in document.iterfind("{*}CORSRule"):
        yield CorsRule(
            _texts(rule, "AllowedOrigin"),
            _texts(rule, "AllowedMethod"),
            _texts(rule, "AllowedHeader"),
            _texts(rule, "ExposeHeader"),
            rule.findtext("{*}MaxAgeSeconds") or "",
        )


def cors_headers(
    rules: Sequence[CorsRule], headers: Mapping[str, str], method: str
) -> dict[str, str] | None:
    """Return the headers by which a browser lets a page have an answer; None: none.

    Args:
        rules: of the bucket.
        headers: of the request, by lower-case names.
        method: of the request, or the one that a preflight asks about.
    """
    origin = headers.get("origin", "")
    asked = headers.get("access-control-request-headers", "")
    named = [name.strip() for name in asked.split(",") if name.strip()]
    rule = next((one for one in rules if one.allows(origin, method, named)), None)
    if not origin or rule is None:
        return None
    told = {
        "Access-Control-Allow-Origin": "*" if rule.origins == ("*",) else origin,
        "Access-Control-Allow-Methods": ", ".join(rule.methods),
        "Access-Control-Allow-Headers": ", ".join(named),
        "Access-Control-Expose-Headers": ", ".join(rule.exposed),
        "Access-Control-Max-Age": rule.seconds,
        "Vary": "Origin",
    }
    return {name: text for name, text in told.items() if text}


def _problem_of(kind: str, rule: ElementTree.Element) -> str:
    if kind == "lifecycle":
        status = rule.findtext("{*}Status")
        acts = ("Expiration", "Transition", "AbortIncompleteMultipartUpload")
        if status not in ("Enabled", "Disabled"):
            return "a rule's Status is Enabled or Disabled"
        does = any(rule.find(f"{{*}}{act}") is not None for act in acts)
        return "" if does else f"a rule has one of {', '.join(acts)}"
    methods = _texts(rule, "AllowedMethod")
    if not methods or not _texts(rule, "AllowedOrigin"):
        return "a rule has an AllowedOrigin and an AllowedMethod"
    unknown = [method for method in methods if method not in METHODS]
    return f"Found unsupported HTTP method in CORS config: {unknown[0]}" if unknown else ""


def _texts(rule: ElementTree.Element, name: str) -> tuple[str, ...]:
    return tuple((found.text or "").strip() for found in rule.iterfind(f"{{*}}{name}"))


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]
