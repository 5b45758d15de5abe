-- name: Marketing Campaigns
-- depends: suggestions
-- compatible: yes
-- critical: no

-- migrate:up
CREATE TABLE email_campaigns (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  subject TEXT NOT NULL CHECK (subject <> ''),
  body TEXT NOT NULL,
  status TEXT NOT NULL DEFAULT 'draft' CHECK (status IN ('draft', 'scheduled', 'sending', 'sent')),
  send_at TEXT,
  created_by TEXT REFERENCES users (id) ON DELETE SET NULL,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  CHECK (status <> 'scheduled' OR send_at IS NOT NULL)
) STRICT;

CREATE INDEX email_campaigns_due ON email_campaigns (send_at) WHERE status = 'scheduled';
CREATE INDEX email_campaigns_author ON email_campaigns (created_by);

-- An address that must not be written to, whether or not it has an account.
CREATE TABLE email_suppressions (
  email TEXT PRIMARY KEY COLLATE NOCASE,
  reason TEXT NOT NULL CHECK (reason IN ('unsubscribed', 'bounced', 'complained')),
  since TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT, WITHOUT ROWID;

CREATE TABLE email_sends (
  campaign_id TEXT NOT NULL REFERENCES email_campaigns (id) ON DELETE CASCADE,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  status TEXT NOT NULL DEFAULT 'queued'
    CHECK (status IN ('queued', 'sent', 'delivered', 'opened', 'clicked', 'bounced', 'complained')),
  provider_id TEXT UNIQUE,
  changed_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  PRIMARY KEY (campaign_id, user_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX email_sends_user ON email_sends (user_id);

CREATE TRIGGER email_sends_suppressed BEFORE INSERT ON email_sends
WHEN EXISTS (
  SELECT 1 FROM users JOIN email_suppressions ON email_suppressions.email = users.email
  WHERE users.id = NEW.user_id
)
BEGIN
  SELECT RAISE(ABORT, 'this address must not be written to');
END;

CREATE VIEW email_campaign_results AS
SELECT
  email_campaigns.id AS campaign_id,
  count(email_sends.user_id) AS recipients,
  total(email_sends.status IN ('delivered', 'opened', 'clicked')) AS delivered,
  total(email_sends.status IN ('opened', 'clicked')) AS opened,
  total(email_sends.status IN ('bounced', 'complained')) AS refused
FROM email_campaigns LEFT JOIN email_sends ON email_sends.campaign_id = email_campaigns.id
GROUP BY email_campaigns.id;

-- migrate:down
DROP VIEW email_campaign_results;
DROP TABLE email_sends;
DROP TABLE email_suppressions;
DROP TABLE email_campaigns;
