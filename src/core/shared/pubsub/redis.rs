//! The others by way of Redis: channels `sms-gateway:<topic>` (WIRE §5.1).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use redis::aio::PubSub as Listening;
use redis::{Client, cmd};
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, oneshot};
use tokio::task::AbortHandle;

use super::Topic;
use crate::shared::PREFIX;
use crate::shared::address::{self, AddressError};
use crate::shared::link::{CONNECT_WITHIN, Link, Outage, Pauses, Unavailable, within};

/// A silent connection is asked whether it lives this often.
const BEAT: Duration = Duration::from_secs(5);
/// [`Redis::session`] while nothing is heard.
const DEAF: u64 = 0;

/// Speaks over one connection and listens on another.
pub(super) struct Redis {
    link: Link,
    /// Marks what we say, so that we know it when we hear it.
    name: String,
    heard: Arc<Ears>,
    listener: AbortHandle,
}

/// What the listener has in common with the rest.
struct Ears {
    name: String,
    events: broadcast::Sender<Arc<[u8]>>,
    devices: broadcast::Sender<Arc<[u8]>>,
    messages: broadcast::Sender<Arc<[u8]>>,
    settings: broadcast::Sender<Arc<[u8]>>,
    session: AtomicU64,
}

#[derive(Serialize)]
struct Said<'a, T> {
    #[serde(flatten)]
    message: &'a T,
    origin: &'a str,
}

#[derive(Deserialize)]
struct Origin<'a> {
    /// The reference says nothing here.
    #[serde(borrow, default)]
    origin: std::borrow::Cow<'a, str>,
}

impl Redis {
    /// Waits for the first attempts to connect.
    pub(super) async fn open(url: &[u8], buffer: usize, name: String) -> Result<Self, AddressError> {
        let client = Client::open(address::read(url)?).map_err(|_| AddressError)?;
        let link = Link::open("pubsub.url", url).await?;
        let heard = Arc::new(Ears {
            name: name.clone(),
            events: broadcast::channel(buffer.max(1)).0,
            devices: broadcast::channel(buffer.max(1)).0,
            messages: broadcast::channel(buffer.max(1)).0,
            settings: broadcast::channel(buffer.max(1)).0,
            session: AtomicU64::new(DEAF),
        });
        let (tried, first) = oneshot::channel();
        let listener = tokio::spawn(listen(client, Arc::clone(&heard), tried)).abort_handle();
        // An error means that the runtime is ending.
        let _ = first.await;
        Ok(Self {
            link,
            name,
            heard,
            listener,
        })
    }

    pub(super) async fn publish(&self, topic: Topic, message: &impl Serialize) -> Result<(), Unavailable> {
        let said = Said {
            message,
            origin: &self.name,
        };
        let mut command = cmd("PUBLISH");
        command.arg(channel(topic)).arg(gateward_contract::json::to_vec(&said));
        self.link
            .ask(async |connection| command.query_async(connection).await)
            .await
    }

    pub(super) fn subscribe(&self, topic: Topic) -> broadcast::Receiver<Arc<[u8]>> {
        self.heard.of(topic).subscribe()
    }

    pub(super) fn session(&self) -> Option<u64> {
        Some(self.heard.session.load(Ordering::SeqCst)).filter(|session| *session != DEAF)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redis")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Ears {
    fn of(&self, topic: Topic) -> &broadcast::Sender<Arc<[u8]>> {
        match topic {
            Topic::Events => &self.events,
            Topic::Devices => &self.devices,
            Topic::Messages => &self.messages,
            Topic::Settings => &self.settings,
        }
    }

    fn hear(&self, on: &str, message: &[u8]) {
        let Some(topic) = Topic::ALL.into_iter().find(|topic| channel(*topic) == on) else {
            return;
        };
        match serde_json::from_slice::<Origin<'_>>(message) {
            Ok(said) if said.origin == self.name => {}
            Ok(_) => {
                // An error means that nobody listens.
                let _ = self.of(topic).send(message.into());
            }
            Err(error) => {
                tracing::warn!(topic = topic.name(), %error, "a message of another process is no json object")
            }
        }
    }
}

fn channel(topic: Topic) -> String {
    format!("{PREFIX}{}", topic.name())
}

/// Listens for ever, on one connection after the other.
async fn listen(client: Client, ears: Arc<Ears>, tried: oneshot::Sender<()>) {
    let mut tried = Some(tried);
    let outage = Outage::new("pubsub.url (listening)");
    let mut pauses = Pauses::default();
    for session in DEAF + 1.. {
        let connected = within(CONNECT_WITHIN, connect(&client)).await;
        if connected.is_ok() {
            ears.session.store(session, Ordering::SeqCst);
            outage.ends();
            pauses = Pauses::default();
        }
        if let Some(tried) = tried.take() {
            // Nobody waits if the runtime is ending.
            let _ = tried.send(());
        }
        let cause = match connected {
            Ok(connection) => follow(connection, &ears).await,
            Err(cause) => cause,
        };
        ears.session.store(DEAF, Ordering::SeqCst);
        outage.begins(&cause);
        pauses.wait().await;
    }
}

async fn connect(client: &Client) -> redis::RedisResult<Listening> {
    let mut connection = client.get_async_pubsub().await?;
    for topic in Topic::ALL {
        connection.subscribe(channel(topic)).await?;
    }
    Ok(connection)
}

/// Hands on what comes until nothing can come any more, and says why.
async fn follow(connection: Listening, ears: &Ears) -> String {
    let (mut asking, mut messages) = connection.split();
    loop {
        match tokio::time::timeout(BEAT, messages.next()).await {
            Ok(Some(message)) => ears.hear(message.get_channel_name(), message.get_payload_bytes()),
            Ok(None) => return "the connection was closed".to_owned(),
            Err(_) => {
                if let Err(cause) = within(CONNECT_WITHIN, asking.ping::<redis::Value>()).await {
                    return cause;
                }
            }
        }
    }
}
