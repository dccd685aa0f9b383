//! What happens regularly beside the requests? One round after the other, each soon enough and none at the same time as
//! itself. What is only in memory is written down a last time when the process stops.

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::tasks::{Stopping, every};
use crate::{App, devices};

/// Goes on until it is time to stop.
pub(super) async fn run(app: Arc<App>, stopping: Stopping) {
    let mut rounds = JoinSet::new();
    rounds.spawn(write_down(Arc::clone(&app), stopping.clone()));
    rounds.spawn(hash(Arc::clone(&app), stopping.clone()));
    rounds.spawn(look_at_queues(Arc::clone(&app), stopping));
    while let Some(ended) = rounds.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "what happens regularly has panicked");
        }
    }
    write_down_online(&app).await;
    hash_reported(&app).await;
}

async fn write_down(app: Arc<App>, stopping: Stopping) {
    every(devices::PERIOD, devices::PERIOD, stopping, || write_down_online(&app)).await;
}

async fn hash(app: Arc<App>, stopping: Stopping) {
    let period = app.config.messages.hashing_interval;
    if !period.is_zero() {
        every(period, period, stopping, || hash_reported(&app)).await;
    }
}

async fn look_at_queues(app: Arc<App>, stopping: Stopping) {
    if let Some(period) = app.limiter.period() {
        let round = || app.limiter.refresh(&app.messages, app.now());
        every(period, period, stopping, round).await;
    }
}

async fn write_down_online(app: &App) {
    if let Err(error) = app.devices.flush_online().await {
        tracing::error!(%error, "cannot write down which devices were seen");
    }
}

async fn hash_reported(app: &App) {
    match app.reported.hash(&app.messages, app.now()).await {
        Ok(rows) if rows.is_empty() => {}
        Ok(rows) => tracing::debug!(messages = rows.len(), "hashed"),
        Err(error) => tracing::error!(%error, "cannot hash what was reported"),
    }
}
