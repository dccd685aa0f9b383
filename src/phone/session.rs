//! The phone's life: register, listen, pull, report, and start over when the line breaks.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::time::Duration;

use futures_util::StreamExt;
use reqwest::Response;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::gateway::{Gateway, PhoneError, describe};
use crate::handset::{Message, Report, State, aggregate, recipients, steps};
use crate::state::{self, Registration};
use crate::stream::{Frame, Frames};
use crate::{Introduction, Options};

/// First and longest pause between two tries to reach the gateway.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// Pause between two looks at the queue of a phone that has no event stream.
const POLL: Duration = Duration::from_secs(1);

/// Runs a phone until it has handled [`Options::messages`] messages. Writes one JSON line per event to `out`; the
/// first carries the device's id, token, login and, when the user is new, password.
///
/// `now` tells the time of reports.
///
/// # Errors
/// [`PhoneError`] when the gateway refuses the phone; a gateway that is away is waited for.
pub async fn run(options: Options, out: &mut impl Write, now: impl Fn() -> OffsetDateTime) -> Result<(), PhoneError> {
    let gateway = Gateway::new(&options.url)?;
    let device = sign_on(&gateway, &options).await?;
    let mut phone = Phone {
        gateway,
        options,
        device,
        out,
        now,
        handled: 0,
        history: HashMap::new(),
    };
    phone.announce();
    phone.live().await
}

/// The device of the state file if the gateway still knows it, else a newly registered one.
async fn sign_on(gateway: &Gateway, options: &Options) -> Result<Registration, PhoneError> {
    if let Some(path) = &options.state
        && let Some(device) = state::load(path)?
    {
        match with_patience(|| gateway.greet(&device, options.push_token.as_deref())).await {
            Ok(()) => return Ok(device),
            // The app registers anew when its token is no longer known (WIRE §14.4).
            Err(error) if error.is_unauthorized() => {}
            Err(error) => return Err(error),
        }
    }
    let device = with_patience(|| gateway.register(options)).await?;
    if let Some(path) = &options.state {
        state::save(path, &device)?;
    }
    Ok(device)
}

/// Tries until the call goes through or fails for good.
async fn with_patience<T, F: Future<Output = Result<T, PhoneError>>>(call: impl Fn() -> F) -> Result<T, PhoneError> {
    let (mut pause, longest) = RETRY;
    loop {
        match call().await {
            Err(error) if error.is_passing() => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(longest);
            }
            done => return done,
        }
    }
}

struct Phone<'a, W, N> {
    gateway: Gateway,
    options: Options,
    device: Registration,
    out: &'a mut W,
    now: N,
    handled: u64,
    /// When each message reached each state: a report repeats the whole history.
    history: HashMap<String, BTreeMap<State, String>>,
}

impl<W: Write, N: Fn() -> OffsetDateTime> Phone<'_, W, N> {
    fn announce(&mut self) {
        let mut line = json!({
            "event": "registered",
            "id": self.device.id,
            "token": self.device.token,
            "login": self.device.login,
        });
        if let (Some(line), Some(password)) = (line.as_object_mut(), self.password()) {
            line.insert("password".into(), password.into());
        }
        self.print(&line);
    }

    /// The user's password, as far as the phone knows it.
    fn password(&self) -> Option<String> {
        let given = match &self.options.introduction {
            Introduction::Login { password, .. } => Some(password.clone()),
            Introduction::Nobody | Introduction::PrivateToken(_) | Introduction::Code(_) => None,
        };
        self.device.password.clone().or(given)
    }

    async fn live(&mut self) -> Result<(), PhoneError> {
        if self.options.push_token.is_some() {
            return self.ask_regularly().await;
        }
        while !self.is_done() {
            let stream = with_patience(|| self.gateway.events(&self.device.token)).await?;
            self.print(&json!({ "event": "connected" }));
            // The stream replays nothing, so whatever came before is pulled once it is open.
            self.handle_queue().await?;
            if let Err(reason) = self.listen(stream).await? {
                self.print(&json!({ "event": "disconnected", "reason": reason }));
                tokio::time::sleep(RETRY.0).await;
            }
        }
        Ok(())
    }

    /// For a phone that the gateway pushes to: the push wakes somebody else.
    async fn ask_regularly(&mut self) -> Result<(), PhoneError> {
        self.print(&json!({ "event": "polling" }));
        loop {
            self.handle_queue().await?;
            if self.is_done() {
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Follows one stream. The inner error says why it ended early.
    async fn listen(&mut self, stream: Response) -> Result<Result<(), String>, PhoneError> {
        let mut frames = Frames::default();
        let mut body = stream.bytes_stream();
        while !self.is_done() {
            let bytes = match body.next().await {
                Some(Ok(bytes)) => bytes,
                Some(Err(error)) => return Ok(Err(describe(&error))),
                None => return Ok(Err("the gateway closed the stream".into())),
            };
            for frame in frames.push(&bytes) {
                self.handle_event(&frame).await?;
            }
        }
        Ok(Ok(()))
    }

    async fn handle_event(&mut self, frame: &Frame) -> Result<(), PhoneError> {
        let data: Value = serde_json::from_str(&frame.data).unwrap_or(Value::Null);
        self.print(&json!({ "event": frame.event, "data": data }));
        match frame.event.as_str() {
            "MessageEnqueued" | "MessageCancelled" => self.handle_queue().await,
            _ => Ok(()),
        }
    }

    /// Pulls until the queue is empty: new messages may arrive while others are handled.
    async fn handle_queue(&mut self) -> Result<(), PhoneError> {
        while !self.is_done() {
            let messages = with_patience(|| self.gateway.pull(&self.device.token)).await?;
            if messages.is_empty() {
                return Ok(());
            }
            for message in messages {
                self.handle_message(&message).await?;
                if self.is_done() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    async fn handle_message(&mut self, message: &Message) -> Result<(), PhoneError> {
        self.print(&json!({ "event": "message", "id": message.id, "phoneNumbers": message.phone_numbers }));
        for step in steps(message) {
            if !self.options.delay.is_zero() {
                tokio::time::sleep(self.options.delay).await;
            }
            let recipients = recipients(message, *step, &self.options.fail);
            let state = aggregate(&recipients);
            let times = self.history.entry(message.id.clone()).or_default();
            times.entry(state).or_insert_with(|| timestamp((self.now)()));
            let report = Report {
                id: message.id.clone(),
                state,
                recipients,
                states: times.clone(),
            };
            with_patience(|| self.gateway.report(&self.device.token, &report)).await?;
            self.print(&json!({ "event": "reported", "id": message.id, "state": state }));
            if state == State::Failed {
                break;
            }
        }
        self.history.remove(&message.id);
        self.handled += 1;
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.options.messages.is_some_and(|wanted| self.handled >= wanted)
    }

    /// Somebody who stopped reading must not stop the phone.
    fn print(&mut self, line: &Value) {
        let _ = writeln!(self.out, "{line}");
        let _ = self.out.flush();
    }
}

/// Milliseconds, as the app writes them (WIRE §14.4).
fn timestamp(now: OffsetDateTime) -> String {
    let millis = now.millisecond();
    now.replace_millisecond(millis)
        .unwrap_or(now)
        .format(&Rfc3339)
        .unwrap_or_default()
}
