//! What the black-box tests share. They start the real binaries and speak HTTP; they link nothing of ours.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on ends")]
#![expect(dead_code, reason = "each test binary uses its part")]

pub(crate) mod fcm;
pub(crate) mod http;
pub(crate) mod jwt;
pub(crate) mod mariadb;
pub(crate) mod phone;
pub(crate) mod process;
pub(crate) mod redis;
pub(crate) mod upstream;
