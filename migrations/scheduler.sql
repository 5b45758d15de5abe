-- name: Scheduled Tasks
-- depends: email-marketing
-- compatible: yes

-- migrate:up
CREATE TABLE scheduled_tasks (
  id TEXT PRIMARY KEY,
  user_id TEXT REFERENCES users (id) ON DELETE CASCADE,
  task_id TEXT REFERENCES tasks (id) ON DELETE CASCADE,
  kind TEXT NOT NULL CHECK (kind IN ('reminder', 'call', 'sms', 'email', 'report')),
  payload TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(payload)),
  schedule TEXT NOT NULL DEFAULT '',
  next_run_at TEXT,
  enabled INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
  attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  claimed_until TEXT,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT;

CREATE INDEX scheduled_tasks_due ON scheduled_tasks (next_run_at) WHERE enabled = 1;
CREATE INDEX scheduled_tasks_user ON scheduled_tasks (user_id);
CREATE INDEX scheduled_tasks_task ON scheduled_tasks (task_id);

CREATE TABLE scheduled_task_runs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  scheduled_task_id TEXT NOT NULL REFERENCES scheduled_tasks (id) ON DELETE CASCADE,
  started_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  finished_at TEXT,
  error TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE INDEX scheduled_task_runs_task ON scheduled_task_runs (scheduled_task_id, started_at);

CREATE VIEW due_tasks AS
SELECT id, user_id, kind, payload, next_run_at
FROM scheduled_tasks
WHERE enabled = 1
  AND next_run_at <= strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
  AND (claimed_until IS NULL OR claimed_until < strftime('%Y-%m-%dT%H:%M:%fZ', 'now'));

-- migrate:down
DROP VIEW due_tasks;
DROP TABLE scheduled_task_runs;
DROP TABLE scheduled_tasks;
