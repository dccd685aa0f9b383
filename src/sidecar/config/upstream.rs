//! `upstream.*`: where the gateway is, and how the sidecar says who is calling.

use std::time::Duration;

use gateward_auth::Secret;
use gateward_boot::config::{Reader, SecretRules};

use super::read::{HOUR, SECOND, issuer, private, required_secret, whole_seconds};
use super::{
    AccountsFile, CredentialKind, Health, Mint, Provided, Upstream, UpstreamAccount, UpstreamBasic, UpstreamHeader,
    UpstreamTimeouts, UpstreamUrl, url,
};
use crate::headers;

const URL_ALLOWED: &str = "http://host:port or https://host:port, with a path if the gateway has one";

/// Headers that say something else already.
const TAKEN_HEADERS: [&str; 12] = [
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-request-id",
    "x-forwarded-for",
];

/// Reads `upstream.*`; `users_file`: whether the users are known here rather than at the gateway.
pub(super) fn read(reader: &mut Reader<'_>, provided: &Provided, users_file: bool) -> Upstream {
    let urls = urls(reader, provided);
    let kinds = [
        ("mint", CredentialKind::Mint),
        ("basic", CredentialKind::Basic),
        ("passthrough", CredentialKind::Passthrough),
        ("header", CredentialKind::Header),
    ];
    let credential = reader
        .choice("upstream.credential", "mint", &kinds)
        .unwrap_or(CredentialKind::Mint);
    Upstream {
        urls,
        credential,
        mint: mint(reader, provided, credential == CredentialKind::Mint),
        basic: basic(reader, credential == CredentialKind::Basic, users_file),
        header: header(reader, credential == CredentialKind::Header),
        timeouts: UpstreamTimeouts {
            connect: reader.duration(
                "upstream.timeouts.connect",
                2 * SECOND,
                Duration::from_millis(10)..=60 * SECOND,
            ),
            read: reader.duration("upstream.timeouts.read", 60 * SECOND, Duration::from_millis(10)..=HOUR),
            write: reader.duration("upstream.timeouts.write", 30 * SECOND, Duration::from_millis(10)..=HOUR),
        },
        health: health(reader),
        idle: reader.duration("upstream.idle", 30 * SECOND, Duration::ZERO..=HOUR),
    }
}

fn health(reader: &mut Reader<'_>) -> Option<Health> {
    let path = |text: &str| {
        let usable = text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        usable.then(|| text.to_owned())
    };
    let allowed = "a path such as /health/ready";
    let path = reader.parsed("upstream.health.path", "", allowed, path);
    let shortest = Duration::from_millis(10);
    let interval = reader.duration("upstream.health.interval", 5 * SECOND, shortest..=HOUR);
    let timeout = reader.duration("upstream.health.timeout", 2 * SECOND, shortest..=60 * SECOND);
    path.map(|path| Health {
        path,
        interval,
        timeout,
    })
}

fn urls(reader: &mut Reader<'_>, provided: &Provided) -> Vec<UpstreamUrl> {
    let overridden = reader.is_overridden("upstream.url") || reader.is_overridden("upstream.urls");
    let given = |reader: &Reader<'_>, key: &str| {
        if overridden {
            reader.is_overridden(key)
        } else {
            reader.is_given(key)
        }
    };
    let (one, many) = (given(reader, "upstream.url"), given(reader, "upstream.urls"));
    reader.declare("upstream.url", "");
    reader.declare("upstream.urls", "");
    let mut urls = Vec::new();
    if one {
        urls.extend(reader.parsed_unseen("upstream.url", URL_ALLOWED, url::upstream));
    }
    if many {
        urls = reader
            .list_unseen("upstream.urls", URL_ALLOWED, url::upstream)
            .unwrap_or_default();
        if urls.is_empty() {
            reader.problem("upstream.urls", "at least one usable url is expected");
        }
    }
    match (one, many, &provided.upstream) {
        (true, true, _) => reader.problem("upstream.urls", "given twice: see upstream.url"),
        (false, false, Some(url)) => urls.push(url.clone()),
        (false, false, None) => reader.required("upstream.url", ""),
        _ => {}
    }
    urls
}

fn mint(reader: &mut Reader<'_>, provided: &Provided, needed: bool) -> Option<Mint> {
    let secret = reader.secret("upstream.mint.secret", SecretRules::key(32));
    let issuer = issuer(reader, "upstream.mint.issuer");
    let ttl = reader.duration("upstream.mint.ttl", 60 * SECOND, SECOND..=HOUR);
    whole_seconds(reader, "upstream.mint.ttl", ttl);
    let secret = secret
        .map(|sealed| Secret::new(sealed.into_bytes()))
        .or_else(|| provided.mint_secret.clone());
    let secret = if needed {
        required_secret(reader, "upstream.mint.secret", "by upstream.credential mint", secret)
    } else {
        secret?
    };
    Some(Mint { secret, issuer, ttl })
}

fn basic(reader: &mut Reader<'_>, needed: bool, shared: bool) -> Option<UpstreamBasic> {
    // Not shown if it is none: behind a colon may stand a password.
    let none = || "is no name at the gateway".to_owned();
    let login = |text: &str| is_login(text).then(|| text.to_owned()).ok_or_else(none);
    let user = reader.parsed_unseen("upstream.basic.user", LOGIN_ALLOWED, login);
    let password = reader.secret("upstream.basic.password", SecretRules::PASSED_ON);
    let accounts = accounts(reader);
    let keys = ["upstream.basic.user", "upstream.basic.password"];
    let account = together(reader, keys, (user, password), None).map(|(user, password)| UpstreamAccount {
        user,
        password: Secret::new(password.into_bytes()),
        shared,
    });
    let given = |key: &str| reader.is_given(&format!("upstream.basic.{key}"));
    if needed
        && !["user", "password", "password_file", "accounts_file"]
            .into_iter()
            .any(given)
    {
        let allowed = "upstream.basic.user with upstream.basic.password_file: one account; \
                       upstream.basic.accounts_file: one for each user";
        reader.required_as("upstream.basic", "by upstream.credential basic", allowed);
    }
    (account.is_some() || accounts.is_some()).then_some(UpstreamBasic { account, accounts })
}

fn accounts(reader: &mut Reader<'_>) -> Option<AccountsFile> {
    let path = reader.optional_path("upstream.basic.accounts_file")?;
    private(reader, "upstream.basic.accounts_file", &path);
    Some(AccountsFile {
        path,
        directory: reader.directory().to_owned(),
    })
}

/// What [`is_login`] takes.
pub(crate) const LOGIN_ALLOWED: &str = "a name without a colon and without control characters";

/// Whether a Basic credential can carry this name (RFC 7617 §2).
pub(crate) fn is_login(name: &str) -> bool {
    !name.is_empty() && !name.contains(|letter: char| letter == ':' || letter.is_control())
}

fn header(reader: &mut Reader<'_>, needed: bool) -> Option<UpstreamHeader> {
    let allowed = "the name of a header that says nothing else already, such as X-Api-Key";
    let name = reader.parsed("upstream.header.name", "a header name", allowed, |text| {
        let name = http::HeaderName::from_bytes(text.as_bytes()).ok()?;
        let ours = headers::is_ours(name.as_str()) || name.as_str().contains('_');
        let taken = ours || TAKEN_HEADERS.contains(&name.as_str());
        (!taken).then(|| name.as_str().to_owned())
    });
    let value = reader.secret("upstream.header.value", SecretRules::PASSED_ON);
    let why = "by upstream.credential header";
    let keys = ["upstream.header.name", "upstream.header.value"];
    let (name, value) = together(reader, keys, (name, value), needed.then_some(why))?;
    if http::HeaderValue::from_bytes(value.as_bytes()).is_err() {
        reader.problem(
            "upstream.header.value",
            "the value has characters that no header may have",
        );
    }
    Some(UpstreamHeader {
        name,
        value: Secret::new(value.into_bytes()),
    })
}

/// Two values of which each needs the other, and which are both required where something says `why`.
fn together<A, B>(
    reader: &mut Reader<'_>,
    [first, second]: [&str; 2],
    given: (Option<A>, Option<B>),
    why: Option<&str>,
) -> Option<(A, B)> {
    match given {
        (Some(one), Some(other)) => return Some((one, other)),
        (Some(_), None) => missing(reader, second, &format!("with {first}")),
        (None, Some(_)) => missing(reader, first, &format!("with {second}")),
        (None, None) => {
            for key in [first, second] {
                if let Some(why) = why {
                    missing(reader, key, why);
                }
            }
        }
    }
    None
}

/// Says that a key is required, unless it is given and a problem of its own was told already.
fn missing(reader: &mut Reader<'_>, key: &str, why: &str) {
    if !reader.is_given(key) && !reader.is_given(&format!("{key}_file")) {
        reader.required(key, why);
    }
}
