//! The reference's refresh tokens at the one route that takes them.

use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::stream;
use serde_json::{Value, json};

use crate::db::Statement;
use crate::db::testing::{Kind, Place, on_both_databases};
use crate::testing::{Answer, Bench, Phone, START_SECS, basic, bearer, request, signed};

const PATH: &str = "/api/3rdparty/v1/auth/token/refresh";
const DAY: i64 = 86_400;
const REFUSED: (u16, &str) = (401, "Unauthorized");

/// A user with tokens as the reference writes them down: `access`, `refresh`, `used`, and one that is `old`.
struct Scene {
    bench: Bench,
    phone: Phone,
    _place: Place,
}

impl Scene {
    async fn new(kind: Kind) -> Self {
        let (bench, phone, place) = Bench::with_phone(kind).await;
        let now = bench.app.now();
        let later = now.plus(Duration::from_secs(30 * 86_400));
        for (id, token_use, parent, expires_at, revoked_at) in [
            ("access", "access", None, later, None),
            ("refresh", "refresh", Some("access"), later, None),
            ("used", "refresh", Some("access"), later, Some(now)),
            ("old", "refresh", None, now, None),
        ] {
            let insert = Statement::same(
                "INSERT INTO tokens (id, user_id, token_use, parent_jti, expires_at, revoked_at, created_at, updated_at) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)",
            );
            let insert = insert.bind(id).bind(phone.login.as_str()).bind(token_use).bind(parent);
            let insert = insert.bind(expires_at).bind(revoked_at).bind(now);
            insert.execute(&bench.app.database).await.unwrap();
        }
        Self {
            bench,
            phone,
            _place: place,
        }
    }

    /// What the reference would have signed for the token `id` of this user.
    fn claims(&self, id: &str) -> Value {
        let now = i64::try_from(START_SECS).unwrap();
        json!({
            "iss": "sms-gate.app", "sub": self.phone.login, "exp": now + 30 * DAY, "iat": now - DAY, "jti": id,
            "user_id": self.phone.login, "scopes": ["tokens:refresh"], "original_scopes": ["messages:send"],
        })
    }

    async fn present(&self, claims: &Value) -> Answer {
        self.bench.ask("POST", PATH, &bearer(&signed(claims))).await
    }

    async fn revoked(&self) -> Vec<String> {
        let find = Statement::same("SELECT id FROM tokens WHERE revoked_at IS NOT NULL ORDER BY id");
        find.query().fetch_column(&self.bench.app.database).await.unwrap()
    }
}

async fn a_refresh_token_of_the_reference_is_used_up_once(kind: Kind) {
    let scene = Scene::new(kind).await;
    let mut claims = scene.claims("refresh");
    // Logins are compared without case.
    claims["user_id"] = scene.phone.login.to_ascii_lowercase().into();
    claims["sub"] = claims["user_id"].clone();
    let (one, other) = tokio::join!(scene.present(&claims), scene.present(&claims));
    let (won, lost) = if one.status == 201 { (one, other) } else { (other, one) };
    assert_eq!((won.status.as_u16(), won.json()), (201, json!({})), "no second session");
    assert_eq!(lost.refusal(), (REFUSED.0, REFUSED.1.to_owned()));
    assert_eq!(scene.present(&claims).await.status, 401);
    assert_eq!(scene.revoked().await, ["refresh", "used"], "its access token stays");
}

async fn a_token_is_not_used_up_by_a_body_that_is_refused(kind: Kind) {
    let scene = Scene::new(kind).await;
    let refresh = scene.claims("refresh");
    let piece = || Ok(Bytes::from(vec![b' '; 1024 * 1024]));
    let breaks_off = vec![piece(), Err(std::io::Error::other("it broke off"))];
    let too_long = (0..5).map(|_| piece()).collect();
    for (pieces, status) in [(breaks_off, 400), (too_long, 413)] {
        let asked = request("POST", PATH, &bearer(&signed(&refresh)));
        let body = Body::from_stream(stream::iter(pieces));
        let answer = scene.bench.send(asked.body(body).unwrap()).await;
        assert_eq!(answer.status.as_u16(), status);
        assert_eq!(scene.revoked().await, ["used"]);
    }
    assert_eq!(scene.present(&refresh).await.status, 201);
}

async fn no_other_token_of_the_reference_is_exchanged(kind: Kind) {
    let scene = Scene::new(kind).await;
    let refresh = scene.claims("refresh");
    let changed = |name: &str, value: Value| {
        let mut claims = refresh.clone();
        claims[name] = value;
        claims
    };
    let mut elsewhere = changed("user_id", "NOBODY".into());
    elsewhere["sub"] = "NOBODY".into();
    for (what, claims) in [
        ("used before", changed("jti", "used".into())),
        ("expired in the table", changed("jti", "old".into())),
        ("not in the table", changed("jti", "unknown".into())),
        ("an access token in the table", changed("jti", "access".into())),
        ("another user's", elsewhere),
        ("expired", changed("exp", START_SECS.into())),
        ("of another issuer", changed("iss", "else".into())),
        ("minted", changed("gw_mint", true.into())),
    ] {
        let answer = scene.present(&claims).await;
        assert_eq!(answer.refusal(), (REFUSED.0, REFUSED.1.to_owned()), "{what}");
    }
    let access = scene.present(&changed("scopes", json!(["all:any"]))).await;
    assert_eq!(access.refusal(), (403, "scope required: tokens:refresh".to_owned()));
    for authorization in [
        String::new(),
        basic(&scene.phone.login, &scene.phone.password),
        scene.bench.minted(&scene.phone.login),
        bearer(&format!("{}x", signed(&refresh))),
    ] {
        let answer = scene.bench.ask("POST", PATH, &authorization).await;
        assert_eq!(answer.refusal(), (REFUSED.0, REFUSED.1.to_owned()), "{authorization}");
    }
    assert_eq!(scene.revoked().await, ["used"]);
}

on_both_databases!(
    a_token_is_not_used_up_by_a_body_that_is_refused,
    a_refresh_token_of_the_reference_is_used_up_once,
    no_other_token_of_the_reference_is_exchanged,
);
