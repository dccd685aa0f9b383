//! An account of the gateway for each user, in front of a gateway that knows passwords only.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::bench::{Bench, MESSAGES, TOKEN, TOKEN_SECRET, text};
use crate::credentials::awaits;
use crate::support::http::Request;
use crate::support::jwt;
use crate::support::process::write_private;
use crate::support::upstream::{Answer, Upstream};

const ACCOUNTS: &str = "
accounts:
  - { name: ann, password: 'at:the gateway' }
  - { name: BOB, user: gateway-bob, password_file: bob.txt }
";

/// A sidecar with these accounts, in front of a gateway that likes everything.
fn bench() -> Bench {
    Bench::with(Upstream::answering(|_| Answer::json(200, "{}")), |settings| {
        settings
            .file("accounts.yaml", ACCOUNTS)
            .file("bob.txt", "two\n")
            .with("GATEWARD__UPSTREAM__CREDENTIAL", "basic")
            .with("GATEWARD__UPSTREAM__BASIC__ACCOUNTS_FILE", "accounts.yaml")
    })
}

/// `Authorization` with this name and password.
fn account(pair: &str) -> String {
    format!("Basic {}", STANDARD.encode(pair))
}

/// Sends a request; what the gateway was told about who asks.
async fn named(bench: &Bench, request: &Request) -> String {
    let before = bench.upstream.count();
    let answer = bench.send(request).await;
    assert_eq!(answer.status, 200, "{request:?}: {}", answer.text());
    let received = bench.upstream.received();
    let forwarded = received.iter().skip(before).find(|sent| sent.line.contains(MESSAGES));
    let forwarded = forwarded.expect("it was forwarded");
    forwarded.header("authorization").expect("a credential").to_owned()
}

fn list() -> Request {
    Request::get(MESSAGES)
}

#[tokio::test]
async fn each_user_arrives_under_an_account_of_their_own_whatever_they_show() {
    let bench = bench();
    let ann = account("ann:at:the gateway");
    let bob = account("gateway-bob:two");
    for (user, account) in [("ANN", &ann), ("bob", &bob)] {
        let login = list().basic(user, "password-at-the-door");
        assert_eq!(&named(&bench, &login).await, account, "a password");
        let issue = Request::post(TOKEN)
            .basic(user, "password-at-the-door")
            .json(&json!({ "scopes": ["messages:list"] }));
        let issued = bench.send(&issue).await;
        assert_eq!(issued.status, 201, "{}", issued.text());
        let access = text(&issued.json(), "access_token");
        assert_eq!(
            &named(&bench, &list().bearer(&access)).await,
            account,
            "a token of ours"
        );
        let theirs = jwt::token(TOKEN_SECRET, &jwt::claims(user, &["messages:list"]));
        assert_eq!(
            &named(&bench, &list().bearer(&theirs)).await,
            account,
            "a token of the gateway's"
        );
        let mut claims = jwt::claims(user, &["tokens:refresh"]);
        claims["original_scopes"] = json!(["messages:list"]);
        claims["jti"] = json!(format!("{user}-refresh-token-00001"));
        let refresh = Request::post(&format!("{TOKEN}/refresh")).bearer(&jwt::token(TOKEN_SECRET, &claims));
        let adopted = bench.send(&refresh).await;
        assert_eq!(adopted.status, 201, "{}", adopted.text());
        let access = text(&adopted.json(), "access_token");
        assert_eq!(
            &named(&bench, &list().bearer(&access)).await,
            account,
            "an adopted session"
        );
    }
}

#[tokio::test]
async fn a_user_without_an_account_is_not_served() {
    let bench = bench();
    let token = jwt::token(TOKEN_SECRET, &jwt::claims("EVE", &["all:any"]));
    for request in [
        list().basic("EVE", "good-at-the-gateway"),
        list().bearer(&token),
        Request::post(TOKEN)
            .basic("EVE", "good-at-the-gateway")
            .json(&json!({ "scopes": ["messages:list"] })),
    ] {
        let answer = bench.send(&request).await;
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (403, r#"{"message":"Forbidden"}"#)
        );
    }
    let forwarded = bench.upstream.received();
    assert!(
        forwarded.iter().all(|sent| sent.line.contains("/settings ")),
        "{forwarded:?}"
    );
    bench.refused(&list(), 401).await;
}

#[tokio::test]
async fn a_changed_accounts_file_counts_without_being_told_and_a_broken_one_not_at_all() {
    let bench = bench();
    let path = bench.gateward.folder().join("accounts.yaml");
    let ann = list().basic("ann", "password-at-the-door");
    let told = async || named(&bench, &ann).await;
    let seen = async |part: &str| {
        let status = Request::get("/status").send(bench.gateward.admin).await.json();
        status["accounts"]["last_reload"].to_string().contains(part)
    };
    assert_eq!(told().await, account("ann:at:the gateway"));
    write_private(&path, "accounts: [ { name: ann, user: other, password: new } ]\n");
    let new = account("other:new");
    awaits("the new account is used", async || told().await == new).await;
    let bob = list().basic("bob", "password-at-the-door");
    assert_eq!(bench.send(&bob).await.status, 403, "the new file replaces the old one");
    write_private(&path, "accounts: [ { name: ann, password: newer, } , hunter2 ]\n");
    awaits("the broken file is told of", async || seen("accounts[1]").await).await;
    assert_eq!(told().await, new);
    let said = bench.gateward.process.lines().concat();
    assert!(!said.contains("hunter2") && !said.contains(&new), "{said}");
    write_private(&path, ACCOUNTS);
    awaits("the good file is taken", async || seen("\"ok\":true").await).await;
    assert_eq!(told().await, account("ann:at:the gateway"));
    // A password in a file of its own is read with the accounts.
    assert_eq!(named(&bench, &bob).await, account("gateway-bob:two"));
    write_private(&bench.gateward.folder().join("bob.txt"), "three\n");
    bench.gateward.process.signal("HUP");
    let three = account("gateway-bob:three");
    awaits("the new password is used", async || named(&bench, &bob).await == three).await;
}
