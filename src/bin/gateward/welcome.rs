//! What does a new operator read first? Where everything is, and lines that do the main job when they are pasted into
//! bash, all at once or one after the other: what one line learns, the next ones have from a variable or a file.
//!
//! The README has the same lines (a test compares them, and runs both).

use std::io::Write as _;

use gateward_core::config::{self as core, Mode};
use gateward_sidecar::server::Bound;

/// The first words to a new operator.
pub(crate) struct Welcome {
    /// The registration key; `None` where anybody may register.
    private_token: Option<String>,
}

impl Welcome {
    pub(crate) fn of(core: &core::Config) -> Self {
        let token = core
            .gateway
            .private_token
            .as_ref()
            .map(|token| String::from_utf8_lossy(token.expose()).into_owned());
        let is_public = matches!(core.gateway.mode, Mode::Public);
        Self {
            private_token: token.filter(|_| !is_public),
        }
    }

    pub(crate) fn print(&self, bound: Bound, is_tls: bool) {
        let scheme = if is_tls { "https" } else { "http" };
        let url = format!("{scheme}://{}", bound.public);
        // However it was called: the lines may be pasted in another folder.
        let program = std::env::current_exe().map_or_else(
            |_unknown| "gateward".to_owned(),
            |path| path.to_string_lossy().into_owned(),
        );
        let (with_key, key, credential) = match &self.private_token {
            Some(key) => (
                format!(" with the key {key}"),
                format!(" KEY={}", quoted(key)),
                " -H \"Authorization: Bearer $KEY\"",
            ),
            None => (String::new(), String::new(), ""),
        };
        let words = format!(
            r#"Gateward is up: {url}  (health, metrics and status: http://{admin})
Phones register at {url}/api/mobile/v1{with_key}.

To try it, paste these lines into bash in another terminal:

URL={url}{key}

# a device registers, which makes a user: the file holds the login and the password, and the device's own token
(umask 077; curl -s "$URL/api/mobile/v1/device"{credential} -H 'Content-Type: application/json' -d '{{"name":"Maker/Model"}}' -o phone.json)
LOGIN=$(sed 's/.*"login":"\([^"]*\)".*/\1/' phone.json) PASSWORD=$(sed 's/.*"password":"\([^"]*\)".*/\1/' phone.json)

# a token that may send and list messages, for a quarter of an hour
TOKEN=$(curl -s "$URL/api/3rdparty/v1/auth/token" -u "$LOGIN:$PASSWORD" -H 'Content-Type: application/json' -d '{{"scopes":["messages:send","messages:list"]}}' | sed 's/.*"access_token":"\([^"]*\)".*/\1/')

# a message
curl -si "$URL/api/3rdparty/v1/messages" -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{{"textMessage":{{"text":"hello"}},"phoneNumbers":["+79990001234"]}}'; echo

# the device, simulated, delivers it
{program} phone --url "$URL" --state phone.json --messages 1

# what became of it
curl -s "$URL/api/3rdparty/v1/messages" -H "Authorization: Bearer $TOKEN"; echo
"#,
            admin = bound.admin,
            program = quoted(&program),
        );
        // A reader who has seen enough is no reason to end.
        let _ = writeln!(std::io::stdout(), "{words}");
    }
}

/// A text as one word of a shell.
fn quoted(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:@%".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_a_shell_is_quoted_where_it_has_to_be() {
        for (text, word) in [
            ("/usr/bin/gateward-1.0", "/usr/bin/gateward-1.0"),
            ("", "''"),
            ("my key", "'my key'"),
            ("$(id)", "'$(id)'"),
            ("it's", r"'it'\''s'"),
        ] {
            assert_eq!(quoted(text), word);
        }
    }
}
