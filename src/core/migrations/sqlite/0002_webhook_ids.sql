-- A user's webhooks are told apart without case, as the reference's collation does: of several that differ in nothing else
-- the one that was changed last stays.

CREATE TABLE webhooks_without_case (
    id         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    ext_id     TEXT    NOT NULL COLLATE NOCASE,
    user_id    TEXT    NOT NULL COLLATE NOCASE REFERENCES users (id) ON DELETE CASCADE,
    device_id  TEXT             REFERENCES devices (id) ON DELETE CASCADE,
    url        TEXT    NOT NULL,
    event      TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER
) STRICT;
CREATE UNIQUE INDEX unq_webhooks_user_extid_without_case ON webhooks_without_case (user_id, ext_id);
INSERT OR REPLACE INTO webhooks_without_case SELECT * FROM webhooks ORDER BY updated_at, id;
DROP TABLE webhooks;
ALTER TABLE webhooks_without_case RENAME TO webhooks;
DROP INDEX unq_webhooks_user_extid_without_case;
CREATE UNIQUE INDEX unq_webhooks_user_extid ON webhooks (user_id, ext_id);
CREATE INDEX idx_webhooks_device ON webhooks (device_id);
