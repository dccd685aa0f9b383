//! Secrets are in no log, no answer, no output of a command, and no picture of a crash (attack 88).

use crate::bench::{Bench, MESSAGES, MINT_SECRET, PASSWORD, TOKEN, TOKEN_SECRET, USER, gateway, token};
use crate::outage::{GOOD, run};
use crate::support::http::Request;
use crate::support::process::{Core, Settings};
use crate::support::redis::Redis;
use crate::support::upstream::{Answer, Upstream};

#[tokio::test]
async fn secrets_are_nowhere_to_be_seen() {
    let bench = Bench::with(Upstream::answering(gateway), |settings| {
        settings.with("GATEWARD__LOG__LEVEL", "trace")
    });
    let issued = bench.issue(&["messages:list", "tokens:manage"]).await;
    let tokens: Vec<String> = ["access_token", "refresh_token"]
        .map(|name| issued[name].as_str().expect("token").to_owned())
        .into();
    bench.list_with(&tokens[0]).await;
    bench.list_with("x.y.z").await;
    bench
        .send(&Request::get("/api/3rdparty/v1/messages?access_token=visible-in-query").bearer(&tokens[0]))
        .await;
    bench
        .send(&Request::post(&format!("{TOKEN}/refresh")).bearer(&tokens[1]))
        .await;
    bench
        .send(&Request::get("/api/3rdparty/v1/messages").basic(USER, "a-wrong-password"))
        .await;
    let mut said = bench.gateward.process.lines().join("\n");
    for path in ["/status", "/metrics", "/health/ready"] {
        said.push_str(&Request::get(path).send(bench.gateward.admin).await.text());
    }
    let sent = bench
        .upstream
        .last()
        .header("authorization")
        .unwrap_or_default()
        .to_owned();
    let mut secrets = vec![TOKEN_SECRET.to_owned(), MINT_SECRET.to_owned(), PASSWORD.to_owned()];
    secrets.extend(["a-wrong-password".to_owned(), "visible-in-query".to_owned(), sent]);
    secrets.extend(tokens);
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        let shown = said.lines().find(|line| line.contains(secret.as_str()));
        assert_eq!(shown, None, "{secret} is shown");
    }
}

/// What belongs to others: the store, the gateway, phones.
const THEIRS: [(&str, &str); 4] = [
    ("GATEWARD__STORE__PASSWORD", "redis-hunter2-password"),
    ("GATEWARD__UPSTREAM__BASIC__PASSWORD", "basic-hunter2-password"),
    ("GATEWARD__UPSTREAM__HEADER__VALUE", "header-hunter2-value"),
    ("GATEWAY__PRIVATE_TOKEN", "registration-hunter2-key"),
];

#[tokio::test]
async fn neither_are_those_of_the_store_the_gateway_and_the_phones() {
    let (redis, stranger) = (Redis::with_password(THEIRS[0].1), Redis::with_password("another"));
    let (upstream, refusing) = (
        Upstream::answering(gateway),
        Upstream::answering(|_| Answer::json(401, "{}")),
    );
    let further = [
        ("GATEWARD__UPSTREAM__BASIC__USER", USER),
        ("GATEWARD__UPSTREAM__HEADER__NAME", "X-Api-Key"),
        ("GATEWARD__LOG__LEVEL", "trace"),
    ];
    let all = || further.into_iter().chain(THEIRS);
    let mut said = String::new();
    // Where all goes well, and where neither the store nor the gateway takes what it gets.
    for (redis, upstream, credential) in [
        (&redis, &upstream, "basic"),
        (&redis, &upstream, "header"),
        (&redis, &refusing, "header"),
        (&stranger, &refusing, "basic"),
    ] {
        let mut settings = Bench::settings(upstream)
            .with("GATEWARD__STORE__URL", &redis.url())
            .with("GATEWARD__UPSTREAM__CREDENTIAL", credential);
        for (name, value) in all() {
            settings = settings.with(name, value);
        }
        let gateward = settings.spawn(&["run", "--config", "gateward.yaml"]);
        for path in [MESSAGES, "/api/mobile/v1/message"] {
            let request = Request::get(path).bearer(&token(&["messages:list"]));
            request.send(gateward.public).await;
        }
        for path in ["/status", "/metrics", "/health/ready"] {
            said.push_str(&Request::get(path).send(gateward.admin).await.text());
        }
        said.push_str(&gateward.process.lines().join("\n"));
    }
    // Those of the core: its welcome shows the key on purpose, its log does not.
    let up = Settings::new()
        .with("LOG__LEVEL", "trace")
        .with(THEIRS[3].0, THEIRS[3].1)
        .up();
    let register = Request::post("/api/mobile/v1/device").bearer(THEIRS[3].1);
    assert_eq!(register.json(&serde_json::json!({})).send(up.public).await.status, 201);
    let log = up.process.lines();
    said.extend(
        log.iter()
            .filter(|line| line.starts_with('{'))
            .map(|line| format!("{line}\n")),
    );

    let yaml = format!("upstream: {{ url: '{}', credential: header }}\n", upstream.url());
    let bearer = token(&["messages:list"]);
    let config = ["--config", "gateward.yaml"];
    let explain = [&["explain", "GET", MESSAGES][..], &config, &["--token", &bearer]].concat();
    for arguments in [
        [&["check"][..], &config].concat(),
        explain.clone(),
        [&explain[..], &["--json"]].concat(),
    ] {
        let environment: Vec<_> = all().chain(GOOD.iter().copied()).collect();
        let (_, told) = run(&arguments, &[("gateward.yaml", &yaml)], &environment);
        assert!(!told.is_empty());
        said.push_str(&told);
    }
    // What is wrong is told without what it is wrong about.
    let wrong = "upstream: { url: 'http://127.0.0.1:1', credential: header, basic: { password: inline-hunter2 } }\n";
    said.push_str(
        &run(
            &["check", "--config", "gateward.yaml"],
            &[("gateward.yaml", wrong)],
            GOOD,
        )
        .1,
    );
    let secrets = THEIRS.map(|(_, secret)| secret).into_iter();
    for secret in secrets.chain([MINT_SECRET, TOKEN_SECRET, bearer.as_str(), "inline-hunter2"]) {
        let shown = said.lines().find(|line| line.contains(secret));
        assert_eq!(shown, None, "{secret} is shown");
    }
}

#[test]
fn a_crash_leaves_no_picture_of_the_memory() {
    let gateward = Settings::new().up();
    let core = Core::start("registration-key");
    let limits = |process: &str| {
        let limits = std::fs::read_to_string(format!("/proc/{process}/limits")).expect("limits");
        let line = limits.lines().find(|line| line.starts_with("Max core file size"));
        let words: Vec<&str> = line.expect("limit").split_whitespace().collect();
        [words[4], words[5]].map(str::to_owned)
    };
    // Nobody gets back what was taken from him.
    let allowed = if limits("self")[1] == "0" { "0" } else { "1" };
    for process in [&gateward.process, &core.process] {
        assert_eq!(limits(&process.id().to_string()), [allowed, allowed]);
    }
}
