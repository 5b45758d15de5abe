"""Know which version answers, before any answer is believed.

A version that was just deployed takes moments to get everywhere, and an override that is not
applied is answered by what users meet. So it is asked who answers: the Worker's own word
(``verify.version_path``), else a tail, whose events name the version, else the version's preview
host, where no other answers. What cannot be proven is said, and ends a release unless
``verify.unproven`` allows it.
"""

from __future__ import annotations

import re
import secrets
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import cycle
from typing import Final

from xswarm_deploy.bundling import static
from xswarm_deploy.errors import Refused
from xswarm_deploy.loopback import is_loopback
from xswarm_deploy.model.report import UNPROVEN, Finding, Limited, not_told
from xswarm_deploy.model.split import met
from xswarm_deploy.services import access
from xswarm_deploy.services.errors import ServiceError
from xswarm_deploy.services.tails import Tail
from xswarm_deploy.site import Site
from xswarm_deploy.verification import kind, version
from xswarm_deploy.verification.asker import PAUSE, Answer, Ask, Asker
from xswarm_deploy.verification.prospect import ALLOW, Means, no_preview, ways
from xswarm_deploy.verification.target import NO_VERSION, Target, overridable, preview

NAME: Final = "version"
SILENCE: Final = 10.0  # seconds after which a tail without any event is given up
SILENCE_HERE: Final = 2.0
_EVENT: Final = 5.0  # seconds an event may come after its answer
_EVENT_HERE: Final = 0.3
_LAST: Final = "deployment-probe"
_NOWHERE: Final = f"/.well-known/{_LAST}"
"""A path that hardly any static file has, so that the Worker is invoked by it."""
_PATHS: Final = 3  # routes of invoke.yaml that are asked who answers
_FILES: Final = 20  # files that are compared
_ASK_CODE: Final = "inv verify.suggest names routes of the code, for deploy.verify.routes"
_NOTHING: Final = "its preview host answers as one where nothing is deployed"
_CHANGING: Final = re.compile(r"[0-9a-f]{8,}|\d+", re.IGNORECASE)


@dataclass(frozen=True)
class Proof:
    """What is known of who answers.

    Args:
        asker: asks where it is known, and marks what it asks.
        means: how it is known.
        expected: the versions that may answer.
        wrong: why it is not known, or that another version answers; empty: it is known.
        failed: whether what is wrong is a failure; else it only could not be told.
        tail: hears which version each request reached.
    """

    asker: Asker
    means: Means
    expected: tuple[str, ...]
    wrong: str = ""
    failed: bool = False
    tail: Tail | None = None

    @property
    def known(self) -> bool:
        """Return whether answers may be believed."""
        return not self.wrong

    @property
    def met_no_code(self) -> bool:
        """Return whether all that was asked, but for the proof itself, was static files."""
        heard = self.tail.versions(self.asker.target.tag).total() if self.tail else 1
        return self.means == "tail" and not heard

    @property
    def allowed(self) -> bool:
        """Return whether a version may stay unproven."""
        return self.asker.site.settings.project.verify.unproven == ALLOW

    def checked(self) -> Proof:
        """Return what is known after all was asked: whether others answered in between.

        It asks once more who answers, so that no event is still on its way.
        """
        if not self.known:
            return self
        if self.tail and not _heard_once(self.asker, self.tail):
            return replace(self, wrong="the tail fell silent")
        others = self._others()
        return replace(self, wrong=others, failed=True) if others else self

    def _others(self) -> str:
        """Return which other versions answered; empty: none did."""
        if self.means == "word":
            path = self.asker.site.settings.project.verify.version_path
            found = self.asker.once(Ask(path)).version
            return "" if found in ("", *self.expected) else f"{found} answers, too"
        if self.tail is None:
            return ""
        others = _others(self.tail.versions(self.asker.target.tag), self.expected)
        return f"{', '.join(sorted(others))} gave {others.total()} answers" if others else ""

    def renewed(self) -> Proof:
        """Return the same with a mark of its own, so that only later answers count."""
        if self.tail is None:
            return self
        return replace(self, asker=self.asker.at(self.asker.target._replace(tag=_tag())))

    def finding(self) -> Finding:
        """Return what is known as a line of a report."""
        if self.known and self.met_no_code:
            return Finding(NAME, NAME, "warn", False, self._how(), _ASK_CODE)
        if self.known:
            return Finding(NAME, NAME, "pass", True, self._how())
        if self.failed:
            return Finding(NAME, NAME, "fail", True, self.wrong, "inv deploy.list")
        allowed = self.allowed
        evidence, remedy = f"{UNPROVEN}: {self.wrong}", ways(self.asker.site)
        return Finding(NAME, NAME, "warn" if allowed else "unknown", not allowed, evidence, remedy)

    def _how(self) -> str:
        named = ", ".join(self.expected)
        if self.means == "tail" and self.tail is not None:
            count = self.tail.versions(self.asker.target.tag).total()
            files = "; all else that was asked is static files: no answer of its code was looked at"
            return f"{named}, as a tail shows" + (f" of {count} answers" if count else files)
        hows = {
            "word": "by its own word",
            "preview": "at its own preview host",
            "files": "by its files, which are those at its own preview host",
        }
        return f"{named}, {hows[self.means]}"


@contextmanager
def opened(asker: Asker) -> Iterator[Proof]:
    """Find out who answers at a target, and keep knowing it; waits until a deployment has spread.

    Args:
        asker: asks the target.
    """
    site, target = asker.site, asker.target
    if target.alone:
        yield _at_its_own(asker)
        return
    if target.unseen and not overridable(site.worker):
        yield _at_preview(asker, f"the override header cannot name {site.worker!r} (RFC 8941)")
        return
    if kind.is_files_alone(site):
        yield _by_files(asker)
        return
    expected = _expected(asker)
    told = _by_word(asker, expected)
    if told is not None:
        yield told
        return
    if missing := _not_deployed(site, target):
        yield Proof(asker, "none", expected, missing, failed=True)
        return
    with _by_tail(asker, expected) as found:
        yield found


def limited(error: Limited) -> Finding:
    """Return the finding of a Worker that limits who asks which version answers."""
    return not_told(NAME, NAME, error)


def _by_word(asker: Asker, expected: tuple[str, ...]) -> Proof | None:
    """Return what the Worker says itself; None where it does not tell."""
    path = asker.site.settings.project.verify.version_path
    found = version.told(asker, path, expected) if path else ""
    if not found:
        return None
    if expected and found not in expected:
        wrong = f"{found} answers instead of {' or '.join(expected)}"
        return Proof(asker, "word", expected, wrong, failed=True)
    return Proof(_sure(asker), "word", expected or (found,))


@contextmanager
def _by_tail(asker: Asker, expected: tuple[str, ...]) -> Iterator[Proof]:
    """Listen to the Worker, and wait until only an expected version is heard."""
    with ExitStack() as stack:
        try:
            tail = stack.enter_context(asker.site.cloudflare.tail(asker.site.worker))
        except ServiceError as error:
            found = _at_preview(asker, f"no tail: {error.what}")
        else:
            found = _heard(asker, expected, tail)
        yield found


def _heard(asker: Asker, expected: tuple[str, ...], tail: Tail) -> Proof:
    marked = asker.at(asker.target._replace(tag=_tag()))
    others, heard = _settled(marked, expected, tail)
    if not heard:
        return _at_preview(asker, "a tail shows none of our requests")
    if others:
        wrong = f"{', '.join(sorted(others))} answers instead of {' or '.join(expected)}"
        return Proof(marked, "tail", expected, wrong, failed=True)
    return Proof(_sure(marked), "tail", expected, tail=tail).renewed()


def _settled(
    asker: Asker, expected: tuple[str, ...], tail: Tail
) -> tuple[Counter[str], Counter[str]]:
    """Ask until the expected version was heard several times in a row.

    Returns:
        The other versions that were heard last, and all that was heard.
    """
    began, tag = time.monotonic(), asker.target.tag
    here = is_loopback(asker.target.url)
    heard: Counter[str] = Counter()
    others: Counter[str] = Counter()
    paths, streak = cycle(_paths(asker)), 0
    path = next(paths)
    while time.monotonic() < began + (
        version.patience(asker) if heard else (SILENCE_HERE if here else SILENCE)
    ):
        asker.once(Ask(path))
        now = tail.more(tag, heard.total(), _EVENT_HERE if here else _EVENT)
        fresh, heard = now - heard, now
        others = _others(fresh, expected) or (others if not fresh else Counter())
        streak = 0 if others else streak + fresh.total()
        if streak >= version.TIMES:
            break
        if others:
            time.sleep(PAUSE)
        if not fresh:
            path = next(paths)
    return others, heard


def _heard_once(asker: Asker, tail: Tail) -> bool:
    """Ask once more, and wait for its event: those before it have come then."""
    mark = asker.target._replace(tag=_tag())
    seconds = _EVENT_HERE if is_loopback(mark.url) else _EVENT
    for path in _paths(asker):
        asker.at(mark).once(Ask(path))
        if tail.more(mark.tag, 0, seconds):
            return True
    return False


def _others(heard: Counter[str], expected: Sequence[str]) -> Counter[str]:
    return Counter({name: count for name, count in heard.items() if name not in expected})


def _by_files(asker: Asker) -> Proof:
    """Compare what users get with what a version of files alone gives at its own address."""
    expected, site = _expected(asker), asker.site
    if asker.target.unseen or len(expected) != 1 or no_preview(site):
        return _at_preview(asker, kind.FILES)
    own = asker.at(preview(site, expected[0]))
    deadline = time.monotonic() + version.patience(asker)
    while other := _other_file(asker, own):
        if time.monotonic() >= deadline:
            wrong = f"{other} is not answered as that version answers at its preview host"
            return Proof(asker, "none", expected, wrong)
        time.sleep(PAUSE)
    return Proof(_sure(asker), "files", expected)


def _other_file(asker: Asker, own: Asker) -> str:
    """Return a path that two addresses answer otherwise; empty: there is none."""
    for path in dict.fromkeys(["/", *_some_files(asker.site), *_paths(asker)[:-1]]):
        one, two = (each.once(Ask(path)) for each in (asker, own))
        if one.status != two.status or _tag_of(one) != _tag_of(two):
            return path
    return ""


def _some_files(site: Site) -> list[str]:
    """Return paths of files, where the checkout has them: what builds them need not have run."""
    try:
        named = static.described(site.settings)
    except Refused:
        return []
    return [file.path for file in named.files[:_FILES]] if named else []


def _tag_of(answer: Answer) -> str:
    """Return what tells a file's content: its ETag, else itself."""
    return answer.headers.get("ETag", "").removeprefix("W/") or answer.text


def _at_preview(asker: Asker, why: str) -> Proof:
    """Ask at the version's own preview host, where there is one; what is live has none."""
    target, site = asker.target, asker.site
    if not target.unseen:
        return Proof(asker, "none", _expected(asker), why)
    lacking = no_preview(site)
    if lacking:
        return Proof(asker, "none", (target.version,), f"{why}; {lacking}")
    return _at_its_own(asker.at(preview(site, target.version)))


def _at_its_own(asker: Asker) -> Proof:
    """Ask where no other version answers, once anything does: nothing is no version.

    An address where nothing is deployed answers, too; so it is compared with one that is surely
    such.
    """
    deadline, expected = time.monotonic() + version.patience(asker), (asker.target.version,)
    nothing = asker.at(_nowhere(asker.target))
    while wrong := _nobody(asker, nothing):
        if wrong != _NOTHING or time.monotonic() >= deadline:
            return Proof(asker, "none", expected, wrong)
        time.sleep(PAUSE)
    return Proof(_sure(asker), "preview", expected)


def _nobody(asker: Asker, nothing: Asker) -> str:
    """Return why no version answers; empty: one does.

    A refusal or an error may be what an address without a version answers, too; a login or a
    challenge is Cloudflare's own.
    """
    ask = Ask(_paths(asker)[0])
    answer = asker.once(ask)
    if answer.wall:
        return f"{answer.wall} answers at its preview host ({access.REMEDY})"
    if 0 < answer.status < 400:
        return ""
    other = nothing.once(ask)
    same = 0 in (answer.status, other.status) or _alike(answer, other)
    return _NOTHING if same else ""


def _alike(one: Answer, other: Answer) -> bool:
    """Compare two answers but for what differs with each request, such as its number."""
    same = _CHANGING.sub("", one.text) == _CHANGING.sub("", other.text)
    return one.status == other.status and same


def _nowhere(target: Target) -> Target:
    """Return the address of a version that there is none of."""
    beginning = target.version[:8]
    headers = {name: _renamed(text, beginning) for name, text in target.headers.items()}
    return target._replace(url=_renamed(target.url, beginning), headers=headers)


def _renamed(text: str, beginning: str) -> str:
    return text.replace(f"{beginning}-", f"{NO_VERSION}-", 1)


def _paths(asker: Asker) -> list[str]:
    """Return what is asked to see who answers: routes that just read, the root, and no file."""
    routes = asker.site.settings.project.verify.routes
    reading = [r.path for r in routes if r.method == "GET" and not (r.site or r.token)]
    named = [*reading[:_PATHS], "/", *kind.run_first(asker.site, _LAST), _NOWHERE]
    return list(dict.fromkeys(named))


def _expected(asker: Asker) -> tuple[str, ...]:
    """Return the versions that may answer: the one asked for, else those that have traffic."""
    if asker.target.version:
        return (asker.target.version,)
    deployments = asker.site.cloudflare.deployments(asker.site.worker)
    return tuple(met(deployments[0].split)) if deployments else ()


def _not_deployed(site: Site, target: Target) -> str:
    """Return that the version is not deployed at all; empty: it is."""
    deployments = site.cloudflare.deployments(site.worker)
    split = deployments[0].split if deployments else {}
    if not split:
        return f"{site.worker} was never deployed"
    if target.version and target.version not in split:
        return f"{site.worker} has no version {target.version} deployed"
    return ""


def _sure(asker: Asker) -> Asker:
    return asker.at(asker.target._replace(proven=True))


def _tag() -> str:
    return secrets.token_urlsafe(12)
