//! Tests of gathering evidence: against a toy gateway, a users file and a real embedded denylist.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use futures_util::future::join_all;
use gateward_auth::{
    Accepts, AccessClaims, FamilyId, Hs256Key, Login, Need, RevokedBy, Secret, Signer, Standing, TokenError, TokenId,
    VerifierRules,
};
use gateward_boot::clock::Clock;
use gateward_denylist::Retention;
use tokio::sync::{Notify, Semaphore};

use super::*;
use crate::config;
use crate::gateway::toy::{Reply, Toy, nowhere, upstream};
use crate::users::{UserFile, Users};

const NOW: UnixSeconds = UnixSeconds(1_800_000_000);
const SECRET: &[u8] = b"a secret of thirty-two bytes ...";

fn policy() -> Policy {
    gateward_policy::compile("smsgate.yaml", gateward_policy::SMSGATE)
        .unwrap()
        .policy
}

fn any_kind() -> Requirement {
    Requirement {
        accepts: Accepts::BOTH,
        need: Need::Nothing,
    }
}

/// An authenticator with its store in a folder of its own.
struct Bench {
    authenticator: Authenticator,
    policy: Policy,
    denylist: Denylist,
    _folder: tempfile::TempDir,
}

impl Bench {
    async fn new(source: LoginSource) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (clock, _hands) = Clock::manual(UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        let hour = Duration::from_secs(3600);
        let retention = Retention {
            max_lifetime: hour,
            refresh_ttl: hour,
            leeway: Duration::ZERO,
        };
        let denylist = crate::testing::denylist(folder.path(), &clock, retention).await;
        let key = Hs256Key::new(&Secret::new(SECRET)).unwrap();
        let verifier = Verifier::new(
            key,
            VerifierRules {
                issuer: None,
                leeway_secs: 0,
                max_lifetime_secs: 3600,
            },
        );
        let logins = LoginSettings {
            source,
            cache_ttl: Duration::from_secs(60),
            cache_key: [7; 32],
        };
        let authenticator = Authenticator::new(verifier, denylist.clone(), logins);
        Self {
            authenticator,
            policy: policy(),
            denylist,
            _folder: folder,
        }
    }

    async fn asking(toy: &Toy) -> Self {
        Self::new(LoginSource::Gateway(Arc::new(Toy::gateway(&toy.upstream()).unwrap()))).await
    }

    async fn with_file(text: &str) -> Self {
        let settings = config::Users {
            source: config::UserSource::Gateway,
            cache_ttl: Duration::from_secs(60),
            max_concurrent_hashes: 2,
            max_waiting_hashes: 100,
        };
        let users = Users::parse("users.yaml", text, &policy()).unwrap();
        Self::new(LoginSource::File(Arc::new(UserFile::new(
            users,
            &settings,
            &Secret::new(SECRET),
        ))))
        .await
    }

    async fn login(&self, user: &str, password: &str) -> Result<Evidence, Denied> {
        let credential = basic(user, password);
        self.authenticator
            .authenticate(&self.policy, &any_kind(), &credential, NOW)
            .await
    }

    fn known(&self, user: &str, password: &str) -> Option<Result<Evidence, Denied>> {
        self.authenticator
            .try_now(&self.policy, &any_kind(), &basic(user, password), NOW)
    }

    fn standing(&self, raw: &str) -> Standing {
        match self
            .authenticator
            .try_now(&self.policy, &any_kind(), &Credential::Bearer(raw), NOW)
        {
            Some(Ok(Evidence::Token { standing, .. })) => standing,
            other => panic!("no token: {other:?}"),
        }
    }
}

fn basic(user: &str, password: &str) -> Credential<'static> {
    Credential::Basic(Login {
        user: user.to_owned(),
        password: Secret::new(password),
    })
}

fn token(user: &str, issued_at: UnixSeconds) -> String {
    let signer = Signer::new(Hs256Key::new(&Secret::new(SECRET)).unwrap(), None);
    signer.access(&AccessClaims {
        user: &UserId::parse(user).unwrap(),
        id: &TokenId::parse("000000000000111111111").unwrap(),
        family: &FamilyId::parse("000000000000").unwrap(),
        epoch: 0,
        scopes: &["all:any"],
        issued_at,
        expires_at: issued_at.plus(3600),
    })
}

fn user_of(answer: Result<Evidence, Denied>) -> String {
    match answer {
        Ok(Evidence::Login { user, .. }) => user.to_string(),
        other => panic!("no login: {other:?}"),
    }
}

fn refused(answer: Result<Evidence, Denied>) -> Denied {
    answer.err().unwrap()
}

const LOGIN_FAILED: Denied = Denied::Denial(Denial::LoginFailed);

#[tokio::test]
async fn a_good_login_is_asked_for_once_and_known_under_every_spelling() {
    let toy = Toy::answering(200).await;
    let bench = Bench::asking(&toy).await;
    assert!(bench.known("abc123", "secret").is_none());
    assert_eq!(user_of(bench.login("abc123", "secret").await), "ABC123");
    for spelling in ["abc123", "ABC123", "aBc123", "ABC123 "] {
        assert_eq!(user_of(bench.known(spelling, "secret").unwrap()), "ABC123");
    }
    assert_eq!(toy.asked().len(), 1);
    assert!(bench.known("abc123", "Secret").is_none());
}

#[tokio::test]
async fn a_bad_login_is_asked_for_every_time() {
    let toy = Toy::answering(401).await;
    let bench = Bench::asking(&toy).await;
    for _attempt in 0..3 {
        assert_eq!(refused(bench.login("ABC123", "wrong").await), LOGIN_FAILED);
    }
    assert_eq!(toy.asked().len(), 3);
}

#[tokio::test]
async fn a_gateway_in_trouble_is_an_outage_and_not_a_failed_login() {
    let toy = Toy::answering(500).await;
    let bench = Bench::asking(&toy).await;
    assert_eq!(
        refused(bench.login("ABC123", "secret").await),
        Denied::Outage("gateway_unexpected_status")
    );
    let away = Toy::gateway(&upstream(vec![nowhere().await])).unwrap();
    let bench = Bench::new(LoginSource::Gateway(Arc::new(away))).await;
    assert_eq!(
        refused(bench.login("ABC123", "secret").await),
        Denied::Outage("gateway_unreachable")
    );
}

#[tokio::test]
async fn a_known_login_outlives_an_outage_of_the_gateway() {
    let up = Arc::new(AtomicBool::new(true));
    let state = Arc::clone(&up);
    let toy = Toy::start(move |_head| {
        let status = if state.load(Ordering::SeqCst) { 200 } else { 503 };
        async move { Reply::Answer(status, "{}") }
    })
    .await;
    let bench = Bench::asking(&toy).await;
    bench.login("ABC123", "secret").await.unwrap();
    up.store(false, Ordering::SeqCst);
    assert_eq!(user_of(bench.login("ABC123", "secret").await), "ABC123");
    assert!(matches!(
        refused(bench.login("ABC123", "other").await),
        Denied::Outage(_)
    ));
}

/// A toy that answers 200 to each request as soon as the test lets one go.
async fn held_toy() -> (Toy, Arc<Semaphore>, Arc<Notify>) {
    let gate = Arc::new(Semaphore::new(0));
    let arrived = Arc::new(Notify::new());
    let (at_gate, bell) = (Arc::clone(&gate), Arc::clone(&arrived));
    let toy = Toy::start(move |_head| {
        let (gate, bell) = (Arc::clone(&at_gate), Arc::clone(&bell));
        async move {
            bell.notify_one();
            gate.acquire().await.unwrap().forget();
            Reply::Answer(200, "{}")
        }
    })
    .await;
    (toy, gate, arrived)
}

#[tokio::test]
async fn a_hundred_equal_logins_at_once_are_one_question() {
    let (toy, gate, _arrived) = held_toy().await;
    let bench = Bench::asking(&toy).await;
    gate.add_permits(100);
    let answers = join_all((0..100).map(|_request| bench.login("ABC123", "secret"))).await;
    assert!(answers.into_iter().all(|answer| answer.is_ok()));
    assert_eq!(toy.asked().len(), 1);
}

#[tokio::test]
async fn who_looked_just_before_the_answer_came_does_not_ask_again() {
    let toy = Toy::answering(200).await;
    let bench = Bench::asking(&toy).await;
    let Credential::Basic(login) = basic("abc123", "secret") else {
        panic!("a login");
    };
    // Both looked before either asked; the second asks when the first has landed.
    for _asker in 0..2 {
        let answer = bench.authenticator.basic.check(&bench.policy, &login, NOW).await;
        assert_eq!(answer.unwrap().user.as_str(), "ABC123");
    }
    assert_eq!(toy.asked().len(), 1);
}

/// Waits until the held toy was asked.
async fn is_asked(asker: &mut (impl Future + Unpin), arrived: &Notify) {
    tokio::select! {
        _answer = asker => panic!("nobody let it go"),
        () = arrived.notified() => {}
    }
}

#[tokio::test]
async fn what_was_asked_before_a_password_change_is_not_believed_after_it() {
    let (toy, gate, arrived) = held_toy().await;
    let bench = Bench::asking(&toy).await;
    let mut before = Box::pin(bench.login("ABC123", "old"));
    is_asked(&mut before, &arrived).await;
    let changed = bench
        .authenticator
        .on_password_changed(&bench.policy, "abc123", NOW)
        .await;
    assert_eq!(changed, PasswordChanged::Revoked);
    // Who asks now does not share the answer to the question from before: the gateway is asked again.
    let mut after = Box::pin(bench.login("ABC123", "old"));
    is_asked(&mut after, &arrived).await;
    gate.add_permits(2);
    before.await.unwrap();
    after.await.unwrap();
    assert_eq!(toy.asked().len(), 2);
}

#[tokio::test]
async fn a_check_from_before_a_password_change_is_not_remembered() {
    let (toy, gate, arrived) = held_toy().await;
    let bench = Bench::asking(&toy).await;
    let mut before = Box::pin(bench.login("ABC123", "old"));
    is_asked(&mut before, &arrived).await;
    bench
        .authenticator
        .on_password_changed(&bench.policy, "ABC123", NOW)
        .await;
    gate.add_permits(1);
    before.await.unwrap();
    assert!(bench.known("ABC123", "old").is_none());
}

#[tokio::test]
async fn a_password_change_drops_the_known_logins_and_the_tokens_of_the_user() {
    let toy = Toy::answering(200).await;
    let bench = Bench::asking(&toy).await;
    let raw = token("ABC123", NOW);
    bench.login("ABC123", "old").await.unwrap();
    assert_eq!(bench.standing(&raw), Standing::Clear);
    let changed = bench
        .authenticator
        .on_password_changed(&bench.policy, "abc123", NOW)
        .await;
    assert_eq!(changed, PasswordChanged::Revoked);
    assert!(bench.known("ABC123", "old").is_none());
    assert_eq!(bench.standing(&raw), Standing::Revoked(RevokedBy::User));
    assert_eq!(bench.standing(&token("OTHER1", NOW)), Standing::Clear);
}

#[tokio::test]
async fn tokens_end_here_even_while_the_store_is_away() {
    let bench = Bench::asking(&Toy::answering(200).await).await;
    let (before, after) = (token("ABC123", NOW), token("ABC123", NOW.plus(1)));
    bench.denylist.close().await;
    let changed = bench
        .authenticator
        .on_password_changed(&bench.policy, "ABC123", NOW)
        .await;
    assert_eq!(changed, PasswordChanged::Pending);
    assert_eq!(bench.standing(&before), Standing::Revoked(RevokedBy::User));
    let later = bench.authenticator.bearer(&bench.policy, &after, NOW.plus(1)).unwrap();
    assert!(!matches!(
        later,
        Evidence::Token {
            standing: Standing::Revoked(_),
            ..
        }
    ));
    assert!(!matches!(bench.standing(&token("OTHER1", NOW)), Standing::Revoked(_)));
}

#[tokio::test]
async fn what_is_issued_after_a_pending_end_lives_on() {
    let bench = Bench::asking(&Toy::answering(200).await).await;
    let user = UserId::parse("ABC123").unwrap();
    let changes = &bench.authenticator.changes;
    assert_eq!(bench.authenticator.settle(&user).await, Ok(()), "nothing is pending");
    assert_eq!(bench.denylist.epoch(&user), 0);
    // As if the store had been away.
    changes.mark(&user, NOW);
    assert_eq!(bench.authenticator.settle(&user).await, Ok(()));
    let epoch = bench.denylist.epoch(&user);
    assert!(epoch > 0);
    assert_eq!(
        bench.standing(&token("ABC123", NOW)),
        Standing::Revoked(RevokedBy::User)
    );
    // The retry comes later than whatever was issued meanwhile.
    changes.tell(&user).await.unwrap();
    assert_eq!(bench.denylist.epoch(&user), epoch);
    // Another reason is told, even in the same second, and once however many tell it.
    changes.mark(&user, NOW);
    let (one, other) = tokio::join!(changes.tell(&user), bench.authenticator.settle(&user));
    assert!(one.is_ok() && other.is_ok());
    assert_eq!(bench.denylist.epoch(&user), epoch + 1);
    // A store that cannot be told is an outage for whoever wants tokens of that user, and of nobody else.
    changes.mark(&user, NOW);
    bench.denylist.close().await;
    assert_eq!(bench.authenticator.settle(&user).await, Err(NotSettled));
    let another = UserId::parse("OTHER1").unwrap();
    assert_eq!(bench.authenticator.settle(&another).await, Ok(()));
}

#[tokio::test]
async fn a_token_that_was_good_before_is_still_judged_by_time_and_revocation() {
    let bench = Bench::asking(&Toy::answering(200).await).await;
    let raw = token("ABC123", NOW);
    let at = |now| bench.authenticator.bearer(&bench.policy, &raw, now).err();
    assert_eq!((at(NOW), at(NOW.plus(3599))), (None, None));
    assert_eq!(at(NOW.plus(3600)), Some(Denial::TokenInvalid(TokenError::Expired)));
    assert_eq!(at(NOW.minus(1)), Some(Denial::TokenInvalid(TokenError::IssuedInFuture)));
    let user = UserId::parse("ABC123").unwrap();
    bench.denylist.revoke_user(&user, NOW).await.unwrap();
    assert_eq!(bench.standing(&raw), Standing::Revoked(RevokedBy::User));
}

#[tokio::test]
async fn a_token_that_differs_from_a_good_one_in_one_letter_is_forged() {
    let bench = Bench::asking(&Toy::answering(200).await).await;
    let raw = token("ABC123", NOW);
    assert_eq!(bench.standing(&raw), Standing::Clear);
    for (at, letter) in raw.char_indices() {
        let mut forged = raw.clone();
        forged.replace_range(at..=at, if letter == 'A' { "B" } else { "A" });
        for _again in 0..2 {
            let answer = bench.authenticator.bearer(&bench.policy, &forged, NOW);
            assert!(matches!(answer, Err(Denial::TokenInvalid(_))), "{at}");
        }
    }
}

#[tokio::test]
async fn a_name_that_nobody_can_have_ends_nothing() {
    let bench = Bench::asking(&Toy::answering(200).await).await;
    let changed = bench.authenticator.on_password_changed(&bench.policy, " ", NOW).await;
    assert_eq!(changed, PasswordChanged::NoSuchName);
}

#[tokio::test]
async fn a_token_in_another_spelling_is_the_same_user() {
    let bench = Bench::asking(&Toy::answering(200).await).await;
    let raw = token("abc123", NOW);
    bench
        .denylist
        .revoke_user(&UserId::parse("ABC123").unwrap(), NOW)
        .await
        .unwrap();
    assert_eq!(bench.standing(&raw), Standing::Revoked(RevokedBy::User));
    let evidence = bench.authenticator.bearer(&bench.policy, &raw, NOW).unwrap();
    let Evidence::Token { token, .. } = evidence else {
        panic!("no token")
    };
    assert_eq!(token.user().as_str(), "ABC123");
}

#[tokio::test]
async fn a_name_that_the_gateway_might_take_for_another_is_no_name() {
    let toy = Toy::answering(200).await;
    let bench = Bench::asking(&toy).await;
    for name in ["ÁBC123", "ABC\u{200b}123", "ａbc123"] {
        assert_eq!(refused(bench.login(name, "secret").await), LOGIN_FAILED, "{name:?}");
    }
    assert_eq!(refused(bench.login(&"a".repeat(129), "secret").await), LOGIN_FAILED);
    assert!(toy.asked().is_empty());
}

#[tokio::test]
async fn a_kind_that_the_route_does_not_accept_is_not_looked_at() {
    let toy = Toy::answering(200).await;
    let bench = Bench::asking(&toy).await;
    let only = |basic, jwt| Requirement {
        accepts: Accepts { basic, jwt },
        need: Need::Nothing,
    };
    let raw = token("ABC123", NOW);
    let cases = [
        (only(false, true), basic("ABC123", "secret")),
        (only(true, false), Credential::Bearer(&raw)),
    ];
    for (requirement, credential) in cases {
        let answer = bench
            .authenticator
            .authenticate(&bench.policy, &requirement, &credential, NOW)
            .await;
        assert_eq!(refused(answer), Denied::Denial(Denial::KindNotAccepted));
    }
    assert!(toy.asked().is_empty());
}

#[tokio::test]
async fn no_credential_and_an_unknown_scheme_are_no_evidence() {
    let bench = Bench::asking(&Toy::answering(200).await).await;
    for credential in [Credential::None, Credential::Other] {
        let answer = bench
            .authenticator
            .try_now(&bench.policy, &any_kind(), &credential, NOW);
        assert!(matches!(answer, Some(Ok(Evidence::Absent))));
    }
}

fn file(users: &[(&str, &str, &str)]) -> String {
    let lines = users.iter().map(|(name, password, rest)| {
        format!(
            "  - {{ name: {name}, hash: '{}'{rest} }}\n",
            bcrypt::hash(password, 4).unwrap()
        )
    });
    format!("users:\n{}", lines.collect::<String>())
}

#[tokio::test]
async fn a_user_of_the_file_is_matched_exactly_and_has_one_canonical_name() {
    let bench = Bench::with_file(&file(&[
        ("Ann", "one", ""),
        ("Zoë", "two", ", scopes: [messages:send]"),
    ]))
    .await;
    assert_eq!(user_of(bench.login("Ann", "one").await), "ANN");
    assert_eq!(user_of(bench.known("Ann", "one").unwrap()), "ANN");
    assert_eq!(refused(bench.login("ann", "one").await), LOGIN_FAILED);
    let Ok(Evidence::Login { user, scopes }) = bench.login("Zoë", "two").await else {
        panic!("no login")
    };
    assert_eq!((user.as_str(), scopes.unwrap().len()), ("ZOË", 1));
}

#[tokio::test]
async fn a_user_who_is_disabled_is_refused_at_once() {
    let bench = Bench::with_file(&file(&[("ann", "one", ""), ("bob", "two", "")])).await;
    bench.login("ann", "one").await.unwrap();
    bench.login("bob", "two").await.unwrap();
    let raw = token("ANN", NOW);
    let next = file(&[("ann", "one", ", disabled: true"), ("bob", "two", "")]);
    bench
        .authenticator
        .reload_users(&bench.policy, "users.yaml", &next, NOW)
        .unwrap();
    // Before any other task has run.
    assert_eq!(bench.standing(&raw), Standing::Revoked(RevokedBy::User));
    assert_eq!(refused(bench.login("ann", "one").await), LOGIN_FAILED);
    bench.login("bob", "two").await.unwrap();
    // The store is told in a task of its own.
    let user = UserId::parse("ANN").unwrap();
    bench.authenticator.settle(&user).await.unwrap();
    assert_eq!(bench.standing(&raw), Standing::Revoked(RevokedBy::User));
}

#[tokio::test]
async fn a_bad_users_file_leaves_the_old_one_in_force() {
    let bench = Bench::with_file(&file(&[("ann", "one", "")])).await;
    assert!(
        bench
            .authenticator
            .reload_users(&bench.policy, "users.yaml", "users: [ {} ]", NOW)
            .is_err()
    );
    bench.login("ann", "one").await.unwrap();
}

#[tokio::test]
async fn nothing_printable_shows_a_password() {
    let bench = Bench::asking(&Toy::answering(401).await).await;
    let denied = refused(bench.login("ABC123", "hunter2").await);
    assert!(!format!("{denied:?} {:?}", basic("ABC123", "hunter2")).contains("hunter2"));
}
