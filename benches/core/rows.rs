//! Does a request cost more when the table is longer?

use std::time::Duration;

use crate::gateway::{Backend, Cost, Gateway};
use crate::people::Person;
use crate::seed::{self, Batch};
use crate::{cases, measure_all, report};

const FEW: u64 = 1_000;

/// Measures list and pull in a table of 1,000 messages and in one of so many, and prints both.
pub(crate) fn compare(rows: u64, rounds: usize, length: Duration) {
    let measured = [FEW, rows].map(|rows| in_table_of(rows, rounds, length));
    report::rows([FEW, rows], &measured);
}

/// In each of which nine of ten messages were delivered, and the others wait.
fn in_table_of(rows: u64, rounds: usize, length: Duration) -> Vec<(&'static str, Cost)> {
    let gateway = Gateway::start(Backend::Sqlite, true);
    let (reader, owner) = (Person::register(&gateway), Person::register(&gateway));
    seed::add(&gateway.database(), &Batch::pending(&reader.device, "few", 20));
    seed::add(&gateway.database(), &Batch::delivered(&owner.device, "many", rows - 20));
    assert_eq!(seed::count(&gateway.database()), rows);
    let cases = cases::of_rows(&reader, &owner);
    let costs = measure_all(&gateway, &cases, rounds, length);
    let medians = costs.iter().map(|costs| Cost::median(costs));
    cases.iter().map(|case| case.name).zip(medians).collect()
}
