-- The tables of SMSGate server 1.47.1 as its migrations leave them (WIRE §11), so that it can go on with a database that
-- was made here. Only run in an empty database, or again if that was interrupted. Its version table and what is in
-- there come last: db/mysql/schema.rs.

CREATE TABLE IF NOT EXISTS users (
    id            varchar(32) NOT NULL,
    password_hash varchar(72) NOT NULL,
    created_at    datetime(3) NOT NULL DEFAULT current_timestamp(3),
    updated_at    datetime(3) NOT NULL DEFAULT current_timestamp(3) ON UPDATE current_timestamp(3),
    deleted_at    datetime(3) DEFAULT NULL,
    PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE IF NOT EXISTS devices (
    id         char(21)     NOT NULL,
    name       varchar(128) DEFAULT NULL,
    auth_token char(21)     NOT NULL,
    push_token varchar(256) DEFAULT NULL,
    user_id    varchar(32)  NOT NULL,
    created_at datetime(3)  NOT NULL DEFAULT current_timestamp(3),
    updated_at datetime(3)  NOT NULL DEFAULT current_timestamp(3) ON UPDATE current_timestamp(3),
    deleted_at datetime(3)  DEFAULT NULL,
    last_seen  datetime(3)  NOT NULL DEFAULT current_timestamp(3),
    sim_cards  json         NOT NULL DEFAULT ('[]'),
    PRIMARY KEY (id),
    UNIQUE KEY idx_devices_auth_token (auth_token),
    KEY fk_users_devices (user_id),
    KEY idx_devices_last_seen (last_seen),
    CONSTRAINT fk_users_devices FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE IF NOT EXISTS messages (
    id                   bigint unsigned     NOT NULL AUTO_INCREMENT,
    device_id            char(21)            NOT NULL,
    ext_id               varchar(36)         NOT NULL,
    state                enum('Pending','Cancelling','Cancelled','Processed','Sent','Delivered','Failed')
                                             NOT NULL DEFAULT 'Pending',
    created_at           datetime(3)         NOT NULL DEFAULT current_timestamp(3),
    updated_at           datetime(3)         NOT NULL DEFAULT current_timestamp(3) ON UPDATE current_timestamp(3),
    deleted_at           datetime(3)         DEFAULT NULL,
    valid_until          datetime(3)         DEFAULT NULL,
    sim_number           tinyint(1) unsigned DEFAULT NULL,
    with_delivery_report tinyint(1) unsigned NOT NULL DEFAULT 1,
    is_hashed            tinyint(1) unsigned NOT NULL DEFAULT 0,
    is_encrypted         tinyint(1) unsigned NOT NULL DEFAULT 0,
    priority             tinyint             NOT NULL DEFAULT 0,
    type                 enum('Text','Data') NOT NULL DEFAULT 'Text',
    content              text                NOT NULL,
    schedule_at          datetime            DEFAULT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY unq_messages_id_device (ext_id, device_id),
    KEY idx_messages_device_state (device_id, state),
    KEY idx_messages_is_hashed (is_hashed) USING HASH,
    CONSTRAINT fk_messages_device FOREIGN KEY (device_id) REFERENCES devices (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE IF NOT EXISTS message_recipients (
    id           bigint unsigned NOT NULL AUTO_INCREMENT,
    message_id   bigint unsigned NOT NULL,
    phone_number varchar(128)    NOT NULL,
    state        enum('Pending','Cancelling','Cancelled','Processed','Sent','Delivered','Failed')
                                 NOT NULL DEFAULT 'Pending',
    error        varchar(256)    DEFAULT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY unq_message_recipients_message_id_phone_number (message_id, phone_number),
    CONSTRAINT fk_messages_recipients FOREIGN KEY (message_id) REFERENCES messages (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE IF NOT EXISTS message_states (
    id         bigint unsigned NOT NULL AUTO_INCREMENT,
    message_id bigint unsigned NOT NULL,
    state      enum('Pending','Cancelling','Cancelled','Processed','Sent','Delivered','Failed') NOT NULL,
    updated_at datetime(3)     NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY unq_message_states_message_id_state (message_id, state),
    CONSTRAINT fk_messages_states FOREIGN KEY (message_id) REFERENCES messages (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE IF NOT EXISTS webhooks (
    id         bigint unsigned NOT NULL AUTO_INCREMENT,
    ext_id     varchar(36)     NOT NULL,
    user_id    varchar(32)     NOT NULL,
    url        varchar(256)    NOT NULL,
    event      varchar(32)     NOT NULL,
    created_at datetime(3)     NOT NULL DEFAULT current_timestamp(3),
    updated_at datetime(3)     NOT NULL DEFAULT current_timestamp(3) ON UPDATE current_timestamp(3),
    deleted_at datetime(3)     DEFAULT NULL,
    device_id  char(21)        DEFAULT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY unq_webhooks_user_extid (user_id, ext_id),
    KEY idx_webhooks_device (device_id),
    CONSTRAINT fk_webhooks_device FOREIGN KEY (device_id) REFERENCES devices (id) ON DELETE CASCADE,
    CONSTRAINT fk_webhooks_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE IF NOT EXISTS device_settings (
    user_id    varchar(32) NOT NULL,
    settings   json        NOT NULL,
    created_at datetime(3) NOT NULL DEFAULT current_timestamp(3),
    updated_at datetime(3) NOT NULL DEFAULT current_timestamp(3) ON UPDATE current_timestamp(3),
    PRIMARY KEY (user_id),
    CONSTRAINT fk_device_settings_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE IF NOT EXISTS tokens (
    id         char(21)    NOT NULL,
    user_id    char(21)    NOT NULL,
    expires_at datetime(3) NOT NULL,
    created_at datetime(3) NOT NULL DEFAULT current_timestamp(3),
    updated_at datetime(3) NOT NULL DEFAULT current_timestamp(3) ON UPDATE current_timestamp(3),
    revoked_at datetime(3) DEFAULT NULL,
    token_use  enum('access','refresh') NOT NULL DEFAULT 'access',
    parent_jti char(21)    DEFAULT NULL,
    PRIMARY KEY (id),
    KEY idx_tokens_user_id (user_id),
    KEY idx_tokens_expires_at (expires_at),
    KEY idx_tokens_parent_jti (parent_jti),
    CONSTRAINT fk_tokens_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE IF NOT EXISTS goose_db_version (
    id         bigint unsigned NOT NULL AUTO_INCREMENT,
    version_id bigint          NOT NULL,
    is_applied tinyint(1)      NOT NULL,
    tstamp     timestamp       NULL DEFAULT current_timestamp(),
    PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
