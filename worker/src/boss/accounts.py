"""Accounts: sign up, log in, look, log out, leave."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

from boss import passwords, queries, tokens
from boss.database import DatabaseError
from boss.identifiers import new_id
from boss.identity import asked_by_foreign_page, require_session, session_cookie
from boss.inputs import Inputs
from boss.problem import Problem
from boss.response import Response, empty_response, json_response

if TYPE_CHECKING:
    from boss.context import Context
    from boss.hrana import Row, Statement

SHORTEST_PASSWORD, LONGEST_PASSWORD = 10, 256
ATTEMPTS_PER_MINUTE, ATTEMPTS_PER_HOUR = 10, 50
HANDLE = r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?"


async def sign_up(context: Context) -> Response:
    """Make an account, and sign it in.

    Raises:
        Problem: a field does not fit (400), or the address or handle is taken (409).
    """
    inputs = Inputs(await context.request.json_object())
    email = inputs.email("email")
    password = inputs.text("password", SHORTEST_PASSWORD, LONGEST_PASSWORD, strip=False)
    name = inputs.text("name", 0, 100)
    handle = inputs.word("handle", HANDLE)
    inputs.finish()
    user_id, hashed = new_id(), await passwords.make_hash(password)
    session = _session(context, user_id)
    user = await _add(
        context, queries.add_user(user_id, email, hashed, name, handle or None), session.statement
    )
    context.metrics.business.signup()
    return _signed_in(context, user, session.token, 201)


async def log_in(context: Context) -> Response:
    """Sign a user in by e-mail address and password.

    Raises:
        Problem: a field is missing (400), they do not fit (401), or too many tries (429).
    """
    inputs = Inputs(await context.request.json_object())
    email = inputs.email("email")
    password = inputs.text("password", 1, LONGEST_PASSWORD, strip=False)
    inputs.finish()
    context.attempts.count(email, ATTEMPTS_PER_MINUTE, ATTEMPTS_PER_HOUR, context.now)
    user = await _user_with(context, email, password)
    session = _session(context, user["id"])
    await context.database.transaction(queries.forget_sessions(user["id"]), session.statement)
    context.metrics.business.activity("login")
    return _signed_in(context, user, session.token, 200)


async def show(context: Context) -> Response:
    """Return the signed-in user's account."""
    session = await require_session(context)
    return json_response({"user": _public(session.user)})


async def log_out(context: Context) -> Response:
    """End the session, here and in the browser."""
    session = await require_session(context)
    await context.database.transaction(queries.revoke_session(session.id))
    context.metrics.business.activity("logout")
    return empty_response().adding(session_cookie(context.configuration, "", 0))


async def delete(context: Context) -> Response:
    """Delete the signed-in user's account; its suggestions stay, without its name."""
    session = await require_session(context)
    await context.database.transaction(queries.delete_user(session.user["id"]))
    context.metrics.business.activity("leave")
    return empty_response().adding(session_cookie(context.configuration, "", 0))


async def _add(context: Context, add_user: Statement, add_session: Statement) -> Row:
    try:
        added, _ = await context.database.transaction(add_user, add_session)
    except DatabaseError as error:
        if error.kind != "constraint":
            raise
        message = "This address or handle is taken."
        raise Problem(409, "already_registered", message) from error
    return added.rows[0]


async def _user_with(context: Context, email: str, password: str) -> Row:
    user = await context.database.row(queries.user_with_password(email))
    if user is None or not user["password_hash"]:
        await passwords.waste_time(password)
    elif await passwords.matches(password, user["password_hash"]):
        return user
    raise Problem(401, "wrong_credentials", "The e-mail address or the password is wrong.")


class _NewSession(NamedTuple):
    token: str
    statement: Statement


def _session(context: Context, user_id: str) -> _NewSession:
    """Make a session: its token, and the statement that keeps it (only the token's hash)."""
    configuration, session_id = context.configuration, new_id()
    seconds, secret = configuration.session_seconds, configuration.required("JWT_SECRET")
    token = tokens.issue(user_id, session_id, secret, seconds, context.now)
    token_hash = hashlib.sha256(token.encode()).hexdigest()
    return _NewSession(token, queries.add_session(session_id, user_id, token_hash, seconds))


def _signed_in(context: Context, user: Row, token: str, status: int) -> Response:
    seconds = context.configuration.session_seconds
    answer = {"user": _public(user), "token": token, "token_type": "Bearer", "expires_in": seconds}
    response = json_response(answer, status)
    if asked_by_foreign_page(context):
        return response
    return response.adding(session_cookie(context.configuration, token, seconds))


def _public(user: Row) -> dict[str, Any]:
    """Return what of an account its owner may see: never the password's hash."""
    return {name: value for name, value in user.items() if name != "password_hash"}
