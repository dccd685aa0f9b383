//! One request at a time, for what has to be there before anything is measured.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

/// The JSON that a request is answered with. Any status but 2xx ends the benchmark.
pub(crate) fn call(address: SocketAddr, method: &str, path: &str, authorization: &str, body: &Value) -> Value {
    let mut stream = TcpStream::connect(address).expect("connect");
    let mut request = request(method, path, authorization, &body.to_string());
    let head = request.windows(2).position(|pair| pair == b"\r\n").expect("head") + 2;
    request.splice(head..head, *b"Connection: close\r\n");
    stream.write_all(&request).expect("request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answer");
    assert!(answer.starts_with("HTTP/1.1 2"), "{method} {path}: {answer}");
    let (_, body) = answer.split_once("\r\n\r\n").expect("head");
    serde_json::from_str(body).expect("json")
}

/// A request as the load generator sends it; no body if it is empty.
pub(crate) fn request(method: &str, path: &str, authorization: &str, body: &str) -> Vec<u8> {
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: sms.example\r\nUser-Agent: load\r\nAccept: */*\r\n");
    if !authorization.is_empty() {
        request += &format!("Authorization: {authorization}\r\n");
    }
    if !body.is_empty() {
        request += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    }
    (request + "\r\n" + body).into_bytes()
}
