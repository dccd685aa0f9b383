-- What is written with one statement, so that many of them share one commit (db/gathering.rs): views to insert into, which
-- hold nothing.

CREATE VIEW new_messages AS
SELECT device_id, ext_id, type, content, valid_until, schedule_at, sim_number, with_delivery_report, priority,
    is_encrypted, created_at, '[]' AS phone_numbers
FROM messages WHERE false;

CREATE TRIGGER new_messages_are_messages INSTEAD OF INSERT ON new_messages
BEGIN
    INSERT INTO messages (device_id, ext_id, type, content, state, valid_until, schedule_at, sim_number,
        with_delivery_report, priority, is_encrypted, created_at, updated_at)
    VALUES (NEW.device_id, NEW.ext_id, NEW.type, NEW.content, 'Pending', NEW.valid_until, NEW.schedule_at, NEW.sim_number,
        NEW.with_delivery_report, NEW.priority, NEW.is_encrypted, NEW.created_at, NEW.created_at);
    INSERT INTO message_states (message_id, state, updated_at) VALUES (last_insert_rowid(), 'Pending', NEW.created_at);
    -- Not last_insert_rowid(), which would be that of the recipient before.
    INSERT INTO message_recipients (message_id, phone_number)
    SELECT (SELECT id FROM messages WHERE ext_id = NEW.ext_id AND device_id = NEW.device_id), value
    FROM json_each(NEW.phone_numbers);
END;

-- history: {state: time, …}; outcomes: [[row of a recipient, state, error], …]
CREATE VIEW new_reports AS
SELECT id AS message_id, state, updated_at, '{}' AS history, '[]' AS outcomes
FROM messages WHERE false;

CREATE TRIGGER new_reports_change_messages INSTEAD OF INSERT ON new_reports
BEGIN
    UPDATE messages SET state = NEW.state, updated_at = NEW.updated_at WHERE id = NEW.message_id;
    INSERT INTO message_states (message_id, state, updated_at)
    SELECT NEW.message_id, key, value FROM json_each(NEW.history) WHERE true
    ON CONFLICT (message_id, state) DO NOTHING;
    UPDATE message_recipients SET state = outcome.value ->> 1, error = outcome.value ->> 2
    FROM json_each(NEW.outcomes) AS outcome WHERE message_recipients.id = outcome.value ->> 0;
END;
