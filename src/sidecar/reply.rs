//! What does a client see when the sidecar answers itself?
//!
//! Every refusal of this process is one value of [`Refusal`], and one exhaustive match per column turns it
//! into status, text, challenge and label (DESIGN §10, WIRE §1.3, §1.7). Texts for clients never derive from
//! internal texts: labels go to the log, messages to the client. The bytes are made in `answer` and sent in `delivery`.

mod answer;
pub(crate) mod delivery;

use std::borrow::Cow;

use bytes::Bytes;
use gateward_auth::{Accepts, Denial, Scope};
use gateward_contract::ErrorBody;
use gateward_contract::headers::{JSON, PROBLEM_JSON, TEXT};
use gateward_policy::PathError;
use http::HeaderValue;

use self::answer::phrase;
pub(crate) use self::answer::{Answer, Circumstances};
use crate::framing::FramingError;

/// How long a client should wait when something that we depend on is away, in seconds: a store that is back
/// is noticed within 5 s (DESIGN §7).
const RETRY_AFTER_OUTAGE: u64 = 5;
/// How long a client should wait when we are merely busy, in seconds.
const RETRY_AFTER_BUSY: u64 = 1;
/// Seconds; what there is too much of goes away in hours.
const RETRY_AFTER_TOO_MANY: u64 = 3600;

/// What went wrong with the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GatewayTrouble {
    /// No connection to any of its addresses.
    Unreachable,
    /// It did not answer in time.
    Timeout,
    /// The connection broke before an answer came, or the answer was no HTTP.
    Broken,
    /// It refused the credential that we sent: our configuration is wrong, not the client (DESIGN §8).
    RejectedCredential,
}

impl GatewayTrouble {
    /// The closed-set word for logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Unreachable => "upstream_unreachable",
            Self::Timeout => "upstream_timeout",
            Self::Broken => "upstream_broken",
            Self::RejectedCredential => "upstream_rejected_credential",
        }
    }
}

/// Why a request is answered here and goes no further.
#[derive(Debug, Clone)]
pub enum Refusal {
    /// The bytes of the head are ambiguous or too many.
    Framing(FramingError),
    /// The head did not arrive in time.
    HeadTimeout,
    /// The body did not arrive in time.
    BodyTimeout,
    /// The body is longer than the route allows.
    BodyTooLarge,
    /// The body broke off or was not framed as announced.
    BodyBroken,
    /// A method that the gateway's router does not know.
    Method,
    /// The path can be read in more than one way.
    Path(PathError),
    /// More than one `Authorization` header.
    CredentialRepeated,
    /// Not authenticated; the challenge names the kinds that the route accepts.
    Unauthorized {
        /// Why.
        denial: Denial,
        /// What would be accepted.
        accepts: Accepts,
    },
    /// Authenticated, but without the scope.
    Forbidden {
        /// The scope that the route needs.
        scope: Scope,
    },
    /// A user of the gateway whom the configured account of the gateway does not stand for.
    NotServed,
    /// No route.
    NotFound,
    /// The caller has asked too much of us.
    TooMany(&'static str),
    /// Too many logins are being checked.
    Busy,
    /// More connections than configured.
    ConnectionsExhausted,
    /// Something that we depend on does not answer.
    Outage(&'static str),
    /// The denylist may be out of date, and the route is closed then.
    RevocationUnknown,
    /// The gateway.
    Gateway(GatewayTrouble),
    /// A token endpoint says no to what was asked, in the reference's words.
    TokenRequest(String),
    /// A token endpoint says no to the token that was good enough to get there.
    TokenSpent {
        /// For logs and metrics.
        label: &'static str,
        /// What would be accepted.
        accepts: Accepts,
    },
    /// A bug of ours.
    Internal(&'static str),
}

impl Refusal {
    /// A denial as an answer, on a route that accepts these kinds.
    pub fn from_denial(denial: Denial, accepts: Accepts) -> Self {
        match denial {
            Denial::ScopeMissing { scope } => Self::Forbidden { scope },
            Denial::RevocationUnknown => Self::RevocationUnknown,
            Denial::NoCredential
            | Denial::BadCredential(_)
            | Denial::KindNotAccepted
            | Denial::LoginFailed
            | Denial::TokenInvalid(_)
            | Denial::TokenRevoked(_) => Self::Unauthorized { denial, accepts },
        }
    }

    /// HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::Framing(error) => error.status(),
            Self::HeadTimeout | Self::BodyTimeout => 408,
            Self::BodyTooLarge => 413,
            Self::BodyBroken | Self::Method | Self::Path(_) | Self::CredentialRepeated | Self::TokenRequest(_) => 400,
            Self::Unauthorized { .. } | Self::TokenSpent { .. } => 401,
            Self::Forbidden { .. } | Self::NotServed => 403,
            Self::NotFound => 404,
            Self::Busy | Self::ConnectionsExhausted | Self::Outage(_) | Self::RevocationUnknown => 503,
            Self::TooMany(_) => 429,
            Self::Gateway(GatewayTrouble::Timeout) => 504,
            Self::Gateway(
                GatewayTrouble::Unreachable | GatewayTrouble::Broken | GatewayTrouble::RejectedCredential,
            ) => 502,
            Self::Internal(_) => 500,
        }
    }

    /// What a person reads.
    pub fn message(&self) -> Cow<'_, str> {
        match self {
            Self::Forbidden { scope } => Cow::Owned(format!("scope required: {scope}")),
            Self::TokenRequest(message) => Cow::Borrowed(message),
            Self::Method => Cow::Borrowed("Invalid http method"),
            Self::Framing(_)
            | Self::HeadTimeout
            | Self::BodyTimeout
            | Self::BodyTooLarge
            | Self::BodyBroken
            | Self::Path(_)
            | Self::CredentialRepeated
            | Self::Unauthorized { .. }
            | Self::TokenSpent { .. }
            | Self::NotServed
            | Self::NotFound
            | Self::TooMany(_)
            | Self::Busy
            | Self::ConnectionsExhausted
            | Self::Outage(_)
            | Self::RevocationUnknown
            | Self::Gateway(_)
            | Self::Internal(_) => Cow::Borrowed(phrase(self.status())),
        }
    }

    /// Whether the reference answers this as plain text (WIRE §1.7).
    fn is_text(&self) -> bool {
        matches!(self, Self::NotFound | Self::Method)
    }

    /// Whether the connection cannot be used after this answer.
    pub fn closes(&self) -> bool {
        matches!(
            self,
            Self::Framing(_)
                | Self::HeadTimeout
                | Self::BodyTimeout
                | Self::BodyTooLarge
                | Self::BodyBroken
                | Self::ConnectionsExhausted
        )
    }

    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::TooMany(_) => Some(RETRY_AFTER_TOO_MANY),
            Self::Busy | Self::ConnectionsExhausted => Some(RETRY_AFTER_BUSY),
            Self::Outage(_) | Self::RevocationUnknown => Some(RETRY_AFTER_OUTAGE),
            Self::Framing(_)
            | Self::HeadTimeout
            | Self::BodyTimeout
            | Self::BodyTooLarge
            | Self::BodyBroken
            | Self::Method
            | Self::Path(_)
            | Self::CredentialRepeated
            | Self::Unauthorized { .. }
            | Self::Forbidden { .. }
            | Self::NotServed
            | Self::NotFound
            | Self::Gateway(_)
            | Self::TokenRequest(_)
            | Self::TokenSpent { .. }
            | Self::Internal(_) => None,
        }
    }

    /// `WWW-Authenticate` values, one per kind (RFC 7617 §2, RFC 6750 §3).
    fn challenges(&self) -> Vec<HeaderValue> {
        let accepts = match self {
            Self::Unauthorized { accepts, .. } | Self::TokenSpent { accepts, .. } => *accepts,
            Self::Forbidden { scope } => {
                let text = format!("Bearer realm=\"gateward\", error=\"insufficient_scope\", scope=\"{scope}\"");
                return HeaderValue::from_str(&text).into_iter().collect();
            }
            Self::Framing(_)
            | Self::HeadTimeout
            | Self::BodyTimeout
            | Self::BodyTooLarge
            | Self::BodyBroken
            | Self::Method
            | Self::Path(_)
            | Self::CredentialRepeated
            | Self::NotServed
            | Self::NotFound
            | Self::TooMany(_)
            | Self::Busy
            | Self::ConnectionsExhausted
            | Self::Outage(_)
            | Self::RevocationUnknown
            | Self::Gateway(_)
            | Self::TokenRequest(_)
            | Self::Internal(_) => return Vec::new(),
        };
        let basic = HeaderValue::from_static("Basic realm=\"gateward\", charset=\"UTF-8\"");
        let bearer = if self.is_about_a_token() {
            HeaderValue::from_static("Bearer realm=\"gateward\", error=\"invalid_token\"")
        } else {
            // RFC 6750 §3.1: no error code when no token came.
            HeaderValue::from_static("Bearer realm=\"gateward\"")
        };
        accepts
            .basic
            .then_some(basic)
            .into_iter()
            .chain(accepts.jwt.then_some(bearer))
            .collect()
    }

    fn is_about_a_token(&self) -> bool {
        let tokens = |denial: &Denial| matches!(denial, Denial::TokenInvalid(_) | Denial::TokenRevoked(_));
        matches!(self, Self::TokenSpent { .. }) || matches!(self, Self::Unauthorized { denial, .. } if tokens(denial))
    }

    /// The closed-set word for logs and metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Framing(error) => error.label(),
            Self::HeadTimeout => "head_timeout",
            Self::BodyTimeout => "body_timeout",
            Self::BodyTooLarge => "body_too_large",
            Self::BodyBroken => "body_broken",
            Self::Method => "method_unknown",
            Self::Path(error) => error.label(),
            Self::CredentialRepeated => "authorization_repeated",
            Self::Unauthorized { denial, .. } => denial.label(),
            Self::Forbidden { .. } => "scope_missing",
            Self::NotServed => "not_served",
            Self::NotFound => "no_route",
            Self::Busy => "busy",
            Self::ConnectionsExhausted => "connections_exhausted",
            Self::Outage(label) | Self::TooMany(label) | Self::Internal(label) => label,
            Self::RevocationUnknown => "revocation_unknown",
            Self::Gateway(trouble) => trouble.label(),
            Self::TokenRequest(_) => "request_invalid",
            Self::TokenSpent { label, .. } => label,
        }
    }

    /// What a machine may tell apart (RFC 9457 `type`); no finer than what the status already says.
    fn kind(&self) -> &'static str {
        match self {
            Self::Framing(_) | Self::BodyBroken | Self::Method => "malformed-request",
            Self::HeadTimeout | Self::BodyTimeout => "request-timeout",
            Self::BodyTooLarge => "body-too-large",
            Self::Path(_) => "ambiguous-path",
            Self::CredentialRepeated => "authorization-repeated",
            Self::Unauthorized { .. } => "unauthorized",
            Self::Forbidden { .. } => "insufficient-scope",
            Self::NotServed => "not-served",
            Self::NotFound => "not-found",
            Self::TooMany(_) => "too-many-requests",
            Self::Busy | Self::ConnectionsExhausted => "busy",
            Self::Outage(_) | Self::RevocationUnknown => "unavailable",
            Self::Gateway(_) => "bad-gateway",
            Self::TokenRequest(_) | Self::TokenSpent { .. } => "token-request",
            Self::Internal(_) => "internal",
        }
    }

    /// The whole answer.
    pub fn to_answer(&self, about: &Circumstances<'_>) -> Answer {
        let message = self.message();
        let mut answer = if about.wants_problem {
            Answer::new(self.status(), PROBLEM_JSON, self.problem(&message, about), about)
        } else if self.is_text() {
            let text = Bytes::copy_from_slice(message.as_bytes());
            Answer::new(self.status(), TEXT, text, about)
        } else {
            Answer::new(self.status(), JSON, error_body(&message), about)
        };
        for challenge in self.challenges() {
            answer.fields.push(("WWW-Authenticate", challenge));
        }
        if let Some(seconds) = self.retry_after() {
            answer.fields.push(("Retry-After", HeaderValue::from(seconds)));
        }
        answer
    }

    /// RFC 9457; `message` stays for clients that read only that.
    fn problem(&self, message: &str, about: &Circumstances<'_>) -> Bytes {
        let status = self.status();
        let problem = serde_json::json!({
            "type": format!("urn:gateward:problem:{}", self.kind()),
            "title": phrase(status),
            "status": status,
            "detail": message,
            "instance": format!("urn:gateward:request:{}", about.request_id),
            "message": message,
        });
        Bytes::from(problem.to_string())
    }
}

/// `{"message":"…"}` (WIRE §1.7).
fn error_body(message: &str) -> Bytes {
    Bytes::from(ErrorBody { message }.to_json())
}

#[cfg(test)]
mod tests;
