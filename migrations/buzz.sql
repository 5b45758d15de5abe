-- name: Marketplace
-- depends: messages
-- compatible: yes
-- critical: no

-- migrate:up
CREATE TABLE buzz_listings (
  id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  title TEXT NOT NULL CHECK (title <> ''),
  description TEXT NOT NULL DEFAULT '',
  category TEXT NOT NULL CHECK (category <> ''),
  url TEXT NOT NULL DEFAULT '',
  status TEXT NOT NULL DEFAULT 'pending'
    CHECK (status IN ('pending', 'active', 'rejected', 'expired')),
  views INTEGER NOT NULL DEFAULT 0 CHECK (views >= 0),
  expires_at TEXT,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT;

CREATE INDEX buzz_listings_user ON buzz_listings (user_id);
CREATE INDEX buzz_listings_active ON buzz_listings (category, created_at DESC)
WHERE status = 'active';

-- Who answers a listing does so by a message.
CREATE TABLE buzz_replies (
  listing_id TEXT NOT NULL REFERENCES buzz_listings (id) ON DELETE CASCADE,
  message_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
  PRIMARY KEY (listing_id, message_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX buzz_replies_message ON buzz_replies (message_id);

CREATE VIEW buzz_categories AS
SELECT category, count(*) AS listings
FROM buzz_listings
WHERE status = 'active'
GROUP BY category;

-- migrate:down
DROP VIEW buzz_categories;
DROP TABLE buzz_replies;
DROP TABLE buzz_listings;
