"""Accounts: sign up, log in, look, log out, leave."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from boss import passwords, queries, tokens
from boss.database import DatabaseError
from boss.identity import require_user, session_cookie
from boss.inputs import Inputs
from boss.problem import Problem
from boss.response import Response, empty_response, json_response

if TYPE_CHECKING:
    from boss.context import Context
    from boss.hrana import Row

SHORTEST_PASSWORD, LONGEST_PASSWORD = 10, 256
ATTEMPTS_PER_MINUTE, ATTEMPTS_PER_HOUR = 10, 50


async def sign_up(context: Context) -> Response:
    """Make an account, and sign it in.

    Raises:
        Problem: a field does not fit (400), or the address has an account already (409).
    """
    inputs = Inputs(await context.request.json_object())
    email = inputs.email("email")
    password = inputs.text("password", SHORTEST_PASSWORD, LONGEST_PASSWORD, strip=False)
    name = inputs.text("name", 0, 100)
    inputs.finish()
    user_id = str(uuid.uuid4())
    hashed = await passwords.make_hash(password)
    await _add(context, user_id, email, hashed, name)
    return await _signed_in(context, user_id, 201)


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
    user_id = await _user_with(context, email, password)
    return await _signed_in(context, user_id, 200)


async def show(context: Context) -> Response:
    """Give the signed-in user's account."""
    return json_response({"user": _public(await require_user(context))})


async def log_out(context: Context) -> Response:
    """Take the session out of the browser; its token stays valid until it expires."""
    cookie = session_cookie(context.configuration, "", 0)
    return empty_response().adding(cookie)


async def delete(context: Context) -> Response:
    """Delete the signed-in user's account with all that belongs to it."""
    user = await require_user(context)
    await context.database.transaction(queries.delete_user(user["id"]))
    return empty_response().adding(session_cookie(context.configuration, "", 0))


async def _add(context: Context, user_id: str, email: str, hashed: str, name: str) -> None:
    try:
        await context.database.transaction(queries.add_user(user_id, email, hashed, name))
    except DatabaseError as error:
        if error.kind != "constraint":
            raise
        raise Problem(409, "already_registered", "This address has an account.") from error


async def _user_with(context: Context, email: str, password: str) -> str:
    user = await context.database.row(queries.credentials(email))
    if user is None or not user["password_hash"]:
        await passwords.waste_time(password)
    elif await passwords.matches(password, user["password_hash"]):
        return str(user["id"])
    raise Problem(401, "wrong_credentials", "The e-mail address or the password is wrong.")


async def _signed_in(context: Context, user_id: str, status: int) -> Response:
    configuration = context.configuration
    seconds = configuration.session_seconds
    secret = configuration.required("JWT_SECRET")
    token = tokens.issue(user_id, secret, seconds, context.now)
    user = await context.database.row(queries.user_by_id(user_id))
    answer = {"user": _public(user), "token": token, "token_type": "Bearer", "expires_in": seconds}
    cookie = session_cookie(configuration, token, seconds)
    return json_response(answer, status).adding(cookie)


def _public(user: Row | None) -> dict[str, Any]:
    """Give what of an account its owner may see: never the password's hash."""
    return {name: user[name] for name in queries.PUBLIC_USER} if user else {}
