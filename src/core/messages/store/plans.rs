//! How do the databases carry the statements out? By an index, however many messages there are.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::tests::{FOREIGN, Fixture, PHONE, TABLET, moment};
use super::{ROWS_OF, clean, hash, limits, list, load, pull, report};
use crate::Timestamp;
use crate::db::testing::{Kind, on_both_databases, plan};
use crate::db::{Query, Statement};

/// So many of a device that a database with a choice takes the index.
const MANY: i64 = 2_000;

/// Messages of three devices, half of them pending, with a recipient and a state each. Half of them belong to somebody
/// else: were nearly all rows wanted, a database could as well read all of an index.
async fn filled(kind: Kind) -> Fixture {
    let fixture = Fixture::new(kind).await;
    let fill = Statement::of(
        "WITH RECURSIVE n (n) AS (SELECT ?1 UNION ALL SELECT n + 1 FROM n WHERE n < ?2) \
         INSERT INTO messages (id, device_id, ext_id, content, state, created_at, updated_at) \
         SELECT n, ?3, 'm' || n, '', CASE WHEN n % 2 THEN 'Pending' ELSE 'Sent' END, ?4, ?4 FROM n",
        "INSERT INTO messages (id, device_id, ext_id, content, state, created_at, updated_at) \
         WITH RECURSIVE n (n) AS (SELECT ?1 UNION ALL SELECT n + 1 FROM n WHERE n < ?2) \
         SELECT n, ?3, CONCAT('m', n), '', CASE WHEN n % 2 THEN 'Pending' ELSE 'Sent' END, ?4, ?4 FROM n",
    );
    for (device, first) in [
        (PHONE, 1),
        (TABLET, MANY + 1),
        (FOREIGN, 2 * MANY + 1),
        (FOREIGN, 3 * MANY + 1),
    ] {
        for first in [first, first + MANY / 2] {
            // MariaDB recurses a thousand times and no more.
            let fill = fill.bind(first).bind(first + MANY / 2 - 1).bind(device);
            fill.bind(moment(first)).execute(&fixture.database).await.unwrap();
        }
    }
    for statement in [
        "INSERT INTO message_recipients (message_id, phone_number) SELECT id, '+1' FROM messages",
        "INSERT INTO message_states (message_id, state, updated_at) SELECT id, 'Pending', created_at FROM messages",
    ] {
        let fill = Statement::same(statement).query();
        assert_eq!(fill.execute(&fixture.database).await.unwrap().rows, 8_000);
    }
    let analyze = Statement::of("ANALYZE", "ANALYZE TABLE messages, message_recipients, message_states");
    analyze.query().fetch_all(&fixture.database).await.ok();
    fixture
}

/// What the plans of SQLite and of MariaDB have to contain. Nothing reads a whole table.
type Expected<'a> = (Query<'a>, &'static str, &'static str);

async fn check(kind: Kind, expected: Vec<Expected<'_>>) {
    let fixture = filled(kind).await;
    let mut wrong = String::new();
    for (query, sqlite, mariadb) in expected {
        let statement = format!("{:?}", query.statement());
        let plan = plan(query, &fixture.database).await;
        let (expected, costly): (_, &[&str]) = match kind {
            Kind::Sqlite => (sqlite, &["SCAN m", "SCAN d"]),
            Kind::MariaDb => (mariadb, &["m/ALL", "messages/ALL", "message_recipients/ALL"]),
        };
        if !plan.contains(expected) || costly.iter().any(|costly| plan.contains(*costly)) {
            wrong += &format!("{statement}\n  should be: {expected}\n  is: {plan}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

const RECIPIENTS_KEY: &str = "unq_message_recipients_message_id_phone_number";

async fn a_page_is_counted_and_found_in_an_index_alone(kind: Kind) {
    const ALONE: &str =
        "USING COVERING INDEX idx_messages_device_created (device_id=? AND created_at>? AND created_at<?)";
    const RANGE: &str = "/gateward_messages_created/Using where; Using index";
    let filter = |statement: Statement, devices: &'static [&'static str]| {
        let devices = statement.bind_list(devices.iter().copied());
        devices.bind(Timestamp::FIRST).bind(Timestamp::LAST).bind(None::<&str>)
    };
    let (one, two): (&[&str], &[&str]) = (&[PHONE], &[PHONE, TABLET]);
    let mut expected = vec![
        (filter(list::COUNT_ALL, one), ALONE, RANGE),
        (filter(list::COUNT_ALL, two), ALONE, RANGE),
    ];
    for (statement, devices) in [
        (list::NEWEST_OF_ONE, one),
        (list::OLDEST_OF_ONE, one),
        (list::NEWEST_OF_MANY, two),
        (list::OLDEST_OF_MANY, two),
    ] {
        expected.push((page(statement, devices), ALONE, RANGE));
    }
    check(kind, expected).await;
}

fn page(statement: Statement, devices: &'static [&'static str]) -> Query<'static> {
    let filter = statement.bind_list(devices.iter().copied());
    let filter = filter.bind(Timestamp::FIRST).bind(Timestamp::LAST).bind(None::<&str>);
    filter.bind(50).bind(0).bind(moment(1))
}

async fn a_page_of_one_device_and_a_queue_need_no_sorting(kind: Kind) {
    let fixture = filled(kind).await;
    let page = |statement| page(statement, &[PHONE]);
    let queue = |statement: Statement| statement.bind(PHONE).bind(100);
    for query in [
        page(list::NEWEST_OF_ONE),
        page(list::OLDEST_OF_ONE),
        queue(pull::LIFO),
        queue(pull::FIFO),
    ] {
        let plan = plan(query, &fixture.database).await;
        assert!(!plan.contains("TEMP B-TREE") && !plan.contains("filesort"), "{plan}");
        // MariaDB would make a table of what it merges.
        assert!(!plan.contains("<union"), "{plan}");
    }
}

async fn a_queue_has_an_index_for_each_order(kind: Kind) {
    let queue = |statement: Statement| statement.bind(PHONE).bind(100);
    check(
        kind,
        vec![
            (
                queue(pull::LIFO),
                "USING INDEX idx_messages_queue_lifo (device_id=?)",
                "messages/ref/gateward_messages_queue_lifo/Using where; Using index",
            ),
            (
                queue(pull::FIFO),
                "USING INDEX idx_messages_queue_fifo (device_id=?)",
                "messages/ref/gateward_messages_queue_fifo/Using where; Using index",
            ),
        ],
    )
    .await;
}

async fn messages_are_loaded_and_reported_by_key(kind: Kind) {
    let ids = [1, 2, 3, 4];
    check(
        kind,
        vec![
            (
                ROWS_OF.bind("m1").bind("ALICE"),
                "COVERING INDEX unq_messages_id_device (ext_id=? AND device_id=?)",
                "messages/ref/unq_messages_id_device/",
            ),
            (
                pull::QUEUED.bind_list(ids),
                "SEARCH messages USING INTEGER PRIMARY KEY (rowid=?)",
                "messages/range/PRIMARY/",
            ),
            (pull::QUEUED.bind_list(ids), RECIPIENTS_KEY, RECIPIENTS_KEY),
            (
                load::WHOLE.bind_list(ids).bind(true),
                "SEARCH m USING INTEGER PRIMARY KEY (rowid=?)",
                "m/range/PRIMARY/",
            ),
            (
                load::WHOLE.bind_list(ids).bind(true),
                "SEARCH message_recipients USING INDEX unq_message_recipients_message_id_phone_number (message_id=?)",
                "message_recipients/range/unq_message_recipients_message_id_phone_number/",
            ),
            (
                load::WHOLE.bind_list(ids).bind(true),
                "SEARCH message_states USING INDEX unq_message_states_message_id_state (message_id=?)",
                "message_states/range/unq_message_states_message_id_state/",
            ),
            (
                report::FIND.bind("m1").bind(PHONE),
                "unq_messages_id_device (ext_id=? AND device_id=?)",
                "m/const/unq_messages_id_device/",
            ),
            (report::FIND.bind("m1").bind(PHONE), RECIPIENTS_KEY, RECIPIENTS_KEY),
            (
                report::STATE.bind("Sent").bind(moment(1)).bind(1),
                "SEARCH messages USING INTEGER PRIMARY KEY (rowid=?)",
                "messages/range/PRIMARY/",
            ),
            (
                report::OUTCOME.bind("Sent").bind(None::<&str>).bind_list(ids),
                "SEARCH message_recipients USING INTEGER PRIMARY KEY (rowid=?)",
                "message_recipients/range/PRIMARY/",
            ),
        ],
    )
    .await;
}

async fn what_is_old_or_to_be_hashed_or_counted_is_found_by_index(kind: Kind) {
    let ids = [1, 2, 3, 4];
    let cases = ids.map(|id| (id, "hash"));
    check(
        kind,
        vec![
            (
                hash::WAITING.bind(10).bind(50),
                "SEARCH messages USING INDEX idx_messages_is_hashed (is_hashed=? AND rowid>?)",
                "messages/range/",
            ),
            (
                hash::CONTENTS.bind_list(ids),
                "SEARCH messages USING I",
                "messages/range/",
            ),
            (hash::NUMBERS.bind_list(ids), RECIPIENTS_KEY, RECIPIENTS_KEY),
            (
                hash::HASH_CONTENTS.bind_cases(cases).bind(moment(1)).bind_list(ids),
                "SEARCH messages USING INTEGER PRIMARY KEY (rowid=?)",
                "messages/range/PRIMARY/",
            ),
            (
                hash::HASH_NUMBERS.bind_cases(cases).bind_list(ids),
                "SEARCH message_recipients USING INTEGER PRIMARY KEY (rowid=?)",
                "message_recipients/range/PRIMARY/",
            ),
            (
                clean::CLEAN.bind(PHONE).bind(moment(5)).bind(50),
                "COVERING INDEX idx_messages_device_created (device_id=? AND created_at<?)",
                "messages/range/gateward_messages_created/",
            ),
            (
                clean::EMPTY.bind(PHONE).bind(moment(5_000)).bind(50),
                "(device_id=?)",
                "messages/range/",
            ),
            (clean::MANY.bind(PHONE).bind(50), "(device_id=?)", "messages/ref/"),
            (clean::REMOVE.bind(PHONE).bind(50), "(device_id=?)", "messages/range/"),
            (
                limits::DUE.bind(PHONE).bind(moment(1)),
                "idx_messages_device_state (device_id=? AND state=?)",
                "messages/ref",
            ),
            (
                limits::LATEST.bind(PHONE).bind(Timestamp::FIRST).bind(10),
                "COVERING INDEX idx_messages_device_created (device_id=? AND created_at>?)",
                "messages/range/gateward_messages_created/Using where; Using index",
            ),
        ],
    )
    .await;
}

on_both_databases!(
    a_page_is_counted_and_found_in_an_index_alone,
    a_page_of_one_device_and_a_queue_need_no_sorting,
    a_queue_has_an_index_for_each_order,
    messages_are_loaded_and_reported_by_key,
    what_is_old_or_to_be_hashed_or_counted_is_found_by_index,
);
