//! Plays one recording from top to bottom.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::compare::{self, Leniency};
use crate::expression::{Names, duration};
use crate::scenario::{Auth, Request, Scenario, Step, StreamExpect};
use crate::support::http::{self, Connection, Response};

/// Plays all steps; the error names the step.
pub(crate) async fn play(scenario: &Scenario, server: SocketAddr, private_token: &str) -> Result<(), String> {
    let mut player = Player {
        server,
        names: Names::new(private_token, OffsetDateTime::now_utc()),
        own_address: scenario.client.is_some().then(fresh_address),
        streams: BTreeMap::new(),
    };
    for step in &scenario.steps {
        let played = player.play(step).await;
        played.map_err(|error| format!("step {:?}: {error}", step.name))?;
    }
    Ok(())
}

/// A loopback address that nobody else sends from, so that throttling of others does not answer in our place.
fn fresh_address() -> Ipv4Addr {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let [_, high, middle, low] = number.to_be_bytes();
    Ipv4Addr::new(127, 100 + high, middle, low)
}

struct Player {
    server: SocketAddr,
    names: Names,
    own_address: Option<Ipv4Addr>,
    streams: BTreeMap<String, Stream>,
}

/// An open event stream and what has come on it.
struct Stream {
    connection: Connection,
    head: Response,
    text: String,
}

impl Player {
    async fn play(&mut self, step: &Step) -> Result<(), String> {
        if step.ours.as_ref().is_some_and(|ours| ours.skip.is_some()) {
            return Ok(());
        }
        if let Some(request) = &step.request {
            return self.exchange(step, request).await;
        }
        if let Some(token) = &step.claims {
            return self.look_into(step, &self.names.expand(token));
        }
        if let Some(wait) = &step.wait {
            tokio::time::sleep(as_std(wait)).await;
            return Ok(());
        }
        if let Some(open) = &step.stream {
            let request = self.request("GET", &open.path, open.auth.as_ref());
            let mut connection = Connection::open(self.server).await;
            connection.write(&request.bytes(self.server)).await;
            let (status, headers) = connection.read_head().await.ok_or("the stream did not open")?;
            let body = Vec::new();
            let head = Response { status, headers, body };
            let text = String::new();
            self.streams
                .insert(open.name.clone(), Stream { connection, head, text });
            return Ok(());
        }
        if let Some(expect) = &step.stream_expect {
            let names = &self.names;
            let stream = self.streams.get_mut(&expect.stream).ok_or("no such stream")?;
            return stream.check(expect, names).await;
        }
        if let Some(name) = &step.stream_close {
            self.streams.remove(name);
            return Ok(());
        }
        Err("what kind of step is this?".into())
    }

    async fn exchange(&mut self, step: &Step, request: &Request) -> Result<(), String> {
        let path = self.names.expand(&request.path);
        let expect = self.names.expand_all(&expected(step));
        let mut sent = self.request(&request.method, &path, request.auth.as_ref());
        for (name, value) in &request.headers {
            sent = sent.header(name, &self.names.expand(value));
        }
        if let Some(body) = &request.json {
            let body = self.names.expand_all(body).to_string();
            if !sent.has_header("content-type") {
                sent = sent.header("Content-Type", "application/json");
            }
            sent = sent.body(body);
        } else if let Some(text) = &request.text {
            sent = sent.body(self.names.expand(text));
        }
        if let Some(source) = self.own_address {
            sent = sent.from(source);
        } else if expect["status"] == 401 {
            sent = sent.from(fresh_address());
        }
        let answer = sent.send(self.server).await;
        let leniency = Leniency {
            may_add: step.ours.as_ref().is_some_and(|ours| ours.may_add),
            unordered: step.unordered,
            error_body: answer.status >= 400,
            token_body: path.contains("/auth/token"),
        };
        let checked = check(&expect, &answer, &path, leniency, request.method == "HEAD");
        checked.map_err(|error| {
            format!(
                "{error}\n  answer: {} {:?}\n  {}",
                answer.status,
                answer.headers,
                answer.text()
            )
        })?;
        for (name, pointer) in &step.capture {
            let body = answer.json();
            let value = body.pointer(pointer).ok_or_else(|| format!("nothing at {pointer}"))?;
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            self.names.capture(name, text);
        }
        Ok(())
    }

    fn request(&self, method: &str, path: &str, auth: Option<&Auth>) -> http::Request {
        let request = http::Request::new(method, &self.names.expand(path));
        match auth {
            Some(Auth {
                basic: Some([login, password]),
                ..
            }) => request.basic(&self.names.expand(login), &self.names.expand(password)),
            Some(Auth {
                bearer: Some(token), ..
            }) => request.bearer(&self.names.expand(token)),
            _ => request,
        }
    }

    fn look_into(&self, step: &Step, token: &str) -> Result<(), String> {
        let mut parts = token.split('.').map(|part| {
            let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
                .decode(part)
                .unwrap_or_default();
            serde_json::from_slice::<Value>(&bytes).unwrap_or_default()
        });
        let (header, claims) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let lifetime = claims["exp"].as_i64().unwrap_or(0) - claims["iat"].as_i64().unwrap_or(0);
        let actual = json!({ "header": header, "claims": claims, "lifetime": lifetime });
        let expect = self.names.expand_all(&expected(step));
        // Tokens may carry more claims (`exchanges/README.md`, difference 1).
        let leniency = Leniency {
            may_add: true,
            ..Leniency::default()
        };
        compare::json(&expect, &actual, leniency)
    }
}

/// The recorded expectation with ours laid over it.
fn expected(step: &Step) -> Value {
    let recorded = step.expect.clone().unwrap_or_default();
    let Some(ours) = step.ours.as_ref().and_then(|ours| ours.expect.clone()) else {
        return ours_by_rule(recorded);
    };
    if ours.get("status").is_some() {
        return ours;
    }
    let mut merged = recorded;
    if let (Some(merged), Some(ours)) = (merged.as_object_mut(), ours.as_object()) {
        if ours.contains_key("json_includes") {
            merged.remove("json");
            merged.remove("text");
        }
        merged.extend(ours.clone());
    }
    merged
}

/// Difference 3: where the reference says `Accepted` as text, we say `{}`.
fn ours_by_rule(mut expect: Value) -> Value {
    if expect["status"] == 202 && expect["text"] == "Accepted" {
        let Some(fields) = expect.as_object_mut() else {
            return expect;
        };
        fields.remove("text");
        fields.insert("json".into(), json!({}));
    }
    expect
}

fn check(expect: &Value, answer: &Response, path: &str, leniency: Leniency, head: bool) -> Result<(), String> {
    let status = Value::from(answer.status);
    let allowed = match &expect["status"] {
        Value::Array(list) => list.contains(&status),
        Value::Null => true,
        one => *one == status,
    };
    if !allowed {
        return Err(format!("status {status} instead of {}", expect["status"]));
    }
    check_headers(expect, answer, path)?;
    if let Some(body) = expect.get("json") {
        check_type(expect, answer, "application/json")?;
        compare::json(body, &answer.json(), leniency)?;
    } else if let Some(body) = expect.get("json_includes") {
        compare::json(
            body,
            &answer.json(),
            Leniency {
                may_add: true,
                ..leniency
            },
        )?;
    } else if let Some(text) = expect.get("text").and_then(Value::as_str) {
        check_type(expect, answer, "text/plain; charset=utf-8")?;
        compare::text(text, &answer.text())?;
    } else if !expect["status"].is_array() && !head && answer.status < 400 && !answer.body.is_empty() {
        return Err("a body where there should be none".into());
    }
    for piece in expect["raw"].as_array().into_iter().flatten() {
        let piece = piece.as_str().unwrap_or_default();
        if !answer.text().contains(piece) {
            return Err(format!("no {piece:?} in the body"));
        }
    }
    check_challenge(answer, path)
}

fn check_type(expect: &Value, answer: &Response, default: &str) -> Result<(), String> {
    if expect["headers"].get("content-type").is_some() || answer.header("content-type") == Some(default) {
        return Ok(());
    }
    Err(format!(
        "content type {:?} instead of {default:?}",
        answer.header("content-type")
    ))
}

fn check_headers(expect: &Value, answer: &Response, path: &str) -> Result<(), String> {
    let Some(headers) = expect["headers"].as_object() else {
        return Ok(());
    };
    for (name, value) in headers {
        let actual = answer.header(&name.to_ascii_lowercase());
        match (value, actual) {
            // Recorded absences of a challenge do not bind us (difference 4).
            (Value::Null, _) if name == "www-authenticate" => {}
            (Value::Null, None) => {}
            (Value::Null, Some(actual)) => return Err(format!("{name}: {actual} should not be there ({path})")),
            (value, None) => return Err(format!("{name} is missing, {value} expected")),
            (value, Some(actual)) => {
                let pattern = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let decoded = if name == "location" {
                    percent_decode(actual)
                } else {
                    actual.to_owned()
                };
                compare::text(&pattern, actual)
                    .or_else(|_| compare::text(&pattern, &decoded))
                    .map_err(|error| format!("{name}: {error}"))?;
            }
        }
    }
    Ok(())
}

/// Difference 4: every 401 carries a challenge, except under `/mobile`.
fn check_challenge(answer: &Response, path: &str) -> Result<(), String> {
    let is_mobile = path.to_ascii_lowercase().contains("/mobile/");
    let has_challenge = answer.header("www-authenticate").is_some();
    match (answer.status, is_mobile, has_challenge) {
        (401, false, false) => Err("a 401 without a challenge".into()),
        _ => Ok(()),
    }
}

/// Difference 8: `Location` may be percent-encoded.
fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = (first == b'%')
            .then(|| tail.get(..2))
            .flatten()
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        match escaped {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn as_std(text: &str) -> Duration {
    duration(text).try_into().expect("duration")
}

impl Stream {
    async fn check(&mut self, expect: &StreamExpect, names: &Names) -> Result<(), String> {
        if let Some(head) = &expect.head {
            if head["status"] != self.head.status {
                return Err(format!("stream status {}", self.head.status));
            }
            check_headers(&names.expand_all(head), &self.head, "stream")?;
        }
        let within = as_std(expect.within.as_deref().unwrap_or("5s"));
        for frame in &expect.frames {
            let frame = names.expand_all(frame);
            let next = tokio::time::timeout(within, self.next_frame()).await;
            let actual = next.map_err(|_| format!("no frame in time, {frame} expected"))??;
            compare::json(&frame, &actual, Leniency::default())?;
        }
        if let Some(quiet) = &expect.quiet
            && let Ok(frame) = tokio::time::timeout(as_std(quiet), self.next_frame()).await
        {
            return Err(format!("unexpected {frame:?}"));
        }
        Ok(())
    }

    /// The next event, comments left out; `data` decoded.
    async fn next_frame(&mut self) -> Result<Value, String> {
        loop {
            while let Some(end) = self.text.find("\n\n") {
                let block: String = self.text.drain(..end + 2).collect();
                let field = |name: &str| {
                    let mut lines = block.lines();
                    lines.find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(": ")?.to_owned()))
                };
                if let Some(event) = field("event") {
                    let data: Value =
                        serde_json::from_str(&field("data").unwrap_or_default()).map_err(|e| e.to_string())?;
                    return Ok(json!({ "event": event, "data": data }));
                }
            }
            let bytes = self.connection.read_chunk().await.ok_or("the stream ended")?;
            self.text.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
}
