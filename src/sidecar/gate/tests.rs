#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::time::{Duration, UNIX_EPOCH};

use gateward_auth::{
    AccessClaims, FamilyId, Hs256Key, Scope, Secret, Signer, TokenId, UserId, Verifier, VerifierRules,
};
use gateward_boot::clock::Clock;
use gateward_boot::metrics::Metrics;
use gateward_denylist::{Denylist, Retention};
use gateward_policy::Action;

use super::*;
use crate::authenticate::{LoginSettings, LoginSource};
use crate::gateway::toy::Toy;

const NOW: UnixSeconds = UnixSeconds(1_800_000_000);
const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

struct Bench {
    gate: Gate,
    metrics: Metrics,
    policy: Policy,
    denylist: Denylist,
    _folder: tempfile::TempDir,
}

fn key() -> Hs256Key {
    Hs256Key::new(&Secret::new(SECRET)).unwrap()
}

fn token(scopes: &[&str]) -> String {
    let token = Signer::new(key(), None).access(&AccessClaims {
        user: &UserId::parse("somebody").unwrap(),
        id: &TokenId::parse("abcdefghijklABCDEFGHI").unwrap(),
        family: &FamilyId::parse("abcdefghijkl").unwrap(),
        epoch: 0,
        scopes,
        issued_at: NOW,
        expires_at: NOW.plus(60),
    });
    format!("Bearer {token}")
}

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (clock, _hands) = Clock::manual(UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        let day = Duration::from_secs(86_400);
        let retention = Retention {
            max_lifetime: day,
            refresh_ttl: 30 * day,
            leeway: Duration::ZERO,
        };
        let denylist = crate::testing::denylist(folder.path(), &clock, retention).await;
        let nowhere = crate::testing::config(folder.path(), ([127, 0, 0, 1], 1).into(), "").upstream;
        let logins = LoginSettings {
            source: LoginSource::Gateway(Arc::new(Toy::gateway(&nowhere).unwrap())),
            cache_ttl: Duration::from_secs(60),
            cache_key: [0; 32],
        };
        let rules = VerifierRules {
            issuer: None,
            leeway_secs: 0,
            max_lifetime_secs: 86_400,
        };
        let authenticator = Authenticator::new(Verifier::new(key(), rules), denylist.clone(), logins);
        let metrics = Metrics::new();
        let jwt_metrics = JwtMetrics::register(&metrics).unwrap();
        let compiled = gateward_policy::compile("smsgate", gateward_policy::SMSGATE);
        Self {
            gate: Gate::new(Arc::new(authenticator), jwt_metrics),
            metrics,
            policy: compiled.unwrap_or_else(|problems| panic!("{problems:?}")).policy,
            denylist,
            _folder: folder,
        }
    }

    async fn ask(&self, method: &str, path: &str, authorization: Option<&str>) -> (Result<Pass, Refused>, Notes) {
        let authorization = authorization.map_or(Authorization::Absent, |value| Authorization::One(value.as_bytes()));
        self.ask_with(Head {
            method,
            path: path.as_bytes(),
            authorization,
        })
        .await
    }

    async fn ask_with(&self, head: Head<'_>) -> (Result<Pass, Refused>, Notes) {
        let mut notes = Notes::default();
        let answer = self.gate.admit(&self.policy, &head, NOW, &mut notes).await;
        (answer, notes)
    }

    async fn label(&self, method: &str, path: &str, authorization: Option<&str>) -> &'static str {
        match self.ask(method, path, authorization).await.0 {
            Ok(_) => "passed",
            Err(refused) => refused.refusal.label(),
        }
    }
}

#[tokio::test]
async fn only_a_route_with_its_scope_lets_a_request_pass() {
    let bench = Bench::new().await;
    let send = token(&["messages:send"]);
    let path = "/api/3rdparty/v1/messages";
    let cases = [
        ("POST", path, Some(send.as_str()), "passed"),
        ("POST", path, None, "no_credential"),
        ("POST", path, Some("Digest x"), "no_credential"),
        ("GET", path, Some(&send), "scope_missing"),
        ("PUT", path, Some(&send), "no_route"),
        ("PUT", path, None, "no_credential"),
        ("POST", "/nope", Some(&send), "no_route"),
        (
            "POST",
            "/api/3rdparty/v1/%2e%2e/messages",
            Some(&send),
            "path_dot_segment",
        ),
        ("BREW", path, Some(&send), "method_unknown"),
        ("TRACE", path, Some(&send), "no_route"),
    ];
    for (method, path, authorization, label) in cases {
        assert_eq!(
            bench.label(method, path, authorization).await,
            label,
            "{method} {path} {authorization:?}"
        );
    }
}

#[tokio::test]
async fn a_pass_says_who_may_do_what_where() {
    let bench = Bench::new().await;
    let bearer = token(&["all:any"]);
    let (pass, notes) = bench.ask("GET", "/3rdparty/V1/message/abc/", Some(&bearer)).await;
    let pass = pass.unwrap();
    assert_eq!(pass.terms.id.as_str(), "messages.read");
    assert_eq!(pass.path.as_str(), "/api/3rdparty/v1/message/abc");
    let grant = pass.grant.unwrap();
    assert_eq!(grant.user().as_str(), "SOMEBODY", "the canonical name");
    assert_eq!(grant.scope().map(Scope::as_str), Some("messages:read"));
    assert!(notes.user_api);
    assert_eq!((notes.kind, notes.user.unwrap().as_str()), ("bearer", "SOMEBODY"));
}

#[tokio::test]
async fn two_credentials_are_no_credential() {
    let bench = Bench::new().await;
    for path in ["/api/3rdparty/v1/messages", "/api/mobile/v1/message", "/health"] {
        let head = Head {
            method: "GET",
            path: path.as_bytes(),
            authorization: Authorization::Repeated,
        };
        let refused = bench.ask_with(head).await.0.unwrap_err();
        assert_eq!(refused.refusal.status(), 400, "{path}");
    }
}

#[tokio::test]
async fn a_passed_through_credential_is_not_even_looked_at() {
    let bench = Bench::new().await;
    let (pass, notes) = bench.ask("GET", "/mobile/v1/message", Some("Basic %%%")).await;
    let pass = pass.unwrap();
    assert_eq!((pass.terms.action, pass.grant.is_none()), (Action::Passthrough, true));
    assert_eq!(notes.kind, "unchecked");
}

#[tokio::test]
async fn a_revoked_token_ends_at_the_gate_and_the_log_knows_whose_it_was() {
    let bench = Bench::new().await;
    bench
        .denylist
        .revoke_user(&UserId::parse("SOMEBODY").unwrap(), NOW)
        .await
        .unwrap();
    let bearer = token(&["all:any"]);
    let (refused, notes) = bench.ask("GET", "/api/3rdparty/v1/devices", Some(&bearer)).await;
    let refused = refused.unwrap_err();
    assert_eq!(
        (refused.refusal.status(), refused.refusal.label()),
        (401, "user_revoked")
    );
    let counted = bench.metrics.text().unwrap();
    for line in ["{status=\"success\"} 0", "{status=\"error\"} 1"] {
        assert!(
            counted.contains(&format!("sms_auth_jwt_tokens_validated_total{line}\n")),
            "{counted}"
        );
    }
    assert_eq!(refused.terms.unwrap().id.as_str(), "devices.list");
    assert_eq!(notes.token.unwrap().as_str(), "abcdefghijklABCDEFGHI");
}

#[tokio::test]
async fn a_login_that_nobody_can_check_is_an_outage_and_no_wrong_password() {
    let bench = Bench::new().await;
    // "a:b"
    let (refused, _) = bench.ask("GET", "/api/3rdparty/v1/devices", Some("Basic YTpi")).await;
    assert_eq!(refused.unwrap_err().refusal.status(), 503);
}
