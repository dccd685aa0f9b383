//! How do thousands of messages get into the database in no time? By its own statements, many in one transaction.

use std::time::{SystemTime, UNIX_EPOCH};

use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::gateway::Database;

/// So many messages in one transaction.
const PORTION: u64 = 100_000;

/// Messages of one device. Their ids are the name, a hyphen and a number from 1.
pub(crate) struct Batch<'a> {
    device: &'a str,
    name: &'a str,
    count: u64,
    /// SQL for the state of the message number `seq`.
    state: &'static str,
}

impl<'a> Batch<'a> {
    /// All of them wait for the phone.
    pub(crate) fn pending(device: &'a str, name: &'a str, count: u64) -> Self {
        Self {
            device,
            name,
            count,
            state: "'Pending'",
        }
    }

    /// Nine of ten have been delivered.
    pub(crate) fn delivered(device: &'a str, name: &'a str, count: u64) -> Self {
        Self {
            state: "CASE WHEN seq % 10 = 0 THEN 'Pending' ELSE 'Delivered' END",
            ..Self::pending(device, name, count)
        }
    }

    /// The id of a message.
    pub(crate) fn id(name: &str, number: u64) -> String {
        format!("{name}-{number}")
    }

    /// Statements that add the messages from this number to that one, with their recipients and first states.
    fn statements(&self, from: u64, to: u64, dialect: &Dialect) -> String {
        let Self {
            device, name, state, ..
        } = self;
        let (numbers, moment) = ((dialect.numbers)(from, to), dialect.moment);
        let added = format!(
            "FROM messages WHERE device_id = '{device}' AND id > (SELECT coalesce(max(message_id), 0) FROM {{}}) ORDER BY id"
        );
        let recipients = added.replace("{}", "message_recipients");
        let states = added.replace("{}", "message_states");
        format!(
            "INSERT INTO messages (device_id, ext_id, type, content, state, created_at, updated_at) \
             SELECT '{device}', concat('{name}-', seq), 'Text', '{{\"text\":\"hello there\"}}', {state}, {moment}, {moment} \
             FROM {numbers};\n\
             INSERT INTO message_recipients (message_id, phone_number, state) SELECT id, '+79990001234', state {recipients};\n\
             INSERT INTO message_states (message_id, state, updated_at) SELECT id, 'Pending', created_at {states};\n"
        )
        .replace("{start}", &an_hour_ago().to_string())
    }
}

/// What the two databases spell differently.
struct Dialect {
    /// A table whose column `seq` counts from one number to the other.
    numbers: fn(u64, u64) -> String,
    /// A millisecond after `{start}` for each message.
    moment: &'static str,
}

const SQLITE: Dialect = Dialect {
    numbers: |from, to| {
        format!(
            "(WITH RECURSIVE numbers (seq) AS (SELECT {from} UNION ALL SELECT seq + 1 FROM numbers WHERE seq < {to}) \
             SELECT seq FROM numbers)"
        )
    },
    moment: "{start} + seq",
};
const MARIADB: Dialect = Dialect {
    numbers: |from, to| format!("seq_{from}_to_{to}"),
    moment: "from_unixtime(({start} + seq) / 1000)",
};

/// Adds messages.
pub(crate) fn add(database: &Database<'_>, batch: &Batch<'_>) {
    for from in (1..=batch.count).step_by(PORTION as usize) {
        let to = batch.count.min(from + PORTION - 1);
        match database {
            Database::Sqlite(_) => {
                let statements = batch.statements(from, to, &SQLITE);
                on_sqlite(
                    database,
                    &format!("BEGIN IMMEDIATE; {statements} COMMIT; PRAGMA wal_checkpoint(TRUNCATE)"),
                );
            }
            Database::MariaDb(server, name) => {
                let statements = batch.statements(from, to, &MARIADB);
                server.run(name, &format!("SET time_zone = '+00:00'; BEGIN; {statements} COMMIT"));
            }
        }
    }
}

/// How many messages there are in all.
pub(crate) fn count(database: &Database<'_>) -> u64 {
    let sql = "SELECT count(*) FROM messages";
    let text = match database {
        Database::Sqlite(_) => on_sqlite(database, sql),
        Database::MariaDb(server, name) => server.run(name, sql),
    };
    text.trim().parse().expect("a number")
}

/// Runs SQL; the first number of the first row, if there is one.
fn on_sqlite(database: &Database<'_>, sql: &str) -> String {
    let Database::Sqlite(path) = database else {
        panic!("not sqlite")
    };
    let options = SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(std::time::Duration::from_secs(60))
        // Nothing here has to survive a power cut.
        .pragma("synchronous", "OFF")
        .pragma("cache_size", "-200000");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("runtime").block_on(async {
        let mut connection = SqliteConnection::connect_with(&options).await.expect("connect");
        let rows = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .fetch_all(&mut connection)
            .await
            .expect("sql");
        connection.close().await.expect("close");
        rows.first()
            .map(|row| row.get::<i64, _>(0).to_string())
            .unwrap_or_default()
    })
}

/// Milliseconds since 1970.
fn an_hour_ago() -> u128 {
    #[expect(clippy::disallowed_methods, reason = "messages of now: nothing may delete them")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("clock");
    now.as_millis() - 3_600_000
}
