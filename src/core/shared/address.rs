//! Which Redis does an address mean? Connects to nothing.

use redis::{ConnectionInfo, IntoConnectionInfo as _};

/// Not the address of a Redis. The text never holds the address, because it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected redis://[user[:password]@]host[:port][/database]")]
pub struct AddressError;

/// Whether [`read`] takes it.
pub(crate) fn check(url: &str) -> Result<(), AddressError> {
    read(url.as_bytes()).map(drop)
}

/// Options after `?`, which the reference's library knows, are not looked at.
pub(super) fn read(url: &[u8]) -> Result<ConnectionInfo, AddressError> {
    let url = std::str::from_utf8(url).map_err(|_| AddressError)?;
    if !url.starts_with("redis://") {
        return Err(AddressError);
    }
    let address = url.split_once('?').map_or(url, |(address, _)| address);
    let info = address.into_connection_info().map_err(|_| AddressError)?;
    let settings = info.redis_settings().clone().set_skip_set_lib_name();
    let tcp = info.tcp_settings().clone().set_nodelay(true);
    Ok(info.set_redis_settings(settings).set_tcp_settings(tcp))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::{check, read};

    #[test]
    fn an_address_names_host_port_database_and_login() {
        let info = read(b"redis://me:pa%3Ass@example.net:7000/3?dial_timeout=1s").unwrap();
        assert_eq!(info.addr().to_string(), "example.net:7000");
        assert_eq!(info.redis_settings().db(), 3);
        assert_eq!(info.redis_settings().username(), Some("me"));
        assert_eq!(info.redis_settings().password(), Some("pa:ss"));
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
            let error = check(url).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
