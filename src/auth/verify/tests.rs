//! Tests of the verifier, most of them named after entries of SECURITY §1.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::*;
use crate::secret::Secret;

const NOW: UnixSeconds = UnixSeconds(1_767_225_600);
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
const CAP: i64 = 86_400;

fn key() -> Hs256Key {
    Hs256Key::new(&Secret::new("0123456789abcdef0123456789abcdef")).unwrap()
}

fn rules() -> VerifierRules {
    VerifierRules {
        issuer: Some("sms-gate.app".to_owned()),
        leeway_secs: 0,
        max_lifetime_secs: CAP,
    }
}

fn verifier() -> Verifier {
    Verifier::new(key(), rules())
}

fn encode(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// Any header and any payload under a good signature.
fn signed(header: &str, payload: &str) -> String {
    let message = format!("{}.{}", encode(header), encode(payload));
    let signature = key().sign(&message);
    format!("{message}.{signature}")
}

/// Good claims, with some replaced: a value is JSON text, an empty one leaves the claim out.
fn payload(changes: &[(&str, &str)]) -> String {
    let mut claims = vec![
        ("iss", r#""sms-gate.app""#),
        ("sub", r#""ABC123""#),
        ("exp", "1767226500"),
        ("iat", "1767225600"),
        ("jti", r#""w8pxz0a4Fwa4xgzyCvSeC""#),
        ("user_id", r#""ABC123""#),
        ("scopes", r#"["messages:send","messages:read"]"#),
    ];
    for &(name, value) in changes {
        match claims.iter_mut().find(|(known, _)| *known == name) {
            Some(claim) => claim.1 = value,
            None => claims.push((name, value)),
        }
    }
    let claims = claims.iter().filter(|(_, value)| !value.is_empty());
    let claims: Vec<String> = claims.map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", claims.join(","))
}

fn token(changes: &[(&str, &str)]) -> String {
    signed(HEADER, &payload(changes))
}

fn check(changes: &[(&str, &str)]) -> Result<VerifiedToken, TokenError> {
    verifier().verify(&token(changes), NOW)
}

fn refusal(changes: &[(&str, &str)]) -> Option<TokenError> {
    check(changes).err()
}

#[test]
fn a_good_token_tells_whose_it_is_and_what_it_allows() {
    let token = check(&[("gw_fam", r#""w8pxz0a4Fwa4""#), ("gw_epo", "7")]).unwrap();
    assert_eq!(token.user().as_str(), "ABC123");
    assert_eq!(token.id().as_str(), "w8pxz0a4Fwa4xgzyCvSeC");
    assert_eq!(token.family().unwrap().as_str(), "w8pxz0a4Fwa4");
    assert_eq!(token.epoch(), Some(7));
    assert_eq!(token.scopes(), [Box::from("messages:send"), Box::from("messages:read")]);
    assert_eq!(token.original_scopes(), None);
    assert_eq!(
        (token.issued_at(), token.expires_at()),
        (NOW, UnixSeconds(1_767_226_500))
    );
    assert!(!token.is_refresh());
}

#[test]
fn a_token_that_was_good_is_judged_by_its_times_again() {
    let token = check(&[("nbf", "1767225590")]).unwrap();
    let again = |now| verifier().check_again(&token, UnixSeconds(now)).err();
    assert_eq!(again(1_767_226_499), None);
    assert_eq!(again(1_767_226_500), Some(TokenError::Expired));
    assert_eq!(
        again(1_767_225_599),
        Some(TokenError::IssuedInFuture),
        "a clock set back"
    );
    let token = check(&[("iat", "1767225500"), ("nbf", "1767225590")]).unwrap();
    let again = |now| verifier().check_again(&token, UnixSeconds(now)).err();
    assert_eq!(again(1_767_225_590), None);
    assert_eq!(again(1_767_225_589), Some(TokenError::NotYetValid));
}

#[test]
fn a_token_of_the_gateway_without_our_claims_is_good() {
    let token = check(&[]).unwrap();
    assert_eq!((token.family(), token.epoch()), (None, None));
}

#[test]
fn unknown_claims_are_ignored_and_sub_and_scopes_may_be_absent() {
    let token = check(&[
        ("aud", r#"["x"]"#),
        ("x", r#"{"y":[1,{"z":null}]}"#),
        ("sub", ""),
        ("scopes", ""),
    ])
    .unwrap();
    assert!(token.scopes().is_empty());
}

#[test]
fn escapes_in_names_and_values_are_read() {
    let token = check(&[
        ("user_id", r#""\u0041BC123""#),
        ("scopes", r#"["a\"b","\ud83d\ude00"]"#),
    ])
    .unwrap();
    assert_eq!(token.user().as_str(), "ABC123");
    assert_eq!(token.scopes(), [Box::from("a\"b"), Box::from("\u{1f600}")]);
    assert_eq!(
        refusal(&[(r"\u0065xp", "1")]),
        Some(TokenError::DuplicateClaim),
        "an escaped name is the same name"
    );
}

#[test]
fn a_name_in_capitals_is_the_same_user() {
    let token = check(&[("user_id", r#""abc123""#), ("sub", r#""abc123""#)]).unwrap();
    assert_eq!(token.with_upper_user().user().as_str(), "ABC123");
}

// SECURITY 1, 3
#[test]
fn an_algorithm_other_than_hs256_is_refused() {
    for alg in [
        "none", "None", "nOnE", "", "hs256", "HS256 ", "HS384", "HS512", "RS256", "ES256", "EdDSA", "PS256",
    ] {
        let header = format!(r#"{{"alg":"{alg}","typ":"JWT"}}"#);
        assert_eq!(
            verifier().verify(&signed(&header, &payload(&[])), NOW).err(),
            Some(TokenError::Algorithm),
            "{alg}"
        );
        let unsigned = format!("{}.{}.", encode(&header), encode(&payload(&[])));
        assert_eq!(
            verifier().verify(&unsigned, NOW).err(),
            Some(TokenError::Algorithm),
            "{alg}"
        );
    }
    for header in [
        "{}",
        r#"{"alg":null}"#,
        r#"{"alg":["HS256"]}"#,
        r#"{"alg":1}"#,
        r#"{"ALG":"HS256"}"#,
    ] {
        assert_eq!(
            verifier().verify(&signed(header, &payload(&[])), NOW).err(),
            Some(TokenError::Algorithm),
            "{header}"
        );
    }
    let twice = r#"{"alg":"none","alg":"HS256"}"#;
    assert_eq!(
        verifier().verify(&signed(twice, &payload(&[])), NOW).err(),
        Some(TokenError::Header)
    );
}

// SECURITY 2
#[test]
fn a_token_signed_with_a_public_key_as_the_secret_is_refused() {
    let pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
    let public = Hs256Key::new(&Secret::new(pem)).unwrap();
    let message = format!("{}.{}", encode(HEADER), encode(&payload(&[])));
    let confused = format!("{message}.{}", public.sign(&message));
    assert_eq!(verifier().verify(&confused, NOW).err(), Some(TokenError::Signature));
}

// SECURITY 4
#[test]
fn a_signature_that_is_not_its_own_is_refused() {
    let good = token(&[]);
    let (message, signature) = good.rsplit_once('.').unwrap();
    let foreign = token(&[("jti", r#""another""#)]);
    let foreign = foreign.rsplit_once('.').unwrap().1;
    let standard = STANDARD_NO_PAD.encode(URL_SAFE_NO_PAD.decode(signature).unwrap());
    let padded = format!("{signature}=");
    for wrong in [
        "",
        "AAAA",
        &signature[..42],
        foreign,
        &padded,
        &format!("{signature}A"),
        &" ".repeat(43),
    ] {
        assert_eq!(
            verifier().verify(&format!("{message}.{wrong}"), NOW).err(),
            Some(TokenError::Signature),
            "{wrong}"
        );
    }
    if standard != signature {
        assert!(verifier().verify(&format!("{message}.{standard}"), NOW).is_err());
    }
}

// SECURITY 4
#[test]
fn any_flipped_bit_is_noticed() {
    let good = token(&[]);
    assert!(verifier().verify(&good, NOW).is_ok());
    for at in 0..good.len() {
        for bit in 0..7 {
            let mut bytes = good.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let Ok(spoilt) = String::from_utf8(bytes) else { continue };
            assert!(
                verifier().verify(&spoilt, NOW).is_err(),
                "byte {at}, bit {bit}: {spoilt}"
            );
        }
    }
}

// SECURITY 5
#[test]
fn other_serialisations_are_refused() {
    let good = token(&[]);
    let nested = signed(r#"{"alg":"HS256","typ":"JWT","cty":"JWT"}"#, &good);
    for other in [
        "",
        ".",
        "..",
        "...",
        "a",
        "a.b",
        "a.b.c",
        "w8pxz0a4Fwa4xgzyCvSeC",
        "eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..AAAA.AAAA.AAAA",
        &format!("{good}.x"),
        &format!("{good}."),
        &format!(".{good}"),
        &format!("{good} "),
        &format!("{good}\n"),
        &format!("Bearer {good}"),
        r#"{"payload":"e30","protected":"eyJhbGciOiJIUzI1NiJ9","signature":"AAAA"}"#,
    ] {
        let error = verifier().verify(other, NOW).unwrap_err();
        assert!(
            matches!(error, TokenError::Malformed | TokenError::Signature),
            "{other:?}: {error}"
        );
    }
    assert_eq!(verifier().verify(&nested, NOW).err(), Some(TokenError::Malformed));
}

// SECURITY 5
#[test]
fn extensions_that_change_the_meaning_are_refused() {
    for header in [
        r#"{"alg":"HS256","zip":"DEF"}"#,
        r#"{"alg":"HS256","zip":null}"#,
        r#"{"alg":"HS256","crit":["exp"]}"#,
        r#"{"alg":"HS256","crit":[]}"#,
        r#"{"alg":"HS256","b64":false,"crit":["b64"]}"#,
        r#"{"alg":"HS256","b64":true}"#,
    ] {
        assert_eq!(
            verifier().verify(&signed(header, &payload(&[])), NOW).err(),
            Some(TokenError::Extension),
            "{header}"
        );
    }
}

// SECURITY 6, 7
#[test]
fn members_that_name_keys_are_ignored() {
    let long = format!(r#"{{"alg":"HS256","kid":"{}"}}"#, "k".repeat(2000));
    for header in [
        r#"{"alg":"HS256","jku":"http://127.0.0.1:1/","x5u":"http://127.0.0.1:1/","jwk":{"kty":"oct","k":"AA"},"x5c":["AA"]}"#,
        r#"{"alg":"HS256","kid":"../../dev/null"}"#,
        r#"{"alg":"HS256","kid":"' OR 1=1 --\r\nDEL *"}"#,
        r#"{"alg":"HS256","kid":"\u0000"}"#,
        r#"{"alg":"HS256","kid":{"a":[1]}}"#,
        &long,
    ] {
        assert!(
            verifier().verify(&signed(header, &payload(&[])), NOW).is_ok(),
            "{header}"
        );
        let unsigned = format!("{}.{}.{}", encode(header), encode(&payload(&[])), "A".repeat(43));
        assert_eq!(
            verifier().verify(&unsigned, NOW).err(),
            Some(TokenError::Signature),
            "{header}"
        );
    }
}

#[test]
fn the_type_may_be_absent_or_usual() {
    for header in [
        r#"{"alg":"HS256"}"#,
        r#"{"typ":"JWT","alg":"HS256"}"#,
        " {\n\"alg\" : \"HS256\" , \"typ\":\"jwt\"}",
        r#"{"alg":"HS256","typ":"at+jwt"}"#,
        r#"{"alg":"HS256","typ":"application/at+JWT"}"#,
    ] {
        assert!(
            verifier().verify(&signed(header, &payload(&[])), NOW).is_ok(),
            "{header}"
        );
    }
    for header in [
        r#"{"alg":"HS256","typ":"dpop+jwt"}"#,
        r#"{"alg":"HS256","typ":""}"#,
        r#"{"alg":"HS256","typ":null}"#,
        r#"{"alg":"HS256","typ":["JWT"]}"#,
        r#"{"alg":"HS256","typ":"JWT","typ":"JWT"}"#,
        r#"{"alg":"HS256","kid":"a","kid":"b"}"#,
    ] {
        assert_eq!(
            verifier().verify(&signed(header, &payload(&[])), NOW).err(),
            Some(TokenError::Header),
            "{header}"
        );
    }
}

#[test]
fn a_header_that_is_no_object_is_refused() {
    for header in [
        "",
        "[]",
        "null",
        "\"HS256\"",
        "{",
        r#"{"alg":"HS256"}x"#,
        r#"{"alg":"HS256",}"#,
    ] {
        assert_eq!(
            verifier().verify(&signed(header, &payload(&[])), NOW).err(),
            Some(TokenError::Malformed),
            "{header}"
        );
    }
    let padded = URL_SAFE.encode(r#"{"alg":"HS256" }"#);
    assert!(padded.ends_with('='));
    let message = format!("{padded}.{}", encode(&payload(&[])));
    let padded = format!("{message}.{}", key().sign(&message));
    assert_eq!(verifier().verify(&padded, NOW).err(), Some(TokenError::Malformed));
}

#[test]
fn a_payload_that_is_no_object_is_refused() {
    for payload in [
        "",
        "[]",
        "null",
        "1",
        "{",
        "{}x",
        "{1:2}",
        &format!("{{\"a\":{}", "[".repeat(3000)),
    ] {
        assert_eq!(
            verifier().verify(&signed(HEADER, payload), NOW).err(),
            Some(TokenError::Malformed),
            "{payload}"
        );
    }
    for bytes in [&b"{\"user_id\":\"\xff\"}"[..], b"\xef\xbb\xbf{}"] {
        let message = format!("{}.{}", encode(HEADER), URL_SAFE_NO_PAD.encode(bytes));
        let token = format!("{message}.{}", key().sign(&message));
        assert_eq!(verifier().verify(&token, NOW).err(), Some(TokenError::Malformed));
    }
}

#[test]
fn claims_are_not_read_before_the_signature_is_good() {
    let spoilt = format!("{}.{}.{}", encode(HEADER), "!!!!", "A".repeat(43));
    assert_eq!(verifier().verify(&spoilt, NOW).err(), Some(TokenError::Signature));
    let expired = token(&[("exp", "1")]);
    let (message, _) = expired.rsplit_once('.').unwrap();
    let forged = format!("{message}.{}", "A".repeat(43));
    assert_eq!(verifier().verify(&forged, NOW).err(), Some(TokenError::Signature));
}

// SECURITY 10
#[test]
fn an_expiry_that_is_no_whole_number_is_refused() {
    assert_eq!(refusal(&[("exp", "")]), Some(TokenError::Missing(Claim::ExpiresAt)));
    for wrong in [
        r#""9999999999""#,
        "1767226500.0",
        "1.7672265e9",
        "-1",
        "-0.0",
        "1e308",
        "null",
        "[]",
        "[1767226500]",
        "{}",
        "true",
        "9223372036854775808",
        "18446744073709551616",
    ] {
        assert_eq!(
            refusal(&[("exp", wrong)]),
            Some(TokenError::Invalid(Claim::ExpiresAt)),
            "{wrong}"
        );
    }
    assert_eq!(refusal(&[("exp", "1e400")]), Some(TokenError::Malformed));
    assert_eq!(
        refusal(&[("exp", "9223372036854775807")]),
        Some(TokenError::LifetimeExceedsCap)
    );
    assert_eq!(refusal(&[("exp", "0")]), Some(TokenError::Expired));
}

// SECURITY 11
#[test]
fn other_times_that_are_no_whole_numbers_are_refused() {
    assert_eq!(refusal(&[("iat", "")]), Some(TokenError::Missing(Claim::IssuedAt)));
    for (name, claim) in [
        ("iat", Claim::IssuedAt),
        ("nbf", Claim::NotBefore),
        ("gw_epo", Claim::Epoch),
    ] {
        for wrong in [
            r#""1767225600""#,
            "1767225600.5",
            "-5",
            "1e308",
            "null",
            "[]",
            "{}",
            "false",
        ] {
            assert_eq!(
                refusal(&[(name, wrong)]),
                Some(TokenError::Invalid(claim)),
                "{name} {wrong}"
            );
        }
    }
    assert_eq!(
        refusal(&[("nbf", "9223372036854775807")]),
        Some(TokenError::NotYetValid)
    );
    assert_eq!(
        refusal(&[("iat", "9223372036854775807")]),
        Some(TokenError::IssuedInFuture)
    );
}

// SECURITY 11, 12
#[test]
fn every_time_rule_has_an_exact_edge() {
    let at = |leeway_secs: i64, name: &str, offset: i64| {
        let verifier = Verifier::new(key(), VerifierRules { leeway_secs, ..rules() });
        let value = (NOW.0 + offset).to_string();
        verifier.verify(&token(&[(name, &value)]), NOW).err()
    };
    for leeway in [0, 1, 30] {
        assert_eq!(at(leeway, "exp", -leeway), Some(TokenError::Expired), "leeway {leeway}");
        assert_eq!(at(leeway, "exp", 1 - leeway), None, "leeway {leeway}");
        assert_eq!(at(leeway, "iat", leeway), None, "leeway {leeway}");
        assert_eq!(
            at(leeway, "iat", leeway + 1),
            Some(TokenError::IssuedInFuture),
            "leeway {leeway}"
        );
        assert_eq!(at(leeway, "nbf", leeway), None, "leeway {leeway}");
        assert_eq!(
            at(leeway, "nbf", leeway + 1),
            Some(TokenError::NotYetValid),
            "leeway {leeway}"
        );
        assert_eq!(at(leeway, "exp", CAP), None, "the cap knows no leeway");
        assert_eq!(
            at(leeway, "exp", CAP + 1),
            Some(TokenError::LifetimeExceedsCap),
            "leeway {leeway}"
        );
    }
}

// SECURITY 12
#[test]
fn a_refresh_token_may_live_longer_than_the_cap() {
    let month = (NOW.0 + 2_592_000).to_string();
    assert_eq!(refusal(&[("exp", &month)]), Some(TokenError::LifetimeExceedsCap));
    let refresh = check(&[
        ("exp", &month),
        ("scopes", r#"["tokens:refresh"]"#),
        ("original_scopes", r#"["a"]"#),
    ])
    .unwrap();
    assert!(refresh.is_refresh());
    assert_eq!(refresh.original_scopes(), Some(&[Box::from("a")][..]));
    assert!(
        check(&[("exp", &month), ("scopes", r#"["tokens:refresh"]"#)])
            .unwrap()
            .is_refresh()
    );
    for not_only in [
        r#"["tokens:refresh","a"]"#,
        r#"["tokens:refresh","tokens:refresh"]"#,
        r#"["TOKENS:REFRESH"]"#,
    ] {
        assert_eq!(
            refusal(&[("exp", &month), ("scopes", not_only)]),
            Some(TokenError::LifetimeExceedsCap),
            "{not_only}"
        );
    }
}

// SECURITY 13
#[test]
fn another_issuer_is_refused() {
    assert_eq!(refusal(&[("iss", "")]), Some(TokenError::Missing(Claim::Issuer)));
    for wrong in [
        r#""""#,
        r#""sms-gate.app/""#,
        r#""SMS-GATE.APP""#,
        r#"" sms-gate.app""#,
        r#""https://sms-gate.app""#,
    ] {
        assert_eq!(refusal(&[("iss", wrong)]), Some(TokenError::Issuer), "{wrong}");
    }
    for wrong in [r#"["sms-gate.app"]"#, "null", "1", "{}"] {
        assert_eq!(
            refusal(&[("iss", wrong)]),
            Some(TokenError::Invalid(Claim::Issuer)),
            "{wrong}"
        );
    }
    let any = Verifier::new(
        key(),
        VerifierRules {
            issuer: None,
            ..rules()
        },
    );
    assert!(any.verify(&token(&[("iss", "")]), NOW).is_ok());
    assert!(any.verify(&token(&[("iss", r#""other""#)]), NOW).is_ok());
}

// SECURITY 15
#[test]
fn a_subject_other_than_the_user_is_refused() {
    for wrong in [r#""OTHER1""#, r#""abc123""#, r#""ABC123 ""#, r#""""#] {
        assert_eq!(refusal(&[("sub", wrong)]), Some(TokenError::SubjectMismatch), "{wrong}");
    }
    for wrong in ["null", "1", r#"["ABC123"]"#] {
        assert_eq!(
            refusal(&[("sub", wrong)]),
            Some(TokenError::Invalid(Claim::Subject)),
            "{wrong}"
        );
    }
    assert_eq!(
        refusal(&[("user_id", "")]),
        Some(TokenError::Missing(Claim::User)),
        "sub alone is no user"
    );
}

// SECURITY 16
#[test]
fn a_user_or_id_that_is_no_name_is_refused() {
    assert_eq!(refusal(&[("jti", "")]), Some(TokenError::Missing(Claim::Id)));
    let long = format!("\"{}\"", "x".repeat(129));
    let fits = format!("\"{}\"", "x".repeat(128));
    for (name, claim) in [("jti", Claim::Id), ("user_id", Claim::User), ("gw_fam", Claim::Family)] {
        assert!(check(&[("sub", ""), (name, &fits)]).is_ok(), "{name}");
        for wrong in [
            r#""""#,
            r#"" ""#,
            r#""\u0000""#,
            r#""a\nb""#,
            "7",
            "null",
            r#"["a"]"#,
            "{}",
            "true",
            &long,
        ] {
            assert_eq!(
                refusal(&[("sub", ""), (name, wrong)]),
                Some(TokenError::Invalid(claim)),
                "{name} {wrong}"
            );
        }
    }
}

// SECURITY 16, 22
#[test]
fn a_token_that_is_too_long_is_refused_before_anything_else() {
    assert_eq!(
        verifier().verify(&"a".repeat(MAX_TOKEN_BYTES + 1), NOW).err(),
        Some(TokenError::TooLong)
    );
    assert_eq!(
        verifier().verify(&"a".repeat(MAX_TOKEN_BYTES), NOW).err(),
        Some(TokenError::Malformed)
    );
    assert_eq!(
        refusal(&[("jti", &format!("\"{}\"", "x".repeat(1 << 20)))]),
        Some(TokenError::TooLong)
    );
    let many = vec![r#""scope:name""#; 400].join(",");
    assert_eq!(check(&[("scopes", &format!("[{many}]"))]).unwrap().scopes().len(), 400);
}

#[test]
fn scopes_that_are_no_list_of_texts_are_refused() {
    for (name, claim) in [("scopes", Claim::Scopes), ("original_scopes", Claim::OriginalScopes)] {
        for wrong in [
            r#""all:any""#,
            "null",
            "1",
            "{}",
            r#"["a",1]"#,
            "[null]",
            r#"[["a"]]"#,
            "[{}]",
            "[true,[[]],{}]",
        ] {
            assert_eq!(
                refusal(&[(name, wrong)]),
                Some(TokenError::Invalid(claim)),
                "{name} {wrong}"
            );
        }
    }
    assert!(check(&[("scopes", "[]")]).unwrap().scopes().is_empty());
}

#[test]
fn a_claim_that_comes_twice_is_refused() {
    for twice in [
        r#""exp":1767226500,"#,
        r#""user_id":"ABC123","#,
        r#""x":1,"x":2,"#,
        r#""gw_mint":true,"gw_mint":true,"#,
        r#""scopes":null,"#,
    ] {
        let payload = payload(&[]).replacen('{', &format!("{{{twice}"), 1);
        assert_eq!(
            verifier().verify(&signed(HEADER, &payload), NOW).err(),
            Some(TokenError::DuplicateClaim),
            "{twice}"
        );
    }
}

#[test]
fn a_minted_token_is_refused_at_the_front_door() {
    for mint in ["true", "false", "null", "1", r#""true""#, "[]", "{}"] {
        assert_eq!(refusal(&[("gw_mint", mint)]), Some(TokenError::Minted), "{mint}");
    }
}

#[test]
fn the_core_accepts_minted_tokens_only() {
    let minted = |mint: &str| verifier().verify_minted(&token(&[("gw_mint", mint)]), NOW);
    assert_eq!(minted("true").unwrap().user().as_str(), "ABC123");
    assert_eq!(minted("").err(), Some(TokenError::NotMinted));
    for wrong in ["false", "null", "1", r#""true""#, "[]"] {
        assert_eq!(minted(wrong).err(), Some(TokenError::Invalid(Claim::Mint)), "{wrong}");
    }
    let expired = token(&[("gw_mint", "true"), ("exp", "1")]);
    assert_eq!(
        verifier().verify_minted(&expired, NOW).err(),
        Some(TokenError::Expired),
        "the other rules hold too"
    );
}

#[test]
fn times_at_the_ends_of_the_scale_do_not_overflow() {
    let rules = VerifierRules {
        issuer: None,
        leeway_secs: i64::MAX,
        max_lifetime_secs: i64::MAX,
    };
    let verifier = Verifier::new(key(), rules);
    let wide = token(&[
        ("exp", "9223372036854775807"),
        ("iat", "0"),
        ("nbf", "9223372036854775807"),
    ]);
    for now in [i64::MIN, -1, 0, i64::MAX] {
        let _answer = verifier.verify(&wide, UnixSeconds(now));
    }
}

#[test]
fn labels_come_from_a_closed_set_and_differ() {
    let errors = [
        TokenError::TooLong,
        TokenError::Malformed,
        TokenError::Header,
        TokenError::Algorithm,
        TokenError::Extension,
        TokenError::Signature,
        TokenError::DuplicateClaim,
        TokenError::Missing(Claim::ExpiresAt),
        TokenError::Invalid(Claim::ExpiresAt),
        TokenError::Issuer,
        TokenError::SubjectMismatch,
        TokenError::NotYetValid,
        TokenError::IssuedInFuture,
        TokenError::Expired,
        TokenError::LifetimeExceedsCap,
        TokenError::Minted,
        TokenError::NotMinted,
        TokenError::RefreshOnly,
    ];
    let labels: std::collections::HashSet<&str> = errors.iter().map(|error| error.label()).collect();
    assert_eq!(labels.len(), errors.len());
    assert!(
        labels
            .iter()
            .all(|label| label.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_verifier_panic(raw in ".{0,200}", now in any::<i64>()) {
        prop_assert!(verifier().verify(&raw, UnixSeconds(now)).is_err());
    }

    #[test]
    fn no_three_segments_make_the_verifier_panic(head in any::<Vec<u8>>(), body in any::<Vec<u8>>(), end in any::<[u8; 32]>()) {
        let raw = [&head[..], &body[..], &end[..]].map(|segment| URL_SAFE_NO_PAD.encode(segment)).join(".");
        prop_assert!(verifier().verify(&raw, NOW).is_err());
    }

    #[test]
    fn no_signed_payload_makes_the_verifier_panic(head in r#"\{"alg":"HS256"(,"[a-z]{1,3}":("[^"\\]{0,4}"|[0-9]{1,4}|null))?\}"#, body in ".{0,200}") {
        let _answer = verifier().verify(&signed(&head, &body), NOW);
        let _answer = verifier().verify_minted(&signed(HEADER, &body), NOW);
    }

    #[test]
    fn no_claim_value_makes_the_verifier_panic(
        name in "(iss|sub|exp|iat|nbf|jti|user_id|scopes|original_scopes|gw_fam|gw_epo|gw_mint|other)",
        value in r#"(-?[0-9]{1,25}(\.[0-9]{1,3})?([eE][0-9]{1,3})?|"[^"\\]{0,20}"|\[("[a-z:]{0,9}",){0,3}"x"\]|\{\}|true|false|null|[\[{]{1,300})"#,
    ) {
        if let Ok(token) = check(&[(&name, &value)]) {
            prop_assert!(!token.user().as_str().trim().is_empty());
            prop_assert!(token.expires_at() > NOW && token.issued_at() <= NOW);
        }
    }
}
