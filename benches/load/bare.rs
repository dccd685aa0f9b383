//! The floor: a Pingora proxy that checks nothing; as it comes, or with the time limits that the sidecar has.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use pingora::prelude::*;
use pingora::server::configuration::ServerConf;

/// The first argument that makes this benchmark serve as the bare proxy.
pub(crate) const ARGUMENT: &str = "--bare-proxy";
/// The same with time limits.
pub(crate) const LIMITED_ARGUMENT: &str = "--limited-proxy";

/// Any limit costs the same: a timer for each read that waits, and a look at the clock for each read and write.
const LIMIT: Duration = Duration::from_secs(30);

struct Bare {
    upstream: SocketAddr,
    limited: bool,
}

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn early_request_filter(&self, session: &mut Session, _: &mut ()) -> Result<()> {
        if self.limited {
            session.set_write_timeout(Some(LIMIT));
        }
        Ok(())
    }

    async fn upstream_peer(&self, _: &mut Session, _: &mut ()) -> Result<Box<HttpPeer>> {
        let mut peer = Box::new(HttpPeer::new(self.upstream, false, String::new()));
        if self.limited {
            peer.options.connection_timeout = Some(LIMIT);
            peer.options.read_timeout = Some(LIMIT);
            peer.options.write_timeout = Some(LIMIT);
            peer.options.idle_timeout = Some(LIMIT);
        }
        Ok(peer)
    }
}

/// Serves until killed.
pub(crate) fn serve(listen: &str, upstream: &str, limited: bool) {
    let conf = ServerConf {
        threads: 1,
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let upstream = upstream.parse().expect("upstream address");
    let mut service = http_proxy_service(&server.configuration, Bare { upstream, limited });
    service.add_tcp(listen);
    server.add_service(service);
    server.run_forever();
}
