//! URLs in a configuration, taken apart. No message here shows a part of one: it may hold a password.

use std::borrow::Cow;
use std::fmt;

use super::UpstreamUrl;

/// A URL of the form `scheme://[user[:password]@]host[:port][/path]`.
pub(super) struct Url<'t> {
    pub(super) scheme: &'t str,
    /// Percent-decoded.
    pub(super) username: Option<String>,
    /// Percent-decoded.
    pub(super) password: Option<String>,
    /// Without brackets.
    pub(super) host: String,
    pub(super) port: Option<u16>,
    /// Without the first slash.
    pub(super) path: &'t str,
}

/// Takes a URL apart.
pub(super) fn parse(text: &str) -> Result<Url<'_>, String> {
    let (scheme, rest) = text.split_once("://").ok_or("not a url")?;
    if rest.contains(|letter: char| letter.is_whitespace() || letter.is_control() || matches!(letter, '?' | '#' | '\\'))
    {
        return Err("a url without query, fragment and spaces is expected".to_owned());
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, address) = match authority.rsplit_once('@') {
        Some((user, address)) => (Some(user), address),
        None => (None, authority),
    };
    let (username, password) = match user.map(|user| user.split_once(':').unwrap_or((user, ""))) {
        Some((username, password)) => (decoded(username)?, decoded(password)?),
        None => (None, None),
    };
    let (host, port) = host_and_port(address)?;
    Ok(Url {
        scheme,
        username,
        password,
        host,
        port,
        path,
    })
}

fn host_and_port(address: &str) -> Result<(String, Option<u16>), String> {
    let (host, port) = match address.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) if host.parse::<std::net::Ipv6Addr>().is_ok() => (host, port),
        Some(_) => return Err("the url has no valid address in brackets".to_owned()),
        None => address.split_at(address.find(':').unwrap_or(address.len())),
    };
    let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.' | '_' | ':');
    if host.is_empty() || !host.chars().all(fits) {
        return Err("the url has no valid host".to_owned());
    }
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => None,
        Some(digits) if digits.bytes().all(|digit| digit.is_ascii_digit()) => Some(
            digits
                .parse()
                .ok()
                .filter(|port| *port > 0)
                .ok_or("the url has no valid port")?,
        ),
        _ => return Err("the url has no valid port".to_owned()),
    };
    Ok((host.to_owned(), port))
}

fn decoded(text: &str) -> Result<Option<String>, String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let decoded = match byte {
            b'%' => {
                let pair = [rest.next().unwrap_or(0), rest.next().unwrap_or(0)];
                let digit = |digit: u8| char::from(digit).to_digit(16);
                let [high, low] = pair.map(digit);
                let value = high.zip(low).and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
                value.ok_or("the url has a bad percent-escape")?
            }
            other => other,
        };
        bytes.push(decoded);
    }
    let text = String::from_utf8(bytes).map_err(|_| "the url has a user or password that is not utf-8")?;
    Ok(Some(text).filter(|text| !text.is_empty()))
}

/// A host as it stands in a URL: with brackets around IPv6.
pub(super) fn bracketed(host: &str) -> Cow<'_, str> {
    if host.contains(':') {
        Cow::Owned(format!("[{host}]"))
    } else {
        Cow::Borrowed(host)
    }
}

impl UpstreamUrl {
    /// Host and port as they stand in `Host`: without a default port, with brackets around IPv6.
    pub fn authority(&self) -> String {
        let host = bracketed(&self.host);
        let default_port = if self.tls { 443 } else { 80 };
        if self.port == default_port {
            host.into_owned()
        } else {
            format!("{host}:{}", self.port)
        }
    }
}

/// The URL again. It never holds a password.
impl fmt::Display for UpstreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

/// Reads `upstream.url`.
pub(super) fn upstream(text: &str) -> Result<UpstreamUrl, String> {
    let url = parse(text)?;
    let tls = match url.scheme {
        "http" => false,
        "https" => true,
        _ => return Err("the scheme of the url is not http or https".to_owned()),
    };
    if url.username.is_some() || url.password.is_some() {
        return Err("a user in the url is not used: see upstream.basic".to_owned());
    }
    let path = url.path.trim_end_matches('/');
    let literal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/');
    let dots = path.split('/').any(|segment| matches!(segment, "" | "." | ".."));
    if !path.is_empty() && (dots || !path.bytes().all(literal)) {
        return Err("the path of the url is not one of plain segments".to_owned());
    }
    let path = if path.is_empty() {
        String::new()
    } else {
        format!("/{path}")
    };
    Ok(UpstreamUrl {
        tls,
        host: url.host,
        port: url.port.unwrap_or(if tls { 443 } else { 80 }),
        path,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn upstream_urls_have_a_scheme_a_host_a_port_and_perhaps_a_path() {
        for (text, tls, host, port, path) in [
            ("http://127.0.0.1:3100", false, "127.0.0.1", 3100, ""),
            ("https://gateway.example/", true, "gateway.example", 443, ""),
            ("http://[::1]/a/b/", false, "::1", 80, "/a/b"),
        ] {
            let expected = UpstreamUrl {
                tls,
                host: host.to_owned(),
                port,
                path: path.to_owned(),
            };
            assert_eq!(upstream(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn authorities_are_written_as_in_host() {
        for (text, authority) in [
            ("http://a", "a"),
            ("https://a:80", "a:80"),
            ("https://[::1]", "[::1]"),
            ("http://[::1]:3100", "[::1]:3100"),
        ] {
            assert_eq!(upstream(text).unwrap().authority(), authority);
        }
    }

    #[test]
    fn a_url_reads_as_it_was_written() {
        for text in [
            "http://[::1]:3100/a",
            "https://gateway.example",
            "http://127.0.0.1:3100",
        ] {
            assert_eq!(upstream(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn other_urls_are_refused_without_being_shown() {
        for text in [
            "",
            "hunter2",
            "ftp://hunter2",
            "http://",
            "http://:80",
            "http://hunter2:x",
            "http://hunter2:0",
            "http://hunter2:65536",
            "http://user:hunter2@host",
            "http://host/hunter2?x",
            "http://host/../hunter2",
            "http://host//hunter2",
            "http://[hunter2]",
            "http://[::1",
            "http://ho st",
            "http://host/%2e",
            "http://a%:hunter2@b",
        ] {
            let problem = upstream(text).unwrap_err();
            assert!(!problem.contains("hunter2"), "{text}: {problem}");
        }
    }

    #[test]
    fn users_and_passwords_are_decoded() {
        let url = parse("redis://us%40er:p%3A%2Fw@host:6379/2").unwrap();
        assert_eq!(url.username.as_deref(), Some("us@er"));
        assert_eq!(url.password.as_deref(), Some("p:/w"));
        assert_eq!((url.host.as_str(), url.port, url.path), ("host", Some(6379), "2"));
        let url = parse("redis://:pw@host").unwrap();
        assert_eq!((url.username, url.password.as_deref()), (None, Some("pw")));
    }
}
