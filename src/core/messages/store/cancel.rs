//! How is a message asked back? Only while the phone has not said that it has it (WIRE §3.5).

use super::{Messages, load};
use crate::Timestamp;
use crate::db::{Connection, Statement, StoreError};
use crate::messages::view::Message;
use crate::users::UserId;

/// Why a message cannot be cancelled. `Display` is the text for the client.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum CancelRefusal {
    /// The user has no message of this id.
    #[error("failed to cancel message: message not found")]
    NotFound,
    /// Several devices of the user have one.
    #[error("failed to cancel message: multiple messages found")]
    Ambiguous,
    /// The phone has it, or it is being cancelled.
    #[error("failed to cancel message: message is not pending")]
    NotPending,
}

const CANCEL: Statement =
    Statement::same("UPDATE messages SET state = 'Cancelling', updated_at = ? WHERE id = ? AND state = 'Pending'");

impl Messages {
    /// Pending becomes Cancelling; its recipients and its history stay as they are.
    pub(crate) async fn cancel(
        &self,
        user: &UserId,
        id: &str,
        now: Timestamp,
    ) -> Result<Result<Message, CancelRefusal>, StoreError> {
        let cancel = move |mut change: Connection| async move {
            let row = match super::rows_of(&mut change, user, id).await?.as_slice() {
                [] => return Ok(Err(CancelRefusal::NotFound)),
                [row] => *row,
                _ => return Ok(Err(CancelRefusal::Ambiguous)),
            };
            let done = CANCEL.bind(now).bind(row).execute(&mut change).await?;
            if done.rows == 0 {
                return Ok(Err(CancelRefusal::NotPending));
            }
            let message = load::by_row(&mut change, row).await?;
            self.finish(change, &[row]).await?;
            Ok(message.ok_or(CancelRefusal::NotFound))
        };
        self.database.change(cancel).await
    }
}
