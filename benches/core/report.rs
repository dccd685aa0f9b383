//! What was found, as Markdown: every figure beside the reference's and the target.

use crate::cases::{Case, Target};
use crate::gateway::{Backend, Cost, Memory};

/// What still counts as the same: figures of two cases in one run differ by so much on their own.
const SAME: f64 = 1.15;

/// Medians of every case.
pub(crate) fn cases(backend: Backend, cases: &[Case], costs: &[Vec<Cost>]) {
    let medians: Vec<Cost> = costs.iter().map(|costs| Cost::median(costs)).collect();
    println!(
        "\nCPU us per request, medians of {} rounds, {backend:?}:\n",
        costs[0].len()
    );
    println!(
        "| case | sidecar | bare proxy in its place | core | sidecar + core | database | \
         reference: server + database | target | met |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---|");
    for (case, own) in cases.iter().zip(&medians) {
        let reference = case
            .reference
            .map_or("-".to_owned(), |(server, database)| format!("{server} + {database}"));
        let base = match case.target {
            Target::SameAs(name) => cases
                .iter()
                .position(|case| case.name == name)
                .map(|index| medians[index]),
            Target::None | Target::Parts(..) => None,
        };
        let limits = limits(backend, case, base);
        let database = match backend {
            Backend::Sqlite => "in the core".to_owned(),
            Backend::MariaDb => format!("{:.0}", own.database),
        };
        let bare = if own.bare.is_nan() {
            "-".to_owned()
        } else {
            format!("{:.0}", own.bare)
        };
        println!(
            "| {} | {:.0} | {bare} | {:.0} | {:.0} | {database} | {reference} | {} | {} |",
            case.name,
            own.sidecar,
            own.core,
            own.sidecar + own.core,
            limits.map_or("-".to_owned(), |limits| written(limits, case.target)),
            limits.map_or("-".to_owned(), |limits| verdict(own, limits)),
        );
    }
}

/// What sidecar and core, and the database, may need here.
fn limits(backend: Backend, case: &Case, base: Option<Cost>) -> Option<(f64, Option<f64>)> {
    let (server, database) = match (case.target, case.reference, base) {
        (Target::Parts(of_server, of_database), Some((server, database)), _) => {
            (server * of_server, of_database.map(|part| database * part))
        }
        (Target::SameAs(_), _, Some(base)) => (
            (base.sidecar + base.core) * SAME,
            (backend == Backend::MariaDb).then_some(base.database * SAME),
        ),
        (Target::None | Target::Parts(..) | Target::SameAs(_), _, _) => return None,
    };
    Some(match (backend, case.target) {
        // The core does the database's work.
        (Backend::Sqlite, Target::Parts(..)) => (server + database.unwrap_or(0.0), None),
        (Backend::Sqlite | Backend::MariaDb, _) => (server, database),
    })
}

fn written((server, database): (f64, Option<f64>), target: Target) -> String {
    let limits = database.map_or(format!("{server:.0}"), |database| {
        format!("{server:.0} + {database:.0}")
    });
    match target {
        Target::SameAs(name) => format!("{limits} (as {name})"),
        Target::None | Target::Parts(..) => limits,
    }
}

fn verdict(own: &Cost, (server, database): (f64, Option<f64>)) -> String {
    let one = |own: f64, limit: f64| {
        if own <= limit {
            "yes".to_owned()
        } else {
            format!("no, {:.1} times", own / limit)
        }
    };
    let ours = one(own.sidecar + own.core, server);
    database.map_or(ours.clone(), |limit| format!("{ours} + {}", one(own.database, limit)))
}

/// Memory of our processes; the reference's figures were measured on MariaDB, the targets are parts of them.
pub(crate) fn memory(at_start: Memory, after_load: Memory, messages: u64) {
    println!("\n| memory (PSS), MiB | sidecar | core | together | reference | target | met |");
    println!("|---|---:|---:|---:|---:|---:|---|");
    let mebi = |kibi: u64| kibi as f64 / 1024.0;
    let loaded = format!("after the load, {messages} messages");
    for (when, memory, reference, target) in [("after start", at_start, 73, 40.0), (&loaded, after_load, 200, 80.0)] {
        let together = mebi(memory.sidecar + memory.core);
        println!(
            "| {when} | {:.1} | {:.1} | {together:.1} | {reference} | {target} | {} |",
            mebi(memory.sidecar),
            mebi(memory.core),
            if together <= target { "yes" } else { "no" }
        );
    }
}

/// The same requests in tables of two lengths.
pub(crate) fn rows([few, many]: [u64; 2], [short, long]: &[Vec<(&'static str, Cost)>; 2]) {
    println!("\n| core, CPU us per request | {few} rows | {many} rows | times |");
    println!("|---|---:|---:|---:|");
    for ((name, short), (_, long)) in short.iter().zip(long) {
        let times = long.core / short.core;
        println!("| {name} | {:.0} | {:.0} | {times:.2} |", short.core, long.core);
    }
}
