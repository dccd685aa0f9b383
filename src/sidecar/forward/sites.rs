//! Where is the gateway at this moment, and which of its addresses is worth trying?
//!
//! Names are looked up in the background, so that no request waits for a name server. Among several sites requests
//! take turns; an address that cannot be reached, does not answer, or answers with nonsense rests for a while
//! (`sites/address.rs`). Whoever asks the gateway anything, for a client or on our own account, asks at the address that he
//! was told and says here what became of it. Knows nothing about requests.

mod address;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::HeaderValue;
use pingora::upstreams::peer::HttpPeer;
use tokio::time::Instant;

use self::address::Address;
use super::shortage;
use crate::config::UpstreamUrl;

/// How often names are looked up again; sooner while a name has no address.
const LOOK_UP_EVERY: Duration = Duration::from_secs(15);
const LOOK_UP_SOON: Duration = Duration::from_secs(1);
/// Milliseconds between two lines about the same shortage: it meets every request.
const TOLD_EVERY: u64 = 10_000;
/// Most addresses that one request tries.
pub(crate) const MAX_ATTEMPTS: usize = 3;

/// All the places where the gateway may be.
#[derive(Debug)]
pub struct Sites {
    sites: Vec<Site>,
    turn: AtomicUsize,
    epoch: Instant,
    /// Somebody checks the addresses regularly: what failed waits for that, and no client has to try it.
    checked: bool,
    /// When a shortage of ours may be told again, in milliseconds since `epoch`.
    told_until: AtomicU64,
}

/// One configured URL.
#[derive(Debug)]
pub struct Site {
    url: UpstreamUrl,
    /// `Host` for requests that go there.
    authority: HeaderValue,
    addresses: ArcSwap<Vec<Arc<Address>>>,
    /// Its name could not be looked up last time.
    unknown: AtomicBool,
}

/// An address to try.
#[derive(Debug, Clone, Copy)]
pub struct Choice<'a> {
    /// The site.
    pub site: &'a Site,
    /// What to say when it is known what became of the attempt.
    pub target: Target,
}

/// One address of one site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Target {
    /// Which site.
    pub index: usize,
    /// Its address.
    pub address: SocketAddr,
    /// It rests, and nobody else tries it meanwhile.
    pub is_trial: bool,
}

impl Sites {
    /// Sites for these URLs. Names have no address until [`Sites::look_up`] ran. `checked`: somebody calls
    /// [`Sites::checked`] for every target again and again.
    pub fn new(urls: Vec<UpstreamUrl>, checked: bool) -> Self {
        Self {
            sites: urls.into_iter().map(Site::new).collect(),
            turn: AtomicUsize::new(0),
            epoch: Instant::now(),
            checked,
            told_until: AtomicU64::new(0),
        }
    }

    /// The next address in turn; of those that rest, the one that failed longest ago is taken when there is no other.
    ///
    /// `attempt` counts from 0: what another attempt of the same request finds depends on what was said of the last.
    pub fn choose(&self, attempt: usize) -> Option<Choice<'_>> {
        let turn = if attempt == 0 && self.sites.len() > 1 {
            self.turn.fetch_add(1, Ordering::Relaxed)
        } else {
            self.turn.load(Ordering::Relaxed)
        };
        let mut resting: Option<(u64, Choice<'_>)> = None;
        for step in 0..self.sites.len() {
            let index = (turn + step) % self.sites.len().max(1);
            let Some(site) = self.sites.get(index) else { continue };
            for address in site.addresses.load().iter() {
                // Only an outage is worth a look at the clock.
                let is_away = address.is_away();
                let target = Target {
                    index,
                    address: address.socket,
                    is_trial: is_away && !self.checked && address.take(self.elapsed()),
                };
                let choice = Choice { site, target };
                if !is_away || target.is_trial {
                    return Some(choice);
                }
                let failed_at = address.failed_at();
                if resting.is_none_or(|(earliest, _)| failed_at < earliest) {
                    resting = Some((failed_at, choice));
                }
            }
        }
        resting.map(|(_, choice)| choice)
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

    /// All addresses of all sites.
    pub fn targets(&self) -> Vec<Target> {
        let of_site = |(index, site): (usize, &Site)| {
            let addresses = site.addresses.load();
            let target = |address: &Arc<Address>| Target {
                index,
                address: address.socket,
                is_trial: false,
            };
            addresses.iter().map(target).collect::<Vec<_>>()
        };
        self.sites.iter().enumerate().flat_map(of_site).collect()
    }

    /// An attempt failed, and the gateway is to blame. Logged once per outage.
    pub fn failed(&self, target: Target, why: &dyn std::fmt::Display) {
        let now = self.elapsed();
        if self.with(target, |address| address.failed(now)) {
            let url = self.site(target.index).map(|site| site.url.to_string());
            tracing::error!(url, address = %target.address, error = %why, "the gateway cannot be reached");
        }
    }

    /// A connection could not be made. `true`: for want of something on this machine, which says nothing about the gateway.
    pub fn not_connected(&self, target: Target, error: &pingora::Error) -> bool {
        if !shortage::is_ours(error, target.address) {
            self.failed(target, error);
            return false;
        }
        self.untried(target);
        let now = self.elapsed();
        let news = |until: u64| (until <= now).then(|| now.saturating_add(TOLD_EVERY));
        let told = self.told_until.fetch_update(Ordering::Relaxed, Ordering::Relaxed, news);
        if told.is_ok() {
            tracing::error!(%error, "no connection to the gateway can be made, for want of ports, files or memory here");
        }
        true
    }

    /// An attempt ended at once and showed nothing about the address, neither good nor bad.
    pub fn untried(&self, target: Target) {
        if target.is_trial {
            let now = self.elapsed();
            self.with(target, |address| {
                address.untried(now);
                true
            });
        }
    }

    /// The gateway answered there.
    pub fn answered(&self, target: Target) {
        if !self.checked {
            self.well(target);
        }
    }

    /// What a regular check found.
    pub fn checked(&self, target: Target, found: Result<(), impl std::fmt::Display>) {
        match found {
            Ok(()) => self.well(target),
            Err(why) => self.failed(target, &why),
        }
    }

    fn well(&self, target: Target) {
        if self.with(target, Address::answered) {
            let url = self.site(target.index).map(|site| site.url.to_string());
            tracing::info!(url, address = %target.address, "the gateway can be reached again");
        }
    }

    /// `false` also when the name has other addresses by now.
    fn with(&self, target: Target, report: impl FnOnce(&Address) -> bool) -> bool {
        let Some(site) = self.sites.get(target.index) else {
            return false;
        };
        let addresses = site.addresses.load();
        let address = addresses.iter().find(|address| address.socket == target.address);
        address.is_some_and(|address| report(address))
    }

    /// For the status endpoint: every URL, and whether one of its addresses is well as far as we know.
    pub fn report(&self) -> impl Iterator<Item = (&UpstreamUrl, bool)> {
        self.sites.iter().map(|site| {
            let addresses = site.addresses.load();
            (&site.url, addresses.iter().any(|address| !address.is_away()))
        })
    }

    /// Looks all names up once. Returns when to do it again, or `None` when there is nothing to look up.
    pub async fn look_up(&self) -> Option<Duration> {
        let mut again = None;
        for site in &self.sites {
            if site.url.host.parse::<IpAddr>().is_ok() {
                continue;
            }
            site.look_up().await;
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
            .map(|address| Arc::new(Address::new(SocketAddr::new(address, url.port))))
            .into_iter()
            .collect();
        Self {
            // A URL that was parsed has a host that can stand in a header.
            authority: HeaderValue::try_from(url.authority()).unwrap_or(HeaderValue::from_static("")),
            addresses: ArcSwap::from_pointee(addresses),
            unknown: AtomicBool::new(false),
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

    /// How to connect to one of its addresses.
    pub fn peer(&self, address: SocketAddr) -> HttpPeer {
        let Self { url, .. } = self;
        let sni = if url.tls { url.host.clone() } else { String::new() };
        HttpPeer::new(address, url.tls, sni)
    }

    async fn look_up(&self) {
        let found = tokio::net::lookup_host((self.url.host.as_str(), self.url.port)).await;
        let error = match found.map(|addresses| addresses.collect::<Vec<_>>()) {
            Ok(found) if !found.is_empty() => {
                self.is_at(&found);
                if self.unknown.swap(false, Ordering::Relaxed) {
                    tracing::info!(host = self.url.host, "the gateway's name can be looked up again");
                }
                return;
            }
            Ok(_) => "no address".to_owned(),
            Err(error) => error.to_string(),
        };
        // A name server that fails does not take away what it said before.
        if !self.unknown.swap(true, Ordering::Relaxed) {
            tracing::error!(host = self.url.host, error, "the gateway's name cannot be looked up");
        }
    }

    /// These are its addresses now. What is known of those that it had before stays known.
    pub(crate) fn is_at(&self, found: &[SocketAddr]) {
        let before = self.addresses.load();
        let mut now: Vec<Arc<Address>> = Vec::with_capacity(found.len());
        for socket in found {
            if now.iter().any(|address| address.socket == *socket) {
                continue;
            }
            let same = before.iter().find(|address| address.socket == *socket);
            now.push(same.map_or_else(|| Arc::new(Address::new(*socket)), Arc::clone));
        }
        self.addresses.store(Arc::new(now));
    }
}

#[cfg(test)]
mod tests;
