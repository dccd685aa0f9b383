-- What the reference server lacks: without these, a list and a pull cost as much as the device has messages. Each is made
-- if it is missing, also in the reference server's own database. It does not notice: its statements name no index, and its
-- migrations know none of these names.
--
-- MariaDB before 10.8 and MySQL before 8.0 take DESC for ASC: there pulls sort, which is slower and not wrong.

-- The list and its total are read from this index alone (messages/store/list.rs).
CREATE INDEX gateward_messages_created ON messages (device_id, created_at, id, state);

-- A device's queue in the two orders in which it may be pulled (messages/store/pull.rs).
CREATE INDEX gateward_messages_queue_lifo ON messages (device_id, state, schedule_at, priority DESC, id DESC);
CREATE INDEX gateward_messages_queue_fifo ON messages (device_id, state, schedule_at, priority DESC, id);
