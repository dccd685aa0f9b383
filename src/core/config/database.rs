//! `database.*`

use std::path::PathBuf;

use gateward_boot::config::{Reader, SecretRules};

use super::{Database, DatabaseUrl};

const ALLOWED: &str = "sqlite://path";

/// Keys that describe a MySQL server.
const SERVER_KEYS: [&str; 4] = ["database.host", "database.port", "database.user", "database.database"];

/// Reads `database.*`.
pub(super) fn read(reader: &mut Reader<'_>, provided: Option<&PathBuf>) -> Database {
    reader.declare("database.url", "sqlite://data/core.db");
    let given = reader.is_given("database.url");
    let directory = reader.directory().to_owned();
    let url = reader.parsed_unseen("database.url", ALLOWED, |text| match parse(text)? {
        DatabaseUrl::Sqlite(path) => Ok(DatabaseUrl::Sqlite(directory.join(path))),
        memory @ DatabaseUrl::SqliteMemory => Ok(memory),
    });
    server(reader, given || provided.is_some());
    let connections = 0..=10_000;
    Database {
        url: url.unwrap_or_else(|| {
            DatabaseUrl::Sqlite(provided.cloned().unwrap_or_else(|| directory.join("data/core.db")))
        }),
        max_open_conns: small(reader.integer("database.max_open_conns", 0, connections.clone())),
        max_idle_conns: small(reader.integer("database.max_idle_conns", 0, connections)),
        debug: reader.boolean("database.debug", false),
    }
}

/// A server that is described and would not be used must not pass for one that is used.
fn server(reader: &mut Reader<'_>, url_given: bool) {
    reader.string("database.host", "localhost");
    reader.integer("database.port", 3306, 1..=65_535);
    reader.string("database.user", "sms");
    reader.secret("database.password", SecretRules::PASSED_ON);
    reader.string("database.database", "sms");
    reader.string("database.timezone", "UTC");
    if url_given {
        return;
    }
    for key in SERVER_KEYS {
        if reader.is_given(key) {
            reader.problem(key, "mysql is not supported yet: set database.url to sqlite://path");
        }
    }
}

fn parse(text: &str) -> Result<DatabaseUrl, String> {
    let scheme = text.split(':').next().unwrap_or_default();
    if matches!(scheme, "mysql" | "mariadb") {
        return Err("mysql is not supported yet".to_owned());
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

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_are_files_for_now() {
        let file = |path: &str| Ok(DatabaseUrl::Sqlite(PathBuf::from(path)));
        assert_eq!(parse("sqlite://data/core.db"), file("data/core.db"));
        assert_eq!(parse("sqlite:///var/lib/core.db?mode=rwc"), file("/var/lib/core.db"));
        assert_eq!(parse("sqlite:x.db"), file("x.db"));
        assert_eq!(parse("sqlite::memory:"), Ok(DatabaseUrl::SqliteMemory));
        for text in [
            "",
            "x.db",
            "sqlite://",
            "sqlite:",
            "sqlite://x?cache=shared",
            "postgres://hunter2@h",
        ] {
            assert!(parse(text).is_err_and(|problem| !problem.contains("hunter2")), "{text}");
        }
        assert_eq!(
            parse("mysql://u:hunter2@h/d"),
            Err("mysql is not supported yet".to_owned())
        );
    }
}
