"""The files ``_headers`` and ``_redirects``: read once, matched by request.

The grammar is Cloudflare's (Workers static assets and Pages share it): a rule's path may have
one ``*`` (the splat) and placeholders ``:name``; rules of a whole URL begin with ``https://``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_PLACEHOLDER = re.compile(r":([A-Za-z]\w*)")
_ABSOLUTE = re.compile(r"^(?:\w+://|//[^/\\\s?#])")
_STATUSES = {200, 301, 302, 303, 307, 308}
_MOST_STATIC, _MOST_DYNAMIC, _MOST_HEADER_RULES = 2000, 100, 100
_LONGEST_LINE = 2000


@dataclass(frozen=True)
class Pattern:
    """The path (or URL) that a rule is for."""

    text: str
    expression: re.Pattern[str]

    def match(self, host: str, path: str) -> Mapping[str, str] | None:
        """Return what splat and placeholders stand for, or None when the rule is not for it."""
        subject = f"https://{host}{path}" if self.text.startswith("https://") else path
        found = self.expression.match(subject)
        return None if found is None else found.groupdict()


@dataclass(frozen=True)
class Redirect:
    """One line of ``_redirects``; the status 200 serves the target in place of the path."""

    pattern: Pattern
    target: str
    status: int


@dataclass(frozen=True)
class HeaderRule:
    """One block of ``_headers``: headers to set, and names to take away."""

    pattern: Pattern
    set: tuple[tuple[str, str], ...]
    unset: tuple[str, ...]


@dataclass(frozen=True)
class Redirects:
    """All rules of ``_redirects``: exact ones by their path, the others in order."""

    exact: Mapping[str, Redirect]
    patterns: tuple[Redirect, ...]

    def find(self, host: str, path: str) -> tuple[int, str] | None:
        """Return the status and the target of a request, or None."""
        rule = self.exact.get(path)
        if rule is not None:
            return rule.status, _target(rule.target, {})
        for rule in self.patterns:
            values = rule.pattern.match(host, path)
            if values is not None:
                return rule.status, _target(rule.target, values)
        return None


def parse_redirects(text: str) -> Redirects:
    """Read ``_redirects``; lines that Cloudflare would ignore are ignored."""
    exact: dict[str, Redirect] = {}
    patterns: dict[str, Redirect] = {}
    for line in _lines(text):
        rule = _redirect(line.split())
        if rule is None or rule.pattern.text in exact or rule.pattern.text in patterns:
            continue
        source = rule.pattern.text
        static = not patterns and "*" not in source and not _PLACEHOLDER.search(source)
        if static and len(exact) < _MOST_STATIC:
            exact[source] = rule
        elif not static and len(patterns) < _MOST_DYNAMIC:
            patterns[source] = rule
    return Redirects(exact, tuple(patterns.values()))


def parse_headers(text: str) -> tuple[HeaderRule, ...]:
    """Read ``_headers``; lines that Cloudflare would ignore are ignored."""
    rules: list[tuple[str, list[tuple[str, str]], list[str]]] = []
    for line in _lines(text):
        if line.startswith(("/", "https://")):
            rules.append((line, [], []))
        elif rules and line.startswith("!"):
            rules[-1][2].append(line[1:].strip())
        elif rules and ":" in line:
            name, _, value = line.partition(":")
            if name.strip() and " " not in name.strip() and value.strip():
                rules[-1][1].append((name.strip(), value.strip()))
    return tuple(
        HeaderRule(_pattern(source), tuple(added), tuple(removed))
        for source, added, removed in rules[:_MOST_HEADER_RULES]
        if (added or removed) and source.count("*") <= 1
    )


def apply_headers(
    rules: Iterable[HeaderRule], host: str, path: str, headers: list[tuple[str, str]]
) -> list[tuple[str, str]]:
    """Return a response's headers after all rules that match: a later rule adds to an earlier."""
    own: set[str] = set()
    for rule in rules:
        values = rule.pattern.match(host, path)
        if values is None:
            continue
        removed = {name.lower() for name in rule.unset}
        headers = [pair for pair in headers if pair[0].lower() not in removed]
        for name, value in rule.set:
            if name.lower() not in own:
                headers = [pair for pair in headers if pair[0].lower() != name.lower()]
            own.add(name.lower())
            headers.append((name, _filled(value, values)))
    return headers


def _lines(text: str) -> list[str]:
    stripped = (line.strip() for line in text.splitlines())
    return [line for line in stripped if line and line[0] != "#" and len(line) <= _LONGEST_LINE]


def _redirect(words: list[str]) -> Redirect | None:
    """Read one rule: from, to, status; None when it is not allowed."""
    words = _without_comment(words)
    if not 2 <= len(words) <= 3:
        return None
    source, target = words[0].partition("#")[0], words[1]
    status = int(words[2]) if len(words) == 3 and words[2].isdigit() else 302
    relative = not _ABSOLUTE.match(target)
    allowed = (
        source.startswith("/")
        and (target.startswith("/") or not relative)
        and source.count("*") <= 1
        and (len(words) == 2 or words[2].isdigit())
        and status in _STATUSES
        and (status != 200 or relative)
        and not _loops(source, target)
    )
    return Redirect(_pattern(source), target, status) if allowed else None


def _without_comment(words: list[str]) -> list[str]:
    for number, word in enumerate(words):
        if word.startswith("#") and number:
            return words[:number]
    return words


def _loops(source: str, target: str) -> bool:
    """Return whether a rule would send every page to an index that is redirected back."""
    return bool(re.search(r"/\*?$", source)) and bool(re.search(r"/index(\.html)?$", target))


def _pattern(source: str) -> Pattern:
    parts = [re.escape(part) for part in source.split("*")]
    expression = "(?P<splat>.*)".join(parts)
    host, slash, path = _split_host(expression)
    host = _named(host, "[^/.]+")
    path = _named(path, "[^/]+")
    return Pattern(source, re.compile(f"^{host}{slash}{path}$", re.DOTALL))


def _split_host(expression: str) -> tuple[str, str, str]:
    """Take the host off a rule of a whole URL."""
    if not expression.startswith("https://"):
        return "", "", expression
    host, slash, path = expression.removeprefix("https://").partition("/")
    return f"https://{host}", slash, path


def _named(expression: str, allowed: str) -> str:
    """Turn placeholders into named groups; a name that comes again must match the same."""
    seen: set[str] = set()

    def group(found: re.Match[str]) -> str:
        name = found[1]
        if name in seen:
            return f"(?P={name})"
        seen.add(name)
        return f"(?P<{name}>{allowed})"

    return _PLACEHOLDER.sub(group, expression)


def _filled(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f":{name}", value)
    return text


def _target(rule: str, values: Mapping[str, str]) -> str:
    """Fill a rule's target; of a path, make one slash of several.

    So no path that a caller made up becomes another's host.
    """
    target = _filled(rule, values).strip()
    if _ABSOLUTE.match(rule.strip()):
        return target
    end = min((target.index(mark) for mark in "?#" if mark in target), default=len(target))
    return re.sub(r"[/\\]+", "/", target[:end]) + target[end:]
