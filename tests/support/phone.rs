//! `gateward phone` as a child process.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::Value;
use tempfile::TempDir;

use super::process::{Process, folder};

/// A running phone and the account it registered.
#[derive(Debug)]
pub(crate) struct Phone {
    /// The process.
    pub process: Process,
    /// The device's id.
    pub id: String,
    /// The device's token.
    pub token: String,
    /// The user's login.
    pub login: String,
    /// The user's password.
    pub password: String,
    _folder: TempDir,
}

impl Phone {
    /// Registers at the gateway with these further arguments and waits until the phone listens, or asks regularly.
    pub(crate) fn start(gateway: SocketAddr, arguments: &[&str]) -> Self {
        let folder = folder();
        let url = format!("http://{gateway}");
        let mut all = vec!["phone", "--url", &url];
        all.extend(arguments);
        let mut process = Process::start(env!("CARGO_BIN_EXE_gateward"), &all, &BTreeMap::new(), folder.path());
        let first = process.wait_for("the first line", |line| serde_json::from_str::<Value>(line).ok());
        assert_eq!(first["event"], "registered", "{first}");
        let ready = |line: &str| line.contains("\"connected\"") || line.contains("\"polling\"");
        process.wait_for("the event stream", |line| ready(line).then_some(()));
        let text = |name: &str| first[name].as_str().unwrap_or_default().to_owned();
        Self {
            id: text("id"),
            token: text("token"),
            login: text("login"),
            password: text("password"),
            process,
            _folder: folder,
        }
    }
}
