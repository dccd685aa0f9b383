//! What does the whole check cost, in CPU time per request, beside a bare Pingora proxy in the same run?
//!
//!     cargo bench --bench load                 5 rounds
//!     cargo bench --bench load -- --rounds 9 --seconds 5
//!
//! Proxy candidates run one after the other on processor 0, upstream and load generator on processor 1; the order
//! turns round every other round. CPU time is the kernel's own account of the candidate's process between two
//! instants, divided by the requests answered in between. Ratios are taken inside a round and their median is
//! quoted: absolute figures drift with the machine. Everything stays on 127.0.0.1 and ends by itself.

#![expect(clippy::expect_used, clippy::panic, reason = "a measurement that cannot go on ends")]
#![expect(clippy::indexing_slicing, reason = "fixed tables")]

mod candidate;
#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

use candidate::{Candidate, Kind};
use support::bare;
use support::process::pin_to;
use support::traffic::{Traffic, Upstream};

/// Candidates in the order of the table; the first is the base of every ratio.
const KINDS: [Kind; 6] = [
    Kind::BarePingora,
    Kind::LimitedPingora,
    Kind::OneJwt,
    Kind::Jwt,
    Kind::Basic,
    Kind::Refusal,
];

/// Connections of clients, all in use all the time.
const CONNECTIONS: usize = 64;

struct Plan {
    rounds: usize,
    seconds: u64,
}

fn main() {
    bare::serve_if_asked();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str| {
        let place = arguments.iter().position(|argument| argument == name)?;
        arguments.get(place + 1)?.parse().ok()
    };
    let plan = Plan {
        rounds: number("--rounds").unwrap_or(5) as usize,
        seconds: number("--seconds").unwrap_or(3),
    };
    pin_to(std::process::id(), 1);
    let upstream = Upstream::listen();
    let mut figures: Vec<Vec<f64>> = vec![Vec::new(); KINDS.len()];
    for round in 0..plan.rounds {
        let mut order: Vec<usize> = (0..KINDS.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for index in order {
            let candidate = Candidate::start(KINDS[index], upstream.address);
            let micros = measure(&candidate, &upstream, plan.seconds);
            println!(
                "round {}: {:<32} {micros:6.1} us/request",
                round + 1,
                KINDS[index].name()
            );
            figures[index].push(micros);
        }
    }
    report(&figures);
}

/// CPU microseconds per request of the candidate's process.
fn measure(candidate: &Candidate, upstream: &Upstream, seconds: u64) -> f64 {
    let requests = candidate.requests();
    let mut traffic = Traffic::open(candidate.address, CONNECTIONS, &requests, candidate.expected_status());
    traffic.serve(upstream);
    traffic.run(Duration::from_millis(700));
    let before = candidate.cpu_time();
    let answered = traffic.run(Duration::from_secs(seconds));
    let spent = candidate.cpu_time().since(&before);
    spent as f64 / answered as f64 / 1000.0
}

fn report(figures: &[Vec<f64>]) {
    println!("\n| candidate | CPU us/request, median (min-max) | x bare Pingora, median (min-max) |");
    println!("|---|---:|---:|");
    for (kind, own) in KINDS.iter().zip(figures) {
        let ratios: Vec<f64> = own.iter().zip(&figures[0]).map(|(own, base)| own / base).collect();
        println!("| {} | {} | {} |", kind.name(), spread(own, 1), spread(&ratios, 2));
    }
}

fn spread(values: &[f64], digits: usize) -> String {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let median = sorted[sorted.len() / 2];
    format!(
        "{median:.digits$} ({:.digits$}-{:.digits$})",
        sorted[0],
        sorted[sorted.len() - 1]
    )
}
