//! `database.*`

use std::path::PathBuf;

use gateward_auth::Secret;
use gateward_boot::config::{Reader, SecretRules};
use percent_encoding::percent_decode_str;

use super::{Database, DatabaseServer, DatabaseUrl};

const ALLOWED: &str = "sqlite://path or mysql://user:password@host:port/database";

/// Keys that describe a MySQL server. Whoever gives a password alone has the reference's defaults for the rest.
const SERVER_KEYS: [&str; 6] = [
    "database.host",
    "database.port",
    "database.user",
    "database.password",
    "database.password_file",
    "database.database",
];
/// The reference's.
const PASSWORD: &str = "sms";

/// Names of the one zone in which the moments of a database may be.
const UTC: [&str; 4] = ["UTC", "Etc/UTC", "GMT", ""];

/// Reads `database.*`.
pub(super) fn read(reader: &mut Reader<'_>, provided: Option<&PathBuf>) -> Database {
    reader.declare("database.url", "sqlite://data/core.db");
    let directory = reader.directory().to_owned();
    let url = reader.parsed_unseen("database.url", ALLOWED, |text| match parse(text)? {
        DatabaseUrl::Sqlite(path) => Ok(DatabaseUrl::Sqlite(directory.join(path))),
        other @ (DatabaseUrl::SqliteMemory | DatabaseUrl::MySql(_)) => Ok(other),
    });
    let described = SERVER_KEYS.iter().any(|key| reader.is_given(key));
    let server = server(reader);
    let url = url.unwrap_or_else(|| match provided {
        _ if described => DatabaseUrl::MySql(server),
        Some(path) => DatabaseUrl::Sqlite(path.clone()),
        None => DatabaseUrl::Sqlite(directory.join("data/core.db")),
    });
    zone(reader, &url);
    let connections = 0..=10_000;
    Database {
        url,
        max_open_conns: small(reader.integer("database.max_open_conns", 0, connections.clone())),
        max_idle_conns: small(reader.integer("database.max_idle_conns", 0, connections)),
        debug: reader.boolean("database.debug", false),
    }
}

/// The server that the keys of the reference describe.
fn server(reader: &mut Reader<'_>) -> DatabaseServer {
    let host = reader.string("database.host", "localhost");
    let port = reader.integer("database.port", 3306, 1..=65_535);
    let user = reader.string("database.user", "sms");
    // Whoever writes an empty one down has an account without a password.
    let is_empty = ["database.password", "database.password_file"]
        .iter()
        .any(|key| reader.is_given(key));
    let password = reader.secret("database.password", SecretRules::PASSED_ON);
    let default = if is_empty { "" } else { PASSWORD };
    DatabaseServer {
        host,
        port: u16::try_from(port).unwrap_or(u16::MAX),
        user,
        password: password.map_or_else(|| Secret::new(default), |sealed| Secret::new(sealed.into_bytes())),
        name: reader.string("database.database", "sms"),
    }
}

/// The reference can keep the moments of a database in a zone. Read as UTC they would be wrong by hours.
fn zone(reader: &mut Reader<'_>, url: &DatabaseUrl) {
    let zone = reader.string("database.timezone", "UTC");
    if matches!(url, DatabaseUrl::MySql(_)) && !UTC.contains(&zone.as_str()) {
        reader.problem(
            "database.timezone",
            "only a database whose times are in UTC can be used",
        );
    }
}

fn parse(text: &str) -> Result<DatabaseUrl, String> {
    let server = text
        .strip_prefix("mysql://")
        .or_else(|| text.strip_prefix("mariadb://"));
    if let Some(server) = server {
        return parse_server(server).map(DatabaseUrl::MySql);
    }
    if text == "sqlite::memory:" {
        return Ok(DatabaseUrl::SqliteMemory);
    }
    let path = text.strip_prefix("sqlite://").or_else(|| text.strip_prefix("sqlite:"));
    let path = path.ok_or("not the url of a database")?;
    // What sqlx's own urls say to have the file made, which happens anyway.
    let path = path.strip_suffix("?mode=rwc").unwrap_or(path);
    if path.is_empty() || path.contains(['?', '#', '\0']) {
        return Err("the url has no usable path".to_owned());
    }
    Ok(DatabaseUrl::Sqlite(PathBuf::from(path)))
}

/// `user:password@host:port/database`; names and password may be percent-encoded.
fn parse_server(text: &str) -> Result<DatabaseServer, String> {
    let (login, place) = text.rsplit_once('@').ok_or("the url names no user")?;
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let (address, name) = place.split_once('/').ok_or("the url names no database")?;
    // A colon within brackets belongs to an IPv6 address.
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| "the url has no usable port")?),
        Some(_) | None => (address, 3306),
    };
    let decoded = |text| {
        percent_decode_str(text)
            .decode_utf8()
            .map_err(|_| "the url is not utf-8".to_owned())
    };
    let server = DatabaseServer {
        host: decoded(host.trim_start_matches('[').trim_end_matches(']'))?.into_owned(),
        port,
        user: decoded(user)?.into_owned(),
        password: Secret::new(percent_decode_str(password).collect::<Vec<u8>>()),
        name: decoded(name)?.into_owned(),
    };
    if name.contains(['?', '#', '/']) {
        return Err("the url has more than a database after the server".to_owned());
    }
    if [&server.host, &server.user, &server.name]
        .iter()
        .any(|part| part.is_empty())
    {
        return Err("the url has an empty host, user or database".to_owned());
    }
    Ok(server)
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use super::*;

    fn server(text: &str) -> (String, u16, String, String, String) {
        let DatabaseUrl::MySql(server) = parse(text).unwrap() else {
            panic!("{text}: not a server")
        };
        let password = String::from_utf8(server.password.expose().to_vec()).unwrap();
        (server.host, server.port, server.user, password, server.name)
    }

    #[test]
    fn a_file_has_a_path() {
        let file = |text: &str| match parse(text) {
            Ok(DatabaseUrl::Sqlite(path)) => path,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(file("sqlite://data/core.db"), PathBuf::from("data/core.db"));
        assert_eq!(
            file("sqlite:///var/lib/core.db?mode=rwc"),
            PathBuf::from("/var/lib/core.db")
        );
        assert_eq!(file("sqlite:x.db"), PathBuf::from("x.db"));
        assert!(matches!(parse("sqlite::memory:"), Ok(DatabaseUrl::SqliteMemory)));
    }

    #[test]
    fn a_server_has_an_address_a_login_and_a_database() {
        let is = |host: &str, port, user: &str, password: &str, name: &str| {
            (
                host.to_owned(),
                port,
                user.to_owned(),
                password.to_owned(),
                name.to_owned(),
            )
        };
        assert_eq!(server("mysql://u:p@db:3307/sms"), is("db", 3307, "u", "p", "sms"));
        assert_eq!(server("mariadb://u@db/sms"), is("db", 3306, "u", "", "sms"));
        assert_eq!(
            server("mysql://u:p%40:%2F@[::1]:1/a%20b"),
            is("::1", 1, "u", "p@:/", "a b")
        );
        assert_eq!(server("mysql://u:p@[::1]/d"), is("::1", 3306, "u", "p", "d"));
        assert_eq!(server("mysql://u@%2Frun%2Fdb.sock/d").0, "/run/db.sock");
    }

    #[test]
    fn what_is_no_url_is_refused_without_telling_it() {
        for text in [
            "",
            "x.db",
            "sqlite://",
            "sqlite:",
            "sqlite://x?cache=shared",
            "postgres://hunter2@h",
            "mysql://hunter2",
            "mysql://u:hunter2@h",
            "mysql://u:hunter2@h/",
            "mysql://u:hunter2@/d",
            "mysql://:hunter2@h/d",
            "mysql://u:hunter2@h:port/d",
            "mysql://u:hunter2@h/d?x=y",
        ] {
            assert!(parse(text).is_err_and(|problem| !problem.contains("hunter2")), "{text}");
        }
    }
}
