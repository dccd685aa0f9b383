//! What the black-box tests share. They start the real binaries and speak HTTP; they link nothing of ours.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on ends")]
#![expect(dead_code, reason = "each test binary uses its part")]

pub mod http;
pub mod phone;
pub mod process;
pub mod redis;
pub mod upstream;
