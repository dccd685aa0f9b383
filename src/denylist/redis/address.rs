//! Which Redis is meant by an address, and which addresses are refused? Connects to nothing.

use redis::{ConnectionInfo, IntoConnectionInfo as _};

use crate::options::{OpenError, RedisOptions};

/// Schemes that come later.
const NOT_YET: [&str; 5] = [
    "rediss",
    "redis+sentinel",
    "rediss+sentinel",
    "redis+cluster",
    "rediss+cluster",
];

/// Reads the address; the explicit user and password win over those in it.
pub(super) fn parse(options: &RedisOptions) -> Result<ConnectionInfo, OpenError> {
    let scheme = options
        .url
        .split_once("://")
        .map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        Some("redis") => {}
        Some(other) => {
            let known = NOT_YET.into_iter().find(|scheme| *scheme == other);
            return Err(
                known.map_or(OpenError::Address("it must start with redis://"), |scheme| {
                    OpenError::NotYet { scheme }
                }),
            );
        }
        None => return Err(OpenError::Address("it must start with redis://")),
    }
    // What the library says may repeat the address, and with it a password.
    let info = options
        .url
        .as_str()
        .into_connection_info()
        .map_err(|_| OpenError::Address("expected redis://[user[:password]@]host[:port][/db]"))?;
    let mut settings = info.redis_settings().clone().set_skip_set_lib_name();
    if let Some(username) = &options.username {
        settings = settings.set_username(username);
    }
    if let Some(password) = &options.password {
        let text =
            std::str::from_utf8(password.expose()).map_err(|_| OpenError::Address("the password is not UTF-8"))?;
        settings = settings.set_password(text);
    }
    let tcp = info.tcp_settings().clone().set_nodelay(true);
    Ok(info.set_redis_settings(settings).set_tcp_settings(tcp))
}

/// The prefix holds one hash tag that is not empty, so that a cluster keeps all our keys in one place.
pub(super) fn check_prefix(prefix: &str) -> Result<(), OpenError> {
    let tag = prefix.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
    match tag {
        Some((tag, rest)) if !tag.is_empty() && !tag.contains('{') && !rest.contains(['{', '}']) => Ok(()),
        Some(_) | None => Err(OpenError::Prefix),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use gateward_auth::Secret;

    use super::*;

    #[test]
    fn an_address_names_host_port_database_and_login() {
        let info = parse(&RedisOptions::new("redis://me:pa%3Ass@example.net:7000/3")).unwrap();
        assert_eq!(info.addr().to_string(), "example.net:7000");
        assert_eq!(info.redis_settings().db(), 3);
        assert_eq!(info.redis_settings().username(), Some("me"));
        assert_eq!(info.redis_settings().password(), Some("pa:ss"));
    }

    #[test]
    fn an_explicit_login_wins_over_the_one_in_the_address() {
        let mut options = RedisOptions::new("redis://me:old@localhost");
        options.username = Some("you".to_owned());
        options.password = Some(Secret::new("new"));
        let info = parse(&options).unwrap();
        assert_eq!(info.redis_settings().username(), Some("you"));
        assert_eq!(info.redis_settings().password(), Some("new"));
    }

    #[test]
    fn what_comes_later_is_refused_by_name() {
        for url in ["rediss://h", "redis+sentinel://h", "redis+cluster://h", "REDISS://h"] {
            let error = parse(&RedisOptions::new(url)).unwrap_err().to_string();
            assert!(error.contains("not supported yet"), "{url}: {error}");
        }
    }

    #[test]
    fn a_bad_address_is_refused_without_repeating_it() {
        for url in [
            "",
            "hunter2",
            "http://:hunter2@h",
            "redis://:hunter2@h/notanumber",
            "redis://:hunter2@",
        ] {
            let error = parse(&RedisOptions::new(url)).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_prefix_has_exactly_one_hash_tag() {
        for good in ["{gateward}:", "a{b}c", "{x}"] {
            assert!(check_prefix(good).is_ok(), "{good}");
        }
        for bad in ["", "gateward:", "{}:", "{a}{b}", "{a", "a}", "}a{", "{{a}}", "{a}}"] {
            assert!(check_prefix(bad).is_err(), "{bad}");
        }
    }
}
