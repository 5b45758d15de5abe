"""Sign up, log in, use the token, be refused, leave: for real, by a throw-away account.

The account is removed whatever happens in between: through the Worker, by logging in once
more where the token was lost, and in the database itself where the Worker does not do it.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from xswarm_deploy.background import started
from xswarm_deploy.database.client import Statement
from xswarm_deploy.errors import DeployError
from xswarm_deploy.model.report import Finding, Limited, Probe, Report, run_probes
from xswarm_deploy.secret import Secret
from xswarm_deploy.settings.project import Authentication
from xswarm_deploy.verification import routes
from xswarm_deploy.verification.asker import Answer, Ask, Asker, unlike, wrong_status

if TYPE_CHECKING:
    from xswarm_deploy.settings.settings import Settings

GROUP: Final = "authentication"
MADE: Final = (200, 201)
GONE: Final = (200, 202, 204)
REFUSED: Final = (400, 401, 403)
UNKNOWN: Final = (401, 403, 404)
_VISITED: Final = "_visited"  # a fact of this run: the version that passed; not kept with it


@dataclass(frozen=True)
class Visitor:
    """A throw-away account."""

    email: str
    password: Secret

    @classmethod
    def new(cls, settings: Authentication) -> Visitor:
        """Make up somebody who never existed."""
        random = secrets.token_hex(8)
        password = Secret(f"Probe-{secrets.token_urlsafe(18)}1!", "a throw-away password")
        return cls(settings.email.replace("{random}", random), password)


@contextmanager
def visiting(asker: Asker) -> Iterator[Stay]:
    """Return a visit to be paid in the block; at its end the account is gone, whatever happened."""
    stay = Stay(asker)
    try:
        yield stay
    finally:
        stay.leave()
        stay.removed()


@dataclass
class Stay:
    """One visit to a version, whose account is removed while something else goes on.

    Args:
        asker: asks the target.
    """

    asker: Asker
    _leaving: Callable[[], Finding] | None = None  # removes the account; None: there is none
    _left: Future[Report] | None = None

    def probes(self) -> list[Probe]:
        """Return the probe, where invoke.yaml says how accounts are made."""
        settings = self.asker.site.settings.project.verify.authentication
        if not settings.signup_path:
            return []
        return [Probe(GROUP, GROUP, lambda: self._looked(settings))]

    def leave(self) -> None:
        """Begin to remove the account, once the probe was looked at."""
        if self._leaving and not self._left:
            removal = Probe("account deleted", GROUP, self._leaving)
            self._left = started(lambda: run_probes(GROUP, [removal], 1), GROUP)

    def removed(self) -> tuple[Finding, ...]:
        """Return what came of the removal, which is waited for; empty: there was none."""
        return self._left.result().findings if self._left else ()

    def left(self, findings: Sequence[Finding]) -> list[Finding]:
        """Return all findings, with that of the removal.

        A version that passed is not visited again in its release: hashing passwords takes it most
        of a second.
        """
        found = [*findings, *self.removed()]
        visited = {one.status for one in found if one.group == GROUP}
        if visited == {"pass"}:
            self.asker.site.facts[_VISITED] = self.asker.target.version
        return found

    def _looked(self, settings: Authentication) -> list[Finding]:
        expected = self.asker.target.version
        if expected and self.asker.site.facts.get(_VISITED) == expected:
            return [Finding(GROUP, GROUP, "skip", evidence="passed before the traffic moved")]
        found, self._leaving = Visit(self.asker, settings, Visitor.new(settings)).pay()
        return found


@dataclass(frozen=True)
class Visit:
    """One pass through the flow.

    Args:
        asker: asks the target.
        settings: the routes and fields of invoke.yaml.
        visitor: the account.
    """

    asker: Asker
    settings: Authentication
    visitor: Visitor

    def pay(self) -> tuple[list[Finding], Callable[[], Finding] | None]:
        """Look at everything; return what was found, and what removes the account.

        That is None where there is none. Where looking fails, it is removed at once.
        """
        signed_up, said = self._sign_up()
        token = self._token(signed_up)
        leaving = partial(self._leave, token)
        if said or not token:
            said = said or f"{signed_up.status}, but without {self.settings.token_field}"
            # A refusal in so many words made no account; anything else may have.
            refused = 400 <= signed_up.status < 500
            return [_judged("sign up", said)], None if refused else leaving
        try:
            found = [_judged("sign up", ""), *self._cookie(signed_up), *self._looks(token)]
        except BaseException:
            leaving()
            raise
        return found, leaving

    def _looks(self, token: Secret) -> list[Finding]:
        """Ask everything that needs the account, at once."""
        email = self.visitor.email
        forged = [self._account(bad) for bad in tampered(token)]
        wrong = Secret(f"{self.visitor.password.reveal()}x", "a wrong password")
        asks = (
            ("log in", self._log_in(self.visitor.password), self._wrong_login),
            ("wrong password refused", self._log_in(wrong), unlike(REFUSED)),
            ("token accepted", self._account(token), lambda seen: _wrong_account(seen, email)),
            ("no token refused", self._account(None), unlike(UNKNOWN)),
            *(("tampered token refused", ask, unlike(UNKNOWN)) for ask in forged),
        )
        with ThreadPoolExecutor(len(asks), thread_name_prefix=GROUP) as pool:
            said = list(pool.map(lambda one: self.asker.judged(one[1], one[2])[1], asks))
        merged: dict[str, list[str]] = {}
        for (name, _, _), words in zip(asks, said, strict=True):
            merged.setdefault(name, []).append(words)
        return [_judged(name, "; ".join(filter(None, words))) for name, words in merged.items()]

    def _sign_up(self) -> tuple[Answer, str]:
        ask = Ask(self.settings.signup_path, "POST", self._body(self.visitor.password))
        # It is not asked twice: a repetition after a lost reply would find the address taken.
        return self.asker.judged(ask, unlike(MADE), retry=0)

    def _log_in(self, password: Secret) -> Ask:
        return Ask(self.settings.login_path, "POST", self._body(password))

    def _wrong_login(self, answer: Answer) -> str:
        said = wrong_status(answer, MADE)
        return said or ("" if self._token(answer) else f"without {self.settings.token_field}")

    def _account(self, token: Secret | None, method: str = "GET") -> Ask:
        bearer = Secret(f"Bearer {token.reveal()}", token.name) if token else None
        headers = {"Authorization": bearer} if bearer else {}
        return Ask(self.settings.account_path, method, headers=headers)

    def _cookie(self, answer: Answer) -> list[Finding]:
        """Judge the session's cookie, where there is one."""
        settings = self.asker.site.settings
        return [
            _judged("session cookie", wrong_cookie(cookie, settings)) for cookie in answer.cookies
        ]

    def _leave(self, token: Secret | None) -> Finding:
        """Delete the account; where the Worker does not, in the database."""
        try:
            said = self._deleted(token or self._token(self.asker.once(self._log_in_again())))
        except Limited as limited:
            said = str(limited)
        if not said:
            return _judged("account deleted", "")
        by_hand = self._removed_by_hand()
        return _judged("account deleted", f"{said}; {by_hand}")

    def _log_in_again(self) -> Ask:
        return self._log_in(self.visitor.password)

    def _deleted(self, token: Secret | None) -> str:
        if not token:
            return "the Worker gave no token to delete it with"
        _, said = self.asker.judged(self._account(token, "DELETE"), unlike((*GONE, *UNKNOWN)), 2)
        if said:
            return said
        _, still = self.asker.judged(self._account(token), unlike(UNKNOWN))
        return f"its token is still accepted ({still})" if still else ""

    def _removed_by_hand(self) -> str:
        """Remove what is left by the statements of invoke.yaml; say what came of it."""
        left = f"{self.visitor.email} is left: delete it"
        if not self.settings.remove:
            return left
        statements = [Statement(sql, (self.visitor.email,)) for sql in self.settings.remove]
        try:
            self.asker.site.connect().transaction(statements)
        except DeployError as error:
            return f"{left} ({error})"
        return "removed from the database instead"

    def _body(self, password: Secret) -> str:
        fields = {
            self.settings.email_field: self.visitor.email,
            self.settings.password_field: password.reveal(),
        }
        return json.dumps(fields)

    def _token(self, answer: Answer) -> Secret | None:
        found = answer.fields.get(self.settings.token_field)
        return Secret(found, "a throw-away token") if isinstance(found, str) and found else None


def tampered(token: Secret) -> list[Secret]:
    """Return forgeries of a token: another signature, other claims, none needed (RFC 7519, 6)."""
    parts = token.reveal().split(".")
    if len(parts) != 3:
        return [_forged([_flipped(token.reveal())])]
    header, claims, signature = parts
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
    return [
        _forged([header, claims, _flipped(signature)]),
        _forged([header, _flipped(claims), signature]),
        _forged([unsigned, claims, ""]),
    ]


def wrong_cookie(cookie: str, settings: Settings) -> str:
    """Return how a session's cookie differs from what the environment sets; empty: not at all."""
    attributes = [part.strip().lower() for part in cookie.split(";")[1:]]
    same_site = settings.text("SESSION_COOKIE_SAMESITE")
    wanted = ["httponly", f"samesite={same_site}"]
    if settings.flag("SESSION_COOKIE_SECURE"):
        wanted.append("secure")
    missing = [attribute for attribute in wanted if attribute not in attributes]
    return f"without {', '.join(missing)}" if missing else ""


def _wrong_account(answer: Answer, email: str) -> str:
    said = wrong_status(answer, (200,))
    return said or ("" if email in answer.text else "200, but of another account")


def _flipped(text: str) -> str:
    """Change one character in the middle: the last one may hold bits that do not count."""
    middle = len(text) // 2
    return f"{text[:middle]}{'A' if text[middle] != 'A' else 'B'}{text[middle + 1 :]}"


def _forged(parts: Sequence[str]) -> Secret:
    return Secret(".".join(parts), "a forged token")


def _judged(name: str, said: str) -> Finding:
    if not said:
        return Finding(name, GROUP, "pass", True)
    return Finding(name, GROUP, "fail", True, said, routes.REMEDY)
