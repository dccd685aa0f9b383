//! Tests of the statements, against a database of their own each.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{CancelRefusal, Inserted, Messages};
use crate::Timestamp;
use crate::db::testing::{Kind, Place, on_both_databases};
use crate::db::{Database, Statement};
use crate::devices::DeviceId;
use crate::messages::content::{Content, DataMessage, HashedMessage, TextMessage};
use crate::messages::draft::NewMessage;
use crate::messages::query::{ListQuery, Order};
use crate::messages::queue::Queued;
use crate::messages::report::{Outcome, RecipientReport, Report};
use crate::messages::state::State;
use crate::messages::states::Shown;
use crate::messages::view::by_number;
use crate::testing::states;
use crate::users::UserId;

/// For so long answers are kept.
const TTL: Duration = Duration::from_secs(300);
pub(super) const PHONE: &str = "phone-000000000000000";
pub(super) const TABLET: &str = "tablet-00000000000000";
pub(super) const FOREIGN: &str = "foreign-0000000000000";

/// A database with the users ALICE (two devices) and BOB (one), and what keeps its folder.
pub(super) struct Fixture {
    messages: Messages,
    pub(super) database: Database,
    place: Place,
}

impl Fixture {
    pub(super) async fn new(kind: Kind) -> Self {
        const USER: Statement =
            Statement::same("INSERT INTO users (id, password_hash, created_at, updated_at) VALUES (?1, '', ?2, ?2)");
        const DEVICE: Statement = Statement::same(
            "INSERT INTO devices (id, auth_token, user_id, last_seen, created_at, updated_at) \
             VALUES (?1, ?1, ?2, ?3, ?4, ?4)",
        );
        let place = Place::new(kind).await;
        let database = place.open().await;
        for user in ["ALICE", "BOB"] {
            USER.bind(user).bind(moment(0)).execute(&database).await.unwrap();
        }
        for (device, user, seen) in [
            (PHONE, "ALICE", 1_000),
            (TABLET, "ALICE", 2_000),
            (FOREIGN, "BOB", 3_000),
        ] {
            let insert = DEVICE.bind(device).bind(user).bind(moment(seen)).bind(moment(0));
            insert.execute(&database).await.unwrap();
        }
        Self {
            messages: Messages::new(database.clone(), states(TTL).await),
            database,
            place,
        }
    }

    async fn insert(&self, device: &str, id: &str, message: &NewMessage, at: i64) -> Inserted {
        let device = DeviceId::stored(device);
        let user = UserId::stored(if device.as_str() == FOREIGN { "BOB" } else { "ALICE" });
        let inserted = self.messages.insert(&user, &device, id, message, moment(at)).await;
        inserted.unwrap()
    }

    async fn send(&self, device: &str, id: &str, at: i64) {
        assert_eq!(self.insert(device, id, &text(&["+1"]), at).await, Inserted::Stored);
    }

    async fn pulled(&self, device: &str, order: Order) -> Vec<String> {
        let queue = self.queue(device, order).await;
        queue.into_iter().map(|queued| queued.id).collect()
    }

    async fn queue(&self, device: &str, order: Order) -> Vec<Queued> {
        let rows = self.messages.queue(&DeviceId::stored(device), order).await.unwrap();
        let queued = self.messages.queued(&ids(&rows)).await.unwrap();
        let told: Vec<_> = queued.iter().map(|(row, queued)| (*row, queued.state)).collect();
        assert_eq!(told, rows);
        queued.into_iter().map(|(_, queued)| queued).collect()
    }

    async fn listed(&self, raw: &str) -> (i64, Vec<String>) {
        let query = ListQuery::parse(raw).unwrap();
        let own = [PHONE, TABLET].map(DeviceId::stored).into_iter();
        let wanted = own.filter(|own| query.device.as_deref().is_none_or(|wanted| wanted == own.as_str()));
        let wanted: Vec<_> = wanted.collect();
        let page = self.messages.page(&wanted, &query, moment(99_999)).await.unwrap();
        let messages = self.messages.load(&ids(&page.rows), false).await.unwrap();
        let told: Vec<_> = messages.iter().map(|(row, message)| (*row, message.state)).collect();
        assert_eq!(told, page.rows);
        let messages = messages.into_iter().map(|(_, message)| message.id);
        (page.total, messages.collect())
    }

    async fn report(&self, device: &str, report: Report) -> usize {
        let device = DeviceId::stored(device);
        let applied = self.messages.apply(&device, &[report], moment(99)).await.unwrap();
        applied.len()
    }

    async fn rows(&self, statement: &'static str) -> Vec<i64> {
        let rows = Statement::same(statement).query();
        rows.fetch_column(&self.database).await.unwrap()
    }

    async fn count(&self, statement: &'static str) -> i64 {
        Statement::same(statement)
            .query()
            .fetch_value(&self.database)
            .await
            .unwrap()
    }
}

fn ids(rows: &[(i64, State)]) -> Vec<i64> {
    rows.iter().map(|(row, _)| *row).collect()
}

fn alice() -> UserId {
    UserId::stored("ALICE")
}

pub(super) fn moment(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn text(numbers: &[&str]) -> NewMessage {
    let content = Content::Text(TextMessage {
        text: "hello".to_owned(),
    });
    NewMessage {
        id: None,
        stored: content.to_stored(),
        content,
        numbers: numbers.iter().map(|&number| number.to_owned()).collect(),
        is_encrypted: false,
        sim_number: None,
        with_delivery_report: true,
        priority: 0,
        valid_until: None,
        schedule_at: None,
    }
}

fn sent(id: &str, recipients: &[(&str, State, Option<&str>)], history: &[(State, i64)]) -> Report {
    let recipient = |&(number, state, error): &(&str, State, Option<&str>)| RecipientReport {
        phone_number: number.to_owned(),
        outcome: Outcome {
            state,
            error: error.map(str::to_owned),
        },
    };
    Report {
        id: id.to_owned(),
        state: State::Sent,
        recipients: recipients.iter().map(recipient).collect(),
        history: history.iter().map(|&(state, at)| (state, moment(at))).collect(),
    }
}

async fn a_message_comes_out_as_it_went_in(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let numbers = ["+3", "$aes\"y'\u{0}z", "+1"];
    let content = Content::Data(DataMessage {
        data: "AAAA".to_owned(),
        port: 9,
    });
    let message = NewMessage {
        stored: content.to_stored(),
        content,
        is_encrypted: true,
        sim_number: Some(2),
        with_delivery_report: false,
        priority: -128,
        valid_until: Some(moment(-5)),
        schedule_at: Some(moment(7_999)),
        ..text(&numbers)
    };
    let id = "id with/é%";
    assert_eq!(fixture.insert(PHONE, id, &message, 12_345).await, Inserted::Stored);

    let found = fixture.messages.find(&alice(), id).await.unwrap().unwrap().1;
    assert_eq!((found.id.as_str(), found.device.as_str()), (id, PHONE));
    assert_eq!(found.state, State::Pending);
    assert_eq!((found.is_hashed, found.is_encrypted), (false, true));
    assert_eq!(found.content.as_ref(), Some(&message.content));
    assert_eq!(found.created_at, moment(12_345));
    assert_eq!(found.history, BTreeMap::from([(State::Pending, moment(12_345))]));
    let recipients: Vec<_> = found.recipients.iter().map(|r| r.phone_number.as_str()).collect();
    assert_eq!(
        recipients,
        ["$aes\"y'\u{0}z", "+1", "+3"],
        "in the order of the numbers"
    );

    let queue = fixture.queue(PHONE, Order::Lifo).await;
    let queued = queue.first().unwrap();
    assert_eq!(queued.numbers, recipients);
    assert_eq!(queued.content, message.content);
    assert_eq!((queued.sim_number, queued.priority), (Some(2), -128));
    assert!(queued.is_encrypted && !queued.with_delivery_report);
    assert_eq!(
        (queued.valid_until, queued.schedule_at),
        (Some(moment(-5)), Some(moment(7_000))),
        "a schedule has whole seconds"
    );
}

async fn every_character_comes_out_as_it_went_in(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let every: Vec<char> = (0..=127).map(char::from).chain("é\u{2028}\u{ffff}😀".chars()).collect();
    let all: String = every.iter().collect();
    let mut numbers: Vec<String> = every.chunks(33).map(|part| part.iter().collect()).collect();
    let content = Content::Text(TextMessage { text: all.clone() });
    let message = NewMessage {
        stored: content.to_stored(),
        content: content.clone(),
        numbers: numbers.clone(),
        ..text(&[])
    };
    let id = "\u{0}\u{1f}\"\\'é😀";
    assert_eq!(fixture.insert(PHONE, id, &message, 1).await, Inserted::Stored);
    let failed: Vec<_> = numbers
        .iter()
        .map(|number| (number.as_str(), State::Failed, Some(all.as_str())))
        .collect();
    assert_eq!(fixture.report(PHONE, sent(id, &failed, &[(State::Failed, 2)])).await, 1);

    numbers.sort_by(|one, other| by_number(one, other));
    let found = fixture.messages.find(&alice(), id).await.unwrap().unwrap().1;
    assert_eq!((found.id.as_str(), found.content.as_ref()), (id, Some(&content)));
    let recipients = found.recipients.iter();
    let recipients = recipients.map(|recipient| (recipient.phone_number.clone(), recipient.error.as_deref()));
    let expected = numbers.iter().map(|number| (number.clone(), Some(all.as_str())));
    assert_eq!(recipients.collect::<Vec<_>>(), expected.collect::<Vec<_>>());

    let waiting = Statement::same("UPDATE messages SET state = 'Pending'").query();
    waiting.execute(&fixture.database).await.unwrap();
    let queue = fixture.queue(PHONE, Order::Fifo).await;
    let queued = queue.first().unwrap();
    assert_eq!(
        (queued.id.as_str(), &queued.content, &queued.numbers),
        (id, &content, &numbers)
    );
}

async fn a_message_is_stored_whole_or_not_at_all(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    // They make the second statement fail. On MySQL they need not be quite equal.
    let pairs: &[[&str; 2]] = match kind {
        Kind::Sqlite => &[["+1", "+1"]],
        Kind::MariaDb => &[["+1", "+1"], ["abc", "ABC"], ["+1", "+1 "]],
    };
    for pair in pairs {
        let bad = fixture.insert(PHONE, "bad", &text(pair), 1).await;
        assert_eq!(bad, Inserted::NumbersNotUnique, "{pair:?}");
    }
    assert_eq!(fixture.count("SELECT count(*) FROM messages").await, 0);

    assert_eq!(
        fixture.insert(PHONE, "good", &text(&["+1", "+2"]), 1).await,
        Inserted::Stored
    );
    fixture.database.close().await;
    let again = Messages::new(fixture.place.open().await, states(TTL).await);
    let found = again.find(&alice(), "good").await.unwrap().unwrap().1;
    assert_eq!((found.recipients.len(), found.history.len()), (2, 1));
}

async fn an_id_is_unique_for_a_device_in_any_case(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    fixture.send(PHONE, "AbC", 1).await;
    assert_eq!(fixture.insert(PHONE, "aBc", &text(&["+2"]), 2).await, Inserted::IdTaken);
    assert_eq!(fixture.insert(TABLET, "aBc", &text(&["+2"]), 2).await, Inserted::Stored);
    assert_eq!(
        fixture.insert(FOREIGN, "AbC", &text(&["+2"]), 2).await,
        Inserted::Stored
    );
    assert_eq!(
        fixture.insert("gone-0000000000000000", "x", &text(&["+2"]), 2).await,
        Inserted::DeviceGone
    );
}

async fn many_write_at_once_and_nobody_is_told_that_it_is_busy(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let writes = (0..50).map(|number| {
        let messages = fixture.messages.clone();
        tokio::spawn(async move {
            let device = DeviceId::stored(PHONE);
            let inserted = messages
                .insert(&alice(), &device, &format!("m{number}"), &text(&["+1"]), moment(number))
                .await;
            let seen = messages.find(&alice(), &format!("m{number}")).await;
            (inserted.unwrap(), seen.unwrap().is_some())
        })
    });
    for write in writes.collect::<Vec<_>>() {
        assert_eq!(write.await.unwrap(), (Inserted::Stored, true));
    }
}

async fn a_list_is_filtered_sorted_and_counted(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    assert_eq!(fixture.listed("").await, (0, Vec::new()));
    for (device, id, at) in [
        (PHONE, "m1", 1_000),
        (PHONE, "m2", 2_000),
        (PHONE, "m3", 2_000),
        (TABLET, "s1", 3_000),
        (FOREIGN, "x", 4_000),
    ] {
        fixture.send(device, id, at).await;
    }
    fixture
        .report(PHONE, sent("m2", &[("+1", State::Sent, None)], &[]))
        .await;

    let page = async |raw: &str| {
        let (total, ids) = fixture.listed(raw).await;
        (total, ids.join(" "))
    };
    let is = |total, ids: &str| (total, ids.to_owned());
    assert_eq!(page("").await, is(4, "s1 m3 m2 m1"));
    assert_eq!(page("sort=created_at").await, is(4, "m1 m2 m3 s1"));
    assert_eq!(page("limit=2").await, is(4, "s1 m3"));
    assert_eq!(page("limit=2&offset=1").await, is(4, "m3 m2"));
    assert_eq!(page("offset=100").await, is(4, ""));
    assert_eq!(page("state=Sent").await, is(1, "m2"));
    assert_eq!(page("state=Delivered").await, is(0, ""));
    assert_eq!(page(&format!("deviceId={TABLET}")).await, is(1, "s1"));
    assert_eq!(page(&format!("deviceId={PHONE}")).await, is(3, "m3 m2 m1"));
    let one_device = format!("deviceId={PHONE}&sort=created_at&limit=1&offset=1");
    assert_eq!(page(&one_device).await, is(3, "m2"));
    assert_eq!(page(&format!("deviceId={FOREIGN}")).await, is(0, ""));
    assert_eq!(page("from=1970-01-01T00:00:02Z").await, is(3, "s1 m3 m2"));
    assert_eq!(page("to=1970-01-01T00:00:02Z").await, is(1, "m1"));
    assert_eq!(
        page("from=2026-01-01T00:00:00Z&to=1970-01-01T00:00:00Z").await,
        is(0, "")
    );
}

async fn messages_have_content_only_when_asked_and_recipients_always(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    fixture.insert(PHONE, "a", &text(&["+2", "+1"]), 1).await;
    fixture.insert(PHONE, "b", &text(&["+3"]), 2).await;
    let rows = fixture.rows("SELECT id FROM messages ORDER BY id DESC").await;
    for with_content in [false, true] {
        let messages = fixture.messages.load(&rows, with_content).await.unwrap();
        let numbers = messages
            .iter()
            .flat_map(|(_, message)| &message.recipients)
            .map(|recipient| recipient.phone_number.as_str());
        assert_eq!(numbers.collect::<Vec<_>>(), ["+3", "+1", "+2"]);
        for (_, message) in messages {
            assert_eq!((message.content.is_some(), message.history.len()), (with_content, 1));
        }
    }
}

async fn a_queue_is_ordered_by_schedule_then_priority_then_age(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    for (id, schedule_at, priority) in [
        ("later", Some(5_000), 127),
        ("sooner", Some(4_000), 0),
        ("old", None, 0),
        ("urgent", None, 100),
        ("new", None, 0),
        ("idle", None, -1),
    ] {
        let message = NewMessage {
            schedule_at: schedule_at.map(moment),
            priority,
            ..text(&["+1"])
        };
        fixture.insert(PHONE, id, &message, 1).await;
    }
    // What is being cancelled has no other place than before.
    for cancelled in [None, Some("old"), Some("urgent"), Some("later")] {
        if let Some(id) = cancelled {
            let done = fixture.messages.cancel(&alice(), id, moment(2)).await;
            assert!(done.unwrap().is_ok());
        }
        assert_eq!(
            fixture.pulled(PHONE, Order::Lifo).await,
            ["urgent", "new", "old", "idle", "sooner", "later"]
        );
        assert_eq!(
            fixture.pulled(PHONE, Order::Fifo).await,
            ["urgent", "old", "new", "idle", "sooner", "later"]
        );
    }
    assert!(fixture.pulled(TABLET, Order::Lifo).await.is_empty());
}

async fn a_queue_holds_what_is_pending_or_cancelling_a_hundred_at_most(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    for number in 0..102 {
        fixture.send(PHONE, &format!("m{number}"), 1).await;
    }
    fixture
        .messages
        .cancel(&alice(), "m1", moment(2))
        .await
        .unwrap()
        .unwrap();
    let head = fixture.pulled(PHONE, Order::Fifo).await;
    assert_eq!((head.len(), head.first().map(String::as_str)), (100, Some("m0")));
    assert!(head.contains(&"m1".to_owned()));
    for id in ["m0", "m1", "m2"] {
        fixture.report(PHONE, sent(id, &[("+1", State::Sent, None)], &[])).await;
    }
    assert_eq!(fixture.pulled(PHONE, Order::Fifo).await.len(), 99);
}

async fn only_a_pending_message_is_cancelled(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    fixture.send(PHONE, "c1", 1).await;
    let cancel = async |user: &str, id: &str| {
        let cancelled = fixture.messages.cancel(&UserId::stored(user), id, moment(2)).await;
        cancelled.unwrap().map(|message| (message.state, message.history))
    };
    assert_eq!(cancel("BOB", "c1").await, Err(CancelRefusal::NotFound));
    assert_eq!(cancel("ALICE", "nope").await, Err(CancelRefusal::NotFound));
    let history = BTreeMap::from([(State::Pending, moment(1))]);
    assert_eq!(cancel("ALICE", "C1").await, Ok((State::Cancelling, history)));
    assert_eq!(cancel("ALICE", "c1").await, Err(CancelRefusal::NotPending));
    fixture.send(TABLET, "c1", 3).await;
    assert_eq!(cancel("ALICE", "c1").await, Err(CancelRefusal::Ambiguous));
    let latest = fixture.messages.find(&alice(), "c1").await.unwrap().unwrap().1;
    assert_eq!(latest.device, TABLET);
}

async fn reports_change_what_they_name_and_keep_first_times(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    fixture.insert(PHONE, "r1", &text(&["+1", "+2"]), 1).await;
    let first = sent(
        "r1",
        &[("+1", State::Sent, None), ("2", State::Failed, Some("no service"))],
        &[(State::Pending, 70), (State::Processed, 50), (State::Sent, 60)],
    );
    let second = sent(
        "R1",
        &[("+1", State::Delivered, None), ("+9", State::Failed, None)],
        &[(State::Processed, 40), (State::Delivered, 80)],
    );
    assert_eq!(fixture.report(PHONE, first).await, 1);
    assert_eq!(fixture.report(PHONE, second).await, 1);

    let message = fixture.messages.find(&alice(), "r1").await.unwrap().unwrap().1;
    assert_eq!(message.state, State::Sent);
    let recipients = message.recipients.iter().map(|r| (r.state, r.error.as_deref()));
    assert_eq!(
        recipients.collect::<Vec<_>>(),
        [(State::Delivered, None), (State::Failed, Some("no service"))]
    );
    let history = [
        (State::Pending, moment(1)),
        (State::Processed, moment(50)),
        (State::Sent, moment(60)),
        (State::Delivered, moment(80)),
    ];
    assert_eq!(message.history, history.into());
}

async fn reports_about_messages_of_others_are_ignored(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    fixture.send(PHONE, "r1", 1).await;
    for (device, id) in [(TABLET, "r1"), (FOREIGN, "r1"), (PHONE, "nope")] {
        let report = sent(id, &[("+1", State::Failed, None)], &[]);
        assert_eq!(fixture.report(device, report).await, 0);
    }
    let message = fixture.messages.find(&alice(), "r1").await.unwrap().unwrap().1;
    assert_eq!(message.state, State::Pending);
}

async fn hashed_recipients_are_found_by_their_hashes(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    // printf '%s' +79990001234 | sha256sum | cut -c1-16
    fixture.insert(PHONE, "h", &text(&["62d17792b45c5307"]), 1).await;
    let hash = Statement::same("UPDATE messages SET is_hashed = 1, content = 'abc', state = 'Sent'");
    hash.query().execute(&fixture.database).await.unwrap();
    fixture
        .report(PHONE, sent("h", &[("79990001234", State::Delivered, None)], &[]))
        .await;
    let message = fixture.messages.find(&alice(), "h").await.unwrap().unwrap().1;
    assert!(message.is_hashed && matches!(message.content, Some(Content::Hashed(_))));
    assert!(
        message
            .recipients
            .iter()
            .all(|recipient| recipient.state == State::Delivered)
    );
}

/// What a row is once it is hashed.
async fn hashed(fixture: &Fixture, id: &str) -> (bool, Option<Content>, Vec<String>) {
    let message = fixture.messages.find(&alice(), id).await.unwrap().unwrap().1;
    let numbers = message.recipients.into_iter().map(|recipient| recipient.phone_number);
    (message.is_hashed, message.content, numbers.collect())
}

async fn a_report_lets_content_and_numbers_be_hashed(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    fixture.insert(PHONE, "m", &text(&["+79990001234", "+1"]), 1).await;
    fixture
        .report(PHONE, sent("m", &[("+1", State::Sent, None)], &[]))
        .await;
    let rows = fixture.messages.waiting_to_be_hashed(0).await.unwrap();
    assert_eq!(fixture.messages.hash(&rows, moment(50)).await.unwrap(), rows);
    let (is_hashed, content, numbers) = hashed(&fixture, "m").await;
    assert!(is_hashed);
    // printf hello | sha256sum; printf +1 | sha256sum | cut -c1-16
    let hash = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824".to_owned();
    assert_eq!(content, Some(Content::Hashed(HashedMessage { hash })));
    assert_eq!(numbers, ["62d17792b45c5307", "c59dc4e44ff99288"]);
}

async fn hashing_twice_is_hashing_once(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    fixture.send(PHONE, "m", 1).await;
    fixture
        .report(PHONE, sent("m", &[("+1", State::Sent, None)], &[]))
        .await;
    let rows = fixture.messages.waiting_to_be_hashed(0).await.unwrap();
    let (one, two) = tokio::join!(
        fixture.messages.hash(&rows, moment(50)),
        fixture.messages.hash(&rows, moment(51))
    );
    assert_eq!(one.unwrap().len() + two.unwrap().len(), 1);
    let before = hashed(&fixture, "m").await;
    assert!(fixture.messages.hash(&rows, moment(52)).await.unwrap().is_empty());
    assert_eq!(hashed(&fixture, "m").await, before);
    assert!(fixture.messages.waiting_to_be_hashed(0).await.unwrap().is_empty());
}

async fn what_is_secret_or_still_to_be_sent_is_not_hashed(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let secret = NewMessage {
        is_encrypted: true,
        ..text(&["$aes"])
    };
    fixture.insert(PHONE, "secret", &secret, 1).await;
    fixture
        .report(PHONE, sent("secret", &[("$aes", State::Sent, None)], &[]))
        .await;
    fixture.send(PHONE, "pending", 2).await;
    fixture.send(PHONE, "cancelling", 3).await;
    fixture
        .messages
        .cancel(&alice(), "cancelling", moment(4))
        .await
        .unwrap()
        .unwrap();
    assert!(fixture.messages.waiting_to_be_hashed(0).await.unwrap().is_empty());
    assert!(fixture.messages.hash(&[1, 2, 3], moment(5)).await.unwrap().is_empty());
    assert_eq!(hashed(&fixture, "pending").await.2, ["+1"]);
}

async fn content_that_cannot_be_read_stays_and_keeps_no_others_from_being_hashed(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    for id in ["broken", "good"] {
        fixture.send(PHONE, id, 1).await;
        fixture.report(PHONE, sent(id, &[("+1", State::Sent, None)], &[])).await;
    }
    let spoil = Statement::same("UPDATE messages SET content = 'no json' WHERE ext_id = 'broken'");
    spoil.query().execute(&fixture.database).await.unwrap();
    assert_eq!(fixture.messages.hash(&[1, 2], moment(5)).await.unwrap(), [2]);
    let numbers = "SELECT count(*) FROM message_recipients WHERE phone_number = '+1'";
    assert_eq!(fixture.count(numbers).await, 1);
}

async fn a_deleted_device_takes_its_messages_with_it(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    fixture.send(PHONE, "m", 1).await;
    let delete = Statement::same("DELETE FROM devices WHERE id = ?");
    delete.bind(PHONE).execute(&fixture.database).await.unwrap();
    assert!(fixture.messages.find(&alice(), "m").await.unwrap().is_none());
    for statement in [
        "SELECT count(*) FROM message_recipients",
        "SELECT count(*) FROM message_states",
    ] {
        assert_eq!(fixture.count(statement).await, 0);
    }
}

async fn a_device_that_is_back_keeps_its_messages(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    for (device, id) in [(PHONE, "m1"), (PHONE, "m2"), (TABLET, "m3")] {
        fixture.send(device, id, 1).await;
    }
    let phone = DeviceId::stored(PHONE);
    assert_eq!(fixture.messages.empty(&phone, moment(1_000)).await.unwrap(), 0);
    assert_eq!(fixture.messages.empty(&phone, moment(1_001)).await.unwrap(), 2);
    assert_eq!(fixture.messages.empty(&phone, moment(1_001)).await.unwrap(), 0);
    assert_eq!(fixture.count("SELECT count(*) FROM messages").await, 1);
}

on_both_databases!(
    a_device_that_is_back_keeps_its_messages,
    a_message_comes_out_as_it_went_in,
    every_character_comes_out_as_it_went_in,
    a_message_is_stored_whole_or_not_at_all,
    an_id_is_unique_for_a_device_in_any_case,
    many_write_at_once_and_nobody_is_told_that_it_is_busy,
    numbers_are_sorted_without_case,
    a_list_is_filtered_sorted_and_counted,
    messages_have_content_only_when_asked_and_recipients_always,
    a_queue_is_ordered_by_schedule_then_priority_then_age,
    a_queue_holds_what_is_pending_or_cancelling_a_hundred_at_most,
    only_a_pending_message_is_cancelled,
    reports_change_what_they_name_and_keep_first_times,
    reports_about_messages_of_others_are_ignored,
    hashed_recipients_are_found_by_their_hashes,
    a_deleted_device_takes_its_messages_with_it,
    a_report_lets_content_and_numbers_be_hashed,
    hashing_twice_is_hashing_once,
    what_is_secret_or_still_to_be_sent_is_not_hashed,
    content_that_cannot_be_read_stays_and_keeps_no_others_from_being_hashed,
);

async fn numbers_are_sorted_without_case(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let message = text(&["b", "A", "_", "C", "+1"]);
    assert_eq!(fixture.insert(PHONE, "m", &message, 1).await, Inserted::Stored);
    let sorted = ["+1", "A", "b", "C", "_"];
    let (_, found) = fixture.messages.find(&alice(), "m").await.unwrap().unwrap();
    let found: Vec<_> = found
        .recipients
        .iter()
        .map(|recipient| recipient.phone_number.as_str())
        .collect();
    assert_eq!(found, sorted);
    let queue = fixture.queue(PHONE, Order::Lifo).await;
    assert_eq!(queue.first().unwrap().numbers, sorted);
}

#[tokio::test]
async fn after_a_commit_that_failed_nothing_is_known() {
    let fixture = Fixture::new(Kind::Sqlite).await;
    fixture.send(PHONE, "m", 1).await;
    let states = fixture.messages.states();
    let row = fixture.count("SELECT id FROM messages").await;
    let began = states.recall(&alice(), "m").unwrap_err();
    let (state, body) = (State::Pending, "known".into());
    states.remember(&alice(), "m", Shown { row, state, body }, began);
    assert!(states.recall(&alice(), "m").is_ok());
    let mut change = fixture.database.begin().await.unwrap();
    for breaking in [
        "PRAGMA defer_foreign_keys = ON",
        "UPDATE messages SET device_id = 'nobody'",
    ] {
        let breaking = Statement::same(breaking).query();
        breaking.execute(&mut change).await.unwrap();
    }
    assert!(fixture.messages.finish(change, &[row]).await.is_err());
    assert!(states.recall(&alice(), "m").is_err());
}
