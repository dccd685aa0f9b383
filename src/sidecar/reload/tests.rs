#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use tokio::time::timeout;

use super::*;
use crate::testing::{Sidecar, Toy, request};

const OPEN: &str = "
policy: first
router: strict
routes:
  - { id: a, match: [ GET /a ], action: passthrough }
";

fn sidecar_policy(sidecar: &Sidecar) -> PathBuf {
    sidecar.folder.path().join("policy.yaml")
}

async fn start(text: &str) -> Sidecar {
    Sidecar::start_in(&Toy::good().await, "", |config, folder| {
        let path = folder.join("policy.yaml");
        fs::write(&path, text).unwrap();
        config.policy = PolicySource::File(path);
    })
    .await
}

async fn status_of(sidecar: &Sidecar, path: &str) -> u16 {
    sidecar.ask(&request(&format!("GET {path}"), &[])).await.status
}

async fn admin_status(sidecar: &Sidecar) -> serde_json::Value {
    serde_json::from_str(&sidecar.admin("/status").await.body).unwrap()
}

/// Waits until the status says so.
async fn until(sidecar: &Sidecar, wanted: impl Fn(&serde_json::Value) -> bool) {
    let wait = async {
        while !wanted(&admin_status(sidecar).await) {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), wait)
        .await
        .unwrap_or_else(|_| panic!("it did not happen"));
}

fn policy_name(status: &serde_json::Value) -> &str {
    status.pointer("/policy/name").unwrap().as_str().unwrap()
}

fn reloaded(status: &serde_json::Value) -> Option<bool> {
    status.pointer("/policy/last_reload/ok")?.as_bool()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_is_taken_over_and_so_is_one_that_was_moved_into_place() {
    let sidecar = start(OPEN).await;
    assert_eq!(
        (status_of(&sidecar, "/a").await, status_of(&sidecar, "/b").await),
        (200, 404)
    );
    fs::write(
        sidecar_policy(&sidecar),
        OPEN.replace("first", "second").replace("/a", "/b"),
    )
    .unwrap();
    until(&sidecar, |status| policy_name(status) == "second").await;
    assert_eq!(
        (status_of(&sidecar, "/a").await, status_of(&sidecar, "/b").await),
        (404, 200)
    );
    let beside = sidecar.folder.path().join("policy.yaml.new");
    fs::write(&beside, OPEN.replace("first", "third")).unwrap();
    fs::rename(&beside, sidecar_policy(&sidecar)).unwrap();
    until(&sidecar, |status| policy_name(status) == "third").await;
    assert_eq!(status_of(&sidecar, "/a").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_candidate_changes_nothing() {
    let sidecar = start(OPEN).await;
    let untested = OPEN.replace("first", "second") + "tests: [ { request: GET /a, as: none, expect: 401 } ]\n";
    for bad in ["routes: [", "", &OPEN.replace("passthrough", "nonsense"), &untested] {
        fs::write(sidecar_policy(&sidecar), bad).unwrap();
        sidecar.commander.reload();
        until(&sidecar, |status| reloaded(status) == Some(false)).await;
        assert_eq!(policy_name(&admin_status(&sidecar).await), "first");
        assert_eq!(status_of(&sidecar, "/a").await, 200);
    }
    let metrics = sidecar.admin("/metrics").await.body;
    assert!(
        metrics.contains("gateward_reloads_total{file=\"policy\",result=\"error\"}"),
        "{metrics}"
    );
    fs::remove_file(sidecar_policy(&sidecar)).unwrap();
    sidecar.commander.reload();
    until(&sidecar, |status| status.to_string().contains("cannot be read")).await;
    assert_eq!(
        status_of(&sidecar, "/a").await,
        200,
        "a file that is gone changes nothing"
    );
    fs::write(sidecar_policy(&sidecar), OPEN.replace("first", "second")).unwrap();
    until(&sidecar, |status| {
        policy_name(status) == "second" && reloaded(status) == Some(true)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_lost_while_policies_change() {
    let sidecar = start(OPEN).await;
    let mut line = sidecar.connect().await;
    for round in 0..20 {
        fs::write(sidecar_policy(&sidecar), OPEN.replace("first", &format!("p{round}"))).unwrap();
        sidecar.commander.reload();
        for _ in 0..10 {
            line.say(&request("GET /a", &[])).await;
            assert_eq!(line.hear().await.status, 200);
        }
    }
}

#[test]
fn a_file_that_is_still_being_written_is_left_alone_until_it_rests() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.yaml");
    fs::write(&path, "a").unwrap();
    let mut watched = Watched::new(Some(path.clone()));
    assert!(!watched.has_changed());
    fs::write(&path, "ab").unwrap();
    assert!(!watched.has_changed(), "just seen");
    fs::write(&path, "abc").unwrap();
    assert!(!watched.has_changed(), "it changed again");
    assert!(watched.has_changed());
    assert!(!watched.has_changed(), "taken once");
    fs::remove_file(&path).unwrap();
    assert!(!watched.has_changed());
    assert!(watched.has_changed(), "gone is a change too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_refused_for_its_mode_is_taken_once_that_is_mended() {
    let user = |name: &str| {
        let hash = bcrypt::hash("password", 4).unwrap();
        format!("users:\n  - {{ name: {name}, hash: '{hash}' }}\n")
    };
    let sidecar = Sidecar::start_in(&Toy::good().await, "", |config, folder| {
        let path = folder.join("users.yaml");
        fs::write(&path, user("alice")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        config.users.source = UserSource::File(path);
    })
    .await;
    let path = sidecar.folder.path().join("users.yaml");
    let ok = |status: &serde_json::Value| status.pointer("/users/last_reload/ok")?.as_bool();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&path, user("robert")).unwrap();
    until(&sidecar, |status| ok(status) == Some(false)).await;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    until(&sidecar, |status| ok(status) == Some(true)).await;
}
