//! What does a decision cost? Everything that `auth` does for one request, without input or output. Targets: verify 2 µs,
//! mint 1.5 µs (benches/README.md has the results).

#![expect(clippy::unwrap_used, reason = "a benchmark may stop at once")]

use std::hint::black_box;

use criterion::Criterion;
use gateward_auth::{
    Accepts, AccessClaims, Credential, Evidence, FamilyId, Hs256Key, MintedClaims, Need, OnOutage, Requirement, Scope,
    Secret, Signer, Standing, TokenId, UnixSeconds, UserId, Verifier, VerifierRules, credential, decide,
};

const NOW: UnixSeconds = UnixSeconds(1_767_225_600);
const ISSUER: &str = "sms-gate.app";

fn key() -> Hs256Key {
    Hs256Key::new(&Secret::new("0123456789abcdef0123456789abcdef")).unwrap()
}

fn tokens(criterion: &mut Criterion) {
    let signer = Signer::new(key(), Some(ISSUER.to_owned()));
    let rules = VerifierRules {
        issuer: Some(ISSUER.to_owned()),
        leeway_secs: 0,
        max_lifetime_secs: 86_400,
    };
    let verifier = Verifier::new(key(), rules);
    let user = UserId::parse("ABC123").unwrap();
    let id = TokenId::parse("w8pxz0a4Fwa4xgzyCvSeC").unwrap();
    let family = FamilyId::parse("w8pxz0a4Fwa4").unwrap();
    let send = Scope::parse("messages:send").unwrap();
    let access = signer.access(&AccessClaims {
        user: &user,
        id: &id,
        family: &family,
        epoch: 0,
        scopes: &["messages:list", "messages:send"],
        issued_at: NOW,
        expires_at: NOW.plus(900),
    });
    let forged = format!("{}AAAA", access.split_at(access.len() - 4).0);
    let minted = MintedClaims {
        user: &user,
        id: &id,
        scopes: std::slice::from_ref(&send),
        issued_at: NOW,
        expires_at: NOW.plus(60),
    };

    criterion.bench_function("verify an access token", |bench| {
        bench.iter(|| verifier.verify(black_box(&access), NOW).unwrap());
    });
    criterion.bench_function("refuse a forged token", |bench| {
        bench.iter(|| verifier.verify(black_box(&forged), NOW).unwrap_err());
    });
    criterion.bench_function("refuse a device's token", |bench| {
        bench.iter(|| verifier.verify(black_box("w8pxz0a4Fwa4xgzyCvSeC"), NOW).unwrap_err());
    });
    criterion.bench_function("mint a token for the gateway", |bench| {
        bench.iter(|| signer.minted(black_box(&minted)))
    });

    let token = verifier.verify(&access, NOW).unwrap();
    let wildcard = Scope::parse("all:any").unwrap();
    let need = Need::Scope {
        scope: send,
        exact: false,
        wildcard: Some(wildcard),
    };
    let requirement = Requirement {
        accepts: Accepts::BOTH,
        need,
    };
    criterion.bench_function("decide about a token", |bench| {
        bench.iter_batched(
            || Evidence::Token {
                token: token.clone(),
                standing: Standing::Clear,
            },
            |evidence| decide(black_box(&requirement), evidence, OnOutage::Closed).unwrap(),
            criterion::BatchSize::SmallInput,
        );
    });
}

fn headers(criterion: &mut Criterion) {
    criterion.bench_function("parse a basic header", |bench| {
        let header = b"Basic QUJDMTIzOmNvcnJlY3QgaG9yc2UgYmF0dGVyeQ==";
        bench.iter(|| {
            assert!(matches!(
                credential::parse(Some(black_box(header))),
                Ok(Credential::Basic(_))
            ))
        });
    });
    criterion.bench_function("parse a bearer header", |bench| {
        let header = format!("Bearer {}", "x".repeat(400));
        bench.iter(|| {
            let header = black_box(header.as_bytes());
            assert!(matches!(credential::parse(Some(header)), Ok(Credential::Bearer(_))));
        });
    });
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    tokens(&mut criterion);
    headers(&mut criterion);
    criterion.final_summary();
}
