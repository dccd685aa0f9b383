//! Starting without what is needed (attacks 81, 86, 89), and what junk leaves behind.

use crate::bench::{Bench, MESSAGES, MINT_SECRET, PASSWORD, TOKEN_SECRET, USER, token};
use crate::support::http::{Connection, Request};
use crate::support::process::{Process, folder, write_private};

/// Runs `gateward` to its end in a folder with this configuration.
pub(crate) fn run(arguments: &[&str], files: &[(&str, &str)], environment: &[(&str, &str)]) -> (i32, String) {
    let folder = folder();
    for (name, text) in files {
        write_private(&folder.path().join(name), text);
    }
    let environment = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let mut process = Process::start(env!("CARGO_BIN_EXE_gateward"), arguments, &environment, folder.path());
    let code = process.wait().code().expect("code");
    // The last lines may still be in the pipe when the process has ended.
    let start = std::time::Instant::now();
    while process.lines().is_empty() && start.elapsed().as_secs() < 2 {
        crate::support::process::pause();
    }
    (code, process.lines().join("\n"))
}

/// The secrets that a sidecar cannot do without.
pub(crate) const GOOD: &[(&str, &str)] = &[
    ("GATEWARD__UPSTREAM__MINT__SECRET", MINT_SECRET),
    ("GATEWARD__TOKENS__SECRET", TOKEN_SECRET),
];

#[test]
fn every_problem_of_a_configuration_is_told_at_once() {
    let yaml = "listen: nowhere\nupstream: { url: 'ftp://x', credentail: mint }\ntokens: { access_ttl: 15 minutes, secret: inline }\n";
    for command in ["check", "run"] {
        let (code, said) = run(&[command, "--config", "gateward.yaml"], &[("gateward.yaml", yaml)], &[]);
        assert_eq!(code, 78, "{said}");
        for part in [
            "gateward.yaml:1:",
            "listen",
            "gateward.yaml:2:",
            "credentail",
            "gateward.yaml:3:",
            "access_ttl",
            "15m",
            "tokens.secret",
        ] {
            assert!(said.contains(part), "{part} in {said}");
        }
        assert!(!said.contains("inline\""), "a secret is shown");
    }
}

#[test]
fn a_bad_policy_is_told_with_its_line() {
    let policy = "policy: bad\nrouter: fiber\nscopes: { a: A }\nroutes:\n  - { id: x, match: [ GET /x ], with: [ jwt ], scope: b, action: forward }\n";
    let files = [
        (
            "gateward.yaml",
            "upstream: { url: 'http://127.0.0.1:1' }\npolicy: policy.yaml\n",
        ),
        ("policy.yaml", policy),
    ];
    for command in ["check", "run"] {
        let (code, said) = run(&[command, "--config", "gateward.yaml"], &files, GOOD);
        assert_eq!(code, 65, "{said}");
        assert!(said.contains("policy.yaml:5:") && said.contains('b'), "{said}");
    }
}

#[test]
fn good_configuration_and_policy_are_said_to_be_good() {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/policies/smsgate.yaml");
    let local = concat!(env!("CARGO_MANIFEST_DIR"), "/policies/smsgate-local.yaml");
    for policy in [shipped, local] {
        let yaml = format!("upstream: {{ url: 'http://127.0.0.1:1' }}\npolicy: {policy}\n");
        let mut environment = GOOD.to_vec();
        environment.push(("GATEWARD__UPSTREAM__BASIC__USER", "sms"));
        environment.push(("GATEWARD__UPSTREAM__BASIC__PASSWORD", "password"));
        let (code, said) = run(
            &["check", "--config", "gateward.yaml"],
            &[("gateward.yaml", &yaml)],
            &environment,
        );
        assert_eq!(code, 0, "{said}");
    }
}

#[test]
fn weak_or_readable_secrets_stop_the_start() {
    let yaml = "upstream: { url: 'http://127.0.0.1:1' }\ntokens: { secret_file: token }\n";
    let short = [("gateward.yaml", yaml), ("token", "too-short")];
    let (code, said) = run(&["check", "--config", "gateward.yaml"], &short, &GOOD[..1]);
    assert!(code == 78 && said.contains("32"), "{said}");
    let folder = folder();
    write_private(&folder.path().join("gateward.yaml"), yaml);
    std::fs::write(folder.path().join("token"), TOKEN_SECRET).expect("write");
    std::process::Command::new("chmod")
        .args(["644"])
        .arg(folder.path().join("token"))
        .status()
        .expect("chmod");
    let environment = GOOD[..1]
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let mut process = Process::start(
        env!("CARGO_BIN_EXE_gateward"),
        &["run", "--config", "gateward.yaml"],
        &environment,
        folder.path(),
    );
    assert_eq!(process.wait().code(), Some(78));
}

#[tokio::test]
async fn a_bearer_of_junk_leaves_nothing_behind() {
    // 76, 77: the number of series does not depend on what clients send
    let bench = Bench::start();
    let series = async || {
        let text = Request::get("/metrics").send(bench.gateward.admin).await.text();
        text.lines().filter(|line| !line.starts_with('#')).count()
    };
    let bad = [
        "a//",
        "a/..",
        "a%2f",
        "a%5c",
        "%00",
        "%zz",
        "%252e%252e",
        ";",
        "%ff",
        "%2e%2e",
        "%",
    ];
    let junk = async |number: usize| {
        let path = format!("/junk{number}/{}", bad[number % bad.len()]);
        assert_eq!(bench.send(&Request::get(&path)).await.status, 400, "{path}");
        let (name, value) = [
            ("Content-Length", "x"),
            ("X", "\u{1}"),
            ("X y", "a"),
            ("Transfer-Encoding", "x"),
            (" fold", ""),
        ][number % 5];
        assert_eq!(
            bench.send(&Request::get("/").header(name, value)).await.status,
            400,
            "{name}"
        );
        bench
            .send(&Request::get(&format!("/junk/{number}")).bearer(&format!("a.b.{number}")))
            .await;
        bench
            .send(&Request::get(&format!("/api/3rdparty/v1/messages/{number}")).bearer(&token(&["messages:read"])))
            .await;
        bench
            .send(&Request::get("/api/3rdparty/v1/messages").basic(&format!("user{number}"), "wrong-password"))
            .await;
    };
    junk(0).await;
    let before = series().await;
    for number in 1..100 {
        junk(number).await;
    }
    assert_eq!(series().await, before);
}

#[test]
fn rules_that_get_into_each_others_way_are_told_with_both_names() {
    // 85: one pattern twice, and one that no request can reach
    let policy = "
policy: bad
router: fiber
scopes: { a: A, b: B }
routes:
  - { id: first, match: [ 'GET /x/{id}' ], with: [ jwt ], scope: a, action: forward }
  - { id: second, match: [ 'GET /X/{name}' ], with: [ jwt ], scope: b, action: forward }
";
    let files = [
        (
            "gateward.yaml",
            "upstream: { url: 'http://127.0.0.1:1' }\npolicy: policy.yaml\n",
        ),
        ("policy.yaml", policy),
    ];
    let (code, said) = run(&["check", "--config", "gateward.yaml"], &files, GOOD);
    assert_eq!(code, 65, "{said}");
    assert!(said.contains("first") && said.contains("second"), "{said}");
}

#[test]
fn without_a_policy_nothing_starts() {
    // 86: empty, not there, no routes
    let yaml = "upstream: { url: 'http://127.0.0.1:1' }\npolicy: policy.yaml\n";
    let without_routes = "policy: x\nrouter: fiber\nroutes: []\n";
    for (policy, wanted) in [(Some(""), 65), (Some(without_routes), 65), (None, 78)] {
        let mut files = vec![("gateward.yaml", yaml)];
        files.extend(policy.map(|text| ("policy.yaml", text)));
        let (code, said) = run(&["run", "--config", "gateward.yaml"], &files, GOOD);
        assert_eq!(code, wanted, "{policy:?}: {said}");
    }
}

#[test]
fn placeholders_and_files_that_others_can_read_stop_the_start() {
    // 89
    let yaml = "upstream: { url: 'http://127.0.0.1:1' }\n";
    let placeholder = [
        GOOD[0],
        ("GATEWARD__TOKENS__SECRET", "changeme-changeme-changeme-changeme"),
    ];
    let (code, said) = run(
        &["run", "--config", "gateward.yaml"],
        &[("gateward.yaml", yaml)],
        &placeholder,
    );
    assert_eq!(code, 78, "{said}");
    assert!(
        said.contains("GATEWARD__TOKENS__SECRET") && !said.contains("changeme"),
        "{said}"
    );
    for (key, name) in [("USERS__FILE", "users.yaml"), ("TLS__KEY", "key.pem")] {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("certificate");
        let folder = folder();
        write_private(&folder.path().join("gateward.yaml"), yaml);
        write_private(&folder.path().join("cert.pem"), &made.cert.pem());
        let text = match name {
            "users.yaml" => "users: []\n".to_owned(),
            _ => made.signing_key.serialize_pem(),
        };
        let path = write_private(&folder.path().join(name), &text);
        let environment = |file: &str| {
            let mut variables = GOOD.to_vec();
            match file {
                "users.yaml" => variables.push(("GATEWARD__USERS__SOURCE", "file")),
                _ => variables.push(("GATEWARD__TLS__CERT", "cert.pem")),
            }
            let mut all: std::collections::BTreeMap<String, String> = variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            all.insert(format!("GATEWARD__{key}"), file.to_owned());
            all
        };
        let check = || {
            let program = env!("CARGO_BIN_EXE_gateward");
            let arguments = ["check", "--config", "gateward.yaml"];
            Process::start(program, &arguments, &environment(name), folder.path())
                .wait()
                .code()
        };
        assert_eq!(check(), Some(0), "{name} is private");
        std::process::Command::new("chmod")
            .arg("644")
            .arg(path)
            .status()
            .expect("chmod");
        assert_eq!(check(), Some(78), "{name} can be read by others");
    }
}

/// How many files the sidecar may open from now on.
fn allow_files(bench: &Bench, most: u32) {
    let status = std::process::Command::new("prlimit")
        .arg(format!("--pid={}", bench.gateward.process.id()))
        .arg(format!("--nofile={most}:"))
        .status();
    assert!(status.expect("prlimit").success());
}

#[tokio::test]
async fn a_want_of_files_is_nobody_elses_fault() {
    let bench = Bench::start();
    let mut connection = Connection::open(bench.at()).await;
    assert_eq!(connection.send(&Request::get(MESSAGES)).await.status, 401);
    let list = Request::get(MESSAGES).bearer(&token(&["messages:list"]));
    let login = Request::get(MESSAGES).basic(USER, PASSWORD);
    // More are open already.
    allow_files(&bench, 3);
    for request in [&list, &login, &list] {
        let answer = connection.send(request).await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")));
    }
    allow_files(&bench, 1024);
    let status = Request::get("/status").send(bench.gateward.admin).await.json();
    assert_eq!(status["upstream"][0]["reachable"], true, "{status}");
    for request in [&list, &login] {
        assert_eq!(connection.send(request).await.status, 200);
    }
    let lines = bench.gateward.process.lines();
    let told = lines
        .iter()
        .filter(|line| line.contains("for want of ports, files or memory here"));
    assert_eq!(told.count(), 1, "{lines:#?}");
    assert!(
        !lines.iter().any(|line| line.contains("the gateway cannot be reached")),
        "{lines:#?}"
    );
}
