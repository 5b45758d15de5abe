-- name: AI Sessions
-- depends: scheduler
-- compatible: yes
-- critical: no

-- migrate:up
CREATE TABLE claude_code_sessions (
  id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  project_id TEXT REFERENCES projects (id) ON DELETE SET NULL,
  status TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'ended', 'failed')),
  model TEXT NOT NULL DEFAULT '',
  input_tokens INTEGER NOT NULL DEFAULT 0 CHECK (input_tokens >= 0),
  output_tokens INTEGER NOT NULL DEFAULT 0 CHECK (output_tokens >= 0),
  cost_usd REAL NOT NULL DEFAULT 0 CHECK (cost_usd >= 0),
  started_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  last_active_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  ended_at TEXT
) STRICT;

CREATE INDEX claude_code_sessions_user ON claude_code_sessions (user_id, started_at);
CREATE INDEX claude_code_sessions_project ON claude_code_sessions (project_id);

CREATE TABLE claude_code_turns (
  session_id TEXT NOT NULL REFERENCES claude_code_sessions (id) ON DELETE CASCADE,
  number INTEGER NOT NULL CHECK (number > 0),
  role TEXT NOT NULL CHECK (role IN ('user', 'assistant', 'tool')),
  content TEXT NOT NULL,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  PRIMARY KEY (session_id, number)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER claude_code_turns_added AFTER INSERT ON claude_code_turns
BEGIN
  UPDATE claude_code_sessions SET last_active_at = NEW.created_at WHERE id = NEW.session_id;
END;

-- migrate:down
DROP TABLE claude_code_turns;
DROP TABLE claude_code_sessions;
