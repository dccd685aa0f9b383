//! What does it cost to find the route of a request, canonical path included? Target: under 300 ns for any path of a
//! real client (DESIGN §4).

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use gateward_policy::{Policy, Resolution, compile};

/// Name, method, path.
const PATHS: [(&str, &str, &str); 8] = [
    ("send", "POST", "/api/3rdparty/v1/messages"),
    ("send without prefix", "POST", "/3rdparty/v1/messages"),
    ("read", "GET", "/api/3rdparty/v1/messages/V1StGXR8_Z5jdHi6B-myT"),
    ("read, escaped", "GET", "/api/3rdparty/v1/messages/a%20b%26%C3%A9%3F"),
    ("capitals and last slash", "GET", "/API/3RDPARTY/V1/DEVICES/"),
    ("phone", "GET", "/api/mobile/v1/message"),
    ("nothing there", "GET", "/api/3rdparty/v1/nope"),
    ("ambiguous", "GET", "/api/3rdparty/v1/../v1/messages"),
];

fn route(criterion: &mut Criterion) {
    let policy = shipped();
    let mut group = criterion.benchmark_group("resolve");
    for (name, method, path) in PATHS {
        group.bench_function(name, |bencher| {
            bencher.iter(|| seen(&policy.resolve(black_box(method), black_box(path.as_bytes()))));
        });
    }
    let long = "/a".repeat(4 << 10);
    group.bench_function("4096 segments", |bencher| {
        bencher.iter(|| seen(&policy.resolve("GET", black_box(long.as_bytes()))));
    });
    group.finish();
    criterion.bench_function("compile", |bencher| {
        bencher.iter(|| compile("smsgate.yaml", gateward_policy::SMSGATE))
    });
}

#[expect(
    clippy::expect_used,
    reason = "a benchmark of a policy that is not fit for use measures nothing"
)]
fn shipped() -> Policy {
    compile("smsgate.yaml", gateward_policy::SMSGATE)
        .expect("the shipped policy is good")
        .policy
}

/// Keeps the work from being optimised away.
fn seen(resolution: &Resolution<'_>) -> usize {
    match resolution {
        Resolution::Route { path, .. } => path.as_str().len(),
        Resolution::Unmatched { user_api, .. } => usize::from(*user_api),
        Resolution::Ambiguous { error, .. } => error.label().len(),
    }
}

criterion_group!(benches, route);
criterion_main!(benches);
