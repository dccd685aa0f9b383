#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::sync::Arc;

use gateward_auth::{Accepts, Evidence, Need, OnOutage, Requirement, Scope, UserId, decide};
use gateward_boot::metrics::Metrics;
use gateward_policy::{Policy, Resolution, UpstreamCredential};
use http::HeaderValue;
use pingora::http::RequestHeader;

use super::accounts::Accounts;
use super::identity::NoAccount;
use super::*;
use crate::config::{CredentialKind, Decisions, UpstreamAccount, UpstreamBasic, UpstreamHeader};
use crate::headers::{Origin, Proto};
use crate::observe::Observer;

const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

fn upstream(kind: CredentialKind) -> Upstream {
    let folder = std::env::temp_dir();
    let mut upstream = crate::testing::config(&folder, ([127, 0, 0, 1], 3100).into(), "").upstream;
    upstream.credential = kind;
    upstream.basic = Some(UpstreamBasic {
        account: Some(UpstreamAccount {
            user: "sms".to_owned(),
            password: gateward_auth::Secret::new("p:w"),
            shared: true,
        }),
        accounts: None,
    });
    upstream.header = Some(UpstreamHeader {
        name: "x-api-key".to_owned(),
        value: gateward_auth::Secret::new("the key"),
    });
    upstream
}

fn policy() -> Policy {
    let compiled = gateward_policy::compile("smsgate", gateward_policy::SMSGATE);
    compiled.unwrap_or_else(|problems| panic!("{problems:?}")).policy
}

fn arrival(policy: Policy) -> Arrival {
    let observer = Observer::new(&Metrics::new(), Decisions::Off).unwrap();
    Arrival {
        request_id: HeaderValue::from_static("r-1"),
        origin: Origin {
            client: [1, 2, 3, 4].into(),
            forwarded_for: HeaderValue::from_static("1.2.3.4"),
            proto: Proto::Https,
            host: Some("sms.example".parse().unwrap()),
        },
        method: http::Method::POST,
        edition: Arc::new(observer.edition(policy.into(), Accounts::default())),
        now: NOW,
        wants_problem: false,
    }
}

fn pass(policy: &Policy, method: &str, path: &str, granted: bool) -> Pass {
    let Resolution::Route { route, path } = policy.resolve(method, path.as_bytes()) else {
        panic!("{path}")
    };
    let scope = Scope::parse("messages:send").unwrap();
    let need = Need::Scope {
        scope,
        exact: false,
        wildcard: None,
    };
    let requirement = Requirement {
        accepts: Accepts::BOTH,
        need,
    };
    let login = Evidence::Login {
        user: UserId::parse("SOMEBODY").unwrap(),
        scopes: None,
    };
    let grant = granted.then(|| decide(&requirement, login, OnOutage::Closed).unwrap());
    Pass {
        terms: route.into(),
        path,
        grant,
        account: None,
    }
}

fn accounts(upstream: &Upstream) -> Accounts {
    Accounts::load(upstream.basic.as_ref(), policy().user_names()).unwrap()
}

/// What stands for whoever has this pass.
fn account_of(forward: &Forward, accounts: &Accounts, pass: &Pass) -> Result<Option<HeaderValue>, NoAccount> {
    let caller = pass.grant.as_ref().map(gateward_auth::Grant::user);
    forward.identity().account(accounts, &pass.terms, caller)
}

fn request() -> RequestHeader {
    let mut request = RequestHeader::build("POST", b"/3rdparty/V1/messages/?a=b&c=%2F", None).unwrap();
    request.append_header("Host", "sms.example").unwrap();
    request.append_header("Authorization", "Bearer the-client's").unwrap();
    request.append_header("X-Api-Key", "the-client's").unwrap();
    request
}

/// What the gateway gets in the place of the client's credential: `Authorization` and the configured header.
fn stamped(kind: CredentialKind, path: (&str, &str), granted: bool) -> (Option<String>, Option<String>) {
    let policy = policy();
    let upstream = upstream(kind);
    let forward = Forward::new(&upstream).unwrap();
    let mut pass = pass(&policy, path.0, path.1, granted);
    pass.account = account_of(&forward, &accounts(&upstream), &pass).unwrap();
    let mut request = request();
    forward
        .stamp(&pass, &arrival(policy), &GatewayLeg::default(), &mut request, NOW)
        .unwrap();
    let text = |name: &str| {
        request
            .headers
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
    };
    (text("authorization"), text("x-api-key"))
}

const SEND: (&str, &str) = ("POST", "/3rdparty/v1/messages");
const DEVICE: (&str, &str) = ("GET", "/mobile/v1/device");
const HEALTH: (&str, &str) = ("GET", "/health");

#[test]
fn no_client_credential_leaves() {
    let (authorization, key) = stamped(CredentialKind::Mint, SEND, true);
    assert!(authorization.unwrap().starts_with("Bearer eyJ"));
    assert_eq!(key, None);
    let (authorization, key) = stamped(CredentialKind::Basic, SEND, true);
    assert_eq!((authorization.as_deref(), key), (Some("Basic c21zOnA6dw=="), None));
    let (authorization, key) = stamped(CredentialKind::Header, SEND, true);
    assert_eq!((authorization, key.as_deref()), (None, Some("the key")));
    for kind in [CredentialKind::Mint, CredentialKind::Basic, CredentialKind::Header] {
        assert_eq!(
            stamped(kind, HEALTH, false),
            (None, None),
            "a public route has no credential"
        );
        let (authorization, key) = stamped(kind, DEVICE, false);
        assert_eq!(
            (authorization.as_deref(), key),
            (Some("Bearer the-client's"), None),
            "passed through"
        );
    }
    let (authorization, _) = stamped(CredentialKind::Passthrough, SEND, true);
    assert_eq!(authorization.as_deref(), Some("Bearer the-client's"));
}

#[test]
fn a_route_without_accounts_asks_nobody_for_one() {
    let policy = policy();
    let mut upstream = upstream(CredentialKind::Mint);
    upstream.basic = None;
    let forward = Forward::new(&upstream).unwrap();
    let accounts = Accounts::default();
    let of = |pass: Pass| account_of(&forward, &accounts, &pass);
    assert_eq!(of(pass(&policy, SEND.0, SEND.1, true)), Ok(None));
    assert_eq!(of(pass(&policy, HEALTH.0, HEALTH.1, false)), Ok(None));
    upstream.credential = CredentialKind::Basic;
    let forward = Forward::new(&upstream).unwrap();
    let of = |pass: Pass| account_of(&forward, &accounts, &pass);
    assert_eq!(of(pass(&policy, SEND.0, SEND.1, true)), Err(NoAccount));
    assert_eq!(of(pass(&policy, HEALTH.0, HEALTH.1, false)), Ok(None));
    assert_eq!(of(pass(&policy, DEVICE.0, DEVICE.1, false)), Ok(None));
}

#[test]
fn a_pass_without_an_account_is_not_forwarded_as_somebody_else() {
    let policy = policy();
    let forward = Forward::new(&upstream(CredentialKind::Basic)).unwrap();
    let pass = pass(&policy, SEND.0, SEND.1, true);
    let mut request = request();
    let stamped = forward.stamp(&pass, &arrival(policy), &GatewayLeg::default(), &mut request, NOW);
    assert!(stamped.is_err());
}

#[test]
fn stamping_twice_changes_nothing_else() {
    let policy = policy();
    let mut pass = pass(&policy, SEND.0, SEND.1, true);
    let arrival = arrival(policy);
    let upstream = upstream(CredentialKind::Basic);
    let forward = Forward::new(&upstream).unwrap();
    pass.account = account_of(&forward, &accounts(&upstream), &pass).unwrap();
    let mut leg = GatewayLeg::default();
    assert!(forward.peer(&pass.terms, &mut leg).is_some());
    let mut once = request();
    forward.stamp(&pass, &arrival, &leg, &mut once, NOW).unwrap();
    let mut twice = once.clone();
    forward.stamp(&pass, &arrival, &leg, &mut twice, NOW).unwrap();
    assert_eq!(once.raw_path(), b"/api/3rdparty/v1/messages?a=b&c=%2F");
    assert_eq!(twice.raw_path(), once.raw_path());
    assert_eq!(twice.headers, once.headers);
    let text = |name: &str| once.headers.get(name).unwrap().to_str().unwrap();
    assert_eq!(text("host"), "127.0.0.1:3100");
    assert_eq!(text("x-forwarded-host"), "sms.example");
    assert_eq!(text("x-forwarded-for"), "1.2.3.4");
    assert_eq!(text("x-forwarded-proto"), "https");
    assert_eq!(text("x-request-id"), "r-1");
}

#[test]
fn a_stream_has_no_read_timeout_and_a_write_is_tried_at_every_address() {
    let policy = policy();
    let forward = Forward::new(&upstream(CredentialKind::Mint)).unwrap();
    let mut leg = GatewayLeg::default();
    let events = pass(&policy, "GET", "/mobile/v1/events", false);
    assert_eq!(
        forward.peer(&events.terms, &mut leg).unwrap().options.read_timeout,
        None
    );
    let send = pass(&policy, SEND.0, SEND.1, true);
    assert!(
        forward
            .peer(&send.terms, &mut leg)
            .unwrap()
            .options
            .read_timeout
            .is_some()
    );
    assert_eq!(leg.attempts, 2);
}

fn answer(status: u16, fields: &[(&'static str, &str)]) -> ResponseHeader {
    let mut response = ResponseHeader::build(status, None).unwrap();
    for (name, value) in fields {
        response.append_header(*name, *value).unwrap();
    }
    response
}

#[test]
fn a_changed_password_is_a_204_that_names_its_user() {
    let named = |status| changed_user(&answer(status, &[("X-Gateward-User", "ABC123")]));
    assert_eq!(named(204).as_deref(), Some("ABC123"));
    assert_eq!((named(200), named(401)), (None, None));
    assert_eq!(changed_user(&answer(204, &[])), None);
}

#[test]
fn a_users_name_stays_here() {
    let policy = policy();
    let forward = Forward::new(&upstream(CredentialKind::Mint)).unwrap();
    let pass = pass(&policy, "PATCH", "/mobile/v1/user/password", false);
    let mut response = answer(204, &[("X-Gateward-User", "ABC123")]);
    let received = forward.receive(&pass, &arrival(policy), &mut response);
    assert_eq!((received, response.headers.get("x-gateward-user")), (Ok(()), None));
}

#[test]
fn a_401_is_ours_only_where_the_credential_was() {
    let policy = policy();
    let arrival = |_: ()| arrival(self::policy());
    let about = |kind, path: (&str, &str), granted, status| {
        let forward = Forward::new(&upstream(kind)).unwrap();
        let pass = pass(&policy, path.0, path.1, granted);
        let mut response = answer(status, &[("WWW-Authenticate", "Basic")]);
        let received = forward.receive(&pass, &arrival(()), &mut response);
        (received, response.headers.contains_key("www-authenticate"))
    };
    let rejected = Err(GatewayTrouble::RejectedCredential);
    for kind in [CredentialKind::Mint, CredentialKind::Basic, CredentialKind::Header] {
        assert_eq!(about(kind, SEND, true, 401), (rejected, false));
        assert_eq!(about(kind, SEND, true, 403), (Ok(()), false));
        assert_eq!(about(kind, DEVICE, false, 401), (Ok(()), true));
    }
    assert_eq!(about(CredentialKind::Passthrough, SEND, true, 401), (Ok(()), true));
}

#[test]
fn what_only_one_hop_means_is_not_passed_on() {
    let policy = policy();
    let forward = Forward::new(&upstream(CredentialKind::Mint)).unwrap();
    let (pass, arrival) = (pass(&policy, SEND.0, SEND.1, true), arrival(self::policy()));
    let mut old = answer(200, &[("Content-Length", "2")]);
    old.set_version(Version::HTTP_10);
    assert_eq!(forward.receive(&pass, &arrival, &mut old), Ok(()));
    assert_eq!((old.version, old.headers.len()), (Version::HTTP_11, 2));
    let mut empty = answer(204, &[("Content-Length", "5"), ("Transfer-Encoding", "chunked")]);
    assert_eq!(forward.receive(&pass, &arrival, &mut empty), Ok(()));
    assert!(empty.headers.keys().eq(["x-request-id"]), "{:?}", empty.headers);
    let mut switched = answer(101, &[("Upgrade", "foo"), ("Connection", "upgrade")]);
    let broken = Err(GatewayTrouble::Broken);
    assert_eq!(forward.receive(&pass, &arrival, &mut switched), broken);
}

#[test]
fn a_credential_that_is_not_configured_is_found_before_the_first_request() {
    let mut upstream = upstream(CredentialKind::Mint);
    upstream.mint = None;
    let forward = Forward::new(&upstream).unwrap();
    assert_eq!(
        forward.identity().missing_for(policy().routes()),
        Some(UpstreamCredential::Mint.label())
    );
}

#[test]
fn a_public_route_needs_no_credential_for_the_gateway() {
    let mut upstream = upstream(CredentialKind::Mint);
    upstream.mint = None;
    let forward = Forward::new(&upstream).unwrap();
    let text = "
policy: a
router: strict
credential: basic
scopes: { a:b: A }
routes:
  - { id: a, match: [ GET /a ], with: [ jwt ], scope: a:b, action: forward }
  - { id: health, match: [ GET /health ], with: none, action: forward }
";
    let policy = gateward_policy::compile("a", text).unwrap().policy;
    assert_eq!(forward.identity().missing_for(policy.routes()), None);
}
