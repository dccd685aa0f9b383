//! How do many who add something to a file at the same time share one commit? While one writes, the others gather; then all
//! of them are one statement. To wait for the disk costs as much as to write, and so does every word with the thread that
//! writes.
//!
//! It knows no table.

use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sqlx::SqliteConnection;
use tokio::sync::oneshot;

use super::{Connection, Statement, StoreError, pool::Pool, value::Value};

/// Rows in a statement: enough that the disk is no more what everybody waits for, few enough for a short transaction.
const MOST: usize = 16;

/// Who waits for the writer of a file. A cheap handle.
#[derive(Clone, Debug, Default)]
pub(super) struct Gathering(Arc<Mutex<Queue>>);

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    /// Somebody is writing what waits.
    is_served: bool,
}

#[derive(Debug)]
struct Waiting {
    statement: Statement,
    row: Vec<Value<'static>>,
    answer: oneshot::Sender<Result<bool, StoreError>>,
}

impl Gathering {
    /// Inserts a row by a statement that ends with `VALUES ?`. Whether it is in, durably; if not, the statement was
    /// refused and did nothing.
    ///
    /// INVARIANT(nobody pays for others): a row that is refused takes no other with it. Test:
    /// `tests::who_is_refused_takes_nobody_along`.
    pub(super) async fn insert(
        &self,
        statement: Statement,
        row: Vec<Value<'_>>,
        writer: &Pool<SqliteConnection>,
    ) -> Result<bool, StoreError> {
        let row = row.into_iter().map(Value::into_owned).collect();
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { statement, row, answer };
        if self.join(waiting) {
            // A task of its own, which nobody stops who goes away: others wait for it.
            tokio::spawn(Serving::new(self.clone()).serve(writer.clone()));
        }
        answered.await.unwrap_or_else(|_| Err(StoreError::unanswered()))
    }

    /// Whether nobody is writing yet, who will write this, too.
    fn join(&self, waiting: Waiting) -> bool {
        let mut queue = self.queue();
        queue.waiting.push_back(waiting);
        !mem::replace(&mut queue.is_served, true)
    }

    /// Who comes next, by one statement. Numbers of them are powers of two, so that few texts are prepared.
    fn take(&self) -> Vec<Waiting> {
        let mut queue = self.queue();
        let Some(first) = queue.waiting.front().map(|first| first.statement) else {
            return Vec::new();
        };
        let same = queue.waiting.iter().take(MOST);
        let same = same.take_while(|waiting| waiting.statement == first).count();
        queue.waiting.drain(..1 << same.ilog2()).collect()
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one who writes. If he comes to a bad end, those who wait hear of it, and the next one who comes writes.
struct Serving {
    gathering: Gathering,
    is_over: bool,
}

impl Serving {
    fn new(gathering: Gathering) -> Self {
        let is_over = false;
        Self { gathering, is_over }
    }

    async fn serve(mut self, writer: Pool<SqliteConnection>) {
        while self.goes_on() {
            // Others use the writer, too, and have their turn in between.
            let written = match writer.acquire().await {
                Ok(lease) => write(&mut Connection::Sqlite(lease), self.gathering.take()).await,
                Err(error) => Err(error.into()),
            };
            if let Err(error) = written {
                self.give_up(&error);
            }
        }
    }

    /// The file is not well: whoever waits need not wait for longer than this one did.
    fn give_up(&self, error: &StoreError) {
        let waiting = mem::take(&mut self.gathering.queue().waiting);
        tell(waiting, error);
    }

    /// Whether anybody waits.
    fn goes_on(&mut self) -> bool {
        let mut queue = self.gathering.queue();
        if queue.waiting.is_empty() {
            queue.is_served = false;
            self.is_over = true;
        }
        !self.is_over
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if !self.is_over {
            let mut queue = self.gathering.queue();
            queue.is_served = false;
            queue.waiting.clear();
        }
    }
}

/// One statement is one transaction. An error has nothing to do with what was to be written.
async fn write(writer: &mut Connection, group: Vec<Waiting>) -> Result<(), StoreError> {
    match insert(writer, &group).await {
        Err(error) if error.is_refusal() && group.len() > 1 => {
            let mut group = group.into_iter();
            while let Some(waiting) = group.next() {
                let alone = insert(writer, std::slice::from_ref(&waiting)).await;
                if let Err(error) = answer([waiting], alone) {
                    tell(group, &error);
                    return Err(error);
                }
            }
            Ok(())
        }
        written => answer(group, written),
    }
}

/// Says whether it is written, or that nobody knows.
fn answer(group: impl IntoIterator<Item = Waiting>, written: Result<(), StoreError>) -> Result<(), StoreError> {
    let is_in = match written {
        Ok(()) => true,
        Err(error) if error.is_refusal() => false,
        Err(error) => {
            tracing::error!(%error, "nothing can be added to the file");
            tell(group, &error);
            return Err(error);
        }
    };
    for waiting in group {
        // Who went away does not want to know.
        let _ = waiting.answer.send(Ok(is_in));
    }
    Ok(())
}

async fn insert(writer: &mut Connection, group: &[Waiting]) -> Result<(), StoreError> {
    let Some(first) = group.first() else {
        return Ok(());
    };
    let rows = group
        .iter()
        .map(|waiting| waiting.row.iter().map(Value::lend).collect());
    writer
        .execute(first.statement.bind_rows(rows.collect()))
        .await
        .map(drop)
}

fn tell(group: impl IntoIterator<Item = Waiting>, error: &StoreError) {
    for waiting in group {
        let _ = waiting.answer.send(Err(error.for_another()));
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
