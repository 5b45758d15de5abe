-- name: Communication History
-- depends: projects
-- compatible: yes

-- migrate:up
CREATE TABLE messages (
  number INTEGER PRIMARY KEY, -- what the text index points at; a bare rowid may change
  id TEXT NOT NULL UNIQUE,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  project_id TEXT REFERENCES projects (id) ON DELETE SET NULL,
  channel TEXT NOT NULL CHECK (channel IN ('voice', 'sms', 'email', 'chat')),
  direction TEXT NOT NULL CHECK (direction IN ('in', 'out')),
  provider_id TEXT,
  sender TEXT NOT NULL DEFAULT '',
  recipient TEXT NOT NULL DEFAULT '',
  subject TEXT NOT NULL DEFAULT '',
  body TEXT NOT NULL DEFAULT '',
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT;

CREATE INDEX messages_user ON messages (user_id, created_at);
CREATE INDEX messages_project ON messages (project_id, created_at) WHERE project_id IS NOT NULL;
CREATE UNIQUE INDEX messages_provider ON messages (channel, provider_id)
WHERE provider_id IS NOT NULL;

CREATE VIRTUAL TABLE messages_text USING fts5 (subject, body, content = 'messages', content_rowid = 'number');

CREATE TRIGGER messages_text_insert AFTER INSERT ON messages
BEGIN
  INSERT INTO messages_text (rowid, subject, body) VALUES (NEW.number, NEW.subject, NEW.body);
END;

CREATE TRIGGER messages_text_delete AFTER DELETE ON messages
BEGIN
  INSERT INTO messages_text (messages_text, rowid, subject, body)
  VALUES ('delete', OLD.number, OLD.subject, OLD.body);
END;

CREATE TRIGGER messages_text_update AFTER UPDATE OF subject, body ON messages
BEGIN
  INSERT INTO messages_text (messages_text, rowid, subject, body)
  VALUES ('delete', OLD.number, OLD.subject, OLD.body);
  INSERT INTO messages_text (rowid, subject, body) VALUES (NEW.number, NEW.subject, NEW.body);
END;

-- migrate:down
DROP TABLE messages_text;
DROP TABLE messages;
