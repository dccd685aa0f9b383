//! What a phone does with a message: which states it reports, in which order. Pure; no HTTP and no clock.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// States of messages and recipients (WIRE §6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum State {
    Pending,
    Cancelling,
    Cancelled,
    Processed,
    Sent,
    Delivered,
    Failed,
}

/// A message as the gateway hands it out (WIRE §4.6); only what a phone needs to act.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) phone_numbers: Vec<String>,
    #[serde(default = "pending")]
    pub(crate) state: State,
}

fn pending() -> State {
    State::Pending
}

/// One element of a report (WIRE §4.7).
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) id: String,
    pub(crate) state: State,
    pub(crate) recipients: Vec<Recipient>,
    /// When each state was reached, RFC 3339.
    pub(crate) states: BTreeMap<State, String>,
}

/// A recipient in a report.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Recipient {
    pub(crate) phone_number: String,
    pub(crate) state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<&'static str>,
}

/// The app's text for a refused transmission.
const SEND_ERROR: &str = "Send result: RESULT_ERROR_GENERIC_FAILURE (1)";

/// The steps a message takes on this phone, in order; each becomes one report.
pub(crate) fn steps(message: &Message) -> &'static [State] {
    match message.state {
        State::Cancelling => &[State::Cancelled],
        State::Pending | State::Cancelled | State::Processed | State::Sent | State::Delivered | State::Failed => {
            &[State::Processed, State::Sent, State::Delivered]
        }
    }
}

/// The recipients after `step`. Numbers in `fail` fail when they should be sent, and stay failed.
pub(crate) fn recipients(message: &Message, step: State, fail: &[String]) -> Vec<Recipient> {
    let is_sent = matches!(step, State::Sent | State::Delivered);
    let reached = |number: &String| {
        if is_sent && fail.contains(number) {
            State::Failed
        } else {
            step
        }
    };
    message
        .phone_numbers
        .iter()
        .map(|number| {
            let state = reached(number);
            Recipient {
                phone_number: number.clone(),
                state,
                error: (state == State::Failed).then_some(SEND_ERROR),
            }
        })
        .collect()
}

/// The state of the whole message, first match (WIRE §6.2).
pub(crate) fn aggregate(recipients: &[Recipient]) -> State {
    use State::{Cancelled, Cancelling, Delivered, Failed, Pending, Processed, Sent};
    let any = |state| recipients.iter().any(|recipient| recipient.state == state);
    let all = |state| recipients.iter().all(|recipient| recipient.state == state);
    [Pending, Cancelling, Cancelled, Processed]
        .into_iter()
        .find(|state| any(*state))
        .or_else(|| all(Failed).then_some(Failed))
        .or_else(|| all(Delivered).then_some(Delivered))
        .unwrap_or(Sent)
}

#[cfg(test)]
mod tests {
    use super::{Message, State, aggregate, recipients, steps};

    fn message(state: State) -> Message {
        Message {
            id: "m".into(),
            phone_numbers: vec!["+1".into(), "+2".into()],
            state,
        }
    }

    #[test]
    fn a_message_is_processed_then_sent_then_delivered() {
        let message = message(State::Pending);
        let states: Vec<_> = steps(&message)
            .iter()
            .map(|step| aggregate(&recipients(&message, *step, &[])))
            .collect();
        assert_eq!(states, [State::Processed, State::Sent, State::Delivered]);
    }

    #[test]
    fn a_failing_number_stays_failed_while_the_others_go_on() {
        let message = message(State::Pending);
        let fail = ["+1".to_owned()];
        let after = recipients(&message, State::Delivered, &fail);
        assert_eq!(
            after.iter().map(|r| r.state).collect::<Vec<_>>(),
            [State::Failed, State::Delivered]
        );
        assert_eq!(aggregate(&after), State::Sent);
        let all = ["+1".to_owned(), "+2".to_owned()];
        assert_eq!(aggregate(&recipients(&message, State::Sent, &all)), State::Failed);
        assert_eq!(
            aggregate(&recipients(&message, State::Processed, &all)),
            State::Processed
        );
    }

    #[test]
    fn a_message_being_cancelled_is_only_cancelled() {
        let message = message(State::Cancelling);
        assert_eq!(steps(&message), [State::Cancelled]);
    }
}
