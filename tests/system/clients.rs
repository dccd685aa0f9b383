//! The published client libraries and the documented calls, unmodified, against the running program.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::phone::Phone;
use crate::support::process::{Gateward, Settings};

const KEY: &str = "clients-private-token";

/// Where `tests/run` has installed the clients.
fn installed(path: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/clients").join(path);
    assert!(
        path.exists(),
        "{} is missing: run tests/run, which installs it",
        path.display()
    );
    path
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/system/clients")
        .join(name)
}

/// A gateway with one phone, for one client.
struct Stage {
    gateward: Gateward,
    phone: Phone,
}

impl Stage {
    fn new() -> Self {
        let gateward = Settings::new().with("GATEWAY__PRIVATE_TOKEN", KEY).up();
        let phone = Phone::start(gateward.public, &["--private-token", KEY]);
        Self { gateward, phone }
    }

    /// Runs a script with the URL below the gateway's address, the account and the device; what it printed.
    fn play(&self, program: impl AsRef<std::ffi::OsStr>, script: &Path, path: &str) -> String {
        let output = Command::new(program)
            .arg(script)
            .arg(format!("http://{}{path}", self.gateward.public))
            .args([&self.phone.login, &self.phone.password, &self.phone.id])
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .output()
            .expect("start");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let trouble = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}\n{trouble}");
        text
    }

    /// Whatever a client changes for phones reaches the phone.
    fn phone_heard_of(&mut self, events: &[&str]) {
        for event in events {
            let name = format!("\"event\":\"{event}\"");
            self.phone
                .process
                .wait_for(event, |line| line.contains(&name).then_some(()));
        }
    }
}

const CHANGES: [&str; 3] = ["WebhooksUpdated", "SettingsUpdated", "MessagesExportRequested"];

#[test]
fn the_python_client_goes_through_a_whole_journey() {
    let mut stage = Stage::new();
    let said = stage.play(
        installed("python/bin/python"),
        &script("journey.py"),
        "/api/3rdparty/v1",
    );
    let transports = ["requests", "httpx", "aiohttp", "httpx async"];
    let lines = transports.map(|name| format!("{name}: ok\n")).concat()
        + &transports.map(|name| format!("{name}, encrypted: ok\n")).concat();
    assert_eq!(said, lines);
    stage.phone_heard_of(&CHANGES);
}

#[test]
fn the_npm_client_goes_through_a_whole_journey() {
    let mut stage = Stage::new();
    let said = stage.play("node", &installed("node/journey.mjs"), "/api/3rdparty/v1");
    assert_eq!(
        said,
        "npm with Basic: ok\nnpm with Bearer: ok\nnpm after revocation: refused\n"
    );
    stage.phone_heard_of(&CHANGES);
}

#[test]
fn the_documented_calls_go_through_a_whole_journey() {
    let mut stage = Stage::new();
    let said = stage.play("bash", &script("curl.sh"), "");
    assert_eq!(
        said,
        "curl with Basic: ok\ncurl with Bearer: ok\ncurl after revocation: refused\n"
    );
    stage.phone_heard_of(&CHANGES);
}
