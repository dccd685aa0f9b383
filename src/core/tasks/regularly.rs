//! How is something done again and again until it is time to stop?

use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

/// Becomes true when it is time to stop.
pub(crate) type Stopping = watch::Receiver<bool>;

/// Waits until it is time to stop.
pub(crate) async fn stopped(mut stopping: Stopping) {
    // An error means that nobody is left who could say so.
    let _ = stopping.wait_for(|stop| *stop).await;
}

/// Does it the first time after this, and then once in every period; later if it took longer, never twice at a time.
/// What has begun is finished.
pub(crate) async fn every<F: Future<Output = ()>>(
    first: Duration,
    period: Duration,
    stopping: Stopping,
    mut work: impl FnMut() -> F,
) {
    let mut ticks = interval_at(Instant::now() + first, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stopped = std::pin::pin!(stopped(stopping));
    loop {
        tokio::select! {
            biased;
            () = &mut stopped => return,
            _ = ticks.tick() => work().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_goes_on_until_it_is_time_to_stop() {
        let (stop, stopping) = watch::channel(false);
        let count = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&count);
        let (first, period) = (Duration::from_secs(5), Duration::from_secs(60));
        let work = move || {
            counted.fetch_add(1, Ordering::SeqCst);
            std::future::ready(())
        };
        let working = tokio::spawn(every(first, period, stopping, work));
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert_eq!(count.load(Ordering::SeqCst), 0);
        tokio::time::sleep(Duration::from_secs(122)).await;
        assert_eq!(count.load(Ordering::SeqCst), 3, "after 5, 65 and 125 seconds");
        stop.send_replace(true);
        assert!(working.await.is_ok());
        assert_eq!(count.load(Ordering::SeqCst), 3);
    }
}
