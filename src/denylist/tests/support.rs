//! What the tests have in common: a place to keep a list, tokens, and waiting for an effect.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gateward_auth::{
    AccessClaims, FamilyId, Hs256Key, MintedClaims, Secret, Signer, Standing, TokenId, UnixSeconds, UserId,
    VerifiedToken, Verifier, VerifierRules,
};

use super::redis_server::RedisServer;
use crate::{
    Adopt, Adoption, Claim, Clock, Denylist, ForeignToken, NewFamily, Options, RedisOptions, Retention, Rotated,
    Rotation, Successor, clock, ids, open,
};

/// Nothing in these tests takes this long, unless it is broken.
pub(super) const DEADLINE: Duration = Duration::from_secs(20);
pub(super) const HOUR: i64 = 3600;

pub(super) fn retention() -> Retention {
    Retention {
        max_lifetime: Duration::from_secs(24 * 3600),
        refresh_ttl: Duration::from_secs(720 * 3600),
        leeway: Duration::ZERO,
    }
}

/// The system's clock, with an offset.
#[derive(Clone, Default)]
pub(super) struct TestClock(Arc<AtomicI64>);

impl TestClock {
    pub(super) fn clock(&self) -> Clock {
        let offset = self.0.clone();
        Arc::new(move || {
            let offset = offset.load(Ordering::SeqCst);
            let seconds = Duration::from_secs(offset.unsigned_abs());
            if offset < 0 {
                SystemTime::now() - seconds
            } else {
                SystemTime::now() + seconds
            }
        })
    }

    pub(super) fn shift(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

pub(super) fn now() -> UnixSeconds {
    clock::now(&TestClock::default().clock())
}

/// Where a list is kept: it can be opened again, and by several.
pub(super) enum Place {
    Embedded(tempfile::TempDir),
    Redis(Box<RedisServer>),
}

impl Place {
    pub(super) fn embedded() -> Self {
        Self::Embedded(tempfile::tempdir().unwrap())
    }

    pub(super) async fn redis() -> Self {
        Self::Redis(Box::new(RedisServer::start().await))
    }

    pub(super) fn options(&self) -> Options {
        match self {
            Self::Embedded(folder) => Options::Embedded {
                path: folder.path().join("denylist.redb"),
            },
            Self::Redis(server) => Options::Redis(RedisOptions::new(server.url())),
        }
    }

    pub(super) async fn open(&self) -> Denylist {
        open_loaded(self.options()).await
    }
}

pub(super) async fn open_loaded(options: Options) -> Denylist {
    let list = open(options, TestClock::default().clock(), retention()).await.unwrap();
    within("the list is loaded", list.loaded()).await;
    list
}

/// Waits for something, but not for ever.
pub(super) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited in vain: {what}"),
    }
}

/// Waits until something is so, and says how long it took.
pub(super) async fn until(what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let began = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_millis(2));
    while !holds() {
        assert!(began.elapsed() < DEADLINE, "waited in vain: {what}");
        ticks.tick().await;
    }
    began.elapsed()
}

/// Different bytes each time: a counter, spread over the bytes and mixed with the time for other processes.
pub(super) fn bytes<const N: usize>() -> [u8; N] {
    static NEXT: AtomicI64 = AtomicI64::new(0);
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let mut state = (nanos as u64) ^ (NEXT.fetch_add(1, Ordering::SeqCst) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    std::array::from_fn(|_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    })
}

pub(super) fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

pub(super) fn token_of(family: &FamilyId) -> TokenId {
    ids::token_id(family, bytes())
}

pub(super) fn foreign_id() -> TokenId {
    token_of(&ids::new_family(bytes()))
}

/// A refresh token that the gateway issued a minute ago.
pub(super) fn foreign(user_name: &str) -> ForeignToken {
    ForeignToken {
        user: user(user_name),
        id: foreign_id(),
        issued_at: now().minus(60),
        expires_at: now().plus(HOUR),
    }
}

/// What the first attempt is told.
pub(super) const CLAIMED: Adoption = Adoption::Claimed { contested: false };
/// What the next one is told when that one did not finish.
pub(super) const CONTESTED: Adoption = Adoption::Claimed { contested: true };

/// An attempt to adopt it.
pub(super) fn claim(token: &ForeignToken, owner: &str) -> Claim {
    Claim {
        token: token.clone(),
        owner: owner.to_owned(),
        lease: Duration::from_secs(30),
        may_finish: Duration::from_secs(600),
        grace: Duration::from_secs(10),
    }
}

/// The end of an attempt, with a new family.
pub(super) fn adopt(token: &ForeignToken) -> Adopt {
    let family = ids::new_family(bytes());
    Adopt {
        token: token.clone(),
        pair: successor(&family),
        family,
        grace: Duration::from_secs(10),
    }
}

/// A login session as a client has it: the latest pair.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) user: UserId,
    pub(super) family: FamilyId,
    pub(super) access: TokenId,
    pub(super) refresh: TokenId,
    pub(super) epoch: u64,
}

impl Session {
    pub(super) async fn open(list: &Denylist, user_name: &str) -> Self {
        let family = ids::new_family(bytes());
        let (access, refresh) = (token_of(&family), token_of(&family));
        let user = user(user_name);
        let epoch = list
            .open_family(NewFamily {
                family: family.clone(),
                user: user.clone(),
                refresh: refresh.clone(),
                issued_at: now(),
                access_expires_at: now().plus(900),
                refresh_expires_at: now().plus(720 * HOUR),
            })
            .await
            .unwrap();
        Self {
            user,
            family,
            access,
            refresh,
            epoch,
        }
    }

    /// What an adopted token has become.
    pub(super) fn of(adopt: &Adopt, epoch: u64) -> Self {
        Self {
            user: adopt.token.user.clone(),
            family: adopt.family.clone(),
            access: adopt.pair.access.clone(),
            refresh: adopt.pair.refresh.clone(),
            epoch,
        }
    }

    /// A request to exchange the refresh token for a new pair.
    pub(super) fn rotation(&self, grace: Duration) -> Rotation {
        Rotation {
            family: self.family.clone(),
            user: self.user.clone(),
            presented: self.refresh.clone(),
            epoch: self.epoch,
            successor: successor(&self.family),
            grace,
            now: now(),
        }
    }

    /// Exchanges the refresh token, which must succeed, and answers the session with the new pair.
    pub(super) async fn refreshed(&self, list: &Denylist, grace: Duration) -> Self {
        let rotation = self.rotation(grace);
        let Successor { access, refresh, .. } = rotation.successor.clone();
        match list.rotate(rotation).await.unwrap() {
            Rotated::Fresh(epoch) => Self {
                access,
                refresh,
                epoch,
                ..self.clone()
            },
            other => panic!("not exchanged: {other:?}"),
        }
    }

    pub(super) fn access_token(&self) -> VerifiedToken {
        verified(&self.user, &self.access, Some((&self.family, self.epoch)), now())
    }

    pub(super) fn refresh_token(&self) -> VerifiedToken {
        verified(&self.user, &self.refresh, Some((&self.family, self.epoch)), now())
    }
}

pub(super) fn successor(family: &FamilyId) -> Successor {
    Successor {
        access: token_of(family),
        refresh: token_of(family),
        scopes: vec!["messages:send".into(), "quote \" tab \t \u{1F600} [{".into()],
        issued_at: now(),
        access_expires_at: now().plus(900),
        refresh_expires_at: now().plus(720 * HOUR),
    }
}

/// A token that was checked; without a family it is one of the gateway's own.
pub(super) fn verified(
    user: &UserId,
    id: &TokenId,
    ours: Option<(&FamilyId, u64)>,
    issued_at: UnixSeconds,
) -> VerifiedToken {
    let key = Hs256Key::new(&Secret::new("0123456789abcdef0123456789abcdef")).unwrap();
    let rules = VerifierRules {
        issuer: None,
        leeway_secs: 0,
        max_lifetime_secs: 24 * HOUR,
    };
    let expires_at = issued_at.plus(900);
    let scopes = ["messages:read"];
    let signer = Signer::new(key.clone(), None);
    let verifier = Verifier::new(key, rules);
    match ours {
        Some((family, epoch)) => {
            let claims = AccessClaims {
                user,
                id,
                family,
                epoch,
                scopes: &scopes,
                issued_at,
                expires_at,
            };
            verifier.verify(&signer.access(&claims), issued_at).unwrap()
        }
        // A minted token has neither family nor epoch, like those that the gateway issued.
        None => {
            let claims = MintedClaims {
                user,
                id,
                scopes: &scopes,
                issued_at,
                expires_at,
            };
            verifier.verify_minted(&signer.minted(&claims), issued_at).unwrap()
        }
    }
}

pub(super) fn is_refused(list: &Denylist, token: &VerifiedToken) -> bool {
    matches!(list.peek(token, now()), Standing::Revoked(_))
}
