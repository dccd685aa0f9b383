//! The published client libraries, unmodified, against the running program.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::phone::Phone;
use crate::support::process::Settings;

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

fn go(program: impl AsRef<std::ffi::OsStr>, script: &Path) -> String {
    let gateward = Settings::new().with("GATEWAY__PRIVATE_TOKEN", KEY).up();
    let phone = Phone::start(gateward.public, &["--private-token", KEY]);
    let output = Command::new(program)
        .arg(script)
        .arg(format!("http://{}/api/3rdparty/v1", gateward.public))
        .args([&phone.login, &phone.password, &phone.id])
        .output()
        .expect("start");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

#[test]
fn the_python_client_goes_through_a_whole_journey() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/system/clients/journey.py");
    let said = go(installed("python/bin/python"), &script);
    assert_eq!(said, "requests: ok\nhttpx: ok\naiohttp: ok\nhttpx async: ok\n");
}

#[test]
fn the_npm_client_goes_through_a_whole_journey() {
    let said = go("node", &installed("node/journey.mjs"));
    assert_eq!(
        said,
        "npm with Basic: ok\nnpm with Bearer: ok\nnpm after revocation: refused\n"
    );
}
