//! What does the sidecar add to a request that carries a token? The gate (route, credential, evidence, decision) and the
//! stamp (headers, minted token), without sockets. Results: benches/README.md.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark may stop at once")]

use std::future::Future;
use std::hint::black_box;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, UNIX_EPOCH};

use criterion::Criterion;
use gateward_auth::{AccessClaims, FamilyId, Hs256Key, Signer, TokenId, UnixSeconds, UserId, Verifier};
use gateward_boot::clock::Clock;
use gateward_boot::metrics::Metrics;
use gateward_denylist::{Denylist, Options, Retention};
use gateward_policy::{Policy, SMSGATE, compile};
use gateward_sidecar::authenticate::{Authenticator, LoginSettings, LoginSource};
use gateward_sidecar::config::{Config, Decisions, Provided, Source};
use gateward_sidecar::context::{Arrival, GatewayLeg, Notes};
use gateward_sidecar::endpoints::JwtMetrics;
use gateward_sidecar::forward::Forward;
use gateward_sidecar::forward::accounts::Accounts;
use gateward_sidecar::forward::sites::Sites;
use gateward_sidecar::framing::Scanner;
use gateward_sidecar::gate::{Authorization, Gate, Head};
use gateward_sidecar::gateway::Gateway;
use gateward_sidecar::headers;
use gateward_sidecar::observe::Observer;
use pingora::http::RequestHeader;

const NOW: UnixSeconds = UnixSeconds(1_767_225_600);
const PATH: &[u8] = b"/api/3rdparty/v1/messages";

/// For futures that do not wait.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(ready) => ready,
        Poll::Pending => panic!("it waits"),
    }
}

fn config() -> Config {
    let source = Source {
        directory: PathBuf::from("/"),
        ..Source::default()
    };
    Config::load(&source, &Provided::stand_ins()).unwrap().config
}

fn policy() -> Policy {
    compile("smsgate", SMSGATE).unwrap().policy
}

/// More tokens than are remembered.
const MANY_TOKENS: usize = 20_000;

fn bearer(config: &Config, number: usize) -> String {
    let key = Hs256Key::new(&config.tokens.secret).unwrap();
    let token = Signer::new(key, config.tokens.issuer.clone()).access(&AccessClaims {
        user: &UserId::parse("ABC123").unwrap(),
        id: &TokenId::parse(&format!("w8pxz0a4Fwa4xgz{number:06}")).unwrap(),
        family: &FamilyId::parse("w8pxz0a4Fwa4").unwrap(),
        epoch: 0,
        scopes: &["messages:list", "messages:send"],
        issued_at: NOW,
        expires_at: NOW.plus(900),
    });
    format!("Bearer {token}")
}

fn gate(config: &Config, denylist: Denylist) -> Gate {
    let sites = Arc::new(Sites::new(config.upstream.urls.clone(), false));
    let logins = LoginSettings {
        source: LoginSource::Gateway(Arc::new(Gateway::new(&config.upstream, sites).unwrap())),
        cache_ttl: config.users.cache_ttl,
        cache_key: [0; 32],
    };
    let verifier = Verifier::new(Hs256Key::new(&config.tokens.secret).unwrap(), config.tokens.rules());
    let authenticator = Arc::new(Authenticator::new(verifier, denylist, logins));
    Gate::new(authenticator, JwtMetrics::register(&Metrics::new()).unwrap())
}

fn request(bearer: &str) -> RequestHeader {
    let mut request = RequestHeader::build("POST", PATH, None).unwrap();
    for (name, value) in [
        ("Host", "sms.example.com"),
        ("Authorization", bearer),
        ("Content-Type", "application/json"),
        ("Content-Length", "152"),
        ("User-Agent", "bench/1"),
        ("Accept", "*/*"),
        ("Connection", "keep-alive"),
    ] {
        request.append_header(name, value).unwrap();
    }
    request
}

fn steps(criterion: &mut Criterion, denylist: Denylist) {
    let (config, policy) = (config(), policy());
    let gate = gate(&config, denylist);
    let many: Vec<String> = (0..MANY_TOKENS).map(|number| bearer(&config, number)).collect();
    let bearer = many.first().unwrap();
    let head = |authorization| Head {
        method: "POST",
        path: PATH,
        authorization,
    };
    let with_token = head(Authorization::One(bearer.as_bytes()));
    let raw = format!(
        "POST /api/3rdparty/v1/messages HTTP/1.1\r\nHost: sms.example.com\r\nAuthorization: {bearer}\r\n\
         Content-Type: application/json\r\nContent-Length: 152\r\nUser-Agent: bench/1\r\nAccept: */*\r\n\r\n"
    );

    criterion.bench_function("inspect a head", |bench| {
        bench.iter(|| Scanner::new(raw.len()).advance(black_box(raw.as_bytes())).unwrap());
    });
    criterion.bench_function("admit a token that was not seen before", |bench| {
        let mut many = many.iter().cycle();
        bench.iter(|| {
            let raw = many.next().unwrap().as_bytes();
            now(gate.admit(&policy, &head(Authorization::One(raw)), NOW, &mut Notes::default())).unwrap()
        });
    });
    criterion.bench_function("admit a token", |bench| {
        bench.iter(|| now(gate.admit(&policy, black_box(&with_token), NOW, &mut Notes::default())).unwrap());
    });
    criterion.bench_function("refuse a request without a credential", |bench| {
        let nobody = head(Authorization::Absent);
        bench.iter(|| now(gate.admit(&policy, black_box(&nobody), NOW, &mut Notes::default())).unwrap_err());
    });

    let forward = Forward::new(&config.upstream).unwrap();
    let pass = now(gate.admit(&policy, &with_token, NOW, &mut Notes::default())).unwrap();
    let request = request(bearer);
    let observer = Observer::new(&Metrics::new(), Decisions::Off).unwrap();
    let arrival = Arrival {
        request_id: "07070707-0707-4707-8707-070707070707".parse().unwrap(),
        origin: headers::origin(&request, [127, 0, 0, 1].into(), false, &[]),
        method: request.method.clone(),
        edition: Arc::new(observer.edition(self::policy().into(), Accounts::default())),
        now: NOW,
        wants_problem: false,
    };
    criterion.bench_function("stamp a request", |bench| {
        bench.iter_batched_ref(
            || request.clone(),
            |request| {
                forward
                    .stamp(&pass, &arrival, &GatewayLeg::default(), request, NOW)
                    .unwrap()
            },
            criterion::BatchSize::SmallInput,
        );
    });
}

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, _hands) = Clock::manual(UNIX_EPOCH + Duration::from_secs(1_767_225_600));
    let day = Duration::from_secs(86_400);
    let retention = Retention {
        max_lifetime: day,
        refresh_ttl: 30 * day,
        leeway: Duration::ZERO,
    };
    let options = Options::Embedded {
        path: folder.path().join("denylist.redb"),
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let denylist = runtime
        .block_on(gateward_denylist::open(options, clock.reader(), retention))
        .unwrap();
    let mut criterion = Criterion::default().configure_from_args();
    steps(&mut criterion, denylist);
    criterion.final_summary();
}
