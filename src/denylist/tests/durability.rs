//! What the embedded store survives: SIGKILL at any moment, a second opener, a file that is not one.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use gateward_auth::{FamilyId, TokenId};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::support::{
    HOUR, Place, Session, TestClock, foreign_id, is_refused, now, open_loaded, retention, user, verified, within,
};
use crate::{Denylist, OpenError, Options, Rotated, open};

/// Names the file in the environment of a child: this test program, started again.
const FILE: &str = "GATEWARD_DENYLIST_TEST_FILE";
const LONG_GRACE: Duration = Duration::from_secs(HOUR as u64);

fn embedded(path: &Path) -> Options {
    Options::Embedded { path: path.to_owned() }
}

fn child(test: &str, path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "--nocapture",
            "--test-threads=1",
            &format!("tests::durability::{test}"),
        ])
        .env(FILE, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Tells the parent what was acknowledged. One write, so that lines of several tasks do not mix.
fn tell(words: &[&str]) {
    let line = format!("\nack {}\n", words.join(" "));
    let mut output = std::io::stdout().lock();
    output.write_all(line.as_bytes()).unwrap();
    output.flush().unwrap();
}

/// Not a test of its own: the child of [`what_was_acknowledged_survives_kill_9`], which works until it is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_that_is_going_to_be_killed() {
    let Ok(path) = std::env::var(FILE) else { return };
    let list = open_loaded(embedded(Path::new(&path))).await;
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..8 {
        workers.spawn(work(list.clone(), format!("worker{worker}-{}", std::process::id())));
    }
    workers.join_next().await.unwrap().unwrap();
}

async fn work(list: Denylist, name: String) {
    loop {
        let mut session = Session::open(&list, &name).await;
        for _ in 0..3 {
            let spent = session.refresh.clone();
            session = session.refreshed(&list, LONG_GRACE).await;
            let (family, live, epoch) = (
                session.family.as_str(),
                session.refresh.as_str(),
                session.epoch.to_string(),
            );
            tell(&["live", &name, family, &epoch, live, spent.as_str()]);
        }
        let ended = Session::open(&list, &name).await;
        list.revoke_token(&ended.user, &ended.access, now()).await.unwrap();
        tell(&[
            "family",
            &name,
            ended.family.as_str(),
            &ended.epoch.to_string(),
            ended.refresh.as_str(),
        ]);
        let id = foreign_id();
        list.revoke_token(&ended.user, &id, now()).await.unwrap();
        tell(&["token", &name, id.as_str()]);
        let other = format!("{name}-other");
        let epoch = list.revoke_user(&user(&other), now()).await.unwrap();
        tell(&["user", &other, &epoch.to_string()]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("denylist.redb");
    let mut acknowledged = Vec::new();
    // So many lines, and then some that depend on how fast the machine is.
    for lines in [1, 7, 40, 150, 400, 23] {
        let mut worker = child("a_child_that_is_going_to_be_killed", &path);
        let mut output = BufReader::new(worker.stdout.take().unwrap()).lines();
        let mut seen = 0;
        while seen < lines {
            let line = within("the child works", output.next_line()).await.unwrap().unwrap();
            if let Some(fact) = line.strip_prefix("ack ") {
                acknowledged.push(fact.to_owned());
                seen += 1;
            }
        }
        worker.start_kill().unwrap();
        // What it told before it died was acknowledged too; the last line may be cut.
        while let Some(line) = output.next_line().await.unwrap() {
            match line.strip_prefix("ack ") {
                Some(fact) if fact.split(' ').count() >= 3 => acknowledged.push(fact.to_owned()),
                _ => {}
            }
        }
        worker.wait().await.unwrap();
        check(&path, &mut acknowledged).await;
    }
}

/// Everything that was acknowledged is there. Sessions are used up by looking, so each is looked at once.
async fn check(path: &Path, acknowledged: &mut Vec<String>) {
    let list = open_loaded(embedded(path)).await;
    let mut latest = std::collections::HashMap::new();
    for fact in acknowledged.iter() {
        match *fact.split(' ').collect::<Vec<_>>().as_slice() {
            ["live", name, family, epoch, live, spent] => {
                latest.insert(family.to_owned(), session(name, family, epoch, live, spent));
            }
            ["family", name, family, epoch, refresh] => {
                assert!(
                    is_refused(&list, &session(name, family, epoch, refresh, refresh).refresh_token()),
                    "{fact}"
                );
            }
            ["token", name, id] => {
                let token = verified(&user(name), &TokenId::parse(id).unwrap(), None, now());
                assert!(is_refused(&list, &token), "{fact}");
            }
            ["user", name, epoch] => {
                let next: u64 = list.revoke_user(&user(name), now()).await.unwrap();
                assert!(next > epoch.parse().unwrap(), "{fact}");
            }
            // The last line of a killed child may be cut.
            _ => {}
        }
    }
    for (index, session) in latest.values().enumerate() {
        if index % 2 == 0 {
            // Either it is still the live one, or the exchange that came next was not acknowledged any more.
            let answer = list.rotate(session.rotation(LONG_GRACE)).await.unwrap();
            assert!(
                matches!(answer, Rotated::Fresh(_) | Rotated::Replayed(..)),
                "{answer:?}"
            );
        } else {
            // The access field holds the refresh token that was spent.
            let spent = Session {
                refresh: session.access.clone(),
                ..session.clone()
            };
            assert_eq!(
                list.rotate(spent.rotation(Duration::ZERO)).await.unwrap(),
                Rotated::Reused
            );
        }
    }
    acknowledged.retain(|fact| !fact.starts_with("live"));
    list.close().await;
}

fn session(name: &str, family: &str, epoch: &str, live: &str, spent: &str) -> Session {
    Session {
        user: user(name),
        family: FamilyId::parse(family).unwrap(),
        access: TokenId::parse(spent).unwrap(),
        refresh: TokenId::parse(live).unwrap(),
        epoch: epoch.parse().unwrap(),
    }
}

/// Not a test of its own: the child of [`a_second_process_is_told_that_the_file_is_in_use`].
#[tokio::test]
async fn a_child_that_opens_the_file() {
    let Ok(path) = std::env::var(FILE) else { return };
    match open(embedded(Path::new(&path)), TestClock::default().clock(), retention()).await {
        Ok(_) => tell(&["opened"]),
        Err(error) => tell(&[&error.to_string()]),
    }
}

#[tokio::test]
async fn a_second_process_is_told_that_the_file_is_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("denylist.redb");
    let first = open_loaded(embedded(&path)).await;
    let error = open(embedded(&path), TestClock::default().clock(), retention())
        .await
        .err()
        .unwrap();
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    let output = within(
        "the child ends",
        child("a_child_that_opens_the_file", &path).wait_with_output(),
    )
    .await
    .unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("is in use by another process"), "{told}");
    Session::open(&first, "ann").await;
}

#[tokio::test]
async fn the_file_is_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("denylist.redb");
    let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    open_loaded(embedded(&path)).await.close().await;
    assert_eq!(mode(), 0o600);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    open_loaded(embedded(&path)).await.close().await;
    assert_eq!(mode(), 0o600);
}

#[tokio::test]
async fn a_file_that_is_no_list_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("nowhere").join("denylist.redb");
    let garbage = folder.path().join("garbage");
    std::fs::write(&garbage, "this is not a database".repeat(1000)).unwrap();
    let cut: PathBuf = folder.path().join("cut");
    let list = open_loaded(embedded(&cut)).await;
    list.revoke_user(&user("ann"), now()).await.unwrap();
    list.close().await;
    let file = std::fs::OpenOptions::new().write(true).open(&cut).unwrap();
    file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    for path in [missing, garbage, cut, folder.path().to_owned()] {
        let error = open(embedded(&path), TestClock::default().clock(), retention())
            .await
            .err()
            .unwrap();
        assert!(matches!(error, OpenError::File { .. }), "{error}");
    }
    let garbage = std::fs::read(folder.path().join("garbage")).unwrap();
    assert!(garbage.starts_with(b"this is not"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_given_up_takes_effect_all_the_same() {
    let place = Place::embedded();
    let list = place.open().await;
    let session = Session::open(&list, "ann").await;
    {
        let revoking = list.revoke_token(&session.user, &session.access, now());
        let mut revoking = std::pin::pin!(revoking);
        // Sent, and dropped before the answer.
        let waker = std::task::Waker::noop();
        let _ = revoking.as_mut().poll(&mut std::task::Context::from_waker(waker));
    }
    super::support::until("it is refused", || is_refused(&list, &session.access_token())).await;
}
