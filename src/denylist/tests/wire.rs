//! A wire between a replica and its Redis that a test can cut.

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// Forwards connections until it is cut.
pub(super) struct Wire {
    port: u16,
    whole: watch::Sender<bool>,
    task: AbortHandle,
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Wire {
    pub(super) async fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (whole, state) = watch::channel(true);
        let task = tokio::spawn(async move {
            loop {
                let (near, _) = listener.accept().await.unwrap();
                if *state.borrow() {
                    tokio::spawn(forward(near, target, state.clone()));
                }
            }
        });
        Self {
            port,
            whole,
            task: task.abort_handle(),
        }
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Breaks every connection, and lets no new one through.
    pub(super) fn cut(&self) {
        self.whole.send_replace(false);
    }

    pub(super) fn mend(&self) {
        self.whole.send_replace(true);
    }
}

async fn forward(mut near: TcpStream, target: u16, mut state: watch::Receiver<bool>) {
    if let Ok(mut far) = TcpStream::connect(("127.0.0.1", target)).await {
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
            _ = state.wait_for(|whole| !whole) => {}
        }
    }
}
