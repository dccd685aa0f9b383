//! `store`: a word, a URL, or a mapping with `url`.

use gateward_auth::Secret;
use gateward_boot::config::{Reader, SecretRules};

use super::{Redis, Store, url};

const ALLOWED: &str = "embedded, or redis://host:port/database";
const PREFIX_ALLOWED: &str = "visible characters with exactly one name in braces, such as {gateward}:";

/// Where `store` or `store.url` points.
enum Location {
    Embedded,
    Redis {
        url: String,
        username: Option<String>,
        password: Option<String>,
    },
}

/// Reads `store.*`.
pub(super) fn read(reader: &mut Reader<'_>, inline_secrets: bool) -> Store {
    let key = location_key(reader);
    reader.declare("store", "embedded");
    reader.declare("store.url", "");
    let location = reader.parsed_unseen(key, ALLOWED, location);
    let username = reader.optional_string("store.username");
    let password = reader.secret("store.password", SecretRules::PASSED_ON);
    let prefix = prefix(reader);
    match location {
        Some(Location::Redis {
            url,
            username: url_username,
            password: url_password,
        }) => {
            let in_url = url_username.is_some() || url_password.is_some();
            if in_url && (username.is_some() || password.is_some()) {
                reader.problem(key, "a user or password is in the url and beside it too");
            }
            if url_password.is_some() && !inline_secrets && !reader.is_overridden(key) {
                let message = "a password must not stand in this file, unless allow_inline_secrets is true: see \
                               store.password_file";
                reader.problem(key, message);
            }
            let password = password.map(|sealed| Secret::new(sealed.into_bytes()));
            Store::Redis(Redis {
                url,
                username: username.or(url_username),
                password: password.or(url_password.map(Secret::new)),
                prefix,
            })
        }
        Some(Location::Embedded) | None => Store::Embedded,
    }
}

/// Which of the two keys says where the store is.
fn location_key(reader: &mut Reader<'_>) -> &'static str {
    match (reader.is_overridden("store"), reader.is_overridden("store.url")) {
        (true, true) => {
            reader.problem("store", "given twice: see store.url");
            "store"
        }
        (true, false) => "store",
        (false, true) => "store.url",
        (false, false) if reader.is_mapping("store") => {
            if !reader.is_given("store.url") {
                reader.required("store.url", "in a mapping");
            }
            "store.url"
        }
        (false, false) => "store",
    }
}

fn location(text: &str) -> Result<Location, String> {
    if text == "embedded" {
        return Ok(Location::Embedded);
    }
    match text.split_once("://").map(|(scheme, _)| scheme) {
        Some("redis") => {}
        Some("rediss") => return Err("redis over tls is not supported yet".to_owned()),
        Some("redis+sentinel" | "rediss+sentinel") => return Err("redis sentinel is not supported yet".to_owned()),
        Some("redis+cluster" | "rediss+cluster") => return Err("redis cluster is not supported yet".to_owned()),
        _ => return Err("not a store".to_owned()),
    }
    let parts = url::parse(text)?;
    let database = match parts.path {
        "" => 0,
        digits => digits
            .parse::<u16>()
            .map_err(|_| "the path of the url is not the number of a database")?,
    };
    let port = parts.port.unwrap_or(6379);
    let url = format!("redis://{}:{port}/{database}", url::bracketed(&parts.host));
    Ok(Location::Redis {
        url,
        username: parts.username,
        password: parts.password,
    })
}

fn prefix(reader: &mut Reader<'_>) -> String {
    const DEFAULT: &str = "{gateward}:";
    reader.declare("store.prefix", DEFAULT);
    let one_hash_tag = |text: &str| {
        let inside = text.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
        let once = text.matches(['{', '}']).count() == 2;
        let visible = text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_graphic());
        (once && visible && inside.is_some_and(|(tag, _)| !tag.is_empty())).then(|| text.to_owned())
    };
    reader
        .parsed(
            "store.prefix",
            "a prefix with one hash tag",
            PREFIX_ALLOWED,
            one_hash_tag,
        )
        .unwrap_or_else(|| DEFAULT.to_owned())
}
