//! What is measured, what the reference needed for it, and what we may need.

use serde_json::json;

use crate::client::request;
use crate::people::{Credential, MESSAGE, People, REPORTS};
use crate::seed::Batch;

const USER: &str = "/api/3rdparty/v1";
const PHONE: &str = "/api/mobile/v1/message";

/// One kind of request.
pub(crate) struct Case {
    /// What the table says.
    pub(crate) name: &'static str,
    method: &'static str,
    path: String,
    credential: Credential,
    body: Body,
    /// Of every answer.
    pub(crate) status: u16,
    /// CPU µs of the reference's server and of its database.
    pub(crate) reference: Option<(f64, f64)>,
    /// What we may need.
    pub(crate) target: Target,
}

#[derive(Clone, Copy)]
enum Body {
    None,
    Message,
    /// The states of messages that were not reported yet.
    Reports,
}

/// What sidecar and core together, and the database, may need.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    None,
    /// Parts of what the reference needed: of its server's, and of its database's if that is limited.
    Parts(f64, Option<f64>),
    /// As much as this case of the same run.
    SameAs(&'static str),
}

impl Case {
    /// The requests of a round, sent in turn.
    pub(crate) fn requests(&self, round: usize) -> Vec<Vec<u8>> {
        let one = |body: &str| request(self.method, &self.path, &self.credential.of_client, body);
        match self.body {
            Body::None => vec![one("")],
            Body::Message => vec![one(MESSAGE)],
            Body::Reports => {
                let first = round as u64 * REPORTS + 1;
                (first..first + REPORTS).map(|number| one(&report(number))).collect()
            }
        }
    }

    /// The same for a core without a sidecar; `None`: they can be sent once only.
    pub(crate) fn requests_to_core(&self) -> Option<Vec<Vec<u8>>> {
        let one = |body: &str| request(self.method, &self.path, &self.credential.of_sidecar, body);
        match self.body {
            Body::None => Some(vec![one("")]),
            Body::Message => Some(vec![one(MESSAGE)]),
            Body::Reports => None,
        }
    }

    /// As many as the reference was given.
    pub(crate) fn connections(&self) -> usize {
        if self.method == "GET" { 32 } else { 16 }
    }
}

fn report(number: u64) -> String {
    let sent = json!({
        "id": Batch::id("report", number),
        "state": "Sent",
        "recipients": [{ "phoneNumber": "+79990001234", "state": "Sent" }],
        "states": { "Processed": "2026-01-01T00:00:00.000Z", "Sent": "2026-01-01T00:00:01.000Z" },
    });
    json!([sent]).to_string()
}

/// All cases; the reference's figures were measured the same way on MariaDB.
pub(crate) fn all(people: &People) -> Vec<Case> {
    let (reader, full, swamped) = (&people.reader, &people.full, &people.swamped);
    let message = format!("{USER}/messages/{}", people.message);
    let settings = format!("{USER}/settings");
    let devices = format!("{USER}/devices");
    let list = format!("{USER}/messages?limit=20");
    let post = |name, credential| Case {
        method: "POST",
        body: Body::Message,
        status: 202,
        ..Case::get(name, &format!("{USER}/messages"), credential)
    };
    vec![
        post("POST message, JWT", &people.poster.bearer).within(776.0, 715.0, 1.0 / 3.0, Some(0.6)),
        post("POST message, Basic", &people.poster.basic).within(628.0, 588.0, 1.0 / 3.0, Some(0.6)),
        Case::get("GET message by id, JWT", &message, &reader.bearer).within(124.0, 99.0, 0.5, None),
        Case::get("GET message by id, Basic", &message, &reader.basic).within(35.0, 6.0, 2.0, None),
        Case::get("GET settings, JWT", &settings, &reader.bearer).within(180.0, 188.0, 0.5, Some(0.5)),
        Case::get("GET settings, Basic", &settings, &reader.basic),
        Case::get("GET devices, JWT", &devices, &reader.bearer).within(230.0, 234.0, 0.5, Some(0.5)),
        Case::get("GET devices, Basic", &devices, &reader.basic),
        Case::get("list of 20, JWT", &list, &reader.bearer).within(829.0, 875.0, 0.25, Some(0.4)),
        Case::get("list of 20, Basic", &list, &reader.basic),
        Case::get("list of 20, 10,000 pending, JWT", &list, &swamped.bearer).same(1930.0, 13118.0, "list of 20, JWT"),
        Case::get("pull of 20", PHONE, &reader.of_device).within(539.0, 532.0, 0.25, Some(0.4)),
        Case::get("pull of 100", PHONE, &full.of_device),
        Case::get("pull of 100, 10,000 pending", PHONE, &swamped.of_device).same(1765.0, 14516.0, "pull of 100"),
        Case {
            method: "PATCH",
            body: Body::Reports,
            status: 204,
            ..Case::get("report", PHONE, &people.reporter.of_device)
        },
    ]
}

impl Case {
    /// A reading without a target.
    fn get(name: &'static str, path: &str, credential: &Credential) -> Self {
        Self {
            name,
            method: "GET",
            path: path.to_owned(),
            credential: credential.clone(),
            body: Body::None,
            status: 200,
            reference: None,
            target: Target::None,
        }
    }

    fn within(mut self, server: f64, database: f64, of_server: f64, of_database: Option<f64>) -> Self {
        self.reference = Some((server, database));
        self.target = Target::Parts(of_server, of_database);
        self
    }

    fn same(mut self, server: f64, database: f64, other: &'static str) -> Self {
        self.reference = Some((server, database));
        self.target = Target::SameAs(other);
        self
    }
}

/// List and pull of a device for which 20 messages wait in a table of many, and of the one that has all the others.
pub(crate) fn of_rows(reader: &crate::people::Person, owner: &crate::people::Person) -> Vec<Case> {
    let list = format!("{USER}/messages?limit=20");
    vec![
        Case::get("list of 20, of a user with 20", &list, &reader.bearer),
        Case::get("pull of 20, of a device with 20", PHONE, &reader.of_device),
        Case::get("list of 20, of a user with all others", &list, &owner.bearer),
        Case::get("pull of 100, of a device with all others", PHONE, &owner.of_device),
    ]
}
