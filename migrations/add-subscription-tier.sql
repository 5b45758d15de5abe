-- name: Subscription Tiers
-- depends: claude_code_sessions
-- compatible: yes
-- critical: no

-- migrate:up
ALTER TABLE users ADD COLUMN subscription_tier TEXT NOT NULL DEFAULT 'free'
  CHECK (subscription_tier IN ('free', 'personal', 'professional', 'enterprise'));

CREATE INDEX users_tier ON users (subscription_tier) WHERE subscription_tier <> 'free';

CREATE TABLE subscriptions (
  user_id TEXT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
  stripe_customer_id TEXT NOT NULL UNIQUE,
  stripe_subscription_id TEXT UNIQUE,
  tier TEXT NOT NULL CHECK (tier IN ('free', 'personal', 'professional', 'enterprise')),
  status TEXT NOT NULL
    CHECK (status IN ('trialing', 'active', 'past_due', 'paused', 'canceled')),
  current_period_end TEXT,
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT, WITHOUT ROWID;

-- The tier a user has follows from the subscription, whichever way it changes.
CREATE TRIGGER subscriptions_added AFTER INSERT ON subscriptions
BEGIN
  UPDATE users SET subscription_tier = CASE
    WHEN NEW.status IN ('trialing', 'active', 'past_due') THEN NEW.tier ELSE 'free' END
  WHERE id = NEW.user_id;
END;

CREATE TRIGGER subscriptions_changed AFTER UPDATE OF tier, status ON subscriptions
BEGIN
  UPDATE users SET subscription_tier = CASE
    WHEN NEW.status IN ('trialing', 'active', 'past_due') THEN NEW.tier ELSE 'free' END
  WHERE id = NEW.user_id;
END;

CREATE TRIGGER subscriptions_removed AFTER DELETE ON subscriptions
BEGIN
  UPDATE users SET subscription_tier = 'free' WHERE id = OLD.user_id;
END;

-- migrate:down
DROP TABLE subscriptions;
DROP INDEX users_tier;
ALTER TABLE users DROP COLUMN subscription_tier;
