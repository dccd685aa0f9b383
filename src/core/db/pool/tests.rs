//! Which connections are used again.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// How many connections were made, and how many of those hear nothing any more.
#[derive(Default)]
struct Server {
    made: AtomicUsize,
    silent: AtomicUsize,
}

/// A connection by its number, from 1.
struct Line {
    number: usize,
    server: Arc<Server>,
}

impl Backend for Line {
    type Options = Arc<Server>;

    const LOCAL: bool = false;

    fn connect(server: &Arc<Server>) -> Step<'_, Self> {
        Box::pin(async {
            Ok(Self {
                number: server.made.fetch_add(1, Ordering::SeqCst) + 1,
                server: Arc::clone(server),
            })
        })
    }

    fn probe(&mut self) -> Step<'_, ()> {
        Box::pin(async {
            if self.number <= self.server.silent.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            Ok(())
        })
    }

    fn command(&mut self, _: SqlStr) -> Step<'_, ()> {
        self.probe()
    }

    fn quit(mut self) -> Step<'static, ()> {
        Box::pin(async move { self.probe().await })
    }
}

async fn number(pool: &Pool<Line>) -> usize {
    let mut lease = pool.acquire().await.unwrap();
    lease.run(async |line| Ok(line.number)).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_server_that_fell_silent_costs_one_second_and_not_one_for_each_connection() {
    let server = Arc::new(Server::default());
    let limits = Limits {
        open: 8,
        idle: 8,
        idle_time: None,
        lifetime: None,
        acquire: Duration::from_secs(5),
        statement: None,
        told: false,
    };
    let pool: Pool<Line> = Pool::new(Arc::clone(&server), limits);
    let mut leases = Vec::new();
    for _ in 0..8 {
        leases.push(pool.acquire().await.unwrap());
    }
    drop(leases);
    tokio::time::advance(PROBE_AFTER).await;
    assert_eq!(number(&pool).await, 8, "those that answer are used again");

    tokio::time::advance(PROBE_AFTER).await;
    server.silent.store(8, Ordering::SeqCst);
    let before = Instant::now();
    assert_eq!(number(&pool).await, 9);
    assert!(before.elapsed() < PROBE_PATIENCE * 2, "{:?}", before.elapsed());
    assert_eq!(pool.0.idle().len(), 1, "the other old ones are gone");
}
