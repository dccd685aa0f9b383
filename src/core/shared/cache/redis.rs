//! A name space in Redis: one key for each of ours, `sms-gateway:<space>:<key>`. (The reference keeps a hash there, with
//! commands that only the latest servers know.)

use std::time::Duration;

use axum::body::Bytes;
use redis::{Cmd, FromRedisValue, cmd};

use crate::shared::PREFIX;
use crate::shared::link::{Link, Unavailable};

#[derive(Clone, Debug)]
pub(super) struct Redis {
    link: Link,
    space: &'static str,
}

impl Redis {
    pub(super) fn new(link: Link, space: &'static str) -> Self {
        Self { link, space }
    }

    fn command(&self, name: &'static str, key: &str) -> Cmd {
        let mut command = cmd(name);
        command.arg(self.key(key));
        command
    }

    fn key(&self, key: &str) -> String {
        format!("{PREFIX}{}:{key}", self.space)
    }

    async fn run<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Unavailable> {
        self.link
            .ask(async |connection| command.query_async(connection).await)
            .await
    }

    pub(super) async fn get(&self, key: &str) -> Result<Option<Bytes>, Unavailable> {
        self.value(&self.command("GET", key)).await
    }

    pub(super) async fn known(&self, keys: &[&str]) -> Result<Vec<bool>, Unavailable> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut command = cmd("MGET");
        command.arg(keys.iter().map(|key| self.key(key)).collect::<Vec<_>>());
        let values: Vec<Option<Vec<u8>>> = self.run(&command).await?;
        Ok(values.iter().map(Option::is_some).collect())
    }

    pub(super) async fn get_and_keep(&self, key: &str, ttl: Duration) -> Result<Option<Bytes>, Unavailable> {
        self.value(self.command("GETEX", key).arg("PX").arg(millis(ttl))).await
    }

    pub(super) async fn set(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), Unavailable> {
        self.run(self.command("SET", key).arg(value).arg("PX").arg(millis(ttl)))
            .await
    }

    pub(super) async fn set_if_absent(&self, key: &str, value: &[u8], ttl: Duration) -> Result<bool, Unavailable> {
        let mut command = self.command("SET", key);
        command.arg(value).arg("NX").arg("PX").arg(millis(ttl));
        let taken: Option<String> = self.run(&command).await?;
        Ok(taken.is_some())
    }

    pub(super) async fn take(&self, key: &str) -> Result<Option<Bytes>, Unavailable> {
        self.value(&self.command("GETDEL", key)).await
    }

    pub(super) async fn delete(&self, key: &str) -> Result<(), Unavailable> {
        self.run(&self.command("DEL", key)).await
    }

    async fn value(&self, command: &Cmd) -> Result<Option<Bytes>, Unavailable> {
        let value: Option<Vec<u8>> = self.run(command).await?;
        Ok(value.map(Bytes::from))
    }
}

/// Redis takes no zero, and nothing beyond its own clock.
fn millis(ttl: Duration) -> u64 {
    const CENTURY: u128 = 100 * 365 * 86_400_000;
    u64::try_from(ttl.as_millis().clamp(1, CENTURY)).unwrap_or(u64::MAX)
}
