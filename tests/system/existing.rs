//! Can the core take over the database of a running SMSGate server, answer as that server did, and give it back?

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::support::http::{Request, Response};
use crate::support::jwt;
use crate::support::mariadb::MariaDb;
use crate::support::process::{Core, Gateward, Settings, folder};

const KEY: &str = "existing-private-token";
const API: &str = "/api/3rdparty/v1";
const MOBILE: &str = "/api/mobile/v1";
/// All that describes tables, but for indexes.
const COLUMNS: &str = "SELECT table_name, column_name, column_type, is_nullable, column_default, extra, collation_name \
    FROM information_schema.columns WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position";
/// Indexes and foreign keys.
const INDEXES: &str = "SELECT table_name, index_name, non_unique, GROUP_CONCAT(column_name ORDER BY seq_in_index) \
    FROM information_schema.statistics WHERE table_schema = DATABASE() GROUP BY 1, 2, 3 ORDER BY 1, 2";
const REFERENCES: &str = "SELECT table_name, constraint_name, referenced_table_name, delete_rule \
    FROM information_schema.referential_constraints WHERE constraint_schema = DATABASE() ORDER BY 1, 2";
/// What the reference believes to have migrated.
const MIGRATIONS: &str = "SELECT version_id, is_applied FROM goose_db_version ORDER BY id";

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/conformance/database")
        .join(name);
    std::fs::read_to_string(path).expect("read")
}

fn data(name: &str) -> Value {
    serde_json::from_str(&file(name)).expect("JSON")
}

/// A server that holds the reference's database as `theirs` and an empty one as `ours`.
fn server() -> MariaDb {
    let server = MariaDb::start();
    server.create("theirs");
    server.create("ours");
    server.run("theirs", &file("smsgate-1.47.1.sql"));
    server
}

/// A core on a database, and a sidecar in front of it.
struct Stage {
    core: Core,
    gateward: Gateward,
    people: Value,
}

impl Stage {
    fn on(server: &MariaDb, database: &str) -> Self {
        let url = server.url(database);
        let core = Core::start_in(&Arc::new(folder()), KEY, &[("DATABASE__URL", &url)]);
        let upstream = format!("upstream: {{ url: 'http://{}' }}\n", core.address);
        let gateward = Settings::new()
            .file("gateward.yaml", &upstream)
            .with("GATEWARD__UPSTREAM__MINT__SECRET", Core::SECRET)
            // The server had one secret, with which it signed its clients' tokens.
            .with("GATEWARD__TOKENS__SECRET", Core::SECRET)
            .with("GATEWARD__TOKENS__REFRESH_GRACE", "5m")
            .run();
        let people = data("people.json");
        Self { core, gateward, people }
    }

    /// Sends a request as a user (`a`) or as a device (`device a`).
    async fn send(&self, who: &str, request: Request) -> Response {
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let request = match who.strip_prefix("device ") {
            Some(device) => request.bearer(&text(&self.people["devices"][device]["token"])),
            None => {
                let user = &self.people["users"][who];
                request.basic(&text(&user["login"]), &text(&user["password"]))
            }
        };
        request.send(self.gateward.public).await
    }

    /// Sends a request that must be answered so.
    async fn expect(&self, status: u16, who: &str, request: Request) -> Response {
        let answer = self.send(who, request).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        answer
    }

    /// Stops both.
    fn stop(mut self) {
        for process in [&mut self.gateward.process, &mut self.core.process] {
            process.signal("TERM");
            assert!(process.wait().success());
        }
    }
}

/// Makes answers comparable: what depends on the moment goes, times have milliseconds, recipients an order.
fn comparable(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let is_state = fields.contains_key("recipients");
            fields.retain(|name, _| name != "ttl" && !(is_state && name == "createdAt"));
            fields.values_mut().for_each(comparable);
            if let Some(Value::Array(recipients)) = fields.get_mut("recipients") {
                recipients.sort_by_key(|recipient| recipient["phoneNumber"].to_string());
            }
        }
        Value::Array(items) => items.iter_mut().for_each(comparable),
        Value::String(text) => {
            let is_time = text.len() > 20 && text.ends_with('Z') && text.get(10..11) == Some("T");
            if let (true, Some((seconds, fraction))) = (is_time, text.trim_end_matches('Z').split_once('.')) {
                *text = format!("{seconds}.{:0<3.3}Z", fraction);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[tokio::test]
async fn a_database_of_the_reference_answers_as_it_did_there() {
    let server = server();
    let stage = Stage::on(&server, "theirs");
    for recorded in data("answers.json").as_array().expect("answers") {
        let request = recorded["request"].as_str().expect("request");
        let (method, target) = request.split_once(' ').expect("METHOD target");
        let who = recorded["as"].as_str().expect("as");
        let answer = stage.send(who, Request::new(method, target)).await;
        assert_eq!(answer.status, recorded["status"], "{who}: {request}");
        let expected = recorded.get("ours").unwrap_or(recorded);
        let (mut ours, mut expected) = (answer.json(), expected["body"].clone());
        comparable(&mut ours);
        comparable(&mut expected);
        assert_eq!(ours, expected, "{who}: {request}");
        let total = recorded.get("total").map(ToString::to_string);
        assert_eq!(answer.header("x-total-count"), total.as_deref(), "{request}");
    }
}

#[tokio::test]
async fn a_database_of_the_reference_can_be_given_back() {
    let server = server();
    let before = [COLUMNS, REFERENCES, MIGRATIONS].map(|query| server.run("theirs", query));
    let indexes = server.run("theirs", INDEXES);
    let stage = Stage::on(&server, "theirs");
    use_it(&stage).await;
    stage.stop();

    let after = [COLUMNS, REFERENCES, MIGRATIONS].map(|query| server.run("theirs", query));
    assert_eq!(after, before, "what the reference knows of its tables");
    let now = server.run("theirs", INDEXES);
    for index in indexes.lines() {
        assert!(now.lines().any(|line| line == index), "{index} is gone");
    }
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("README.md");
    for statement in readme.lines().filter(|line| line.starts_with("DROP INDEX ")) {
        server.run("theirs", statement);
    }
    assert_eq!(
        server.run("theirs", INDEXES),
        indexes,
        "what the README says about getting rid of ours"
    );
    let rows = |query: &str| server.run("theirs", query);
    assert_eq!(
        rows(
            "SELECT state, type, content, schedule_at, priority FROM messages \
              WHERE ext_id IN ('used-1', 'used-3') ORDER BY id"
        ),
        // What was reported is hashed at the latest when the core stops.
        "Sent\tText\t97e282a4263588e6a296481218a3a48c2fae466e1a427db7d0924442dbcccbea\tNULL\t5\n\
         Cancelling\tData\t{\"data\":\"AQID\",\"port\":53739}\t2099-05-01 10:00:00\t0\n"
    );
    assert_eq!(
        rows("SELECT JSON_VALUE(content, '$.text') FROM messages WHERE ext_id = 'used-2'"),
        "<привет> & \"👋\"\n"
    );
    assert_eq!(
        rows(
            "SELECT s.state, s.updated_at FROM message_states s JOIN messages m ON m.id = s.message_id \
              WHERE m.ext_id = 'used-1' AND s.state <> 'Pending' ORDER BY s.state"
        ),
        "Processed\t2026-11-20 12:00:00.000\nSent\t2026-11-20 12:00:01.123\n"
    );
    assert_eq!(
        rows(
            "SELECT JSON_VALUE(settings, '$.ping.interval_seconds'), JSON_VALUE(settings, '$.messages.limit_value') \
              FROM device_settings WHERE user_id = 'HAGVNF'"
        ),
        "77\t100\n"
    );
    assert_eq!(
        rows("SELECT event, device_id FROM webhooks WHERE ext_id = 'hook-new'"),
        "mms:downloaded\tivsYg5xiYtfPFEMx_GIzI\n"
    );
    assert!(rows("SELECT password_hash FROM users WHERE id = 'HAGVNF'").starts_with("$2a$10$"));
    assert_eq!(
        rows("SELECT COUNT(*) FROM tokens WHERE user_id = 'HAGVNF' AND revoked_at IS NULL AND expires_at > NOW()"),
        "0\n",
        "a password change revokes the reference's tokens too"
    );
}

/// What an operator's clients and phones do in a day.
async fn use_it(stage: &Stage) {
    let device = "ivsYg5xiYtfPFEMx_GIzI";
    let text = json!({
        "id": "used-1", "deviceId": device, "textMessage": { "text": "привет 👋" }, "priority": 5, "ttl": 3600,
        "phoneNumbers": ["+79990001234", "+79990001235"],
    });
    let send = || Request::post(&format!("{API}/messages"));
    stage.expect(202, "a", send().json(&text)).await;
    stage.expect(409, "a", send().json(&text)).await;
    let waiting = json!({
        "id": "used-2", "deviceId": device, "textMessage": { "text": "<привет> & \"👋\"" }, "phoneNumbers": ["+79990001234"],
    });
    stage.expect(202, "a", send().json(&waiting)).await;
    let later = json!({
        "id": "used-3", "deviceId": device, "dataMessage": { "data": "AQID", "port": 53739 },
        "phoneNumbers": ["+79990001234"], "scheduleAt": "2099-05-01T10:00:00.750Z",
    });
    stage.expect(202, "a", send().json(&later)).await;
    let report = json!([{
        "id": "used-1", "state": "Sent",
        "recipients": [
            { "phoneNumber": "+79990001234", "state": "Sent" },
            { "phoneNumber": "+79990001235", "state": "Failed", "error": "no" },
        ],
        "states": { "Processed": "2026-11-20T12:00:00Z", "Sent": "2026-11-20T15:00:01.123+03:00" },
    }]);
    let reported = Request::new("PATCH", &format!("{MOBILE}/message")).json(&report);
    stage.expect(204, "device a", reported).await;
    let cancel = Request::new("DELETE", &format!("{API}/messages/used-3"));
    stage.expect(200, "a", cancel).await;
    let hook =
        json!({ "id": "hook-new", "url": "https://example.com/n", "event": "mms:downloaded", "deviceId": device });
    let add = Request::post(&format!("{API}/webhooks")).json(&hook);
    stage.expect(201, "a", add).await;
    let change = Request::new("PATCH", &format!("{API}/settings")).json(&json!({ "ping": { "interval_seconds": 77 } }));
    stage.expect(200, "a", change).await;
    let old = stage.people["users"]["a"]["password"].clone();
    let passwords = json!({ "currentPassword": old, "newPassword": "another-password" });
    let change = Request::new("PATCH", &format!("{MOBILE}/user/password")).json(&passwords);
    stage.expect(204, "device a", change).await;
    stage.expect(401, "a", Request::get(&format!("{API}/devices"))).await;
}

/// A refresh token as that server signed it for user `a`.
fn refresh_token(id: &str) -> String {
    let mut claims = jwt::claims("HAGVNF", &["tokens:refresh"]);
    claims["jti"] = id.into();
    claims["original_scopes"] = json!(["devices:list"]);
    jwt::token(Core::SECRET, &claims)
}

#[tokio::test]
async fn a_client_of_the_reference_goes_on_with_its_refresh_token_once() {
    const LIVE: &str = "tEtVSuhJgr2C03voiNfFq";
    let server = server();
    // Whenever this runs, the token has not expired.
    server.run(
        "theirs",
        "UPDATE tokens SET expires_at = NOW(3) + INTERVAL 1 DAY, updated_at = updated_at",
    );
    let stage = Stage::on(&server, "theirs");
    let refresh = async |stage: &Stage, id: &str| {
        let request = Request::post(&format!("{API}/auth/token/refresh")).bearer(&refresh_token(id));
        request.send(stage.gateward.public).await
    };
    for refused in [
        "KXYvFUdQoPSva_1oXZHZC",
        "-1TdG0HNHp2Gb_OFRYanc",
        "3Ecryy19uQls0txyk2wo5",
        "no-such-token-0123456",
    ] {
        assert_eq!(refresh(&stage, refused).await.status, 401, "{refused}");
    }

    let answer = refresh(&stage, LIVE).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let pair = answer.json();
    let access = pair["access_token"].as_str().expect("access token");
    let devices = Request::get(&format!("{API}/devices")).bearer(access);
    assert_eq!(devices.send(stage.gateward.public).await.status, 200);
    let again = refresh(&stage, LIVE).await;
    assert_eq!(
        (again.status, again.json()["id"].clone()),
        (201, pair["id"].clone()),
        "the same pair"
    );
    let revoked = "SELECT id FROM tokens WHERE revoked_at IS NOT NULL AND id IN ('tEtVSuhJgr2C03voiNfFq', \
        '3Ecryy19uQls0txyk2wo5', 'DxIwPFFwk070RS8Fw5fXi')";
    assert_eq!(
        server.run("theirs", revoked),
        format!("{LIVE}\n"),
        "the access token stays"
    );
    stage.stop();

    // A sidecar that knows nothing of it asks the core, which has used it up.
    let stage = Stage::on(&server, "theirs");
    assert_eq!(refresh(&stage, LIVE).await.status, 401);
}

#[tokio::test]
async fn an_empty_database_becomes_one_that_the_reference_knows() {
    let server = server();
    let mut stage = Stage::on(&server, "ours");
    let mut said = |word: &str| {
        stage
            .core
            .process
            .wait_for(word, |line| line.contains(word).then_some(()))
    };
    said("gateward-core worker");
    stage.stop();
    for query in [COLUMNS, REFERENCES, MIGRATIONS] {
        assert_eq!(server.run("ours", query), server.run("theirs", query));
    }
    let ours = server.run("ours", INDEXES);
    for index in server.run("theirs", INDEXES).lines() {
        assert!(ours.lines().any(|line| line == index), "no {index}");
    }
}
