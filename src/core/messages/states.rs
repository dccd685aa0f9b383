//! Which messages do we know as they are stored now? A client that waits for its message asks for it again and again
//! (WIRE §6.7), others for the newest of their messages, and a phone for its queue. Kept is what they are answered, ready to
//! be sent.
//!
//! Other than in the reference, what is read is never less and never older than what is stored: every change drops what
//! it changes, in this process before it is answered and in the others as soon as they hear of it. What was kept before
//! a gap in what we hear of them counts no more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use gateward_boot::metrics::{IntCounter, MetricError, Metrics as Registry};
use gateward_contract::json;
use moka::sync::Cache;
use serde::{Deserialize, Serialize};
use tokio::task::AbortHandle;

use super::state::State;
use super::totals::{self, Totals};
use super::view::{Message, Recipient, by_number};
use crate::Timestamp;
use crate::devices::DeviceId;
use crate::shared::{Heard, PubSub, Session, Teller, Told, Topic, Word};
use crate::users::UserId;

/// How many bytes of answers are kept, and what an entry costs beside its answer.
const MOST_BYTES: u64 = 8 << 20;
const ENTRY_BYTES: usize = 256;
/// How many ids are kept.
const MOST_IDS: u64 = 20_000;

/// What is known. A cheap handle.
#[derive(Clone, Debug)]
pub(crate) struct States(Arc<Known>);

#[derive(Debug)]
struct Known {
    /// Whether answers are kept at all.
    keeps: bool,
    /// The row of a user's message by its id.
    rows: Cache<String, i64>,
    answers: Cache<(i64, Form), Answer>,
    /// The numbers of a user's new message by its id, as they were given, if the database has them in another order.
    orders: Cache<String, Arc<[String]>>,
    /// How many changes there were. Whoever holds it keeps others from changing what is known.
    changes: Mutex<u64>,
    totals: Totals,
    others: PubSub,
    teller: Teller<Changed>,
    metrics: StateMetrics,
}

/// Which of a message's faces.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Form {
    /// What it is by its id.
    Whole,
    /// What it is in a list.
    Listed,
    /// The same with its content.
    ListedWithContent,
    /// What its phone has to know.
    Queued,
}

impl Form {
    const ALL: [Self; 4] = [Self::Whole, Self::Listed, Self::ListedWithContent, Self::Queued];
}

#[derive(Clone, Debug)]
struct Answer {
    session: Session,
    /// Of the message that is shown.
    state: State,
    body: Bytes,
}

/// What a client or a phone gets to see of the message of a row.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) row: i64,
    pub(crate) state: State,
    /// JSON.
    pub(crate) body: Bytes,
}

impl Shown {
    pub(crate) fn new(row: i64, state: State, view: &impl Serialize) -> Self {
        let body = json::to_vec(view).into();
        Self { row, state, body }
    }
}

/// When a look-up began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LookUp {
    changes: u64,
    session: Option<Session>,
}

/// What processes tell each other.
#[derive(Debug, Deserialize, Serialize)]
struct Changed {
    /// These rows; `null`: whatever is known.
    rows: Option<Vec<i64>>,
    /// A device that has fewer messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fewer_of: Option<String>,
}

impl Changed {
    const ALL: Self = Self {
        rows: None,
        fewer_of: None,
    };
}

impl Word for Changed {
    fn join(self, _: Self) -> Self {
        Self::ALL
    }
}

impl States {
    /// Keeps each answer for so long; zero: keeps none.
    pub(crate) fn new(ttl: Duration, others: PubSub, metrics: StateMetrics) -> Self {
        let weight =
            |_: &(i64, Form), answer: &Answer| u32::try_from(answer.body.len() + ENTRY_BYTES).unwrap_or(u32::MAX);
        let answers = Cache::builder().time_to_live(ttl).weigher(weight);
        let weight = |_: &String, numbers: &Arc<[String]>| {
            let bytes = numbers
                .iter()
                .map(|number| number.len() + ENTRY_BYTES / 4)
                .sum::<usize>();
            u32::try_from(bytes + ENTRY_BYTES).unwrap_or(u32::MAX)
        };
        let orders = Cache::builder().time_to_live(ttl).weigher(weight);
        Self(Arc::new(Known {
            keeps: !ttl.is_zero(),
            rows: Cache::builder().time_to_live(ttl).max_capacity(MOST_IDS).build(),
            answers: answers.max_capacity(MOST_BYTES).build(),
            orders: orders.max_capacity(MOST_BYTES).build(),
            changes: Mutex::new(0),
            totals: Totals::new(others.clone()),
            teller: Teller::new(others.clone(), Topic::Messages, ttl.max(totals::TTL)),
            others,
            metrics,
        }))
    }

    /// How many there are.
    pub(crate) fn totals(&self) -> &Totals {
        &self.0.totals
    }

    /// The user's message of this id, if it is known, and else what to give back to [`States::remember`].
    pub(crate) fn recall(&self, user: &UserId, id: &str) -> Result<Bytes, LookUp> {
        let known = &self.0;
        let session = known.session();
        let row = known.rows.get(&key(user, id));
        let answer = row.and_then(|row| known.answers.get(&(row, Form::Whole)));
        match answer.filter(|answer| session == Some(answer.session)) {
            Some(answer) => {
                known.metrics.hits.inc();
                Ok(answer.body)
            }
            None => {
                known.metrics.misses.inc();
                Err(known.look_up(session))
            }
        }
    }

    /// What is known of these rows, in their order, if each is in the state that the database has just told.
    pub(crate) fn recall_rows(&self, rows: &[(i64, State)], form: Form) -> Vec<Option<Bytes>> {
        let known = &self.0;
        let session = known.session();
        let recall = |(row, state): &(i64, State)| {
            let answer = known.answers.get(&(*row, form))?;
            (session == Some(answer.session) && *state == answer.state).then_some(answer.body)
        };
        rows.iter().map(recall).collect()
    }

    /// To be taken before rows are looked up, and given back to [`States::remember_row`].
    pub(crate) fn look_up(&self) -> LookUp {
        self.0.look_up(self.0.session())
    }

    /// Keeps an answer, unless something was changed since the look-up began, or nobody could have told us.
    ///
    /// INVARIANT(nothing stale): what is kept is what is stored, because a change takes the same lock after it is stored.
    /// Test: `tests::a_look_up_that_overlaps_a_change_is_not_kept`.
    pub(crate) fn remember(&self, user: &UserId, id: &str, shown: Shown, began: LookUp) {
        let row = shown.row;
        self.0
            .keep(Form::Whole, shown, began, |known| known.rows.insert(key(user, id), row));
    }

    /// The same for what was asked for by its row.
    pub(crate) fn remember_row(&self, form: Form, shown: Shown, began: LookUp) {
        self.0.keep(form, shown, began, |_| ());
    }

    /// Puts the recipients of a message into the order of its request, if nothing has become of it yet: the reference keeps
    /// what it accepted, and shows that (WIRE §6.7).
    pub(crate) fn arrange(&self, user: &UserId, id: &str, message: &mut Message) {
        if message.state != State::Pending || message.history.len() > 1 {
            return;
        }
        let Some(order) = self.0.orders.get(&key(user, id)) else {
            return;
        };
        let places: HashMap<&str, usize> = order.iter().map(String::as_str).zip(0..).collect();
        let place = |recipient: &Recipient| places.get(recipient.phone_number.as_str()).copied();
        // Else it is another message of this id.
        if message.recipients.len() == places.len() && message.recipients.iter().all(|one| place(one).is_some()) {
            message.recipients.sort_by_key(place);
        }
    }

    /// These messages are stored otherwise now, or no longer.
    pub(crate) fn changed(&self, rows: &[i64]) -> Told {
        if rows.is_empty() {
            return Told::nothing();
        }
        self.0.forget(rows);
        let rows = Some(rows.to_vec());
        self.0.teller.tell(Changed { rows, ..Changed::ALL })
    }

    /// The user has a new message of this id, perhaps beside one on another device. Other processes go on to read that
    /// one, as it is stored, until it changes or for as long as it is kept.
    ///
    /// The numbers are as they were given: so they are read by id until the message changes ([`States::arrange`]).
    pub(crate) fn added(&self, user: &UserId, id: &str, created_at: Timestamp, numbers: &[String]) {
        let known = &self.0;
        let key = key(user, id);
        if known.keeps && !numbers.is_sorted_by(|one, other| by_number(one, other).is_le()) {
            known.orders.insert(key.clone(), numbers.into());
        } else {
            known.orders.invalidate(&key);
        }
        let mut changes = lock(&known.changes);
        *changes += 1;
        known.rows.invalidate(&key);
        drop(changes);
        known.totals.added(created_at);
    }

    /// Some messages of this device were deleted, more may follow: how many there are is no longer known. What is known of
    /// each stays until it is said that they are gone ([`States::deleted`]).
    pub(crate) fn deleted_from(&self, device: &DeviceId) -> Told {
        self.0.totals.deleted_from(device);
        self.0.teller.tell(Changed {
            rows: Some(Vec::new()),
            fewer_of: Some(device.as_str().to_owned()),
        })
    }

    /// Messages were deleted, and nobody counts which.
    pub(crate) fn deleted(&self) -> Told {
        self.0.forget_all();
        self.0.teller.tell(Changed::ALL)
    }

    /// Listens to the other processes as long as what is given back lives.
    pub(crate) fn listen(&self) -> Ear {
        let known = Arc::clone(&self.0);
        let mut changes = known.others.subscribe(Topic::Messages);
        let listening = tokio::spawn(async move {
            while let Some(heard) = changes.next().await {
                let changed = match &heard {
                    Heard::Message(message) => serde_json::from_slice::<Changed>(message).ok(),
                    Heard::Missed => None,
                };
                known.hear(changed.unwrap_or(Changed::ALL));
            }
        });
        Ear(listening.abort_handle())
    }
}

impl Known {
    /// `None`: nothing may be kept.
    fn session(&self) -> Option<Session> {
        self.others.session().filter(|_| self.keeps)
    }

    fn look_up(&self, session: Option<Session>) -> LookUp {
        let changes = *lock(&self.changes);
        LookUp { changes, session }
    }

    fn keep(&self, form: Form, shown: Shown, began: LookUp, and: impl FnOnce(&Self)) {
        let Some(session) = began.session else {
            return;
        };
        let Shown { row, state, body } = shown;
        let changes = lock(&self.changes);
        if *changes == began.changes {
            and(self);
            self.answers.insert((row, form), Answer { session, state, body });
        }
    }

    fn hear(&self, changed: Changed) {
        let Some(rows) = changed.rows else {
            self.forget_all();
            return;
        };
        if !rows.is_empty() {
            self.forget(&rows);
        }
        if let Some(device) = changed.fewer_of {
            self.totals.deleted_from(&DeviceId::stored(&device));
        }
    }

    fn forget(&self, rows: &[i64]) {
        let mut changes = lock(&self.changes);
        *changes += 1;
        for row in rows {
            for form in Form::ALL {
                self.answers.invalidate(&(*row, form));
            }
        }
    }

    fn forget_all(&self) {
        let mut changes = lock(&self.changes);
        *changes += 1;
        self.rows.invalidate_all();
        self.answers.invalidate_all();
        self.totals.forget_all();
    }
}

/// Hears what other processes change.
#[derive(Debug)]
pub(crate) struct Ear(AbortHandle);

impl Drop for Ear {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Ids are compared without case (WIRE §17). No user's name has a line break.
fn key(user: &UserId, id: &str) -> String {
    let mut key = String::with_capacity(user.as_str().len() + 1 + id.len());
    key.push_str(user.as_str());
    key.push('\n');
    key.push_str(id);
    key.make_ascii_lowercase();
    key
}

// No code panics while it holds this lock.
fn lock(changes: &Mutex<u64>) -> MutexGuard<'_, u64> {
    changes.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `sms_messages_cache_*` (WIRE §9).
#[derive(Clone, Debug)]
pub(crate) struct StateMetrics {
    hits: IntCounter,
    misses: IntCounter,
}

impl StateMetrics {
    pub(crate) fn new(registry: &Registry) -> Result<Self, MetricError> {
        Ok(Self {
            hits: registry.counter(
                "sms_messages_cache_hits_total",
                "Messages that were asked for and known.",
            )?,
            misses: registry.counter("sms_messages_cache_misses_total", "Messages that had to be looked up.")?,
        })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
