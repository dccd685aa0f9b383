//! Tests of the decision: a table of edges, then properties.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::claims::Facts;
use crate::evidence::RevokedBy;
use crate::ids::{TokenId, UnixSeconds};
use crate::requirement::Accepts;
use crate::scope::ALL_ANY;

const SEND: &str = "messages:send";
const MODES: [OnOutage; 4] = [
    OnOutage::Closed,
    OnOutage::Stale(Duration::ZERO),
    OnOutage::Stale(Duration::MAX),
    OnOutage::Open,
];

fn scope(name: &str) -> Scope {
    Scope::parse(name).unwrap()
}

fn needs(name: &str, exact: bool) -> Requirement {
    let need = Need::Scope {
        scope: scope(name),
        exact,
        wildcard: Some(scope(ALL_ANY)),
    };
    Requirement {
        accepts: Accepts::BOTH,
        need,
    }
}

const fn needs_nothing() -> Requirement {
    Requirement {
        accepts: Accepts::BOTH,
        need: Need::Nothing,
    }
}

fn token(scopes: &[&str], standing: Standing) -> Evidence {
    let facts = Facts {
        id: TokenId::parse("id").unwrap(),
        family: None,
        epoch: None,
        scopes: scopes.iter().map(|&scope| Box::from(scope)).collect(),
        original_scopes: None,
        issued_at: UnixSeconds(0),
        expires_at: UnixSeconds(900),
        not_before: None,
    };
    let token = VerifiedToken {
        user: UserId::parse("ABC123").unwrap(),
        facts: Arc::new(facts),
    };
    Evidence::Token { token, standing }
}

fn clear(scopes: &[&str]) -> Evidence {
    token(scopes, Standing::Clear)
}

fn login(scopes: Option<&[&str]>) -> Evidence {
    let scopes = scopes.map(|scopes| scopes.iter().map(|name| scope(name)).collect());
    Evidence::Login {
        user: UserId::parse("ABC123").unwrap(),
        scopes,
    }
}

fn verdict(requirement: &Requirement, evidence: Evidence) -> Option<Denial> {
    decide(requirement, evidence, OnOutage::Closed).err()
}

fn missing(name: &str) -> Option<Denial> {
    Some(Denial::ScopeMissing { scope: scope(name) })
}

#[test]
fn nobody_is_refused() {
    assert_eq!(verdict(&needs_nothing(), Evidence::Absent), Some(Denial::NoCredential));
    assert_eq!(
        verdict(&needs(SEND, false), Evidence::Absent),
        Some(Denial::NoCredential)
    );
}

#[test]
fn the_scope_decides() {
    assert_eq!(verdict(&needs(SEND, false), clear(&["x", SEND])), None);
    assert_eq!(verdict(&needs(SEND, false), clear(&["messages:read"])), missing(SEND));
    assert_eq!(verdict(&needs(SEND, false), clear(&[])), missing(SEND));
    assert_eq!(verdict(&needs_nothing(), clear(&[])), None);
}

#[test]
fn the_wildcard_counts_unless_the_need_is_exact() {
    assert_eq!(verdict(&needs(SEND, false), clear(&[ALL_ANY])), None);
    assert_eq!(verdict(&needs(SEND, true), clear(&[ALL_ANY])), missing(SEND));
    assert_eq!(verdict(&needs(SEND, true), clear(&[ALL_ANY, SEND])), None);
}

#[test]
fn a_login_holds_everything_but_what_is_exact() {
    assert_eq!(verdict(&needs(SEND, false), login(None)), None);
    assert_eq!(verdict(&needs(SEND, true), login(None)), missing(SEND));
    assert_eq!(verdict(&needs_nothing(), login(None)), None);
}

#[test]
fn a_login_can_be_held_to_less() {
    assert_eq!(
        verdict(&needs(SEND, false), login(Some(&["messages:read"]))),
        missing(SEND)
    );
    assert_eq!(verdict(&needs(SEND, false), login(Some(&[SEND]))), None);
    assert_eq!(verdict(&needs(SEND, false), login(Some(&[ALL_ANY]))), None);
    assert_eq!(verdict(&needs(SEND, false), login(Some(&[]))), missing(SEND));
}

// SECURITY 30
#[test]
fn a_kind_that_the_route_does_not_accept_is_refused_whatever_it_holds() {
    let mut requirement = needs(SEND, false);
    requirement.accepts = Accepts {
        basic: false,
        jwt: true,
    };
    assert_eq!(verdict(&requirement, login(None)), Some(Denial::KindNotAccepted));
    assert_eq!(verdict(&requirement, clear(&[SEND])), None);
    requirement.accepts = Accepts {
        basic: true,
        jwt: false,
    };
    assert_eq!(verdict(&requirement, clear(&[SEND])), Some(Denial::KindNotAccepted));
    assert_eq!(verdict(&requirement, login(None)), None);
}

// SECURITY 18
#[test]
fn a_refresh_token_opens_nothing_else() {
    assert_eq!(verdict(&needs(TOKENS_REFRESH, true), clear(&[TOKENS_REFRESH])), None);
    assert_eq!(verdict(&needs(SEND, false), clear(&[TOKENS_REFRESH])), missing(SEND));
    assert_eq!(
        verdict(&needs_nothing(), clear(&[TOKENS_REFRESH])),
        Some(Denial::TokenInvalid(TokenError::RefreshOnly))
    );
}

// SECURITY 19
#[test]
fn nothing_but_a_refresh_token_refreshes() {
    for exact in [true, false] {
        let refresh = needs(TOKENS_REFRESH, exact);
        for evidence in [
            login(None),
            login(Some(&[TOKENS_REFRESH])),
            clear(&[ALL_ANY]),
            clear(&[SEND]),
            clear(&[TOKENS_REFRESH, SEND]),
            clear(&[TOKENS_REFRESH, ALL_ANY]),
        ] {
            assert_eq!(verdict(&refresh, evidence), missing(TOKENS_REFRESH), "exact: {exact}");
        }
    }
}

#[test]
fn a_revoked_token_is_refused_in_every_mode() {
    for mode in MODES {
        for by in [RevokedBy::Token, RevokedBy::Family, RevokedBy::User] {
            let evidence = token(&[SEND], Standing::Revoked(by));
            assert_eq!(
                decide(&needs(SEND, false), evidence, mode).err(),
                Some(Denial::TokenRevoked(by)),
                "{mode:?}"
            );
        }
    }
}

#[test]
fn revocation_is_looked_at_before_scopes() {
    let revoked = token(&[], Standing::Revoked(RevokedBy::Family));
    assert_eq!(
        verdict(&needs(SEND, false), revoked),
        Some(Denial::TokenRevoked(RevokedBy::Family))
    );
    let unknown = token(
        &[],
        Standing::Unknown {
            age: Some(Duration::ZERO),
        },
    );
    assert_eq!(verdict(&needs(SEND, false), unknown), Some(Denial::RevocationUnknown));
}

#[test]
fn no_mode_trusts_a_list_that_was_never_loaded() {
    for mode in MODES {
        let evidence = token(&[SEND], Standing::Unknown { age: None });
        assert_eq!(
            decide(&needs(SEND, false), evidence, mode).err(),
            Some(Denial::RevocationUnknown),
            "{mode:?}"
        );
    }
}

#[test]
fn each_mode_has_its_own_patience() {
    let minute = Duration::from_secs(60);
    let nano = Duration::from_nanos(1);
    let passes = |age: Duration, mode: OnOutage| {
        let evidence = token(&[SEND], Standing::Unknown { age: Some(age) });
        decide(&needs(SEND, false), evidence, mode).map(|grant| grant.degraded())
    };
    assert_eq!(passes(Duration::ZERO, OnOutage::Closed), Err(Denial::RevocationUnknown));
    assert_eq!(passes(minute, OnOutage::Stale(minute)), Ok(true));
    assert_eq!(
        passes(minute + nano, OnOutage::Stale(minute)),
        Err(Denial::RevocationUnknown)
    );
    assert_eq!(passes(Duration::MAX, OnOutage::Open), Ok(true));
}

#[test]
fn logins_do_not_depend_on_the_list() {
    for mode in MODES {
        let grant = decide(&needs(SEND, false), login(None), mode).unwrap();
        assert!(!grant.degraded());
    }
}

#[test]
fn a_grant_says_for_whom_and_for_what() {
    let grant = decide(&needs(SEND, false), clear(&[SEND]), OnOutage::Closed).unwrap();
    assert_eq!(
        (grant.user().as_str(), grant.kind(), grant.kind().label()),
        ("ABC123", CredentialKind::Jwt, "jwt")
    );
    assert_eq!(grant.scope(), Some(&scope(SEND)));
    assert_eq!(grant.token().unwrap().id().as_str(), "id");
    assert!(!grant.degraded());

    let grant = decide(&needs_nothing(), login(None), OnOutage::Closed).unwrap();
    assert_eq!(
        (grant.user().as_str(), grant.kind(), grant.kind().label()),
        ("ABC123", CredentialKind::Basic, "basic")
    );
    assert!(grant.scope().is_none() && grant.token().is_none());
}

// SECURITY 32
#[test]
fn a_grant_holds_what_its_caller_holds() {
    let manage = needs("tokens:manage", false);
    let holds = |evidence, name: &str| decide(&manage, evidence, OnOutage::Closed).unwrap().holds(&scope(name));
    assert!(holds(clear(&["tokens:manage", SEND]), SEND));
    assert!(!holds(clear(&["tokens:manage"]), SEND));
    assert!(!holds(clear(&["tokens:manage"]), ALL_ANY));
    assert!(holds(clear(&[ALL_ANY]), SEND) && holds(clear(&[ALL_ANY]), ALL_ANY));
    assert!(holds(login(None), SEND) && holds(login(None), ALL_ANY));
    assert!(!holds(login(Some(&["tokens:manage"])), SEND));
}

#[test]
fn labels_differ() {
    let denials = [
        Denial::NoCredential,
        Denial::BadCredential(crate::CredentialError::NoColon),
        Denial::KindNotAccepted,
        Denial::LoginFailed,
        Denial::TokenInvalid(TokenError::Expired),
        Denial::TokenRevoked(RevokedBy::Token),
        Denial::TokenRevoked(RevokedBy::Family),
        Denial::TokenRevoked(RevokedBy::User),
        Denial::ScopeMissing { scope: scope(SEND) },
        Denial::RevocationUnknown,
    ];
    let labels: std::collections::HashSet<&str> = denials.iter().map(Denial::label).collect();
    assert_eq!(labels.len(), denials.len());
    assert_eq!(
        Denial::ScopeMissing { scope: scope(SEND) }.to_string(),
        "scope_missing: messages:send"
    );
    assert_eq!(Denial::LoginFailed.to_string(), "login_failed");
}

/// Few names, so that they meet.
fn any_scopes() -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(
        prop::sample::select(vec![SEND, "a:b", "x", ALL_ANY, "tokens:manage", "ALL:ANY", ""]),
        0..5,
    )
}

fn any_standing() -> impl Strategy<Value = Standing> {
    prop_oneof![
        Just(Standing::Clear),
        Just(Standing::Revoked(RevokedBy::User)),
        Just(Standing::Unknown { age: None }),
        (0_u64..100).prop_map(|age| Standing::Unknown {
            age: Some(Duration::from_secs(age))
        }),
    ]
}

fn any_mode() -> impl Strategy<Value = OnOutage> {
    prop_oneof![
        Just(OnOutage::Closed),
        Just(OnOutage::Open),
        (0_u64..100).prop_map(|limit| OnOutage::Stale(Duration::from_secs(limit))),
    ]
}

fn any_requirement() -> impl Strategy<Value = Requirement> {
    let need = prop_oneof![
        Just(Need::Nothing),
        (
            prop::sample::select(vec![SEND, "a:b", ALL_ANY]),
            any::<bool>(),
            any::<bool>()
        )
            .prop_map(|(name, exact, wild)| Need::Scope {
                scope: scope(name),
                exact,
                wildcard: wild.then(|| scope(ALL_ANY))
            }),
    ];
    (any::<bool>(), any::<bool>(), need).prop_map(|(basic, jwt, need)| Requirement {
        accepts: Accepts { basic, jwt },
        need,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    // `tokens:refresh` is no scope that one adds: it makes a refresh token of the whole, and is left out above.
    #[test]
    fn adding_a_scope_never_turns_allow_into_deny(
        requirement in any_requirement(),
        held in any_scopes(),
        more in any_scopes(),
        standing in any_standing(),
        mode in any_mode(),
    ) {
        let all: Vec<&str> = held.iter().chain(&more).copied().collect();
        let before = decide(&requirement, token(&held, standing), mode);
        let after = decide(&requirement, token(&all, standing), mode);
        prop_assert!(before.is_err() || after.is_ok(), "{:?} became {:?}", before, after);
    }

    #[test]
    fn a_longer_patience_never_turns_allow_into_deny(
        requirement in any_requirement(),
        held in any_scopes(),
        standing in any_standing(),
        limit in 0_u64..100,
        more in 0_u64..100,
    ) {
        let modes = [
            OnOutage::Closed,
            OnOutage::Stale(Duration::from_secs(limit)),
            OnOutage::Stale(Duration::from_secs(limit + more)),
            OnOutage::Open,
        ];
        let allowed = modes.map(|mode| decide(&requirement, token(&held, standing), mode).is_ok());
        prop_assert!(allowed.is_sorted(), "{:?}", allowed);
    }

    #[test]
    fn a_grant_holds_the_scope_that_it_was_given_for(requirement in any_requirement(), held in any_scopes()) {
        if let Ok(grant) = decide(&requirement, clear(&held), OnOutage::Closed) {
            if let Some(needed) = grant.scope() {
                prop_assert!(grant.holds(needed));
            }
            prop_assert!(requirement.accepts.jwt);
        }
    }
}
