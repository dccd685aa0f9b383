//! Who shares a commit, and what becomes of the others when one is refused or goes away.

use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::*;
use crate::db::sqlite::Sqlite;

const USERS: Statement = Statement::same("INSERT INTO users (id, password_hash, created_at, updated_at) VALUES ?");
const OTHERS: Statement = Statement::same("INSERT INTO users (id, created_at, updated_at, password_hash) VALUES ?");
const COUNT: Statement = Statement::same("SELECT count(*) FROM users");

type Answer = JoinHandle<Result<bool, StoreError>>;

async fn opened() -> (Sqlite, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = Sqlite::open(&folder.path().join("core.db"), false).await.unwrap();
    (file, folder)
}

fn row(id: &str) -> Vec<Value<'static>> {
    vec![id.to_owned().into(), "".into(), 1.into(), 1.into()]
}

/// All of them wait until this is dropped.
async fn busy(file: &Sqlite) -> Connection {
    Connection::Sqlite(file.writer.acquire().await.unwrap())
}

/// Those who want to add a user each; all of them wait.
async fn waiting(file: &Sqlite, ids: &[&str]) -> Vec<Answer> {
    let insert = |id: &&str| {
        let (file, row) = (file.clone(), row(id));
        tokio::spawn(async move { file.gathering.insert(USERS, row, &file.writer).await })
    };
    let answers: Vec<Answer> = ids.iter().map(insert).collect();
    while file.gathering.queue().waiting.len() < ids.len() {
        tokio::task::yield_now().await;
    }
    answers
}

async fn users(file: &Sqlite) -> i64 {
    let mut writer = busy(file).await;
    COUNT.query().fetch_value(&mut writer).await.unwrap()
}

#[test]
fn those_of_one_statement_are_taken_together_in_powers_of_two() {
    let gathering = Gathering::default();
    for (statement, number) in [(USERS, 21), (OTHERS, 3), (USERS, 1)] {
        for _ in 0..number {
            let (answer, _) = oneshot::channel();
            let row = Vec::new();
            gathering.join(Waiting { statement, row, answer });
        }
    }
    let taken = std::iter::from_fn(|| Some(gathering.take().len()).filter(|taken| *taken > 0));
    assert_eq!(taken.collect::<Vec<_>>(), [16, 4, 1, 2, 1, 1]);
}

#[tokio::test]
async fn who_is_refused_takes_nobody_along() {
    let (file, _folder) = opened().await;
    let writer = busy(&file).await;
    let answers = waiting(&file, &["a", "b", "A", "c"]).await;
    drop(writer);
    let mut stored = Vec::new();
    for answer in answers {
        stored.push(answer.await.unwrap().unwrap());
    }
    assert_eq!(stored, [true, true, false, true]);
    assert_eq!(users(&file).await, 3);
    // Nothing is left of what was refused, and nobody finds a transaction that he did not begin.
    let mut writer = file.writer.acquire().await.unwrap();
    writer.begin("BEGIN IMMEDIATE").await.unwrap();
}

#[tokio::test]
async fn who_goes_away_stops_nobody() {
    let (file, _folder) = opened().await;
    let writer = busy(&file).await;
    let answers = waiting(&file, &["a", "b", "c", "d"]).await;
    answers.first().unwrap().abort();
    drop(writer);
    for answer in answers.into_iter().skip(1) {
        assert!(answer.await.unwrap().unwrap());
    }
    assert_eq!(users(&file).await, 4);
}

#[tokio::test]
async fn who_writes_later_is_served_again() {
    let (file, _folder) = opened().await;
    for id in ["a", "b", "c"] {
        assert!(file.gathering.insert(USERS, row(id), &file.writer).await.unwrap());
    }
    assert_eq!(users(&file).await, 3);
    assert!(!file.gathering.queue().is_served);
}

#[tokio::test]
async fn nobody_waits_for_a_file_that_is_closed() {
    let (file, _folder) = opened().await;
    file.close().await;
    for id in ["a", "b"] {
        assert!(file.gathering.insert(USERS, row(id), &file.writer).await.is_err());
    }
}

#[tokio::test]
async fn when_the_file_is_not_well_nobody_waits_for_his_turn() {
    let (file, folder) = opened().await;
    let mut writer = busy(&file).await;
    let patience = Statement::same("PRAGMA busy_timeout = 20").query();
    patience.fetch_all(&mut writer).await.unwrap();
    let ids: Vec<String> = (0..40).map(|number| format!("u{number}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let answers = waiting(&file, &ids).await;
    // Another process has it, for longer than a statement waits.
    let other = Sqlite::open(&folder.path().join("core.db"), false).await.unwrap();
    let mut lease = other.writer.acquire().await.unwrap();
    lease.begin("BEGIN IMMEDIATE").await.unwrap();
    drop(writer);
    for answer in answers {
        assert!(answer.await.unwrap().is_err());
        assert_eq!(
            file.gathering.queue().waiting.len(),
            0,
            "of three groups the first has waited"
        );
    }
    drop(lease);
    assert!(file.gathering.insert(USERS, row("late"), &file.writer).await.unwrap());
}

#[tokio::test]
async fn a_writer_that_came_to_a_bad_end_is_replaced() {
    let (file, _folder) = opened().await;
    let writer = busy(&file).await;
    let answers = waiting(&file, &["a", "b"]).await;
    // As if the one who serves them had panicked.
    drop(Serving::new(file.gathering.clone()));
    for answer in answers {
        assert!(answer.await.unwrap().is_err());
    }
    drop(writer);
    assert!(file.gathering.insert(USERS, row("c"), &file.writer).await.unwrap());
}
