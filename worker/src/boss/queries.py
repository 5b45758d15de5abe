"""Every SQL statement of the service, one function each; the tables are made by migrations/."""

# ruff: noqa: S608  (what is put together here are constants of this file; values are parameters)

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from boss.hrana import Statement

SUGGESTION_CATEGORIES: Final = ("feature", "improvement", "bug", "other")
TIERS: Final = ("free", "personal", "professional", "enterprise")

_USER = "users.id, users.email, users.name, users.handle, subscription_tier, users.created_at"
_SUGGESTION = "id, user_id, title, description, category, status, upvotes, created_at"
_NOW = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"


def user_of_session(session_id: str, user_id: str) -> Statement:
    """Find the user of a session that is neither over nor revoked."""
    sql = (
        f"SELECT {_USER} FROM live_sessions JOIN users ON users.id = live_sessions.user_id"
        " WHERE live_sessions.id = ? AND users.id = ?"
    )
    return Statement(sql, (session_id, user_id))


def teams_of(user_id: str) -> Statement:
    """Find the teams that a user belongs to, by name."""
    sql = (
        "SELECT teams.id, teams.name, team_members.role, team_members.joined_at FROM team_members"
        " JOIN teams ON teams.id = team_members.team_id WHERE team_members.user_id = ?"
        " ORDER BY teams.name, teams.id"
    )
    return Statement(sql, (user_id,))


def user_by_handle(handle: str) -> Statement:
    """Find the user that calls and messages are for."""
    return Statement("SELECT id FROM users WHERE handle = ?", (handle,))


def user_with_password(email: str) -> Statement:
    """Find a user, and what the password is compared with."""
    return Statement(f"SELECT {_USER}, password_hash FROM users WHERE email = ?", (email,))


def add_user(
    user_id: str, email: str, password_hash: str, name: str, handle: str | None
) -> Statement:
    """Add a user and give it; an address or handle that is taken breaks a constraint."""
    sql = (
        "INSERT INTO users (id, email, password_hash, name, handle) VALUES (?, ?, ?, ?, ?)"
        f" RETURNING {_USER.replace('users.', '')}"
    )
    return Statement(sql, (user_id, email, password_hash, name, handle))


def delete_user(user_id: str) -> Statement:
    """Delete a user; what belongs to it goes by the tables' foreign keys."""
    return Statement("DELETE FROM users WHERE id = ?", (user_id,))


def add_session(session_id: str, user_id: str, token_hash: str, seconds: int) -> Statement:
    """Add a session that lasts some seconds."""
    sql = (
        "INSERT INTO sessions (id, user_id, token_hash, expires_at)"
        " VALUES (?, ?, ?, strftime('%Y-%m-%dT%H:%M:%fZ', 'now', ? || ' seconds'))"
    )
    return Statement(sql, (session_id, user_id, token_hash, f"+{seconds}"))


def forget_sessions(user_id: str) -> Statement:
    """Delete a user's sessions that are over."""
    sql = f"DELETE FROM sessions WHERE user_id = ? AND expires_at <= {_NOW}"
    return Statement(sql, (user_id,))


def revoke_session(session_id: str) -> Statement:
    """End a session."""
    sql = f"UPDATE sessions SET revoked_at = {_NOW} WHERE id = ? AND revoked_at IS NULL"
    return Statement(sql, (session_id,))


def buzz_categories() -> Statement:
    """Count the active listings of every category."""
    return Statement("SELECT category, listings FROM buzz_categories ORDER BY category")


def buzz_listings(category: str, limit: int, offset: int) -> Statement:
    """Return active listings, newest first; an empty category means all."""
    sql = (
        "SELECT id, title, description, category, url, created_at FROM buzz_listings"
        " WHERE status = 'active' AND (? = '' OR category = ?)"
        f" AND (expires_at IS NULL OR expires_at > {_NOW})"
        " ORDER BY created_at DESC, id LIMIT ? OFFSET ?"
    )
    return Statement(sql, (category, category, limit, offset))


def suggestions(limit: int, offset: int) -> Statement:
    """Return suggestions, the most wanted first."""
    sql = (
        f"SELECT {_SUGGESTION} FROM suggestions"
        " ORDER BY upvotes DESC, created_at DESC, id LIMIT ? OFFSET ?"
    )
    return Statement(sql, (limit, offset))


def suggestion(key: str) -> Statement:
    """Return one suggestion."""
    return Statement(f"SELECT {_SUGGESTION} FROM suggestions WHERE id = ?", (key,))


def add_suggestion(
    key: str, user_id: str, title: str, description: str, category: str
) -> Statement:
    """Add a suggestion and give it."""
    sql = (
        "INSERT INTO suggestions (id, user_id, title, description, category)"
        f" VALUES (?, ?, ?, ?, ?) RETURNING {_SUGGESTION}"
    )
    return Statement(sql, (key, user_id, title, description, category))


def delete_suggestion(key: str) -> Statement:
    """Delete a suggestion."""
    return Statement("DELETE FROM suggestions WHERE id = ?", (key,))


def add_message(
    key: str,
    user_id: str,
    channel: str,
    provider_id: str,
    sender: str,
    recipient: str,
    subject: str,
    body: str,
) -> Statement:
    """Add a message that came in for a user."""
    sql = (
        "INSERT INTO messages"
        " (id, user_id, channel, direction, provider_id, sender, recipient, subject, body)"
        " VALUES (?, ?, ?, 'in', ?, ?, ?, ?, ?)"
    )
    values = (key, user_id, channel, provider_id, sender, recipient, subject, body)
    return Statement(sql, values)


def note_event(provider: str, event_id: str, kind: str) -> Statement:
    """Note a webhook's event; one that was noted before breaks the primary key."""
    sql = "INSERT INTO webhook_events (provider, event_id, kind) VALUES (?, ?, ?)"
    return Statement(sql, (provider, event_id, kind))


def event(provider: str, event_id: str) -> Statement:
    """Find a webhook's event."""
    sql = "SELECT 1 FROM webhook_events WHERE provider = ? AND event_id = ?"
    return Statement(sql, (provider, event_id))


def set_subscription(
    user_id: str, customer: str, subscription: str | None, tier: str, status: str, at: str
) -> Statement:
    """Return a user a subscription, unless what is known is newer."""
    sql = (
        "INSERT INTO subscriptions (user_id, stripe_customer_id, stripe_subscription_id, tier,"
        " status, updated_at) SELECT id, ?, ?, ?, ?, ? FROM users WHERE id = ?"
        " ON CONFLICT (user_id) DO UPDATE SET stripe_customer_id = excluded.stripe_customer_id,"
        " stripe_subscription_id = excluded.stripe_subscription_id, tier = excluded.tier,"
        " status = excluded.status, updated_at = excluded.updated_at"
        " WHERE excluded.updated_at >= subscriptions.updated_at"
    )
    return Statement(sql, (customer, subscription, tier, status, at, user_id))


def change_subscription(
    customer: str, subscription: str | None, tier: str, status: str, at: str
) -> Statement:
    """Change the subscription of a customer who is known, unless what is known is newer."""
    sql = (
        "UPDATE subscriptions SET stripe_subscription_id = ?, tier = ?, status = ?,"
        " updated_at = ? WHERE stripe_customer_id = ? AND updated_at <= ?"
    )
    return Statement(sql, (subscription, tier, status, at, customer, at))


def set_delivery(provider_id: str, status: str, earlier: Sequence[str]) -> Statement:
    """Return what became of a letter we sent, unless more is known already."""
    marks = ", ".join("?" for _ in earlier)
    sql = (
        f"UPDATE email_sends SET status = ?, changed_at = {_NOW}"
        f" WHERE provider_id = ? AND status IN ({marks})"
    )
    return Statement(sql, (status, provider_id, *earlier))


def suppress(email: str, reason: str) -> Statement:
    """Note that an address must not be written to any more."""
    sql = "INSERT INTO email_suppressions (email, reason) VALUES (?, ?) ON CONFLICT DO NOTHING"
    return Statement(sql, (email, reason))
