#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use tokio::time::timeout;

use super::*;
use crate::config::{AccountsFile, CredentialKind, UpstreamBasic};
use crate::testing::{Sidecar, Toy, request, token};

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

/// A sidecar that names users to the gateway with the accounts of a file, and the path of that file.
async fn with_accounts(toy: &Toy, text: &str, policy: Option<&str>) -> (Sidecar, PathBuf) {
    let sidecar = Sidecar::start_in(toy, "", |config, folder| {
        let path = folder.join("accounts.yaml");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let accounts = AccountsFile {
            path,
            directory: folder.to_owned(),
        };
        config.upstream.credential = CredentialKind::Basic;
        config.upstream.basic = Some(UpstreamBasic {
            account: None,
            accounts: Some(accounts),
        });
        if let Some(policy) = policy {
            let path = folder.join("policy.yaml");
            fs::write(&path, policy).unwrap();
            config.policy = PolicySource::File(path);
        }
    })
    .await;
    let path = sidecar.folder.path().join("accounts.yaml");
    (sidecar, path)
}

/// What the gateway is told when the one who has tokens here asks for the messages.
async fn named(sidecar: &Sidecar, toy: &Toy, path: &str) -> (u16, Option<String>) {
    let before = toy.asked().len();
    let bearer = format!("Authorization: Bearer {}", token(&["all:any", "a:b"]));
    let answer = sidecar.ask(&request(&format!("GET {path}"), &[&bearer])).await;
    let asked = toy.asked();
    let told = asked.get(before).and_then(|asked| asked.one("authorization"));
    (answer.status, told.map(str::to_owned))
}

const MESSAGES: &str = "/3rdparty/v1/messages";

fn accounts_reloaded(status: &serde_json::Value) -> Option<bool> {
    status.pointer("/accounts/last_reload/ok")?.as_bool()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_accounts_file_leaves_the_old_one_in_force() {
    let toy = Toy::good().await;
    let (sidecar, path) = with_accounts(&toy, "accounts: [ { name: somebody, password: one } ]\n", None).await;
    let one = (200, Some("Basic c29tZWJvZHk6b25l".to_owned()));
    assert_eq!(named(&sidecar, &toy, MESSAGES).await, one);
    for bad in [
        "accounts: [",
        "",
        "accounts: [ { name: somebody } ]\n",
        "accounts: [ { name: a, password: hunter2, b } ]\n",
    ] {
        fs::write(&path, bad).unwrap();
        sidecar.commander.reload();
        until(&sidecar, |status| accounts_reloaded(status) == Some(false)).await;
        assert_eq!(named(&sidecar, &toy, MESSAGES).await, one, "{bad}");
        assert!(!admin_status(&sidecar).await.to_string().contains("hunter2"));
    }
    let failed = "gateward_reloads_total{file=\"accounts\",result=\"error\"}";
    let metrics = sidecar.admin("/metrics").await.body;
    assert!(metrics.contains(failed), "{metrics}");
    fs::write(&path, "accounts: [ { name: somebody, user: other, password: two } ]\n").unwrap();
    until(&sidecar, |status| accounts_reloaded(status) == Some(true)).await;
    let two = (200, Some("Basic b3RoZXI6dHdv".to_owned()));
    assert_eq!(named(&sidecar, &toy, MESSAGES).await, two);
    fs::write(&path, "accounts: []\n").unwrap();
    sidecar.commander.reload();
    let served = async || named(&sidecar, &toy, MESSAGES).await;
    let gone = async { while served().await != (403, None) {} };
    timeout(Duration::from_secs(10), gone).await.unwrap();
}

const NAMES: &str = "
policy: first
router: strict
user_names: as_written
scopes: { a:b: A }
routes:
  - { id: a, match: [ GET /a ], with: [ jwt ], scope: a:b, action: forward }
";

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_and_accounts_that_fit_only_each_other_are_both_taken_over() {
    let one = "accounts: [ { name: SOMEBODY, password: one } ]\n";
    let two = "accounts: [ { name: SOMEBODY, password: one }, { name: Somebody, password: two } ]\n";
    let upper = NAMES.replace("as_written", "upper").replace("first", "second");
    // The policy fits only the new accounts.
    let (sidecar, path) = with_accounts(&Toy::good().await, two, Some(NAMES)).await;
    fs::write(sidecar_policy(&sidecar), &upper).unwrap();
    until(&sidecar, |status| reloaded(status) == Some(false)).await;
    fs::write(&path, one).unwrap();
    until(&sidecar, |status| {
        policy_name(status) == "second" && reloaded(status) == Some(true)
    })
    .await;
    // The accounts fit only the new policy.
    let (sidecar, path) = with_accounts(&Toy::good().await, one, Some(&upper)).await;
    fs::write(&path, two).unwrap();
    until(&sidecar, |status| accounts_reloaded(status) == Some(false)).await;
    fs::write(sidecar_policy(&sidecar), NAMES).unwrap();
    until(&sidecar, |status| {
        policy_name(status) == "first" && accounts_reloaded(status) == Some(true)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_follow_the_names_of_a_changed_policy() {
    let toy = Toy::good().await;
    let text = "accounts: [ { name: somebody, password: one } ]\n";
    let (sidecar, path) = with_accounts(&toy, text, Some(NAMES)).await;
    assert_eq!(
        named(&sidecar, &toy, "/a").await,
        (403, None),
        "SOMEBODY is another name"
    );
    let upper = NAMES.replace("as_written", "upper");
    fs::write(sidecar_policy(&sidecar), upper.replace("first", "second")).unwrap();
    until(&sidecar, |status| policy_name(status) == "second").await;
    let one = (200, Some("Basic c29tZWJvZHk6b25l".to_owned()));
    assert_eq!(named(&sidecar, &toy, "/a").await, one);
    // Two names that the next policy takes for one user's: it is not taken over.
    fs::write(sidecar_policy(&sidecar), NAMES.replace("first", "third")).unwrap();
    until(&sidecar, |status| policy_name(status) == "third").await;
    let two = "accounts: [ { name: somebody, password: one }, { name: SOMEBODY, password: two } ]\n";
    fs::write(&path, two).unwrap();
    until(&sidecar, |status| accounts_reloaded(status) == Some(true)).await;
    fs::write(sidecar_policy(&sidecar), upper.replace("first", "fourth")).unwrap();
    until(&sidecar, |status| reloaded(status) == Some(false)).await;
    let status = admin_status(&sidecar).await;
    assert!(
        status
            .to_string()
            .contains("are one user under the policy's user_names"),
        "{status}"
    );
    assert_eq!(policy_name(&status), "third");
}
