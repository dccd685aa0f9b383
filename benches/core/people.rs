//! Who is there before anything is measured: users with a device each, and what waits for them.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use gateward_auth::{Hs256Key, MintedClaims, Secret, Signer, TokenId, UnixSeconds, UserId};
use serde_json::{Value, json};

use crate::client::{call, request};
use crate::gateway::{Gateway, MINT_SECRET, PRIVATE_TOKEN};
use crate::seed::{self, Batch};
use crate::support::traffic::Traffic;

/// What is posted, by everybody.
pub(crate) const MESSAGE: &str = r#"{"textMessage":{"text":"hello there"},"phoneNumbers":["+79990001234"]}"#;
/// Messages that are reported in one round: more than there is time for, so that none is reported twice.
pub(crate) const REPORTS: u64 = 8_000;
const SEND: &str = "/api/3rdparty/v1/messages";

/// An `Authorization`.
#[derive(Clone)]
pub(crate) struct Credential {
    /// As the client sends it.
    pub(crate) of_client: String,
    /// What the sidecar makes of it.
    pub(crate) of_sidecar: String,
}

/// A user and the device that came with the registration.
pub(crate) struct Person {
    /// The id of the device.
    pub(crate) device: String,
    pub(crate) of_device: Credential,
    pub(crate) basic: Credential,
    pub(crate) bearer: Credential,
}

impl Person {
    /// Registers a device, and with it its user; both credentials have been used once.
    pub(crate) fn register(gateway: &Gateway) -> Self {
        let private = format!("Bearer {PRIVATE_TOKEN}");
        let device = call(
            gateway.address,
            "POST",
            "/api/mobile/v1/device",
            &private,
            &json!({ "name": "bench" }),
        );
        let text = |name: &str| device[name].as_str().expect("text").to_owned();
        let login = format!("{}:{}", text("login"), text("password"));
        let basic = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(login));
        let wanted = json!({ "scopes": ["all:any"], "ttl": 900 });
        let issued = call(gateway.address, "POST", "/api/3rdparty/v1/auth/token", &basic, &wanted);
        let minted = mint(&text("login"));
        let of_user = |of_client| Credential {
            of_client,
            of_sidecar: minted.clone(),
        };
        let phone = format!("Bearer {}", text("token"));
        Self {
            device: text("id"),
            of_device: Credential {
                of_client: phone.clone(),
                of_sidecar: phone,
            },
            basic: of_user(basic),
            bearer: of_user(format!("Bearer {}", issued["access_token"].as_str().expect("token"))),
        }
    }
}

/// What the sidecar would send on behalf of a user.
fn mint(user: &str) -> String {
    let key = Hs256Key::new(&Secret::new(MINT_SECRET)).expect("key");
    #[expect(clippy::disallowed_methods, reason = "the token must be valid now")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("clock").as_secs();
    let now: i64 = now.try_into().expect("clock");
    let claims = MintedClaims {
        user: &UserId::parse(user).expect("user"),
        id: &TokenId::parse("benchmark-minted-0001").expect("id"),
        scopes: &["all:any"],
        issued_at: UnixSeconds(now),
        expires_at: UnixSeconds(now + 3600),
    };
    format!(
        "Bearer {}",
        Signer::new(key, Some("sms-gate.app".into())).minted(&claims)
    )
}

/// Everybody.
pub(crate) struct People {
    /// 20 messages wait for this one; they came in through the API.
    pub(crate) reader: Person,
    /// The id of one of those.
    pub(crate) message: String,
    /// 100 messages wait: as many as one pull gives.
    pub(crate) full: Person,
    /// 10,000 messages wait.
    pub(crate) swamped: Person,
    pub(crate) poster: Person,
    /// Has [`REPORTS`] messages to report in every round.
    pub(crate) reporter: Person,
}

impl People {
    /// Registers them and fills their queues.
    pub(crate) fn settle(gateway: &Gateway, rounds: usize) -> Self {
        let person = || Person::register(gateway);
        let people = Self {
            message: String::new(),
            reader: person(),
            full: person(),
            swamped: person(),
            poster: person(),
            reporter: person(),
        };
        let message: Value = serde_json::from_str(MESSAGE).expect("json");
        let post = || call(gateway.address, "POST", SEND, &people.reader.basic.of_client, &message);
        let ids: Vec<Value> = (0..20).map(|_| post()["id"].clone()).collect();
        let reports = REPORTS * rounds as u64;
        for (person, name, count) in [
            (&people.full, "full", 100),
            (&people.swamped, "swamped", 10_000),
            (&people.reporter, "report", reports),
        ] {
            seed::add(&gateway.database(), &Batch::pending(&person.device, name, count));
        }
        Self {
            message: ids[0].as_str().expect("id").to_owned(),
            ..people
        }
    }

    /// Posts until there are so many messages of the poster's; says how many there are then.
    pub(crate) fn post_until(&self, gateway: &Gateway, count: u64) -> u64 {
        let mut posted = seed::count(&gateway.database());
        let requests = [request("POST", SEND, &self.poster.bearer.of_client, MESSAGE)];
        while posted < count {
            let mut traffic = Traffic::open(gateway.address, 16, &requests, 202);
            posted += traffic.run(std::time::Duration::from_secs(1));
        }
        posted
    }
}
