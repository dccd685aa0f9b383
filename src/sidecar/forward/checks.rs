//! Is the gateway well, although nobody has asked it anything?
//!
//! Asks every address of it the same harmless question again and again (`upstream.health`), on a connection of its own
//! as clients' requests get them, and tells the sites. Carries no credential.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use http::StatusCode;
use pingora::connectors::http::Connector;
use pingora::http::RequestHeader;
use tokio::time::{sleep, timeout};

use super::question;
use super::sites::{Site, Sites, Target};
use crate::config::Health;

/// What is wrong with an address.
#[derive(Debug, thiserror::Error)]
enum Unwell {
    #[error("health check: no answer in time")]
    Late,
    #[error("health check: status {0}")]
    Status(StatusCode),
    #[error("health check: {0}")]
    Unconnected(Box<pingora::Error>),
    #[error("health check: {0}")]
    Broken(#[from] Box<pingora::Error>),
}

/// Checks every address, now and after every interval.
pub(crate) async fn keep_checking(sites: Arc<Sites>, health: Health) {
    let connector = Connector::new(None);
    loop {
        check(&sites, &health, &connector).await;
        sleep(health.interval).await;
    }
}

async fn check(sites: &Sites, health: &Health, connector: &Connector) {
    let one = async |target: Target| {
        let Some(site) = sites.site(target.index) else { return };
        let found = timeout(health.timeout, ask(site, target, health, connector)).await;
        match found.unwrap_or(Err(Unwell::Late)) {
            Err(Unwell::Unconnected(error)) => {
                sites.not_connected(target, &error);
            }
            found => sites.checked(target, found),
        }
    };
    join_all(sites.targets().into_iter().map(one)).await;
}

async fn ask(site: &Site, target: Target, health: &Health, connector: &Connector) -> Result<(), Unwell> {
    let path = format!("{}{}", site.url().path, health.path);
    let mut request = RequestHeader::build("GET", path.as_bytes(), None)?;
    request.insert_header("Host", site.authority().clone())?;
    request.insert_header("Connection", "close")?;
    let connected = connector.get_http_session(&site.peer(target.address)).await;
    let (mut session, _new) = connected.map_err(Unwell::Unconnected)?;
    let status = question::ask(&mut session, request, Bytes::new()).await?.status;
    tokio::spawn(question::part(session));
    if status.is_success() {
        Ok(())
    } else {
        Err(Unwell::Status(status))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU16, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::gateway::toy::{Reply, Toy, nowhere};

    fn reachable(sites: &Sites) -> Vec<bool> {
        sites.report().map(|(_, reachable)| reachable).collect()
    }

    #[tokio::test]
    async fn whoever_does_not_answer_with_success_is_away_until_a_check_finds_it_well() {
        let status = Arc::new(AtomicU16::new(503));
        let answered = Arc::clone(&status);
        let toy = Toy::start(move |_head| {
            let status = answered.load(Ordering::SeqCst);
            async move { Reply::Answer(status, "{}") }
        })
        .await;
        let hung = Toy::start(|_head| async { Reply::Silence }).await;
        let hasty = Toy::start(|_head| async { Reply::Close }).await;
        let urls = vec![toy.url(), hung.url(), hasty.url(), nowhere().await];
        let sites = Sites::new(urls, true);
        let health = Health {
            path: "/health/ready".to_owned(),
            interval: Duration::from_secs(1),
            timeout: Duration::from_millis(500),
        };
        let connector = Connector::new(None);
        assert_eq!(reachable(&sites), [true; 4], "nobody has asked yet");
        check(&sites, &health, &connector).await;
        assert_eq!(reachable(&sites), [false; 4]);
        status.store(204, Ordering::SeqCst);
        check(&sites, &health, &connector).await;
        assert_eq!(reachable(&sites), [true, false, false, false]);
        let asked = toy.asked();
        assert!(
            asked
                .iter()
                .all(|head| head.starts_with("GET /health/ready HTTP/1.1\r\nHost: 127.0.0.1:"))
        );
        assert_eq!(asked.len(), 2);
    }
}
