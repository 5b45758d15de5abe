"""Who is calling: the user behind a session token or a session cookie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from boss import queries, tokens
from boss.problem import Problem, unauthenticated

if TYPE_CHECKING:
    from boss.configuration import Configuration
    from boss.context import Context
    from boss.hrana import Row

COOKIE = "session"
_SAFE = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Session:
    """A session that is valid now, and the user who opened it."""

    id: str
    user: Row


async def require_session(context: Context) -> Session:
    """Return the caller's session.

    Raises:
        Problem: there is none, it ended or was revoked, or its account is gone (401).
    """
    token = _token(context)
    secret = context.configuration.required("JWT_SECRET")
    previous = context.configuration.text("JWT_SECRET_PREVIOUS")
    try:
        claims = tokens.verify(token, secret, context.now, previous)
    except tokens.InvalidToken as error:
        if not isinstance(error, tokens.ExpiredToken):
            context.metrics.abuse.forged_token()
        raise unauthenticated("Your session is not valid; sign in again.") from error
    asked = queries.user_of_session(claims.session, claims.subject)
    user = await context.database.row(asked)
    if user is None:
        raise unauthenticated("Your session has ended; sign in again.")
    context.metrics.business.api_call(user["id"])
    return Session(claims.session, user)


def session_cookie(configuration: Configuration, token: str, seconds: int) -> tuple[str, str]:
    """Return the header that keeps a session in the browser.

    Args:
        configuration: says whether the cookie needs https, and its SameSite.
        token: the session's token; empty to end the session.
        seconds: how long the browser keeps it; 0 removes it.
    """
    same_site = configuration.text("SESSION_COOKIE_SAMESITE", "strict").capitalize()
    parts = [f"{COOKIE}={token}", "Path=/", f"Max-Age={seconds}", "HttpOnly"]
    parts.append(f"SameSite={same_site}")
    if configuration.flag("SESSION_COOKIE_SECURE", True) or same_site == "None":
        parts.append("Secure")
    return "set-cookie", "; ".join(parts)


def _token(context: Context) -> str:
    scheme, _, token = context.request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    cookie = context.request.cookies.get(COOKIE, "")
    if not cookie:
        raise unauthenticated()
    _refuse_foreign_page(context)
    return cookie


def _refuse_foreign_page(context: Context) -> None:
    """Refuse a change that another site's page asks for with the visitor's cookie."""
    origin = context.request.headers.get("origin", "")
    if context.request.method not in _SAFE and not _is_own(context, origin):
        raise Problem(403, "foreign_origin", "This page may not act for you.")


def asked_by_foreign_page(context: Context) -> bool:
    """Return whether a page of another site asks: its visitor gets no cookie of ours."""
    origin = context.request.headers.get("origin", "")
    return bool(origin) and not _is_own(context, origin)


def _is_own(context: Context, origin: str) -> bool:
    configuration = context.configuration
    return origin in (*configuration.allowed_origins, *configuration.public_origins)
