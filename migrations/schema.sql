-- name: Base Schema
-- compatible: yes

-- migrate:up
CREATE TABLE users (
  id TEXT PRIMARY KEY CHECK (id <> ''),
  email TEXT NOT NULL UNIQUE COLLATE NOCASE CHECK (email LIKE '_%@_%'),
  name TEXT NOT NULL DEFAULT '',
  handle TEXT UNIQUE COLLATE NOCASE,
  phone TEXT UNIQUE CHECK (phone LIKE '+%'),
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT;

CREATE TRIGGER users_updated AFTER UPDATE OF email, name, handle, phone ON users
BEGIN
  UPDATE users SET updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE id = NEW.id;
END;

-- Providers deliver at least once; the key makes it exactly once.
CREATE TABLE webhook_events (
  provider TEXT NOT NULL CHECK (provider IN ('stripe', 'twilio', 'sendgrid')),
  event_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  received_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  PRIMARY KEY (provider, event_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX webhook_events_received ON webhook_events (received_at);

-- migrate:down
DROP TABLE webhook_events;
DROP TABLE users;
