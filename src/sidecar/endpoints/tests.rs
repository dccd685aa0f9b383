//! Tests of the token endpoints, against a real embedded denylist and a toy gateway.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::time::UNIX_EPOCH;

use futures_util::future::join_all;
use gateward_auth::{
    Evidence, Grant, Hs256Key, RevokedBy, Secret, Standing, VerifiedToken, Verifier, VerifierRules, decide,
};
use gateward_boot::clock::{Clock, Hands};
use gateward_boot::metrics::Metrics;
use gateward_policy::{Policy, Resolution};
use serde_json::Value;

use super::*;
use crate::gateway::toy::Toy;

mod adoption;

const NOW: UnixSeconds = UnixSeconds(1_800_000_000);
const SECRET: &[u8] = b"a secret of thirty-two bytes ...";
const JSON: Option<&str> = Some("application/json");

fn key() -> Hs256Key {
    Hs256Key::new(&Secret::new(SECRET)).unwrap()
}

fn signer() -> Signer {
    Signer::new(key(), Some("sms-gate.app".to_owned()))
}

fn tokens() -> Tokens {
    Tokens {
        secret: Secret::new(SECRET),
        issuer: Some("sms-gate.app".to_owned()),
        access_ttl: Duration::from_secs(900),
        refresh_ttl: Duration::from_secs(720 * 3600),
        refresh_grace: Duration::from_secs(10),
        max_lifetime: Duration::from_secs(24 * 3600),
        leeway: Duration::ZERO,
        attenuation: Attenuation::Enforce,
    }
}

/// Endpoints with a store in a folder of their own.
struct Bench {
    endpoints: Endpoints,
    traffic: Arc<Traffic>,
    denylist: Denylist,
    policy: Policy,
    verifier: Verifier,
    metrics: Metrics,
    hands: Hands,
    _folder: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Self {
        Self::with(tokens(), &Toy::answering(404).await).await
    }

    async fn with(tokens: Tokens, toy: &Toy) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (clock, hands) = Clock::manual(UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        let denylist = crate::testing::denylist(folder.path(), &clock, tokens.retention()).await;
        let gateway = Arc::new(Toy::gateway(&toy.upstream()).unwrap());
        let traffic = Arc::new(Traffic::default());
        let metrics = Metrics::new();
        let jwt = JwtMetrics::register(&metrics).unwrap();
        let rules = VerifierRules {
            issuer: tokens.issuer.clone(),
            leeway_secs: 0,
            max_lifetime_secs: 24 * 3600,
        };
        Self {
            endpoints: Endpoints::new(&tokens, signer(), denylist.clone(), gateway, Arc::clone(&traffic), jwt),
            traffic,
            denylist,
            policy: gateward_policy::compile("smsgate.yaml", gateward_policy::SMSGATE)
                .unwrap()
                .policy,
            verifier: Verifier::new(key(), rules),
            metrics,
            hands,
            _folder: folder,
        }
    }

    /// What the gate would say.
    fn grant(&self, method: &str, path: &str, evidence: Evidence) -> Grant {
        let Resolution::Route { route, .. } = self.policy.resolve(method, path.as_bytes()) else {
            panic!("{path}")
        };
        decide(route.requirement.as_ref().unwrap(), evidence, route.on_outage).unwrap()
    }

    fn login(&self, user: &str, scopes: Option<&[&str]>) -> Grant {
        let scopes = scopes.map(|names| names.iter().map(|name| Scope::parse(name).unwrap()).collect());
        let evidence = Evidence::Login {
            user: UserId::parse(user).unwrap(),
            scopes,
        };
        self.grant("POST", "/api/3rdparty/v1/auth/token", evidence)
    }

    fn token_at(&self, raw: &str, now: UnixSeconds) -> VerifiedToken {
        self.verifier.verify(raw, now).unwrap()
    }

    fn token(&self, raw: &str) -> VerifiedToken {
        self.token_at(raw, NOW)
    }

    fn standing(&self, raw: &str) -> Standing {
        self.denylist.peek(&self.token(raw), NOW)
    }

    async fn issue(&self, grant: &Grant, body: &str) -> Result<Pair, EndpointRefusal> {
        let epoch = self.endpoints.epoch(grant.user());
        self.endpoints
            .issue(&self.policy, grant, JSON, body.as_bytes(), epoch, NOW)
            .await
            .map(Pair::of)
    }

    async fn issue_any(&self, user: &str) -> Pair {
        self.issue(&self.login(user, None), r#"{"scopes":["all:any"]}"#)
            .await
            .unwrap()
    }

    async fn refresh(&self, raw: &str, now: UnixSeconds) -> Result<Pair, EndpointRefusal> {
        self.refresh_at(&self.endpoints, raw, now).await
    }

    /// Another replica's endpoints: the store in common, and nothing else.
    fn replica(&self, toy: &Toy) -> Endpoints {
        let gateway = Arc::new(Toy::gateway(&toy.upstream()).unwrap());
        let jwt = JwtMetrics::register(&Metrics::new()).unwrap();
        Endpoints::new(&tokens(), signer(), self.denylist.clone(), gateway, Arc::default(), jwt)
    }

    async fn refresh_at(&self, endpoints: &Endpoints, raw: &str, now: UnixSeconds) -> Result<Pair, EndpointRefusal> {
        self.hands.set(UNIX_EPOCH + Duration::from_secs(now.0.unsigned_abs()));
        let evidence = Evidence::Token {
            token: self.token_at(raw, now),
            standing: Standing::Clear,
        };
        let grant = self.grant("POST", "/api/3rdparty/v1/auth/token/refresh", evidence);
        endpoints.refresh(&self.policy, &grant, raw, now).await.map(Pair::of)
    }

    async fn revoke(&self, user: &str, id: &str) -> EndpointAnswer {
        self.endpoints.revoke(&self.login(user, None), id, NOW).await.unwrap()
    }
}

/// The body of a 201.
#[derive(Debug, PartialEq)]
struct Pair {
    body: Value,
}

impl Pair {
    fn of(answer: EndpointAnswer) -> Self {
        assert_eq!(answer.status, 201);
        let body: Value = serde_json::from_slice(&answer.body.unwrap()).unwrap();
        assert_eq!(answer.token.unwrap().as_str(), body["id"]);
        Self { body }
    }

    fn text(&self, key: &str) -> &str {
        self.body[key].as_str().unwrap()
    }

    fn id(&self) -> &str {
        self.text("id")
    }

    fn access(&self) -> &str {
        self.text("access_token")
    }

    fn refresh(&self) -> &str {
        self.text("refresh_token")
    }
}

fn names(scopes: &[Box<str>]) -> Vec<&str> {
    scopes.iter().map(AsRef::as_ref).collect()
}

fn unauthorized(label: &'static str) -> EndpointRefusal {
    EndpointRefusal::Unauthorized(label)
}

// Issue

#[tokio::test]
async fn a_pair_has_the_claims_of_the_reference_and_its_answer_both_styles_of_keys() {
    let bench = Bench::new().await;
    let body = r#"{"scopes":["messages:send","messages:read"]}"#;
    let pair = bench.issue(&bench.login("ABC123", None), body).await.unwrap();
    let access = bench.token(pair.access());
    assert_eq!(access.user().as_str(), "ABC123");
    assert_eq!(access.id().as_str(), pair.id());
    assert_eq!(names(access.scopes()), ["messages:send", "messages:read"]);
    assert_eq!((access.issued_at(), access.expires_at()), (NOW, NOW.plus(900)));
    let refresh = bench.token(pair.refresh());
    assert!(refresh.is_refresh());
    assert_eq!(
        names(refresh.original_scopes().unwrap()),
        ["messages:send", "messages:read"]
    );
    assert_eq!(refresh.expires_at(), NOW.plus(720 * 3600));
    assert_eq!((access.family(), access.epoch()), (refresh.family(), refresh.epoch()));
    assert!(
        access
            .family()
            .is_some_and(|family| pair.id().starts_with(family.as_str()))
    );
    assert_eq!(pair.text("expires_at"), "2027-01-15T08:15:00Z");
    assert_eq!(pair.text("token_type"), "Bearer");
    for (snake, camel) in [
        ("token_type", "tokenType"),
        ("access_token", "accessToken"),
        ("refresh_token", "refreshToken"),
        ("expires_at", "expiresAt"),
    ] {
        assert_eq!(pair.text(snake), pair.text(camel));
    }
}

#[tokio::test]
async fn a_lifetime_is_the_configured_one_or_less() {
    let bench = Bench::new().await;
    let cases = [
        ("0", 900),
        ("null", 900),
        ("60", 60),
        ("899", 899),
        ("900", 900),
        ("901", 900),
        ("9223372036", 900),
    ];
    for (ttl, lifetime) in cases {
        let body = format!(r#"{{"scopes":["all:any"],"ttl":{ttl}}}"#);
        let pair = bench.issue(&bench.login("ABC123", None), &body).await.unwrap();
        assert_eq!(bench.token(pair.access()).expires_at(), NOW.plus(lifetime), "{ttl}");
    }
    for ttl in [
        "9223372037",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
    ] {
        let body = format!(r#"{{"scopes":["all:any"],"ttl":{ttl}}}"#);
        let refused = bench.issue(&bench.login("ABC123", None), &body).await.unwrap_err();
        let text = "failed to generate token pair: invalid params: access ttl must be positive";
        assert_eq!(refused, EndpointRefusal::Invalid(text.to_owned()), "{ttl}");
    }
}

#[tokio::test]
async fn no_token_lives_longer_than_our_own_front_door_accepts() {
    let tokens = Tokens {
        access_ttl: Duration::from_secs(7200),
        max_lifetime: Duration::from_secs(3600),
        ..tokens()
    };
    let bench = Bench::with(tokens, &Toy::answering(404).await).await;
    assert_eq!(
        bench.token(bench.issue_any("ABC123").await.access()).expires_at(),
        NOW.plus(3600)
    );
}

#[tokio::test]
async fn a_body_that_is_refused_says_what_the_reference_says() {
    let bench = Bench::new().await;
    let required = "failed to validate: Key: 'TokenRequest.Scopes' Error:Field validation for 'Scopes' failed on the \
                    'required' tag";
    let cases = [
        ("{}", required),
        (
            r#"{"scopes":"all:any"}"#,
            "failed to parse body: json: cannot unmarshal string into Go struct field TokenRequest.scopes of type []string",
        ),
        (
            r#"{"scopes":["all:any"],"ttl":-1}"#,
            "failed to parse body: json: cannot unmarshal number -1 into Go struct field TokenRequest.ttl of type uint64",
        ),
        ("", "failed to parse body: unexpected end of JSON input"),
    ];
    for (body, message) in cases {
        let refusal = bench.issue(&bench.login("ABC123", None), body).await.unwrap_err();
        assert_eq!(refusal, EndpointRefusal::Invalid(message.to_owned()), "{body}");
    }
    let grant = bench.login("ABC123", None);
    let refusal = bench
        .endpoints
        .issue(&bench.policy, &grant, None, b"{}", 0, NOW)
        .await
        .unwrap_err();
    assert_eq!(
        refusal,
        EndpointRefusal::Invalid("failed to parse body: Unprocessable Entity".to_owned())
    );
}

#[tokio::test]
async fn a_scope_that_nobody_can_have_is_refused_before_anything_else_is_asked() {
    let bench = Bench::new().await;
    let nobody = bench.login("ABC123", Some(&["tokens:manage"]));
    for name in ["tokens:refresh", "messages:sendd", "ALL:ANY", " all:any", "messages:*"] {
        let body = serde_json::json!({ "scopes": ["tokens:manage", name] }).to_string();
        let EndpointRefusal::Invalid(message) = bench.issue(&nobody, &body).await.unwrap_err() else {
            panic!("{name}");
        };
        assert_eq!(
            message,
            "failed to validate: Key: 'TokenRequest.Scopes[1]' Error:Field validation for 'Scopes[1]' failed on the \
             'oneof' tag"
        );
    }
}

#[tokio::test]
async fn too_many_scopes_are_refused_with_one_line() {
    let bench = Bench::new().await;
    let grant = bench.login("ABC123", None);
    for (name, count) in [("all:any", 65), ("all:any", 10_000), ("", 10_000)] {
        let body = serde_json::json!({ "scopes": vec![name; count] }).to_string();
        let EndpointRefusal::Invalid(message) = bench.issue(&grant, &body).await.unwrap_err() else {
            panic!("{count}");
        };
        assert!(message.ends_with("'TokenRequest.Scopes' Error:Field validation for 'Scopes' failed on the 'max' tag"));
    }
    let body = serde_json::json!({ "scopes": vec!["all:any"; 64] }).to_string();
    let pair = bench.issue(&grant, &body).await.unwrap();
    assert_eq!(bench.token(pair.access()).scopes().len(), 64);
}

#[tokio::test]
async fn nobody_hands_out_a_scope_that_he_does_not_hold() {
    let bench = Bench::new().await;
    let own = bench.login("ABC123", Some(&["tokens:manage", "messages:send"]));
    bench.issue(&own, r#"{"scopes":["messages:send"]}"#).await.unwrap();
    for (asked, lacking) in [
        (r#"{"scopes":["all:any"]}"#, "all:any"),
        (r#"{"scopes":["messages:send","messages:read"]}"#, "messages:read"),
    ] {
        let refusal = bench.issue(&own, asked).await.unwrap_err();
        assert_eq!(refusal, EndpointRefusal::ScopeRequired(Scope::parse(lacking).unwrap()));
    }
    let pair = bench
        .issue(&bench.login("ABC123", None), r#"{"scopes":["tokens:manage"]}"#)
        .await
        .unwrap();
    let evidence = Evidence::Token {
        token: bench.token(pair.access()),
        standing: Standing::Clear,
    };
    let token = bench.grant("POST", "/api/3rdparty/v1/auth/token", evidence);
    let refusal = bench.issue(&token, r#"{"scopes":["all:any"]}"#).await.unwrap_err();
    assert_eq!(
        refusal,
        EndpointRefusal::ScopeRequired(Scope::parse("all:any").unwrap())
    );
}

#[tokio::test]
async fn attenuation_can_be_reported_only_or_switched_off() {
    for attenuation in [Attenuation::Report, Attenuation::Off] {
        let bench = Bench::with(
            Tokens {
                attenuation,
                ..tokens()
            },
            &Toy::answering(404).await,
        )
        .await;
        let own = bench.login("ABC123", Some(&["tokens:manage"]));
        bench.issue(&own, r#"{"scopes":["all:any"]}"#).await.unwrap();
        assert!(bench.issue(&own, r#"{"scopes":["tokens:refresh"]}"#).await.is_err());
    }
}

#[tokio::test]
async fn nothing_is_issued_while_the_store_is_away() {
    let bench = Bench::new().await;
    bench.denylist.close().await;
    let refusal = bench
        .issue(&bench.login("ABC123", None), r#"{"scopes":["all:any"]}"#)
        .await
        .unwrap_err();
    assert_eq!(refusal, EndpointRefusal::Unavailable("store_unavailable"));
    let refusal = bench
        .endpoints
        .revoke(&bench.login("ABC123", None), "x", NOW)
        .await
        .unwrap_err();
    assert_eq!(refusal, EndpointRefusal::Unavailable("store_unavailable"));
}

#[tokio::test]
async fn a_grant_from_before_a_revocation_gets_no_session_after_it() {
    let bench = Bench::new().await;
    let pair = bench.issue_any("ABC123").await;
    let evidence = Evidence::Token {
        token: bench.token(pair.access()),
        standing: Standing::Clear,
    };
    let grants = [
        bench.login("ABC123", None),
        bench.grant("POST", "/api/3rdparty/v1/auth/token", evidence),
    ];
    let user = UserId::parse("ABC123").unwrap();
    let before = bench.endpoints.epoch(&user);
    bench.denylist.revoke_user(&user, NOW).await.unwrap();
    let body = br#"{"scopes":["all:any"]}"#;
    for grant in &grants {
        let answer = bench
            .endpoints
            .issue(&bench.policy, grant, JSON, body, before, NOW)
            .await;
        assert_eq!(answer.unwrap_err(), EndpointRefusal::Unavailable("revoked_meanwhile"));
    }
    bench.issue_any("ABC123").await;
}

#[tokio::test]
async fn a_revocation_that_this_process_has_forgotten_stops_nobody() {
    let bench = Bench::new().await;
    let user = UserId::parse("ABC123").unwrap();
    bench.denylist.revoke_user(&user, NOW.minus(3600)).await.unwrap();
    let grant = bench.login("ABC123", None);
    let body = br#"{"scopes":["all:any"]}"#;
    let answer = bench.endpoints.issue(&bench.policy, &grant, JSON, body, 0, NOW).await;
    assert_eq!(answer.unwrap().status, 201);
}

// Refresh

#[tokio::test]
async fn the_next_pair_has_the_original_scopes_and_the_configured_lifetime() {
    let bench = Bench::new().await;
    let first = bench
        .issue(&bench.login("ABC123", None), r#"{"scopes":["messages:list"],"ttl":60}"#)
        .await
        .unwrap();
    let second = bench.refresh(first.refresh(), NOW.plus(5)).await.unwrap();
    let access = bench.token_at(second.access(), NOW.plus(5));
    assert_eq!(names(access.scopes()), ["messages:list"]);
    assert_eq!((access.issued_at(), access.expires_at()), (NOW.plus(5), NOW.plus(905)));
    assert_eq!(access.family(), bench.token(first.access()).family());
    assert_ne!(second.id(), first.id());
    assert_eq!(bench.standing(first.access()), Standing::Clear);
    bench.refresh(second.refresh(), NOW.plus(6)).await.unwrap();
}

#[tokio::test]
async fn a_refresh_token_that_comes_again_at_once_gets_the_same_bytes() {
    let bench = Bench::new().await;
    let first = bench.issue_any("ABC123").await;
    let answers = join_all((0..20).map(|_worker| bench.refresh(first.refresh(), NOW))).await;
    let mut pairs: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    pairs.push(bench.refresh(first.refresh(), NOW.plus(9)).await.unwrap());
    assert!(pairs.iter().all(|pair| *pair == pairs[0]));
}

#[tokio::test]
async fn a_refresh_token_that_comes_again_later_ends_the_session() {
    let bench = Bench::new().await;
    let first = bench.issue_any("ABC123").await;
    let second = bench.refresh(first.refresh(), NOW).await.unwrap();
    let refusal = bench.refresh(first.refresh(), NOW.plus(11)).await.unwrap_err();
    assert_eq!(refusal, unauthorized("refresh_reuse"));
    for raw in [first.access(), second.access(), second.refresh()] {
        assert_eq!(bench.standing(raw), Standing::Revoked(RevokedBy::Family));
    }
    assert!(bench.refresh(second.refresh(), NOW.plus(12)).await.is_err());
}

#[tokio::test]
async fn a_refresh_token_of_a_family_that_the_store_does_not_know_is_refused() {
    let bench = Bench::new().await;
    let other = Bench::new().await;
    let pair = other.issue_any("ABC123").await;
    assert_eq!(
        bench.refresh(pair.refresh(), NOW).await.unwrap_err(),
        unauthorized("refresh_unknown")
    );
}

#[tokio::test]
async fn nothing_is_refreshed_while_the_store_is_away() {
    let bench = Bench::new().await;
    let pair = bench.issue_any("ABC123").await;
    bench.denylist.close().await;
    let refusal = bench.refresh(pair.refresh(), NOW).await.unwrap_err();
    assert_eq!(refusal, EndpointRefusal::Unavailable("store_unavailable"));
}

// Revoke

#[tokio::test]
async fn any_id_of_a_session_ends_all_of_it() {
    for which in 0..4 {
        let bench = Bench::new().await;
        let first = bench.issue_any("ABC123").await;
        let second = bench.refresh(first.refresh(), NOW).await.unwrap();
        let refresh_of = |pair: &Pair| bench.token(pair.refresh()).id().to_string();
        let ids = [
            first.id().to_owned(),
            second.id().to_owned(),
            refresh_of(&first),
            refresh_of(&second),
        ];
        let answer = bench.revoke("ABC123", &ids[which]).await;
        assert_eq!((answer.status, answer.body), (204, None));
        for raw in [first.access(), second.access(), second.refresh()] {
            assert!(matches!(bench.standing(raw), Standing::Revoked(_)), "{which}");
        }
        assert!(bench.refresh(second.refresh(), NOW).await.is_err());
        assert_eq!(bench.revoke("ABC123", &ids[which]).await.status, 204);
    }
}

#[tokio::test]
async fn an_id_of_somebody_else_an_unknown_one_and_nonsense_are_answered_alike() {
    let bench = Bench::new().await;
    let pair = bench.issue_any("ABC123").await;
    let long = "x".repeat(129);
    for id in [pair.id(), "000000000000000000000", "x", "", " ", "a\nb", &long] {
        assert_eq!(bench.revoke("OTHER1", id).await.status, 204, "{id:?}");
    }
    assert_eq!(bench.standing(pair.access()), Standing::Clear);
}

// What leaves

#[tokio::test]
async fn endpoints_count_what_they_do() {
    let bench = Bench::new().await;
    let pair = bench.issue_any("ABC123").await;
    let pair = bench.refresh(pair.refresh(), NOW).await.unwrap();
    bench.revoke("ABC123", pair.id()).await;
    assert!(bench.refresh(pair.refresh(), NOW).await.is_err());
    let text = bench.metrics.text().unwrap();
    for line in [
        "tokens_issued_total{status=\"success\"} 1",
        "tokens_refreshed_total{status=\"success\"} 1",
        "tokens_refreshed_total{status=\"error\"} 1",
        "tokens_revoked_total{status=\"success\"} 1",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
}

#[test]
fn a_refusal_is_the_answer_that_the_reference_gives() {
    let scope = Scope::parse("messages:send").unwrap();
    let cases = [
        (
            EndpointRefusal::Invalid("failed to validate: x".to_owned()),
            400,
            "failed to validate: x",
        ),
        (
            EndpointRefusal::ScopeRequired(scope),
            403,
            "scope required: messages:send",
        ),
        (EndpointRefusal::Unauthorized("refresh_reuse"), 401, "Unauthorized"),
        (
            EndpointRefusal::Unavailable("store_unavailable"),
            503,
            "Service Unavailable",
        ),
    ];
    for (refusal, status, message) in cases {
        let refusal = refusal.on_route(Accepts::BOTH);
        assert_eq!((refusal.status(), refusal.message().as_ref()), (status, message));
    }
}
