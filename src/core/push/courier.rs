//! Which way do notifications take, and what can become of one? FCM in public mode, the upstream in private mode.

use std::time::Duration;

use gateward_boot::clock::Clock;

use super::{fcm::Fcm, notification::Notification, upstream::Upstream};
use crate::{
    config::{Config, Mode},
    server::StartError,
};

/// What became of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is on its way.
    Sent,
    /// It may go through later.
    Failed,
    /// Not its own fault: it was not tried, or whoever takes it asked us to come later. Does not count as a try.
    Postponed,
    /// Nothing ever reaches this token.
    Unreachable,
    /// This notification never goes through; others for its token may.
    Refused,
}

/// What became of a batch.
#[derive(Debug)]
pub(super) struct Round {
    /// As many as there were notifications, in their order.
    pub(super) outcomes: Vec<Outcome>,
    /// How long nothing more should be sent.
    pub(super) pause: Option<Duration>,
}

impl Round {
    /// Of so many, none of which was tried yet.
    pub(super) fn of(count: usize) -> Self {
        Self {
            outcomes: vec![Outcome::Postponed; count],
            pause: None,
        }
    }
}

/// Takes notifications away.
#[derive(Debug)]
pub(super) enum Courier {
    Fcm(Box<Fcm>),
    Upstream(Upstream),
}

impl Courier {
    /// The one of the configured mode; `None` where nothing says how to push in it.
    pub(super) fn of(config: &Config, clock: &Clock) -> Result<Option<Self>, StartError> {
        Ok(match config.gateway.mode {
            Mode::Private => {
                let url = config.gateway.upstream_url.as_deref();
                let upstream = url.map(|url| Upstream::new(url, clock.clone())).transpose()?;
                upstream.map(Self::Upstream)
            }
            Mode::Public => {
                let account = config.fcm.account.clone();
                let fcm = account.map(|account| Fcm::new(account, &config.fcm.endpoint, clock.clone()));
                fcm.transpose()?.map(|fcm| Self::Fcm(Box::new(fcm)))
            }
        })
    }

    /// Tries all of them, for so long. What became of each is in `round` as soon as it is known, for whoever does not wait
    /// for the end.
    pub(super) async fn deliver(&self, batch: &[&Notification], deadline: Duration, round: &mut Round) {
        match self {
            Self::Fcm(fcm) => fcm.deliver(batch, deadline, round).await,
            Self::Upstream(upstream) => upstream.deliver(batch, deadline, round).await,
        }
    }
}
