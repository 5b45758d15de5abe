-- name: Project Tracking
-- depends: teams
-- compatible: yes
-- critical: no

-- migrate:up
CREATE TABLE projects (
  id TEXT PRIMARY KEY,
  owner_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  team_id TEXT REFERENCES teams (id) ON DELETE SET NULL,
  name TEXT NOT NULL CHECK (name <> ''),
  description TEXT NOT NULL DEFAULT '',
  status TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'paused', 'done', 'archived')),
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT;

CREATE INDEX projects_owner ON projects (owner_id, status);
CREATE INDEX projects_team ON projects (team_id) WHERE team_id IS NOT NULL;

CREATE TABLE tasks (
  id TEXT PRIMARY KEY,
  project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
  parent_id TEXT REFERENCES tasks (id) ON DELETE CASCADE,
  assignee_id TEXT REFERENCES users (id) ON DELETE SET NULL,
  title TEXT NOT NULL CHECK (title <> ''),
  status TEXT NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'doing', 'blocked', 'done')),
  priority INTEGER NOT NULL DEFAULT 2 CHECK (priority BETWEEN 0 AND 4),
  due_at TEXT,
  completed_at TEXT,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  CHECK (parent_id IS NOT id)
) STRICT;

CREATE INDEX tasks_project ON tasks (project_id, status);
CREATE INDEX tasks_parent ON tasks (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX tasks_assignee ON tasks (assignee_id, due_at) WHERE assignee_id IS NOT NULL;

CREATE TRIGGER tasks_completed AFTER UPDATE OF status ON tasks
WHEN NEW.status <> OLD.status
BEGIN
  UPDATE tasks SET completed_at = CASE NEW.status
    WHEN 'done' THEN strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
  END
  WHERE id = NEW.id;
END;

CREATE TRIGGER projects_updated AFTER UPDATE OF name, description, status, team_id ON projects
BEGIN
  UPDATE projects SET updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE id = NEW.id;
END;

CREATE VIEW project_progress AS
SELECT
  projects.id AS project_id,
  projects.name,
  count(tasks.id) AS tasks,
  count(tasks.completed_at) AS completed
FROM projects LEFT JOIN tasks ON tasks.project_id = projects.id
GROUP BY projects.id;

-- migrate:down
DROP VIEW project_progress;
DROP TABLE tasks;
DROP TABLE projects;
