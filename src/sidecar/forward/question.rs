//! How is a request of our own put to the gateway, on a connection that is there? Sends it whole and waits for the head of
//! the answer. Knows neither where the gateway is nor what is asked.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::client::HttpSession;
use pingora::{Error, ErrorType};
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

/// How long the gateway may take to end a connection.
const FAREWELL: Duration = Duration::from_secs(1);

/// Asks, and passes over what is said before the answer (1xx).
pub(crate) async fn ask(
    gateway: &mut HttpSession,
    request: RequestHeader,
    body: Bytes,
) -> pingora::Result<ResponseHeader> {
    gateway.write_request_header(Box::new(request)).await?;
    if !body.is_empty() {
        gateway.write_request_body(body, true).await?;
    }
    gateway.finish_request_body().await?;
    loop {
        gateway.read_response_header().await?;
        match gateway.response_header() {
            Some(header) if header.status.is_informational() && header.status != StatusCode::SWITCHING_PROTOCOLS => {}
            Some(header) => return Ok(header.clone()),
            None => return Err(Error::new(ErrorType::InvalidHTTPHeader)),
        }
    }
}

/// Lets the gateway end a connection, as it was asked to (`Connection: close`): the port of whoever does it first is taken
/// for another minute, and with many such requests we would run out of ports.
pub(crate) async fn part(gateway: HttpSession) {
    let HttpSession::H1(gateway) = gateway else { return };
    let mut connection = gateway.into_inner();
    let mut nothing = [0; 64];
    let end = async { while let Ok(1..) = connection.read(&mut nothing).await {} };
    let _elapsed = timeout(FAREWELL, end).await;
}
