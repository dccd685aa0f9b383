//! Is a server alive that is running elsewhere? For the health checks of containers, in which nothing else could ask
//! (WIRE §1.13). It knows nothing of the server but its address.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// How long the server may take for each step.
const PATIENCE: Duration = Duration::from_secs(1);
/// A status line is short; what does not end is none.
const LONGEST_LINE: u64 = 1024;

/// Why a server does not count as alive.
#[derive(Debug, thiserror::Error)]
pub enum NotAlive {
    /// There is nobody, or nobody in time.
    #[error("no answer from {0}: {1}")]
    NoAnswer(SocketAddr, io::Error),
    /// What came back is no HTTP.
    #[error("no http from {0}")]
    NoHttp(SocketAddr),
    /// It says itself that it is not well.
    #[error("status {1} from {0}")]
    Status(SocketAddr, u16),
}

/// Asks for `/health/live`. An address that stands for every interface is asked on this machine.
///
/// # Errors
/// When there is no good answer within a second.
pub fn is_alive(listen: SocketAddr) -> Result<(), NotAlive> {
    let mut address = listen;
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    let line = status_line(address).map_err(|error| NotAlive::NoAnswer(address, error))?;
    let status = line.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1));
    match status.and_then(|status| status.parse().ok()) {
        None => Err(NotAlive::NoHttp(address)),
        Some(status) if status >= 400 => Err(NotAlive::Status(address, status)),
        Some(_) => Ok(()),
    }
}

fn status_line(address: SocketAddr) -> io::Result<String> {
    let mut connection = TcpStream::connect_timeout(&address, PATIENCE)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    write!(
        connection,
        "GET /health/live HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut line = String::new();
    BufReader::new(connection.take(LONGEST_LINE)).read_line(&mut line)?;
    Ok(line)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Asks a server that answers like this.
    fn ask(answer: &'static str) -> Result<(), NotAlive> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut connection, _) = listener.accept().unwrap();
            let request = BufReader::new(&connection).lines().map(Result::unwrap);
            let head: Vec<_> = request.take_while(|line| !line.is_empty()).collect();
            assert_eq!(head.first().unwrap(), "GET /health/live HTTP/1.1");
            connection.write_all(answer.as_bytes()).unwrap();
        });
        let told = is_alive(SocketAddr::from(([0, 0, 0, 0], port)));
        server.join().unwrap();
        told
    }

    #[test]
    fn a_server_that_answers_is_alive_unless_it_says_otherwise() {
        assert!(ask("HTTP/1.1 200 OK\r\n\r\n").is_ok());
        assert!(matches!(
            ask("HTTP/1.1 503 Service Unavailable\r\n\r\n"),
            Err(NotAlive::Status(_, 503))
        ));
        assert!(matches!(ask("SSH-2.0\r\n"), Err(NotAlive::NoHttp(_))));
        assert!(matches!(ask(""), Err(NotAlive::NoHttp(_))));
    }

    #[test]
    fn where_nobody_listens_nobody_is_alive() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        assert!(matches!(is_alive(address), Err(NotAlive::NoAnswer(..))));
    }
}
