//! What becomes of a change when the server gives it up in favour of another? It begins anew, from its first statement: of
//! what it did nothing is left.

use super::{Connection, Database, Query, StoreError, row::Done};

/// How often a change is tried in all. Two that keep each other waiting are decided at the first try; who loses four times
/// meets more than that.
const TRIES: usize = 4;

impl Database {
    /// A change of several statements, together or not at all: `work` runs them and commits. It runs again when the server
    /// gave the change up: it must do nothing but that. What a change costs others, and when nothing happened, is said at
    /// [`Database::begin`].
    ///
    /// INVARIANT(no deadlock is anybody's error): whoever writes comes through here, or writes with one statement. Test:
    /// `db::tests::server::a_change_that_the_server_gives_up_begins_anew`.
    pub(crate) async fn change<T, F>(&self, mut work: impl FnMut(Connection) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        for _ in 1..TRIES {
            match work(self.begin().await?).await {
                Err(error) if is_given_up(&error) => {}
                other => return other,
            }
        }
        work(self.begin().await?).await
    }

    /// A change of one statement.
    pub(super) async fn execute(&self, query: Query<'_>) -> Result<Done, StoreError> {
        for _ in 1..TRIES {
            match self.writer().await?.execute(query.clone()).await {
                Err(error) if is_given_up(&error) => {}
                other => return other,
            }
        }
        self.writer().await?.execute(query).await
    }
}

fn is_given_up(error: &StoreError) -> bool {
    let is_given_up = error.is_given_up();
    if is_given_up {
        tracing::debug!(%error, "a change begins anew");
    }
    is_given_up
}
