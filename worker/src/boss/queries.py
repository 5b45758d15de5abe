"""Every SQL statement of the service, one function each; the tables are made by migrations/."""

from __future__ import annotations

from typing import Final

from boss.hrana import Statement

PUBLIC_USER: Final = ("id", "email", "name", "handle", "subscription_tier", "created_at")
SUGGESTION_CATEGORIES: Final = ("feature", "improvement", "bug", "other")

_USER = f"SELECT {', '.join(PUBLIC_USER)} FROM users"  # noqa: S608  the names are ours
_SUGGESTION = (
    "SELECT id, user_id, title, description, category, status, upvotes, created_at FROM suggestions"
)


def user_by_id(user_id: str) -> Statement:
    """Find a user."""
    return Statement(f"{_USER} WHERE id = ?", (user_id,))


def user_by_handle(handle: str) -> Statement:
    """Find the user that calls and messages are for."""
    return Statement(f"{_USER} WHERE handle = ?", (handle,))


def credentials(email: str) -> Statement:
    """Find what a password is compared with."""
    sql = "SELECT id, password_hash FROM users WHERE email = ?"
    return Statement(sql, (email,))


def add_user(user_id: str, email: str, password_hash: str, name: str) -> Statement:
    """Add a user; an address that has an account already breaks a constraint."""
    sql = "INSERT INTO users (id, email, password_hash, name) VALUES (?, ?, ?, ?)"
    return Statement(sql, (user_id, email, password_hash, name))


def delete_user(user_id: str) -> Statement:
    """Delete a user; what belongs to it goes by the tables' foreign keys."""
    return Statement("DELETE FROM users WHERE id = ?", (user_id,))


def buzz_categories() -> Statement:
    """Count the active listings of every category."""
    sql = (
        "SELECT category AS name, count(*) AS listings FROM buzz_listings"
        " WHERE status = 'active' GROUP BY category ORDER BY category"
    )
    return Statement(sql)


def buzz_listings(category: str, limit: int, offset: int) -> Statement:
    """Give active listings, newest first; an empty category means all."""
    sql = (
        "SELECT id, title, description, category, created_at FROM buzz_listings"
        " WHERE status = 'active' AND (? = '' OR category = ?)"
        " ORDER BY created_at DESC, id LIMIT ? OFFSET ?"
    )
    return Statement(sql, (category, category, limit, offset))


def suggestions(limit: int, offset: int) -> Statement:
    """Give suggestions, the most wanted first."""
    sql = f"{_SUGGESTION} ORDER BY upvotes DESC, created_at DESC, id LIMIT ? OFFSET ?"
    return Statement(sql, (limit, offset))


def suggestion(key: str) -> Statement:
    """Give one suggestion."""
    return Statement(f"{_SUGGESTION} WHERE id = ?", (key,))


def add_suggestion(
    key: str, user_id: str, title: str, description: str, category: str
) -> Statement:
    """Add a suggestion."""
    sql = (
        "INSERT INTO suggestions (id, user_id, title, description, category) VALUES (?, ?, ?, ?, ?)"
    )
    return Statement(sql, (key, user_id, title, description, category))


def note_event(provider: str, event_id: str, kind: str) -> Statement:
    """Note a webhook's event; one that was noted before breaks the primary key."""
    sql = "INSERT INTO webhook_events (provider, event_id, kind) VALUES (?, ?, ?)"
    return Statement(sql, (provider, event_id, kind))


def event(provider: str, event_id: str) -> Statement:
    """Find a webhook's event."""
    sql = "SELECT 1 FROM webhook_events WHERE provider = ? AND event_id = ?"
    return Statement(sql, (provider, event_id))
