//! Would the reference's own end-to-end suite pass against us (WIRE §13)? Each of its tests, by its name, told in our words:
//! one gateway in public mode and one in private mode.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::support::http::{Request, Response};
use crate::support::process::Settings;

const PRIVATE_TOKEN: &str = "123456789";
const DEVICE: &str = "/api/mobile/v1/device";
const MESSAGES: &str = "/api/3rdparty/v1/messages";
const WEBHOOKS: &str = "/api/3rdparty/v1/webhooks";
/// As long as an id of a device may not be.
const LONG_ID: &str = "invalid_length_device_id";

#[tokio::test]
async fn the_public_server_passes_the_suite_of_the_reference() {
    let gateward = Settings::new().with("GATEWAY__MODE", "public").up();
    let at = gateward.public;
    readiness(at).await;
    public_device_register(at).await;
    public_device_password_change(at).await;
    public_device_register_with_credentials(at).await;
    device_selection(at).await;
    priority_post(at).await;
    inbox_refresh_webhook_delivery(at).await;
    messages_get_messages(at).await;
    messages_post(at).await;
    messages_post_duplicate_message_id(at).await;
    webhooks_get(at).await;
    webhooks_post(at).await;
    webhooks_post_batch_event_types(at).await;
    webhooks_delete(at).await;
}

#[tokio::test]
async fn the_private_server_passes_the_suite_of_the_reference() {
    let gateward = Settings::new().with("GATEWAY__PRIVATE_TOKEN", PRIVATE_TOKEN).up();
    let at = gateward.public;
    readiness(at).await;
    private_device_register(at).await;
}

/// A device and the password of its new user.
struct Owner {
    at: SocketAddr,
    device: String,
    token: String,
    login: String,
    password: String,
}

impl Owner {
    async fn register(at: SocketAddr) -> Self {
        let answer = register(at, Request::post(DEVICE)).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let body = answer.json();
        let text = |name: &str| body[name].as_str().expect("text").to_owned();
        Self {
            at,
            device: text("id"),
            token: text("token"),
            login: text("login"),
            password: text("password"),
        }
    }

    async fn get(&self, path: &str) -> Response {
        let request = Request::get(path).basic(&self.login, &self.password);
        request.send(self.at).await
    }

    async fn post(&self, path: &str, body: Value) -> Response {
        let request = Request::post(path).basic(&self.login, &self.password).json(&body);
        request.send(self.at).await
    }

    async fn delete(&self, path: &str) -> Response {
        let request = Request::new("DELETE", path).basic(&self.login, &self.password);
        request.send(self.at).await
    }

    async fn change_password(&self, token: &str, current: &str, new: &str) -> u16 {
        let body = json!({"currentPassword": current, "newPassword": new});
        let request = Request::new("PATCH", "/api/mobile/v1/user/password").bearer(token);
        request.json(&body).send(self.at).await.status
    }

    /// Nobody and somebody with a wrong password are both told so in JSON.
    async fn strangers_are_refused(&self, method: &str, path: &str, body: Option<Value>) {
        let nobody = Request::new(method, path);
        let impostor = Request::new(method, path).basic("invalid", "credentials");
        for request in [nobody, impostor] {
            let request = match &body {
                Some(body) => request.json(body),
                None => request,
            };
            let answer = request.send(self.at).await;
            assert_eq!(answer.status, 401, "{method} {path}");
            assert_has_message(&answer);
        }
    }
}

async fn register(at: SocketAddr, request: Request) -> Response {
    let body = json!({"name": "Public Device Name", "pushToken": "token"});
    request.json(&body).send(at).await
}

fn assert_has_message(answer: &Response) {
    let body = answer.json();
    assert!(body["message"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
}

/// The list in an answer, which says exactly that it is JSON.
fn list(answer: &Response) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json"));
    answer.json().as_array().expect("a list").clone()
}

async fn readiness(at: SocketAddr) {
    // Any status will do.
    Request::get("/api/health").send(at).await;
}

async fn public_device_register(at: SocketAddr) {
    for request in [
        Request::post(DEVICE),
        Request::post(DEVICE).bearer(PRIVATE_TOKEN),
        Request::post(DEVICE).bearer("987654321"),
    ] {
        assert_eq!(register(at, request).await.status, 201);
    }
}

async fn private_device_register(at: SocketAddr) {
    for (request, status) in [
        (Request::post(DEVICE).bearer(PRIVATE_TOKEN), 201),
        (Request::post(DEVICE), 401),
        (Request::post(DEVICE).bearer("987654321"), 401),
    ] {
        assert_eq!(register(at, request).await.status, status);
    }
}

async fn public_device_password_change(at: SocketAddr) {
    let owner = Owner::register(at).await;
    let (old, new) = (owner.password.as_str(), "new-password-of-14-and-more");
    assert_eq!(owner.change_password("invalid-token", old, new).await, 401);
    assert_eq!(owner.change_password(&owner.token, "wrong-password", new).await, 401);
    assert_eq!(owner.change_password(&owner.token, old, "8-letter").await, 400);
    assert_eq!(owner.change_password(&owner.token, old, new).await, 204);
    assert_eq!(owner.change_password(&owner.token, new, old).await, 204);
}

/// The reference skips it, and what it expects of `login` is not what the server does.
async fn public_device_register_with_credentials(at: SocketAddr) {
    let owner = Owner::register(at).await;
    let added = register(at, Request::post(DEVICE).basic(&owner.login, &owner.password)).await;
    assert_eq!(
        (added.status, added.json()["login"].as_str()),
        (201, Some(owner.login.as_str()))
    );
    let refused = register(at, Request::post(DEVICE).basic(&owner.login, "wrong-password")).await;
    assert_eq!(refused.status, 401);
}

async fn device_selection(at: SocketAddr) {
    let owner = Owner::register(at).await;
    let second = register(at, Request::post(DEVICE).basic(&owner.login, &owner.password)).await;
    assert_eq!(second.status, 201);
    let second = second.json()["id"].clone();
    for (device, status) in [(second, 202), (json!("invalid-device-id"), 400), (Value::Null, 202)] {
        let body = json!({"deviceId": device, "textMessage": {"text": "x"}, "phoneNumbers": ["+79999999999"]});
        assert_eq!(owner.post(MESSAGES, body).await.status, status, "{device}");
    }
}

async fn priority_post(at: SocketAddr) {
    let owner = Owner::register(at).await;
    for (priority, status) in [
        (Some(-128), 202),
        (Some(127), 202),
        (None, 202),
        (Some(128), 400),
        (Some(-129), 400),
    ] {
        let mut body = json!({"message": "x", "phoneNumbers": ["+79999999999"]});
        if let Some(priority) = priority {
            body["priority"] = priority.into();
        }
        assert_eq!(owner.post(MESSAGES, body).await.status, status, "{priority:?}");
    }
}

async fn inbox_refresh_webhook_delivery(at: SocketAddr) {
    let owner = Owner::register(at).await;
    for delivery in [
        json!({"webhookDelivery": "Individual"}),
        json!({"webhookDelivery": "Batch"}),
        json!({"webhookDelivery": "Disabled"}),
        json!({"triggerWebhooks": true}),
        json!({"triggerWebhooks": false}),
        json!({"webhookDelivery": "Batch", "triggerWebhooks": false}),
        json!({}),
    ] {
        let mut body = json!({"since": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z"});
        let fields = body.as_object_mut().expect("an object");
        fields.extend(delivery.as_object().expect("an object").clone());
        let answer = owner.post("/api/3rdparty/v1/inbox/refresh", body).await;
        assert_eq!(answer.status, 202, "{delivery}");
    }
}

async fn messages_get_messages(at: SocketAddr) {
    let owner = Owner::register(at).await;
    assert!(
        list(&owner.get(MESSAGES).await).is_empty(),
        "a list, although nothing was sent"
    );
    for id in 0..7 {
        let body = json!({"id": format!("m{id}"), "textMessage": {"text": "x"}, "phoneNumbers": ["+79999999999"]});
        assert_eq!(owner.post(MESSAGES, body).await.status, 202);
    }
    let of = async |query: &str| owner.get(&format!("{MESSAGES}?{query}")).await;
    let all = list(&owner.get(MESSAGES).await);
    assert_eq!(all.len(), 7);
    for message in &all {
        for field in ["id", "deviceId", "state"] {
            assert!(
                message[field].as_str().is_some_and(|text| !text.is_empty()),
                "{message}"
            );
        }
    }
    let page = of("limit=10&offset=5").await;
    assert_eq!(page.header("x-total-count"), Some("7"));
    assert_eq!(list(&page).len(), 2);
    assert_eq!(
        list(&of("from=2020-01-01T00:00:00Z&to=2100-01-01T00:00:00Z").await).len(),
        7
    );
    assert!(
        list(&of("state=Sent").await)
            .iter()
            .all(|message| message["state"] == "Sent")
    );
    assert_eq!(list(&of(&format!("deviceId={}", owner.device)).await).len(), 7);
    for bad in ["from=invalid", "state=InvalidState", &format!("deviceId={LONG_ID}")] {
        let refused = of(bad).await;
        assert_eq!(refused.status, 400, "{bad}");
        assert_has_message(&refused);
    }
    owner.strangers_are_refused("GET", MESSAGES, None).await;
}

async fn messages_post(at: SocketAddr) {
    let owner = Owner::register(at).await;
    let body = |numbers: [&str; 2]| json!({"textMessage": {"text": "x"}, "phoneNumbers": numbers});
    let twice = owner.post(MESSAGES, body(["+79999999999", "+79999999999"])).await;
    assert_eq!(
        (twice.status, twice.json()["message"].as_str()),
        (400, Some("phone numbers must be unique"))
    );
    assert_eq!(
        owner
            .post(MESSAGES, body(["+79999999999", "+79999999998"]))
            .await
            .status,
        202
    );
}

async fn messages_post_duplicate_message_id(at: SocketAddr) {
    let owner = Owner::register(at).await;
    let body = |number: &str| {
        json!({
            "id": "e2e-duplicate-message-id", "deviceId": owner.device,
            "textMessage": {"text": "x"}, "phoneNumbers": [number],
        })
    };
    assert_eq!(owner.post(MESSAGES, body("+79999999999")).await.status, 202);
    let again = owner.post(MESSAGES, body("+79999999998")).await;
    let taken = "message with the same ID already exists";
    assert_eq!((again.status, again.json()["message"].as_str()), (409, Some(taken)));
}

async fn webhooks_get(at: SocketAddr) {
    let owner = Owner::register(at).await;
    assert!(list(&owner.get(WEBHOOKS).await).is_empty());
    let body = json!({"url": "https://example.com/webhook", "event": "sms:delivered"});
    assert_eq!(owner.post(WEBHOOKS, body).await.status, 201);
    let all = list(&owner.get(WEBHOOKS).await);
    assert_eq!(all.len(), 1);
    for field in ["id", "url", "event"] {
        assert!(all[0][field].as_str().is_some_and(|text| !text.is_empty()), "{all:?}");
    }
    owner.strangers_are_refused("GET", WEBHOOKS, None).await;
}

async fn webhooks_post(at: SocketAddr) {
    let owner = Owner::register(at).await;
    let url = "https://example.com/webhook";
    for body in [
        json!({"url": url, "event": "sms:received"}),
        json!({"url": url, "event": "sms:received", "deviceId": owner.device}),
        json!({"url": url, "event": "sms:data-received"}),
    ] {
        let created = owner.post(WEBHOOKS, body.clone()).await;
        assert_eq!(created.status, 201, "{}", created.text());
        let created = created.json();
        assert!(created["id"].as_str().is_some_and(|id| !id.is_empty()));
        for field in ["url", "event", "deviceId"] {
            assert_eq!(created[field], body[field], "{field}");
        }
    }
    for body in [
        json!({"url": "invalid-url", "event": "sms:received"}),
        json!({"url": "", "event": ""}),
        json!({"url": url, "event": "invalid:event"}),
        json!({"url": url, "event": "sms:received", "deviceId": LONG_ID}),
    ] {
        let refused = owner.post(WEBHOOKS, body.clone()).await;
        assert_eq!(refused.status, 400, "{body}");
        assert_has_message(&refused);
    }
    let good = json!({"url": url, "event": "sms:received"});
    owner.strangers_are_refused("POST", WEBHOOKS, Some(good)).await;
}

async fn webhooks_post_batch_event_types(at: SocketAddr) {
    let owner = Owner::register(at).await;
    for event in [
        "sms:batch:received",
        "sms:batch:data-received",
        "mms:batch:received",
        "mms:batch:downloaded",
    ] {
        let body = json!({"url": "https://example.com/webhook", "event": event});
        let created = owner.post(WEBHOOKS, body).await;
        assert_eq!((created.status, created.json()["event"].as_str()), (201, Some(event)));
    }
}

async fn webhooks_delete(at: SocketAddr) {
    let owner = Owner::register(at).await;
    let body = json!({"id": "mine", "url": "https://example.com/webhook", "event": "sms:received"});
    assert_eq!(owner.post(WEBHOOKS, body).await.status, 201);
    for id in ["mine", "non-existent-id"] {
        let deleted = owner.delete(&format!("{WEBHOOKS}/{id}")).await;
        assert_eq!((deleted.status, deleted.text().as_str()), (204, ""));
    }
    assert!(list(&owner.get(WEBHOOKS).await).is_empty());
    owner
        .strangers_are_refused("DELETE", &format!("{WEBHOOKS}/mine"), None)
        .await;
}
