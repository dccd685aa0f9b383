//! Where is the gateway at this moment, and which of its addresses is worth trying?
//!
//! Names are looked up in the background, so that no request waits for a name server. Among several addresses
//! requests take turns; one that could not be reached rests for a moment. Knows nothing about requests.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::HeaderValue;
use tokio::time::Instant;

use crate::config::UpstreamUrl;

/// How long an address that could not be reached is passed over while others are there.
const REST: Duration = Duration::from_secs(2);
/// How often names are looked up again; sooner while a name has no address.
const LOOK_UP_EVERY: Duration = Duration::from_secs(15);
const LOOK_UP_SOON: Duration = Duration::from_secs(1);
/// Most addresses that one request tries.
const MAX_ATTEMPTS: usize = 3;

/// All the places where the gateway may be.
#[derive(Debug)]
pub struct Sites {
    sites: Vec<Site>,
    turn: AtomicUsize,
    epoch: Instant,
}

/// One configured URL.
#[derive(Debug)]
pub struct Site {
    url: UpstreamUrl,
    /// `Host` for requests that go there.
    authority: HeaderValue,
    addresses: ArcSwap<Vec<SocketAddr>>,
    /// Milliseconds after the start until which it rests.
    rests_until: AtomicU64,
    away: AtomicBool,
}

/// An address to try.
#[derive(Debug, Clone, Copy)]
pub struct Choice<'a> {
    /// Which site.
    pub index: usize,
    /// The site.
    pub site: &'a Site,
    /// Its address.
    pub address: SocketAddr,
}

impl Sites {
    /// Sites for these URLs. Names have no address until [`Sites::look_up`] ran.
    pub fn new(urls: Vec<UpstreamUrl>) -> Self {
        Self {
            sites: urls.into_iter().map(Site::new).collect(),
            turn: AtomicUsize::new(0),
            epoch: Instant::now(),
        }
    }

    /// The next address in turn; addresses that rest are taken only when there is no other.
    ///
    /// `attempt` counts from 0: another attempt of the same request gets another address where there is one.
    pub fn choose(&self, attempt: usize) -> Option<Choice<'_>> {
        let turn = if attempt == 0 && self.sites.len() > 1 {
            self.turn.fetch_add(1, Ordering::Relaxed)
        } else {
            self.turn.load(Ordering::Relaxed)
        };
        let now = self.elapsed();
        let in_turn = || (0..self.sites.len()).map(move |step| (turn + step) % self.sites.len().max(1));
        let choose = |also_resting: bool| {
            in_turn().find_map(|index| {
                let site = self.sites.get(index)?;
                if !also_resting && site.rests_until.load(Ordering::Relaxed) > now {
                    return None;
                }
                let addresses = site.addresses.load();
                let address = addresses.get(attempt % addresses.len().max(1))?;
                Some(Choice {
                    index,
                    site,
                    address: *address,
                })
            })
        };
        choose(false).or_else(|| choose(true))
    }

    /// The site of this index.
    pub fn site(&self, index: usize) -> Option<&Site> {
        self.sites.get(index)
    }

    /// How often a request that never left may be tried.
    pub fn attempts(&self) -> usize {
        let addresses: usize = self.sites.iter().map(|site| site.addresses.load().len()).sum();
        addresses.clamp(1, MAX_ATTEMPTS)
    }

    /// Remembers that a site cannot be reached. Returns whether that is news.
    pub fn failed(&self, index: usize) -> bool {
        let Some(site) = self.sites.get(index) else {
            return false;
        };
        let until = self.elapsed() + u64::try_from(REST.as_millis()).unwrap_or(u64::MAX);
        site.rests_until.store(until, Ordering::Relaxed);
        !site.away.swap(true, Ordering::Relaxed)
    }

    /// Remembers that a site was reached. Returns whether that is news.
    pub fn reached(&self, index: usize) -> bool {
        let Some(site) = self.sites.get(index) else {
            return false;
        };
        if !site.away.load(Ordering::Relaxed) {
            return false;
        }
        site.rests_until.store(0, Ordering::Relaxed);
        site.away.swap(false, Ordering::Relaxed)
    }

    /// For the status endpoint: every URL, and whether it could be reached last time.
    pub fn report(&self) -> impl Iterator<Item = (&UpstreamUrl, bool)> {
        self.sites
            .iter()
            .map(|site| (&site.url, !site.away.load(Ordering::Relaxed)))
    }

    /// Looks all names up once. Returns when to do it again, or `None` when there is nothing to look up.
    pub async fn look_up(&self) -> Option<Duration> {
        let mut again = None;
        for site in &self.sites {
            if site.url.host.parse::<IpAddr>().is_ok() {
                continue;
            }
            let found = tokio::net::lookup_host((site.url.host.as_str(), site.url.port)).await;
            match found.map(|addresses| addresses.collect::<Vec<_>>()) {
                // A name server that fails does not take away what it said before.
                Ok(addresses) if !addresses.is_empty() => site.addresses.store(Arc::new(addresses)),
                Ok(_) | Err(_) => tracing::debug!(host = site.url.host, "cannot look up the gateway's name"),
            }
            let next = if site.addresses.load().is_empty() {
                LOOK_UP_SOON
            } else {
                LOOK_UP_EVERY
            };
            again = Some(again.map_or(next, |other: Duration| other.min(next)));
        }
        again
    }

    /// Looks names up again and again, as long as there are names.
    pub async fn keep_looking_up(self: Arc<Self>) {
        while let Some(pause) = self.look_up().await {
            tokio::time::sleep(pause).await;
        }
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Site {
    fn new(url: UpstreamUrl) -> Self {
        let address = url.host.parse::<IpAddr>().ok();
        let addresses = address
            .map(|address| SocketAddr::new(address, url.port))
            .into_iter()
            .collect();
        Self {
            // A URL that was parsed has a host that can stand in a header.
            authority: HeaderValue::try_from(url.authority()).unwrap_or(HeaderValue::from_static("")),
            addresses: ArcSwap::from_pointee(addresses),
            rests_until: AtomicU64::new(0),
            away: AtomicBool::new(false),
            url,
        }
    }

    /// The URL.
    pub fn url(&self) -> &UpstreamUrl {
        &self.url
    }

    /// `Host`.
    pub fn authority(&self) -> &HeaderValue {
        &self.authority
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn sites(hosts: &[&str]) -> Sites {
        let url = |host: &&str| UpstreamUrl {
            tls: false,
            host: (*host).to_owned(),
            port: 3100,
            path: String::new(),
        };
        Sites::new(hosts.iter().map(url).collect())
    }

    fn host(choice: Option<Choice<'_>>) -> String {
        choice.unwrap().address.ip().to_string()
    }

    #[test]
    fn requests_take_turns() {
        let sites = sites(&["10.0.0.1", "10.0.0.2"]);
        let hosts: Vec<String> = (0..4).map(|_| host(sites.choose(0))).collect();
        assert_eq!(hosts, ["10.0.0.1", "10.0.0.2", "10.0.0.1", "10.0.0.2"]);
    }

    #[test]
    fn a_site_that_failed_rests_while_another_is_there() {
        let sites = sites(&["10.0.0.1", "10.0.0.2"]);
        assert!(sites.failed(0));
        assert!(!sites.failed(0), "an outage is news once");
        for _ in 0..4 {
            assert_eq!(host(sites.choose(0)), "10.0.0.2");
        }
        sites.failed(1);
        assert!(sites.choose(0).is_some(), "better a resting site than none");
        assert!(sites.reached(0));
        assert_eq!(host(sites.choose(0)), "10.0.0.1");
    }

    #[test]
    fn a_name_without_an_address_is_no_choice() {
        assert!(sites(&["gateway.invalid"]).choose(0).is_none());
        assert_eq!(sites(&["10.0.0.1"]).attempts(), 1);
    }

    #[tokio::test]
    async fn names_are_looked_up() {
        let sites = sites(&["localhost"]);
        assert_eq!(sites.look_up().await, Some(LOOK_UP_EVERY));
        assert!(sites.choose(0).unwrap().address.ip().is_loopback());
        assert_eq!(super::tests::sites(&["127.0.0.1"]).look_up().await, None);
    }
}
