//! Tests of the signer: the recorded claims of `tokens-issue.yaml`, and that the verifier reads what it writes.

#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;
use crate::scope::Scope;
use crate::secret::Secret;
use crate::token_error::TokenError;
use crate::verify::{Verifier, VerifierRules};

const NOW: UnixSeconds = UnixSeconds(1_767_225_600);

fn key() -> Hs256Key {
    Hs256Key::new(&Secret::new("0123456789abcdef0123456789abcdef")).unwrap()
}

fn signer() -> Signer {
    Signer::new(key(), Some("sms-gate.app".to_owned()))
}

fn verifier() -> Verifier {
    let rules = VerifierRules {
        issuer: Some("sms-gate.app".to_owned()),
        leeway_secs: 0,
        max_lifetime_secs: 86_400,
    };
    Verifier::new(key(), rules)
}

fn user() -> UserId {
    UserId::parse("ABC123").unwrap()
}

fn id() -> TokenId {
    TokenId::parse("w8pxz0a4Fwa4xgzyCvSeC").unwrap()
}

fn family() -> FamilyId {
    FamilyId::parse("w8pxz0a4Fwa4").unwrap()
}

fn access(signer: &Signer, scopes: &[&str]) -> String {
    signer.access(&AccessClaims {
        user: &user(),
        id: &id(),
        family: &family(),
        epoch: 3,
        scopes,
        issued_at: NOW,
        expires_at: NOW.plus(900),
    })
}

fn refresh(original_scopes: &[&str]) -> String {
    signer().refresh(&RefreshClaims {
        user: &user(),
        id: &id(),
        family: &family(),
        epoch: 3,
        original_scopes,
        issued_at: NOW,
        expires_at: NOW.plus(2_592_000),
    })
}

fn minted(scopes: &[Scope]) -> String {
    signer().minted(&MintedClaims {
        user: &user(),
        id: &id(),
        scopes,
        issued_at: NOW,
        expires_at: NOW.plus(60),
    })
}

/// Header and payload as text.
fn texts(token: &str) -> [String; 2] {
    let mut segments = token.split('.').map(|segment| URL_SAFE_NO_PAD.decode(segment).unwrap());
    [(); 2].map(|()| String::from_utf8(segments.next().unwrap()).unwrap())
}

#[test]
fn an_access_token_has_the_claims_of_the_reference_in_its_order() {
    let [header, payload] = texts(&access(&signer(), &["messages:list", "devices:list"]));
    assert_eq!(header, r#"{"alg":"HS256","typ":"JWT"}"#);
    assert_eq!(
        payload,
        concat!(
            r#"{"iss":"sms-gate.app","sub":"ABC123","exp":1767226500,"iat":1767225600,"jti":"w8pxz0a4Fwa4xgzyCvSeC","#,
            r#""user_id":"ABC123","scopes":["messages:list","devices:list"],"gw_fam":"w8pxz0a4Fwa4","gw_epo":3}"#
        )
    );
}

#[test]
fn a_refresh_token_carries_the_scopes_that_it_is_good_for() {
    let [header, payload] = texts(&refresh(&["messages:list"]));
    assert_eq!(header, r#"{"alg":"HS256","typ":"JWT"}"#);
    assert_eq!(
        payload,
        concat!(
            r#"{"iss":"sms-gate.app","sub":"ABC123","exp":1769817600,"iat":1767225600,"jti":"w8pxz0a4Fwa4xgzyCvSeC","#,
            r#""user_id":"ABC123","scopes":["tokens:refresh"],"original_scopes":["messages:list"],"#,
            r#""gw_fam":"w8pxz0a4Fwa4","gw_epo":3}"#
        )
    );
}

#[test]
fn a_minted_token_is_marked() {
    let [_, payload] = texts(&minted(&[Scope::parse("messages:send").unwrap()]));
    assert!(
        payload.ends_with(r#""user_id":"ABC123","scopes":["messages:send"],"gw_mint":true}"#),
        "{payload}"
    );
    let [_, payload] = texts(&minted(&[]));
    assert!(payload.ends_with(r#","scopes":[],"gw_mint":true}"#), "{payload}");
}

#[test]
fn no_issuer_leaves_the_claim_out() {
    for issuer in [None, Some(String::new())] {
        let [_, payload] = texts(&access(&Signer::new(key(), issuer), &["a"]));
        assert!(payload.starts_with(r#"{"sub":"ABC123","#), "{payload}");
    }
}

#[test]
fn the_verifier_reads_what_the_signer_writes() {
    let token = verifier().verify(&access(&signer(), &["a", "b"]), NOW).unwrap();
    assert_eq!(
        (token.user(), token.id(), token.family(), token.epoch()),
        (&user(), &id(), Some(&family()), Some(3))
    );
    assert_eq!(token.scopes(), [Box::from("a"), Box::from("b")]);

    let token = verifier().verify(&refresh(&["a"]), NOW).unwrap();
    assert!(token.is_refresh());
    assert_eq!(token.original_scopes(), Some(&[Box::from("a")][..]));
}

#[test]
fn front_door_and_gateway_do_not_take_each_others_tokens() {
    assert_eq!(verifier().verify(&minted(&[]), NOW).err(), Some(TokenError::Minted));
    assert!(verifier().verify_minted(&minted(&[]), NOW).is_ok());
    for clients in [access(&signer(), &["a"]), refresh(&["a"])] {
        assert_eq!(
            verifier().verify_minted(&clients, NOW).err(),
            Some(TokenError::NotMinted)
        );
    }
}

#[test]
fn a_minted_token_fits_into_the_headers_of_the_reference() {
    // SMSGate reads 4 KiB of headers at most (WIRE §1.4).
    assert!(minted(&[Scope::parse(&"s".repeat(64)).unwrap()]).len() < 500);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_names_and_scopes_come_back_unchanged(
        name in ".{1,128}",
        scopes in prop::collection::vec(any::<String>(), 0..5),
        issuer in any::<String>(),
    ) {
        let Ok(user) = UserId::parse(&name) else { return Ok(()) };
        let signer = Signer::new(key(), Some(issuer.clone()));
        let token = signer.access(&AccessClaims {
            user: &user,
            id: &id(),
            family: &family(),
            epoch: u64::try_from(i64::MAX).unwrap(),
            scopes: &scopes,
            issued_at: NOW,
            expires_at: NOW.plus(900),
        });
        let issuer = Some(issuer).filter(|issuer| !issuer.is_empty());
        let rules = VerifierRules { issuer, leeway_secs: 0, max_lifetime_secs: 900 };
        match Verifier::new(key(), rules).verify(&token, NOW) {
            Ok(token) => {
                prop_assert_eq!(token.user(), &user);
                prop_assert!(token.scopes().iter().map(|scope| &**scope).eq(scopes.iter().map(String::as_str)));
            }
            Err(error) => prop_assert_eq!(error, TokenError::TooLong),
        }
    }
}
