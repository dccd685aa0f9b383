//! The floor: a Pingora proxy that checks nothing; as it comes, or with the time limits that the sidecar has.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use async_trait::async_trait;
use pingora::prelude::*;
use pingora::server::configuration::ServerConf;

/// The first arguments that make a benchmark serve as the proxy, without and with time limits.
const ARGUMENTS: [&str; 2] = ["--bare-proxy", "--limited-proxy"];

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

/// Starts a benchmark as the proxy, with so many worker threads.
pub(crate) fn command(limited: bool, threads: usize, listen: SocketAddr, upstream: SocketAddr) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("own path"));
    command.arg(ARGUMENTS[usize::from(limited)]);
    command.args([threads.to_string(), listen.to_string(), upstream.to_string()]);
    command
}

/// Serves until killed, if this process was started for that.
pub(crate) fn serve_if_asked() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, threads, listen, upstream] = &arguments[..]
        && let Some(limited) = ARGUMENTS.iter().position(|argument| argument == mode)
    {
        let upstream = upstream.parse().expect("upstream address");
        let limited = limited == 1;
        serve(threads.parse().expect("threads"), listen, Bare { upstream, limited });
    }
}

fn serve(threads: usize, listen: &str, bare: Bare) {
    let conf = ServerConf {
        threads,
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let mut service = http_proxy_service(&server.configuration, bare);
    service.add_tcp(listen);
    server.add_service(service);
    server.run_forever();
}
