-- name: Feedback System
-- depends: buzz
-- compatible: yes
-- critical: no

-- migrate:up
CREATE TABLE suggestions (
  id TEXT PRIMARY KEY,
  user_id TEXT REFERENCES users (id) ON DELETE SET NULL,
  title TEXT NOT NULL CHECK (title <> ''),
  description TEXT NOT NULL DEFAULT '',
  category TEXT NOT NULL CHECK (category IN ('feature', 'improvement', 'bug', 'other')),
  status TEXT NOT NULL DEFAULT 'new'
    CHECK (status IN ('new', 'planned', 'started', 'done', 'declined')),
  upvotes INTEGER NOT NULL DEFAULT 0 CHECK (upvotes >= 0),
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT;

CREATE INDEX suggestions_user ON suggestions (user_id);
CREATE INDEX suggestions_wanted ON suggestions (upvotes DESC, created_at DESC);

CREATE TABLE suggestion_votes (
  suggestion_id TEXT NOT NULL REFERENCES suggestions (id) ON DELETE CASCADE,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  voted_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  PRIMARY KEY (suggestion_id, user_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX suggestion_votes_user ON suggestion_votes (user_id);

CREATE TRIGGER suggestion_votes_added AFTER INSERT ON suggestion_votes
BEGIN
  UPDATE suggestions SET upvotes = upvotes + 1 WHERE id = NEW.suggestion_id;
END;

CREATE TRIGGER suggestion_votes_removed AFTER DELETE ON suggestion_votes
BEGIN
  UPDATE suggestions SET upvotes = upvotes - 1 WHERE id = OLD.suggestion_id;
END;

-- migrate:down
DROP TABLE suggestion_votes;
DROP TABLE suggestions;
