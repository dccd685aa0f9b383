//! What does a request cost the sidecar, the core and the database, in CPU time, beside the reference server?
//!
//!     cargo bench --bench core                       SQLite
//!     cargo bench --bench core -- --mariadb          a private MariaDB
//!     cargo bench --bench core -- --rows 1000000     SQLite: list and pull with 1,000 and with so many rows
//!     cargo bench --bench core -- --forgetful        the core keeps no message in memory
//!
//! Both binaries run with their defaults, the shipped policy and minted tokens, and nothing is pinned: as the reference
//! was measured. Each case runs a second time with a bare Pingora proxy in the sidecar's place, with the credential that the
//! sidecar would make: what is left of a difference is ours. The cases take turns in every round, in the other direction every other round; CPU time is the kernel's
//! own account of each process between two instants, divided by the requests answered in between, and the median of the
//! rounds is quoted. Everything stays on 127.0.0.1 and ends by itself.

#![expect(clippy::expect_used, clippy::panic, reason = "a measurement that cannot go on ends")]
#![expect(clippy::indexing_slicing, reason = "fixed tables and JSON")]

mod cases;
mod client;
mod gateway;
mod people;
mod report;
mod rows;
mod seed;
#[path = "../support/mod.rs"]
mod support;

use std::net::SocketAddr;
use std::time::Duration;

use cases::Case;
use gateway::{Backend, Cost, Gateway};
use people::People;
use support::traffic::Traffic;

/// Before anything counts: caches fill, connections open.
const WARM_UP: Duration = Duration::from_millis(300);

/// What was asked for on the command line.
struct Plan {
    rounds: usize,
    length: Duration,
    backend: Backend,
    /// No message is kept in memory: every list and pull reads its rows.
    forgetful: bool,
    /// Compare tables of 1,000 and of so many rows instead.
    rows: Option<u64>,
    /// After the rounds, post until there are so many messages.
    messages: u64,
    /// Only cases whose name has this in it.
    only: String,
}

impl Plan {
    fn read() -> Self {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let value = |name: &str| {
            let place = arguments.iter().position(|argument| argument == name)?;
            arguments.get(place + 1)
        };
        let number = |name: &str| value(name).map(|text| text.parse().expect("a number"));
        let seconds: Option<f64> = value("--seconds").map(|text| text.parse().expect("seconds"));
        Self {
            rounds: number("--rounds").map_or(5, |rounds| rounds as usize),
            length: Duration::from_secs_f64(seconds.unwrap_or(1.0)),
            backend: if arguments.iter().any(|argument| argument == "--mariadb") {
                Backend::MariaDb
            } else {
                Backend::Sqlite
            },
            forgetful: arguments.iter().any(|argument| argument == "--forgetful"),
            rows: number("--rows"),
            messages: number("--messages").unwrap_or(0),
            only: value("--only").cloned().unwrap_or_default(),
        }
    }
}

fn main() {
    support::bare::serve_if_asked();
    let plan = Plan::read();
    if let Some(count) = plan.rows {
        return rows::compare(count, plan.rounds, plan.length);
    }
    let gateway = Gateway::start(plan.backend, plan.forgetful);
    let at_start = gateway.memory();
    let people = People::settle(&gateway, plan.rounds);
    let cases: Vec<Case> = cases::all(&people)
        .into_iter()
        .filter(|case| case.name.contains(&plan.only))
        .collect();
    let costs = measure_all(&gateway, &cases, plan.rounds, plan.length);
    let posted = people.post_until(&gateway, plan.messages);
    let after_load = gateway.memory();
    report::cases(plan.backend, &cases, &costs);
    report::memory(at_start, after_load, posted);
}

/// The cost of each case in each round.
fn measure_all(gateway: &Gateway, cases: &[Case], rounds: usize, length: Duration) -> Vec<Vec<Cost>> {
    let mut costs = vec![Vec::new(); cases.len()];
    for round in 0..rounds {
        let mut order: Vec<usize> = (0..cases.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for index in order {
            let cost = measure(gateway, &cases[index], round, length);
            eprintln!("round {}: {:<32} {cost}", round + 1, cases[index].name);
            costs[index].push(cost);
        }
    }
    costs
}

fn measure(gateway: &Gateway, case: &Case, round: usize, length: Duration) -> Cost {
    let requests = case.requests(round);
    let cost = load(gateway, gateway.address, case, &requests, length);
    let bare = case.requests_to_core();
    let bare = bare.map(|requests| load(gateway, gateway.past_sidecar, case, &requests, length).bare);
    Cost {
        bare: bare.unwrap_or(f64::NAN),
        ..cost
    }
}

fn load(gateway: &Gateway, address: SocketAddr, case: &Case, requests: &[Vec<u8>], length: Duration) -> Cost {
    let mut traffic = Traffic::open(address, case.connections(), requests, case.status);
    traffic.run(WARM_UP);
    let before = gateway.spent();
    let mut answered = traffic.run(length);
    while answered == 0 {
        answered += traffic.run(length);
    }
    gateway.spent().since(&before, answered)
}
