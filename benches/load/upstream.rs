//! The gateway behind every candidate: answers each request at once with the same small JSON body.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 70\r\n\r\n\
{\"padding\":\"0123456789012345678901234567890123456789012345678901234\"}\r\n";

/// Starts the upstream on a thread of its own; it lives as long as the process.
pub fn start() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    listener.set_nonblocking(true).expect("nonblocking");
    let address = listener.local_addr().expect("address");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        runtime.block_on(async move {
            let listener = TcpListener::from_std(listener).expect("listener");
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream));
            }
        });
    });
    address
}

/// GET requests without a body only: a head ends with an empty line.
async fn serve(mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut buffer = Vec::with_capacity(8192);
    while let Ok(1..) = stream.read_buf(&mut buffer).await {
        if buffer.ends_with(b"\r\n\r\n") {
            // The login check of Basic candidates gets the same answer: 200 means a good password.
            if stream.write_all(ANSWER).await.is_err() {
                return;
            }
            buffer.clear();
        }
    }
}
