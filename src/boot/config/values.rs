//! What must a value look like?

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gateward_document::parse_duration;

use super::lookup::Found;
use super::{Manner, Reader, golang};

impl Reader<'_> {
    /// Any text. A number or a boolean is taken as the text it was written with.
    pub fn string(&mut self, key: &str, default: &str) -> String {
        self.known.add(key, default);
        self.scalar(key).unwrap_or_else(|| default.to_owned())
    }

    /// Any text that is not empty, or nothing.
    pub fn optional_string(&mut self, key: &str) -> Option<String> {
        self.known.add(key, "");
        self.scalar(key).filter(|text| !text.is_empty())
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, key: &str, default: bool) -> bool {
        self.known.add(key, default);
        let lenient = self.manner == Manner::Lenient;
        let parse = |text: &str| match text {
            "true" => Some(true),
            "false" => Some(false),
            _ if lenient => golang::boolean(text),
            _ => None,
        };
        self.parse(key, "a boolean", "true, false", parse).unwrap_or(default)
    }

    /// A whole number within `range`.
    pub fn integer(&mut self, key: &str, default: u64, range: RangeInclusive<u64>) -> u64 {
        self.known.add(key, default);
        self.whole_number(key, range).unwrap_or(default)
    }

    /// A whole number within `range`, or nothing.
    pub fn optional_integer(&mut self, key: &str, range: RangeInclusive<u64>) -> Option<u64> {
        self.known.add(key, "");
        self.whole_number(key, range)
    }

    fn whole_number(&mut self, key: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let allowed = match (*range.start(), *range.end()) {
            (low, u64::MAX) => format!("a whole number, at least {low}"),
            (low, high) => format!("a whole number from {low} to {high}"),
        };
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let plain = |text: &str| digits(text) && (text == "0" || !text.starts_with('0'));
        let parse = |text: &str| text.parse().ok().filter(|number| plain(text) && range.contains(number));
        self.parse(key, "a number that fits", &allowed, parse)
    }

    /// A duration within `range`.
    pub fn duration(&mut self, key: &str, default: Duration, range: RangeInclusive<Duration>) -> Duration {
        self.known.add(key, duration_text(default));
        let (low, high) = (duration_text(*range.start()), duration_text(*range.end()));
        let shape = "a number and ms, s, m or h, such as 15m";
        let allowed = match (range.start().is_zero(), *range.end() == Duration::MAX) {
            (true, true) => shape.to_owned(),
            (false, true) => format!("{shape}, at least {low}"),
            (_, false) => format!("{shape}, from {low} to {high}"),
        };
        let lenient = self.manner == Manner::Lenient;
        let read = |text: &str| {
            if lenient {
                golang::duration(text)
            } else {
                parse_duration(text)
            }
        };
        let Some(duration) = self.parse(key, "a duration", &allowed, read) else {
            return default;
        };
        if range.contains(&duration) {
            return duration;
        }
        let text = format!("out of range: {}", duration_text(duration));
        let problem = self.diagnostic(key, text).allowed(allowed);
        self.problems.push(problem);
        default
    }

    /// A pause between two runs of something; zero, and as Go reads it less than zero, means that it does not run.
    pub fn period(&mut self, key: &str, default: Duration) -> Duration {
        self.known.add(key, duration_text(default));
        let lenient = self.manner == Manner::Lenient;
        let allowed = "a number and ms, s, m or h, such as 24h; 0s: never";
        let read = |text: &str| match text.strip_prefix('-') {
            Some(rest) if lenient => golang::duration(rest).map(|_| Duration::ZERO),
            _ if lenient => golang::duration(text),
            _ => parse_duration(text),
        };
        self.parse(key, "a duration", allowed, read).unwrap_or(default)
    }

    /// One of a few words.
    pub fn choice<T: Copy>(&mut self, key: &str, default: &str, choices: &[(&str, T)]) -> Option<T> {
        self.known.add(key, default);
        let find = |text: &str| choices.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
        let allowed: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        self.parse(key, "one of the choices", &allowed.join(", "), find)
            .or_else(|| find(default))
    }

    /// An address to listen on: `127.0.0.1:3000`, `[::1]:3000`, `localhost:3000`, or `:3000` for every IPv4 address
    /// (not `[::]`, which a host without IPv6 refuses).
    pub fn address(&mut self, key: &str, default: SocketAddr) -> SocketAddr {
        self.known.add(key, default);
        self.socket_address(key).unwrap_or(default)
    }

    /// As [`Reader::address`], or nothing.
    pub fn optional_address(&mut self, key: &str) -> Option<SocketAddr> {
        self.known.add(key, "");
        self.socket_address(key)
    }

    fn socket_address(&mut self, key: &str) -> Option<SocketAddr> {
        let allowed = "an address and a port, such as 127.0.0.1:3000, [::1]:3000 or :3000 for every interface";
        self.parse(key, "an address to listen on", allowed, |text| {
            let port = |text: &str| text.parse::<u16>().ok();
            match text.rsplit_once(':') {
                Some(("", number)) => Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port(number)?)),
                Some(("localhost", number)) => Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port(number)?)),
                _ => text.parse().ok(),
            }
        })
    }

    /// A path; a relative one starts where the sources say.
    pub fn path(&mut self, key: &str, default: &str) -> PathBuf {
        self.known.add(key, default);
        let text = self.nonempty_path(key).unwrap_or_else(|| default.to_owned());
        self.resolve(Path::new(&text))
    }

    /// As [`Reader::path`], or nothing.
    pub fn optional_path(&mut self, key: &str) -> Option<PathBuf> {
        self.known.add(key, "");
        let text = self.nonempty_path(key)?;
        Some(self.resolve(Path::new(&text)))
    }

    fn nonempty_path(&mut self, key: &str) -> Option<String> {
        self.parse(key, "a path", "a path", |text| {
            let usable = !text.is_empty() && !text.contains('\0');
            usable.then(|| text.to_owned())
        })
    }

    pub(super) fn resolve(&self, path: &Path) -> PathBuf {
        self.sources.directory.join(path)
    }

    /// Whatever `parse` makes of a text, or nothing. `what` and `allowed` are for the person who wrote it.
    pub fn parsed<T>(
        &mut self,
        key: &str,
        what: &str,
        allowed: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        self.known.add(key, "");
        self.parse(key, what, allowed, parse)
    }

    /// Whatever `parse` makes of a text that may hold a secret: the text is not shown, `parse` says what is wrong.
    pub fn parsed_unseen<T>(
        &mut self,
        key: &str,
        allowed: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.known.add(key, "");
        let found = self.find(key)?;
        let result = match found.text() {
            Some(text) => parse(text),
            None => Err(format!("not a string: {}", found.kind())),
        };
        result
            .map_err(|message| self.problems.push(found.problem(message).allowed(allowed)))
            .ok()
    }

    fn scalar(&mut self, key: &str) -> Option<String> {
        self.parse(key, "a string", "a string", |text| Some(text.to_owned()))
    }

    fn parse<T>(&mut self, key: &str, what: &str, allowed: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let found = self.find(key)?;
        let value = found.text().and_then(parse);
        if value.is_none() {
            let problem = found.problem(format!("not {what}: {}", shown(&found)));
            self.problems.push(problem.allowed(allowed));
        }
        value
    }
}

/// A value as a message shows it: quoted, and not too long.
pub(super) fn shown(found: &Found) -> String {
    const LONGEST: usize = 60;
    let Some(text) = found.text() else {
        return found.kind().to_owned();
    };
    if text.chars().count() <= LONGEST {
        return format!("{text:?}");
    }
    let start: String = text.chars().take(LONGEST).collect();
    format!("{start:?}…")
}

/// A duration as it is written in a configuration: `15m`, `720h`, `60s`, `250ms`.
#[must_use]
pub fn duration_text(duration: Duration) -> String {
    let millis = duration.as_millis();
    let written = |number: u128, unit: &dyn Display| format!("{number}{unit}");
    match millis {
        0 => "0s".to_owned(),
        _ if millis.is_multiple_of(3_600_000) => written(millis / 3_600_000, &"h"),
        _ if millis.is_multiple_of(60_000) && millis > 60_000 => written(millis / 60_000, &"m"),
        _ if millis.is_multiple_of(1_000) => written(millis / 1_000, &"s"),
        _ => written(millis, &"ms"),
    }
}
