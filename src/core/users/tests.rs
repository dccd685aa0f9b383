//! Users over the router: logins, passwords and what a change of them ends.

#![expect(clippy::unwrap_used, reason = "tests")]

use gateward_auth::Secret;
use gateward_boot::clock::Clock;
use serde_json::json;

use super::{UserId, Users};
use crate::Timestamp;
use crate::config::Backend;
use crate::db::Statement;
use crate::db::testing::{Kind, on_both_databases};
use crate::devices::{DeviceId, NewDevice, Owner};
use crate::shared::Caches;
use crate::shared::redis_server::RedisServer;
use crate::testing::{Bench, Phone, basic, bearer};

const PASSWORD: &str = "/api/mobile/v1/user/password";
const SETTINGS: &str = "/api/3rdparty/v1/settings";

async fn change(bench: &Bench, phone: &Phone, current: &str, new: &str) -> crate::testing::Answer {
    let body = json!({"currentPassword": current, "newPassword": new}).to_string();
    bench.tell("PATCH", PASSWORD, &bearer(&phone.token), &body).await
}

async fn logs_in(bench: &Bench, login: &str, password: &str) -> bool {
    bench.ask("GET", SETTINGS, &basic(login, password)).await.status == 200
}

async fn a_change_ends_the_old_password_and_names_the_user(kind: Kind) {
    let (bench, phone, _place) = Bench::with_phone(kind).await;
    assert!(logs_in(&bench, &phone.login, &phone.password).await);
    assert!(logs_in(&bench, &phone.login.to_ascii_lowercase(), &phone.password).await);

    let answer = change(&bench, &phone, &phone.password, "a-new-password-1").await;
    assert!(answer.is_empty_204());
    assert_eq!(answer.header("x-gateward-user"), Some(phone.login.as_str()));
    assert!(!logs_in(&bench, &phone.login, &phone.password).await);
    assert!(!logs_in(&bench, &phone.login.to_ascii_lowercase(), &phone.password).await);
    assert!(logs_in(&bench, &phone.login, "a-new-password-1").await);
    assert!(
        bench
            .ask("GET", "/api/mobile/v1/device", &bearer(&phone.token))
            .await
            .body
            .contains(&phone.id)
    );

    let back = change(&bench, &phone, "a-new-password-1", &phone.password).await;
    assert!(back.is_empty_204());
    assert!(logs_in(&bench, &phone.login, &phone.password).await);
}

async fn a_wrong_password_changes_nothing(kind: Kind) {
    let (bench, phone, _place) = Bench::with_phone(kind).await;
    let refused = (401, "failed to change password".to_owned());
    let answer = change(&bench, &phone, "wrong-password", "a-new-password-1").await;
    assert_eq!(answer.refusal(), refused);
    assert_eq!(answer.header("x-gateward-user"), None);
    let answer = change(&bench, &phone, &phone.password, &"p".repeat(73)).await;
    assert_eq!(answer.refusal(), refused, "bcrypt takes 72 bytes");
    assert!(logs_in(&bench, &phone.login, &phone.password).await);
}

#[tokio::test]
async fn a_refused_change_says_why() {
    let bench = Bench::new().await;
    let phone = bench.register("{}").await;
    let line = |field: &str, rule: &str| {
        let request = "MobileChangePasswordRequest";
        format!("Key: '{request}.{field}' Error:Field validation for '{field}' failed on the '{rule}' tag")
    };
    let of_type = "json: cannot unmarshal number into Go struct field \
                   MobileChangePasswordRequest.newPassword of type string";
    let both = format!(
        "{}\n{}",
        line("CurrentPassword", "required"),
        line("NewPassword", "required")
    );
    for (body, text) in [
        (
            json!({"currentPassword": phone.password, "newPassword": "p".repeat(13)}),
            format!("failed to validate: {}", line("NewPassword", "min")),
        ),
        (
            json!({"currentPassword": "wrong-password", "newPassword": "p".repeat(13)}),
            format!("failed to validate: {}", line("NewPassword", "min")),
        ),
        (
            json!({"newPassword": "a-new-password-1"}),
            format!("failed to validate: {}", line("CurrentPassword", "required")),
        ),
        (json!({}), format!("failed to validate: {both}")),
        (
            json!({"currentPassword": "", "newPassword": null}),
            format!("failed to validate: {both}"),
        ),
        (json!({"newPassword": 1}), format!("failed to parse body: {of_type}")),
    ] {
        let answer = bench
            .tell("PATCH", PASSWORD, &bearer(&phone.token), &body.to_string())
            .await;
        assert_eq!(answer.refusal(), (400, text), "{body}");
    }
    let characters = change(&bench, &phone, &phone.password, &"é".repeat(14)).await;
    assert!(characters.is_empty_204(), "characters count, not bytes");
}

#[tokio::test]
async fn a_device_changes_its_users_password_and_nobody_else_does() {
    let bench = Bench::new().await;
    let phone = bench.register("{}").await;
    let body = json!({"currentPassword": phone.password, "newPassword": "a-new-password-1"}).to_string();
    for authorization in [
        String::new(),
        basic(&phone.login, &phone.password),
        bench.minted(&phone.login),
    ] {
        let answer = bench.tell("PATCH", PASSWORD, &authorization, &body).await;
        assert_eq!(answer.refusal(), (401, "Unauthorized".to_owned()));
    }
}

async fn a_login_is_given_out_once(kind: Kind) {
    let (bench, phone, _place) = Bench::with_phone(kind).await;
    let taken = bench.app.users.draft("abcdefghijklmnopqrstu", [0; 16]).await.unwrap();
    let register = async |id: &str| {
        let device = NewDevice {
            id: DeviceId::stored(id),
            token: id.to_owned(),
            name: None,
            push_token: None,
            sim_cards: Vec::new(),
        };
        let owner = Owner::New(&taken);
        bench.app.devices.register(&device, owner, bench.app.now()).await
    };
    register("first").await.unwrap();
    let again = register("second").await;
    assert_eq!(again.unwrap_err().to_string(), "user already exists: ABCDEF");
    assert!(logs_in(&bench, &phone.login, &phone.password).await);
}

async fn the_reference_s_tokens_end_with_the_password(kind: Kind) {
    let (bench, phone, _place) = Bench::with_phone(kind).await;
    let (database, now) = (&bench.app.database, bench.app.now());
    let issue = Statement::same(
        "INSERT INTO tokens (id, user_id, expires_at, created_at, updated_at) VALUES ('j', ?1, ?2, ?2, ?2)",
    );
    issue.bind(&phone.login).bind(now).execute(database).await.unwrap();
    assert!(
        change(&bench, &phone, &phone.password, "a-new-password-1")
            .await
            .is_empty_204()
    );
    let revoked = Statement::same("SELECT revoked_at FROM tokens").query();
    assert_eq!(
        revoked.fetch_value::<Option<Timestamp>>(database).await.unwrap(),
        Some(now)
    );
}

#[tokio::test]
async fn a_changed_password_ends_the_old_one_in_all_processes() {
    let bench = Bench::new().await;
    let phone = bench.register("{}").await;
    let server = RedisServer::start().await;
    let backend = Backend::Redis(Secret::new(server.url()));
    let process = async || {
        let caches = Caches::open(&backend, Clock::system()).await.unwrap();
        let database = bench.app.database.clone();
        Users::new(database, &bench.app.config.jwt.secret, caches.space("logins"))
    };
    let (first, second) = (process().await, process().await);
    for users in [&first, &second, &first] {
        let user = users.log_in(&phone.login, &phone.password).await.unwrap();
        assert_eq!(user.unwrap().as_str(), phone.login);
        let user = users.log_in(&phone.login, "wrong-password").await.unwrap();
        assert_eq!(user, None);
    }
    let user = UserId::stored(&phone.login);
    let changed = first.change_password(&user, &phone.password, "a-new-password-1", [7; 16], bench.app.now());
    changed.await.unwrap();
    for users in [&first, &second] {
        assert_eq!(users.log_in(&phone.login, &phone.password).await.unwrap(), None);
        assert!(users.log_in(&phone.login, "a-new-password-1").await.unwrap().is_some());
    }
}

#[tokio::test]
async fn without_redis_passwords_are_checked_all_the_same() {
    let mut server = RedisServer::start().await;
    let url = server.url();
    let bench = Bench::with(|config| config.cache = Backend::Redis(Secret::new(url))).await;
    let phone = bench.register("{}").await;
    assert!(logs_in(&bench, &phone.login, &phone.password).await);
    server.kill().await;
    for _ in 0..2 {
        assert!(logs_in(&bench, &phone.login, &phone.password).await);
        assert!(!logs_in(&bench, &phone.login, "wrong-password").await);
    }
}

#[tokio::test]
async fn a_user_is_known_for_a_while_and_nobody_else_is() {
    let bench = Bench::new().await;
    let users = &bench.app.users;
    assert_eq!(users.find("nobody").await.unwrap(), None);
    let phone = bench.register("{}").await;
    let known = users.find(&phone.login).await.unwrap();
    assert_eq!(known, Some(UserId::stored(&phone.login)));

    bench.app.database.close().await;
    assert_eq!(users.find(&phone.login).await.unwrap(), known);
    assert!(users.find("nobody").await.is_err());
}

on_both_databases!(
    a_change_ends_the_old_password_and_names_the_user,
    a_wrong_password_changes_nothing,
    a_login_is_given_out_once,
    the_reference_s_tokens_end_with_the_password,
);
