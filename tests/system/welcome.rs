//! The first lines that a new operator pastes: those of the README, and those that `gateward up` prints.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::support::process::{Gateward, Settings, folder, pause};

const README: &str = include_str!("../../README.md");

/// The first block of shell lines after this heading of the README.
fn block(heading: &str) -> String {
    let (_, section) = README.split_once(&format!("\n## {heading}\n")).expect("heading");
    let (_, block) = section.split_once("```sh\n").expect("block");
    let (block, _) = block.split_once("```").expect("end of the block");
    block.to_owned()
}

/// What `gateward up` printed after it said where to paste it.
fn pasted(gateward: &Gateward) -> String {
    const LAST: &str = "# what became of it";
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        // Standard output and the log arrive in one list.
        let lines = gateward.process.lines();
        let mut lines = lines.iter().filter(|line| !line.starts_with('{'));
        let _before = lines.find(|line| line.contains("paste these lines"));
        let mut text: Vec<&str> = lines.map(String::as_str).collect();
        let last = text.iter().position(|line| *line == LAST);
        if let Some(last) = last.filter(|last| text.len() > last + 1) {
            text.truncate(last + 2);
            return text.join("\n").trim().to_owned() + "\n";
        }
        assert!(Instant::now() < deadline, "no welcome: {text:?}");
        pause();
    }
}

/// Line by line, as if pasted into a terminal.
fn paste(lines: &str, folder: &Path) -> String {
    let mut bash = Command::new("bash")
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("bash");
    std::io::Write::write_all(&mut bash.stdin.take().expect("stdin"), lines.as_bytes()).expect("paste");
    let Output { stdout, stderr, .. } = bash.wait_with_output().expect("end");
    assert_eq!(String::from_utf8_lossy(&stderr), "");
    String::from_utf8_lossy(&stdout).into_owned()
}

fn did_the_main_job(said: &str) {
    assert!(said.contains("HTTP/1.1 202 Accepted\r\n"), "{said}");
    let became = said.lines().last().expect("lines");
    assert!(
        became.starts_with("[{") && became.contains("\"state\":\"Delivered\""),
        "{said}"
    );
}

#[test]
fn the_lines_of_the_welcome_and_of_the_readme_are_the_same_and_do_the_main_job() {
    let gateward = Settings::new().up();
    let url = format!("http://{}", gateward.public);
    let printed = pasted(&gateward);
    let key = std::fs::read_to_string(gateward.folder().join("data/secrets/private_token")).expect("key");
    let written = block("The first token and the first message")
        .replace("http://127.0.0.1:3000", &url)
        .replace("target/release/gateward", env!("CARGO_BIN_EXE_gateward"));
    let with_key = written.replace("$(cat data/secrets/private_token)", key.trim_end());
    assert_eq!(printed, with_key);

    did_the_main_job(&paste(&printed, folder().path()));
    did_the_main_job(&paste(&written, gateward.folder()));
}

#[test]
fn without_a_key_the_welcome_does_the_main_job_too() {
    let gateward = Settings::new().with("GATEWAY__MODE", "public").up();
    did_the_main_job(&paste(&pasted(&gateward), folder().path()));
}

/// Runs the README's first line with stand-ins for the programs in it, and says what they were asked.
fn set_up(user: &str, has_sudo: bool) -> Vec<String> {
    let folder = folder();
    let bin = folder.path().join("bin");
    std::fs::create_dir(&bin).expect("folder");
    let program = |name: &str, text: &str| {
        use std::os::unix::fs::PermissionsExt as _;
        let path = bin.join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("write");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).expect("permissions");
    };
    program("id", &format!("echo {user}"));
    for name in ["apt-get", "cargo"] {
        program(name, &format!("echo {name} \"$@\""));
    }
    if has_sudo {
        program("sudo", "echo sudo \"$@\"");
    }
    let environment = BTreeMap::from([("PATH", &bin)]);
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(block("Two commands")).env_clear().envs(environment);
    let output = shell.output().expect("sh");
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout);
    said.lines().map(str::to_owned).collect()
}

#[test]
fn the_first_line_of_the_readme_needs_sudo_only_where_it_has_to() {
    let with = |before: &str| {
        vec![
            format!("{before}apt-get update"),
            format!("{before}apt-get install -y gcc libc6-dev make cmake curl"),
            "cargo run --release".to_owned(),
        ]
    };
    assert_eq!(set_up("0", false), with(""));
    assert_eq!(set_up("1000", true), with("sudo "));
}
