//! What is special about a server: tables that others made, names that it locks, and that it can be away.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use sqlx::SqlSafeStr as _;
use tokio::net::UnixListener;

use crate::{
    config::{DatabaseServer, DatabaseUrl},
    db::{
        Connection, Database, OpenError, Statement,
        mysql::options,
        pool::{Backend as _, Limits, Pool},
        testing::{Kind, MariaDb, Place, configured},
        tests::{NOW, USER, USERS, reference::SCHEMA},
    },
    testing::{Bench, Phone},
};

/// How long a server may take to be seen again on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many wait here for what another has locked. The server looks anew only if nobody has asked for [`UNASKED`].
const BLOCKED: Statement = Statement::same(
    "SELECT count(*) FROM information_schema.innodb_trx t \
     JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id \
     WHERE t.trx_state = 'LOCK WAIT' AND p.db = DATABASE()",
);
const APPLY: Statement = Statement::same("INSERT INTO goose_db_version (version_id, is_applied) VALUES (?, ?)");

#[tokio::test]
async fn a_session_is_in_utc_and_utf8() {
    let place = Place::new(Kind::MariaDb).await;
    let database = place.open().await;
    let session = Statement::same("SELECT CONCAT_WS(' ', @@time_zone, @@character_set_client) AS session").query();
    let session: String = session.fetch_value(&database).await.unwrap();
    assert_eq!(session, "+00:00 utf8mb4");
}

#[tokio::test]
async fn an_error_tells_no_values() {
    let place = Place::new(Kind::MariaDb).await;
    let database = place.open().await;
    USER.bind("A").bind(NOW).execute(&database).await.unwrap();
    let refused = USER.bind("A").bind(NOW).execute(&database).await.unwrap_err();
    assert_eq!(refused.to_string(), "database: error 1062 (23000)");
}

#[tokio::test]
async fn a_database_of_another_version_is_refused_and_left_alone() {
    for (version, applied, refusal) in [
        (20_270_101_000_000_i64, true, "migration 20270101000000 is unknown"),
        (20_260_617_000_000, false, "missing: 20260617000000"),
    ] {
        let place = Place::new(Kind::MariaDb).await;
        let database = place.open().await;
        APPLY.bind(version).bind(applied).execute(&database).await.unwrap();
        database.close().await;
        let refused = Database::open(&place.config).await.unwrap_err().to_string();
        assert!(refused.contains(refusal), "{refused}");
    }
}

#[tokio::test]
async fn a_database_of_something_else_is_refused_and_left_alone() {
    let server = MariaDb::shared();
    let place = configured(DatabaseUrl::MySql(server.create().await));
    server
        .run(&place, "CREATE TABLE wp_posts (id int); CREATE TABLE users (id int)")
        .await;
    let refused = Database::open(&place).await.unwrap_err();
    assert!(
        matches!(&refused, OpenError::Foreign(table) if table == "wp_posts"),
        "{refused}"
    );
}

#[tokio::test]
async fn tables_that_were_not_finished_are_finished() {
    let server = MariaDb::shared();
    let interrupted = configured(DatabaseUrl::MySql(server.create().await));
    server
        .run(&interrupted, include_str!("../../migrations/mysql/0001_reference.sql"))
        .await;
    server.run(&interrupted, "DROP TABLE goose_db_version, tokens").await;
    let database = Database::open(&interrupted).await.unwrap();
    let place = Place::new(Kind::MariaDb).await;
    let schema = |database| async move { SCHEMA.query().fetch_column::<String>(&database).await.unwrap() };
    assert_eq!(schema(database).await, schema(place.open().await).await);
}

#[tokio::test]
async fn two_processes_may_open_an_empty_database_at_once() {
    let place = Place::new(Kind::MariaDb).await;
    let (one, two) = tokio::join!(Database::open(&place.config), Database::open(&place.config));
    for database in [one.unwrap(), two.unwrap()] {
        assert_eq!(USERS.query().fetch_value::<i64>(&database).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_name_is_locked_for_one_at_a_time() {
    let place = Place::new(Kind::MariaDb).await;
    let database = place.open().await;
    let lock = database.lock("worker:a_name_is_locked").await.unwrap();
    assert!(database.lock("worker:a_name_is_locked").await.unwrap().is_none());
    lock.unwrap().release().await;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while database.lock("worker:a_name_is_locked").await.unwrap().is_none() {
        assert!(tokio::time::Instant::now() < deadline, "the lock is not given back");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let silent = MariaDb::within(folder.path().to_owned());
    let server = silent.database("sms");
    let _listener = UnixListener::bind(&server.host).unwrap();
    let pool = pool_of_one(&server, Duration::from_millis(10));
    assert!(matches!(pool.acquire().await, Err(sqlx::Error::PoolTimedOut)));
}

/// The late answer to the statement is a refusal: whoever takes it for that to ROLLBACK leaves the transaction open.
#[tokio::test]
async fn an_interrupted_statement_takes_its_connection_along() {
    let place = Place::new(Kind::MariaDb).await;
    let database = place.open().await;
    let DatabaseUrl::MySql(server) = &place.config.url else {
        unreachable!("a server's")
    };
    let pool = pool_of_one(server, PATIENCE);
    let mut other = database.begin().await.unwrap();
    USER.bind("A").bind(NOW).execute(&mut other).await.unwrap();

    let mut lease = pool.acquire().await.unwrap();
    lease.begin("BEGIN").await.unwrap();
    let insert = "INSERT INTO users (id, password_hash, created_at, updated_at) VALUES ('A', '', now(), now())";
    tokio::select! {
        done = lease.run(|connection| connection.command(insert.into_sql_str())) => unreachable!("it has to wait: {done:?}"),
        () = somebody_is_blocked(&database) => {}
    }
    let next = lease
        .run(|connection| connection.command("SELECT 1".into_sql_str()))
        .await;
    assert!(next.is_err(), "whose answer would it be?");
    drop(lease);
    other.commit().await.unwrap();

    let mut lease = pool.acquire().await.unwrap();
    let open = sqlx::query_scalar::<_, u64>("SELECT @@in_transaction");
    assert_eq!(lease.run(|connection| open.fetch_one(connection)).await.unwrap(), 0);
}

const TOUCH: Statement = Statement::same("UPDATE users SET updated_at = ? WHERE id = ?");

/// One user more than those that a deadlock is about, many times: the server gives up who did less.
async fn work_hard(change: &mut Connection) {
    USER.bind("C").bind(NOW).execute(&mut *change).await.unwrap();
    for number in 0..50 {
        let later = NOW.plus(Duration::from_secs(number));
        TOUCH.bind(later).bind("C").execute(&mut *change).await.unwrap();
    }
}

/// A change that has locked B, and will get A as well: whoever wants them the other way round is given up.
async fn stronger(database: &Database) -> Connection {
    for user in ["A", "B"] {
        USER.bind(user).bind(NOW).execute(database).await.unwrap();
    }
    let mut other = database.begin().await.unwrap();
    work_hard(&mut other).await;
    TOUCH.bind(NOW).bind("B").execute(&mut other).await.unwrap();
    other
}

/// Once somebody has A and waits for B.
async fn take_both(database: &Database, mut stronger: Connection) {
    somebody_is_blocked(database).await;
    TOUCH.bind(NOW).bind("A").execute(&mut stronger).await.unwrap();
    stronger.commit().await.unwrap();
}

#[tokio::test]
async fn a_change_that_the_server_gives_up_begins_anew() {
    let place = Place::new(Kind::MariaDb).await;
    let database = place.open().await;
    let other = stronger(&database).await;

    let tries = AtomicUsize::new(0);
    let changing = database.change(|mut change| {
        tries.fetch_add(1, Ordering::SeqCst);
        async move {
            TOUCH.bind(NOW).bind("A").execute(&mut change).await?;
            TOUCH.bind(NOW).bind("B").execute(&mut change).await?;
            change.commit().await
        }
    });
    let (changed, ()) = tokio::join!(changing, take_both(&database, other));
    changed.unwrap();
    assert_eq!(tries.into_inner(), 2);
}

#[tokio::test]
async fn a_statement_that_the_server_gives_up_is_tried_again() {
    let place = Place::new(Kind::MariaDb).await;
    let database = place.open().await;
    let other = stronger(&database).await;
    let both = Statement::same("UPDATE users SET updated_at = ? WHERE id IN ('A', 'B')").bind(NOW);
    let (done, ()) = tokio::join!(both.execute(&database), take_both(&database, other));
    assert_eq!(done.unwrap().rows, 2);
}

#[tokio::test]
async fn who_waited_too_long_for_a_lock_tries_again_but_not_for_ever() {
    const IMPATIENT: Statement = Statement::same("SET innodb_lock_wait_timeout = 0");
    let place = Place::new(Kind::MariaDb).await;
    let database = place.open().await;
    USER.bind("A").bind(NOW).execute(&database).await.unwrap();
    for (patience, succeeds) in [(2, true), (usize::MAX, false)] {
        let mut other = database.begin().await.unwrap();
        TOUCH.bind(NOW).bind("A").execute(&mut other).await.unwrap();
        let other = tokio::sync::Mutex::new(Some(other));
        let tries = AtomicUsize::new(0);
        let (held, tries) = (&other, &tries);
        let changed = database.change(|mut change| async move {
            if tries.fetch_add(1, Ordering::SeqCst) == patience {
                held.lock().await.take().unwrap().commit().await?;
            }
            IMPATIENT.query().execute(&mut change).await?;
            TOUCH.bind(NOW).bind("A").execute(&mut change).await?;
            change.commit().await
        });
        assert_eq!(changed.await.is_ok(), succeeds);
        assert_eq!(tries.load(Ordering::SeqCst), if succeeds { 3 } else { 4 });
    }
}

#[tokio::test]
async fn what_is_written_at_once_is_written_whole_or_not_at_all() {
    let place = Place::new(Kind::MariaDb).await;
    let database = place.open().await;
    let written = async |users: &[&str]| {
        let mut batch = database.batch().unwrap();
        users.iter().for_each(|user| batch.add(USER.bind(*user).bind(NOW)));
        let written = database.write_at_once(batch).await.unwrap();
        (written, USERS.query().fetch_value::<i64>(&database).await.unwrap())
    };
    assert_eq!(written(&["A", "a"]).await, (false, 0));
    assert_eq!(written(&["A", "B"]).await, (true, 2));
    assert_eq!(written(&["C", &"long".repeat(100_000)]).await, (false, 2));
    let names = Statement::same("SELECT id FROM users WHERE created_at = ? ORDER BY id")
        .bind(NOW)
        .fetch_column::<String>(&database)
        .await
        .unwrap()
        .concat();
    assert_eq!(names, "AB", "at the same time as when it is bound");
}

/// How long `information_schema.innodb_trx` tells what it told before.
const UNASKED: Duration = Duration::from_millis(100);

async fn somebody_is_blocked(database: &Database) {
    /// Tests that ask in turns would keep the server from ever looking.
    static ASKING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let alone = ASKING.lock().await;
        tokio::time::sleep(UNASKED + UNASKED / 2).await;
        let blocked = BLOCKED.query().fetch_value::<i64>(database).await.unwrap();
        drop(alone);
        if blocked > 0 {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "nobody is");
    }
}

fn pool_of_one(server: &DatabaseServer, acquire: Duration) -> Pool<sqlx::MySqlConnection> {
    let limits = Limits {
        open: 1,
        idle: 1,
        idle_time: None,
        lifetime: None,
        acquire,
        statement: None,
        told: false,
    };
    Pool::new(options(server), limits)
}

#[tokio::test]
async fn a_server_that_is_away_at_start_is_used_when_it_comes() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = MariaDb::seasoned(folder.path()).await;
    server.launch();
    let place = configured(DatabaseUrl::MySql(server.create().await));
    server.kill();

    let database = Database::open(&place).await.unwrap();
    assert!(database.ping().await.is_err());
    server.launch();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while database.ping().await.is_err() {
        assert!(tokio::time::Instant::now() < deadline, "not used");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    USER.bind("A").bind(NOW).execute(&database).await.unwrap();
}

#[tokio::test]
async fn requests_fail_while_the_server_is_away_and_succeed_when_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = MariaDb::seasoned(folder.path()).await;
    server.launch();
    let database = configured(DatabaseUrl::MySql(server.create().await));
    let bench = Bench::with(|config| config.database = database).await;
    let phone = bench.register("{}").await;
    assert_eq!(send(&bench, &phone, "before").await, 202);
    assert_eq!(bench.ask("GET", "/health/ready", "").await.status, 200);

    server.kill();
    for _ in 0..2 {
        let user = bench.minted(&phone.login);
        let asked = tokio::time::timeout(PATIENCE / 10, bench.ask("GET", "/api/3rdparty/v1/devices", &user));
        let (status, message) = asked.await.unwrap().refusal();
        assert!(status >= 500, "{status}");
        for internal in ["sql", "socket", "database", "Connection"] {
            assert!(!message.contains(internal), "{message}");
        }
        assert!(send(&bench, &phone, "meanwhile").await >= 500);
        assert_eq!(bench.ask("GET", "/health/ready", "").await.status, 503);
        assert_eq!(bench.ask("GET", "/health/live", "").await.status, 200);
    }

    server.launch();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while bench.ask("GET", "/health/ready", "").await.status != 200 {
        assert!(tokio::time::Instant::now() < deadline, "not used");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // What was accepted is there, although the server was killed.
    let user = bench.minted(&phone.login);
    let path = "/api/3rdparty/v1/messages/before";
    assert_eq!(bench.ask("GET", path, &user).await.status, 200);
    assert_eq!(send(&bench, &phone, "meanwhile").await, 202);
}

async fn send(bench: &Bench, phone: &Phone, id: &str) -> u16 {
    let body = format!(r#"{{"id": "{id}", "message": "hello", "phoneNumbers": ["+79990001234"]}}"#);
    let user = bench.minted(&phone.login);
    let sent = bench.tell("POST", "/api/3rdparty/v1/messages", &user, &body);
    tokio::time::timeout(PATIENCE / 10, sent).await.unwrap().status.as_u16()
}
