//! Is this the address of a web server? As the reference's validator judges it (`http_url`), which is what its language takes
//! for a URL: stricter than browsers about escapes, and with no opinion about numbers and names of hosts. It asks no network.

use std::net::Ipv6Addr;

/// Absolute, with `http` or `https` in any case, and a host.
pub(super) fn is_http_url(text: &str) -> bool {
    if text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return false;
    }
    let (address, fragment) = text.split_once('#').unwrap_or((text, ""));
    let Some((scheme, rest)) = address.split_once("://") else {
        return false;
    };
    let is_http = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    // What a query says is nobody's business.
    let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    is_http && is_authority(authority) && is_escaped(path) && is_escaped(fragment)
}

fn is_authority(authority: &str) -> bool {
    match authority.rsplit_once('@') {
        None => is_host(authority),
        Some((user, host)) => is_user(user) && is_host(host),
    }
}

fn is_user(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte);
    text.bytes().all(allowed) && is_escaped(text)
}

fn is_host(text: &str) -> bool {
    if let Some(inner) = text.strip_prefix('[') {
        return inner
            .rsplit_once(']')
            .is_some_and(|(address, port)| is_ipv6(address) && (port.is_empty() || is_port(port)));
    }
    let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
    !text.is_empty() && is_name(name) && (port.is_empty() || is_port(port))
}

/// With a zone, perhaps, whose percent sign is escaped.
fn is_ipv6(text: &str) -> bool {
    let (address, zone) = text
        .split_once("%25")
        .map_or((text, None), |(address, zone)| (address, Some(zone)));
    address.parse::<Ipv6Addr>().is_ok()
        && zone.is_none_or(|zone| !zone.is_empty() && is_escaped(zone) && is_plain(zone))
}

/// A colon and digits; any number, or none.
fn is_port(text: &str) -> bool {
    text.strip_prefix(':')
        .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Only what is not ASCII may be escaped.
fn is_name(text: &str) -> bool {
    let ascii = |escape: &str| escape.bytes().next().is_some_and(|first| first < b'8');
    is_plain(text) && is_escaped(text) && !text.split('%').skip(1).any(ascii)
}

/// Nothing but what may stand in a host.
fn is_plain(text: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || !byte.is_ascii() || b"-_.~!$&'()*+,;=[]<>\"%".contains(&byte);
    text.bytes().all(allowed)
}

/// Every percent sign has its two digits.
fn is_escaped(text: &str) -> bool {
    text.split('%').skip(1).all(|rest| {
        let mut digits = rest.bytes().take_while(u8::is_ascii_hexdigit);
        digits.next().is_some() && digits.next().is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::is_http_url;

    #[test]
    fn an_address_is_whole_and_has_a_host() {
        for good in [
            "https://example.com",
            "HTTPS://example.com",
            "https://user:p%40ss@example.com:8443/a/b?c=d#e",
            "https://[2001:db8::1]/",
            "https://[fe80::1%25eth0]:8443/",
            "https://münchen.example/grüße",
            "https://m%c3%bcnchen.example/",
            "https://example.com:99999/x",
            "https://example.com:/x",
            "https://1.2.3.999/",
            "https://xn--zzzzz-.com/",
            "https://example.com/ ",
            "https://example.com/a b",
            "https://example.com?%zz",
            "https://:80/",
            "http://h",
        ] {
            assert!(is_http_url(good), "{good}");
        }
        for bad in [
            "",
            "https://",
            "https:///path",
            "https:example.com",
            "https:/example.com",
            "https://?x",
            "https://#x",
            "https://user@",
            "https://exa mple.com",
            "https://example.com ",
            "https://example.com:port",
            "https://example.com:80:80",
            "https://example.com:-1",
            "https://example.com/%zz",
            "https://example.com/%",
            "https://example.com/#%4",
            "https://%41.com",
            "https://%zz.com",
            "https://us er@example.com",
            "https://us%zer@example.com",
            r"https:\\example.com",
            r"https://example.com\path",
            "https://[2001:db8::1",
            "https://[2001:db8::1]x",
            "https://[example]/",
            "https://[127.0.0.1]/",
            " https://example.com",
            "https://example.com\n",
            "https://example.com/\u{7f}",
            "//example.com",
            "://example.com",
            "ftp://example.com",
            "mailto:a@example.com",
        ] {
            assert!(!is_http_url(bad), "{bad}");
        }
    }
}
