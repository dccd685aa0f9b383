-- The tables of WIRE §11 in SQLite's types. Moments are integers: milliseconds since 1970 (UTC).
-- Logins are compared without case (WIRE §2.2): users.id and whatever refers to it is NOCASE.

CREATE TABLE users (
    id            TEXT    NOT NULL COLLATE NOCASE PRIMARY KEY,
    password_hash TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    deleted_at    INTEGER
) STRICT;

CREATE TABLE devices (
    id         TEXT    NOT NULL PRIMARY KEY,
    name       TEXT,
    auth_token TEXT    NOT NULL,
    push_token TEXT,
    user_id    TEXT    NOT NULL COLLATE NOCASE REFERENCES users (id) ON DELETE CASCADE,
    last_seen  INTEGER NOT NULL,
    sim_cards  TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(sim_cards)),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER
) STRICT;
CREATE UNIQUE INDEX idx_devices_auth_token ON devices (auth_token);
CREATE INDEX fk_users_devices ON devices (user_id);
CREATE INDEX idx_devices_last_seen ON devices (last_seen);

CREATE TABLE messages (
    id                   INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    device_id            TEXT    NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    -- Compared without case, as the reference's collation does (WIRE §17).
    ext_id               TEXT    NOT NULL COLLATE NOCASE,
    type                 TEXT    NOT NULL DEFAULT 'Text' CHECK (type IN ('Text', 'Data')),
    -- JSON {"text":…} or {"data":…,"port":…}, or the hash once is_hashed.
    content              TEXT    NOT NULL,
    state                TEXT    NOT NULL DEFAULT 'Pending'
        CHECK (state IN ('Pending', 'Cancelling', 'Cancelled', 'Processed', 'Sent', 'Delivered', 'Failed')),
    valid_until          INTEGER,
    schedule_at          INTEGER,
    sim_number           INTEGER CHECK (sim_number BETWEEN 0 AND 255),
    with_delivery_report INTEGER NOT NULL DEFAULT 1 CHECK (with_delivery_report IN (0, 1)),
    priority             INTEGER NOT NULL DEFAULT 0 CHECK (priority BETWEEN -128 AND 127),
    is_hashed            INTEGER NOT NULL DEFAULT 0 CHECK (is_hashed IN (0, 1)),
    is_encrypted         INTEGER NOT NULL DEFAULT 0 CHECK (is_encrypted IN (0, 1)),
    created_at           INTEGER NOT NULL,
    updated_at           INTEGER NOT NULL,
    deleted_at           INTEGER
) STRICT;
CREATE UNIQUE INDEX unq_messages_id_device ON messages (ext_id, device_id);
CREATE INDEX idx_messages_device_state ON messages (device_id, state);
-- The list and its total are read from this index alone (messages/store/list.rs).
CREATE INDEX idx_messages_device_created ON messages (device_id, created_at, id, state);
-- A device's queue in the two orders in which it may be pulled (messages/store/pull.rs).
CREATE INDEX idx_messages_queue_lifo ON messages (device_id, schedule_at, priority DESC, id DESC)
    WHERE state IN ('Pending', 'Cancelling');
CREATE INDEX idx_messages_queue_fifo ON messages (device_id, schedule_at, priority DESC, id)
    WHERE state IN ('Pending', 'Cancelling');
CREATE INDEX idx_messages_is_hashed ON messages (is_hashed);

CREATE TABLE message_recipients (
    id           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    message_id   INTEGER NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    phone_number TEXT    NOT NULL,
    state        TEXT    NOT NULL DEFAULT 'Pending'
        CHECK (state IN ('Pending', 'Cancelling', 'Cancelled', 'Processed', 'Sent', 'Delivered', 'Failed')),
    error        TEXT
) STRICT;
CREATE UNIQUE INDEX unq_message_recipients_message_id_phone_number ON message_recipients (message_id, phone_number);

CREATE TABLE message_states (
    id         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    message_id INTEGER NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    state      TEXT    NOT NULL
        CHECK (state IN ('Pending', 'Cancelling', 'Cancelled', 'Processed', 'Sent', 'Delivered', 'Failed')),
    updated_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX unq_message_states_message_id_state ON message_states (message_id, state);

CREATE TABLE webhooks (
    id         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    ext_id     TEXT    NOT NULL,
    user_id    TEXT    NOT NULL COLLATE NOCASE REFERENCES users (id) ON DELETE CASCADE,
    device_id  TEXT             REFERENCES devices (id) ON DELETE CASCADE,
    url        TEXT    NOT NULL,
    event      TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER
) STRICT;
CREATE UNIQUE INDEX unq_webhooks_user_extid ON webhooks (user_id, ext_id);
CREATE INDEX idx_webhooks_device ON webhooks (device_id);

CREATE TABLE device_settings (
    user_id    TEXT    NOT NULL COLLATE NOCASE PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    settings   TEXT    NOT NULL CHECK (json_valid(settings)),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

-- Written by the reference server only: tokens are the sidecar's business. Here so that a
-- database can be carried from one server to the other with nothing lost.
CREATE TABLE tokens (
    id         TEXT    NOT NULL PRIMARY KEY,
    user_id    TEXT    NOT NULL COLLATE NOCASE REFERENCES users (id) ON DELETE CASCADE,
    token_use  TEXT    NOT NULL DEFAULT 'access' CHECK (token_use IN ('access', 'refresh')),
    parent_jti TEXT,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX idx_tokens_user_id ON tokens (user_id);
CREATE INDEX idx_tokens_expires_at ON tokens (expires_at);
CREATE INDEX idx_tokens_parent_jti ON tokens (parent_jti);
