//! What does a client see when the sidecar answers itself?
//!
//! Every refusal of this process is one value of [`Refusal`], and one exhaustive match per column turns it
//! into status, text, challenge and label (DESIGN §10, WIRE §1.3, §1.7). Texts for clients never derive from
//! internal texts: labels go to the log, messages to the client. Sending is in [`delivery`].

pub(crate) mod delivery;

use std::borrow::Cow;

use bytes::Bytes;
use gateward_auth::{Accepts, Denial, Scope};
use gateward_contract::ErrorBody;
use gateward_contract::headers::{JSON, LINK_USER_API, PROBLEM_JSON, TEXT};
use gateward_policy::PathError;
use http::HeaderValue;
use pingora::http::ResponseHeader;

use crate::framing::FramingError;

/// How long a client should wait when something that we depend on is away, in seconds: a store that is back
/// is noticed within 5 s (DESIGN §7).
const RETRY_AFTER_OUTAGE: u64 = 5;
/// How long a client should wait when we are merely busy, in seconds.
const RETRY_AFTER_BUSY: u64 = 1;

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
    /// No route.
    NotFound,
    /// Too many failed logins.
    Throttled {
        /// Seconds until another attempt is looked at.
        retry_after: u64,
    },
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
    /// A token endpoint says no, in the reference's words.
    Endpoint {
        /// HTTP status.
        status: u16,
        /// Text for the client.
        message: String,
        /// For logs and metrics.
        label: &'static str,
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
            Self::BodyBroken | Self::Method | Self::Path(_) | Self::CredentialRepeated => 400,
            Self::Unauthorized { .. } => 401,
            Self::Forbidden { .. } => 403,
            Self::NotFound => 404,
            Self::Throttled { .. } => 429,
            Self::Busy | Self::ConnectionsExhausted | Self::Outage(_) | Self::RevocationUnknown => 503,
            Self::Gateway(GatewayTrouble::Timeout) => 504,
            Self::Gateway(
                GatewayTrouble::Unreachable | GatewayTrouble::Broken | GatewayTrouble::RejectedCredential,
            ) => 502,
            Self::Endpoint { status, .. } => *status,
            Self::Internal(_) => 500,
        }
    }

    /// What a person reads.
    pub fn message(&self) -> Cow<'_, str> {
        match self {
            Self::Forbidden { scope } => Cow::Owned(format!("scope required: {scope}")),
            Self::Endpoint { message, .. } => Cow::Borrowed(message),
            Self::Method => Cow::Borrowed("Invalid http method"),
            Self::Framing(_)
            | Self::HeadTimeout
            | Self::BodyTimeout
            | Self::BodyTooLarge
            | Self::BodyBroken
            | Self::Path(_)
            | Self::CredentialRepeated
            | Self::Unauthorized { .. }
            | Self::NotFound
            | Self::Throttled { .. }
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
            Self::Throttled { retry_after } => Some((*retry_after).max(1)),
            Self::Busy | Self::ConnectionsExhausted => Some(RETRY_AFTER_BUSY),
            Self::Outage(_) | Self::RevocationUnknown => Some(RETRY_AFTER_OUTAGE),
            Self::Endpoint { status: 503, .. } => Some(RETRY_AFTER_OUTAGE),
            Self::Endpoint { status: 429, .. } => Some(RETRY_AFTER_BUSY),
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
            | Self::NotFound
            | Self::Gateway(_)
            | Self::Endpoint { .. }
            | Self::Internal(_) => None,
        }
    }

    /// `WWW-Authenticate` values, one per kind (RFC 7617 §2, RFC 6750 §3).
    fn challenges(&self) -> Vec<HeaderValue> {
        let accepts = match self {
            Self::Unauthorized { accepts, .. } => *accepts,
            Self::Endpoint { status: 401, .. } => Accepts {
                basic: false,
                jwt: true,
            },
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
            | Self::NotFound
            | Self::Throttled { .. }
            | Self::Busy
            | Self::ConnectionsExhausted
            | Self::Outage(_)
            | Self::RevocationUnknown
            | Self::Gateway(_)
            | Self::Endpoint { .. }
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
        matches!(self, Self::Endpoint { status: 401, .. })
            || matches!(self, Self::Unauthorized { denial, .. } if tokens(denial))
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
            Self::NotFound => "no_route",
            Self::Throttled { .. } => "throttled",
            Self::Busy => "busy",
            Self::ConnectionsExhausted => "connections_exhausted",
            Self::Outage(label) | Self::Internal(label) => label,
            Self::RevocationUnknown => "revocation_unknown",
            Self::Gateway(trouble) => trouble.label(),
            Self::Endpoint { label, .. } => label,
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
            Self::NotFound => "not-found",
            Self::Throttled { .. } => "too-many-failed-logins",
            Self::Busy | Self::ConnectionsExhausted => "busy",
            Self::Outage(_) | Self::RevocationUnknown => "unavailable",
            Self::Gateway(_) => "bad-gateway",
            Self::Endpoint { .. } => "token-request",
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

/// What an answer depends on besides its reason.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// Goes into `X-Request-ID`.
    pub request_id: &'a str,
    /// The path is part of the user API: the reference's `Link` header belongs to the answer.
    pub user_api: bool,
    /// The client asked for `application/problem+json` (RFC 9457).
    pub wants_problem: bool,
}

/// An answer made here.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    fields: Vec<(&'static str, HeaderValue)>,
    body: Bytes,
}

impl Answer {
    /// An answer with a body.
    pub fn new(status: u16, content_type: &'static str, body: Bytes, about: &Circumstances<'_>) -> Self {
        let mut answer = Self::empty(status, about);
        answer
            .fields
            .push(("Content-Type", HeaderValue::from_static(content_type)));
        answer.fields.push(("Content-Length", HeaderValue::from(body.len())));
        answer.body = body;
        answer
    }

    /// An answer without a body, such as 204.
    pub fn empty(status: u16, about: &Circumstances<'_>) -> Self {
        let mut fields = Vec::with_capacity(8);
        if let Ok(id) = HeaderValue::from_str(about.request_id) {
            fields.push(("X-Request-ID", id));
        }
        if about.user_api {
            fields.push(("Link", HeaderValue::from_static(LINK_USER_API)));
        }
        Self {
            status,
            fields,
            body: Bytes::new(),
        }
    }

    /// Forbids every cache to keep it (RFC 6750 §5.3: answers that hold tokens).
    #[must_use]
    pub fn not_stored(mut self) -> Self {
        self.fields
            .push(("Cache-Control", HeaderValue::from_static("no-store")));
        self
    }

    /// HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The head and the body for Pingora, which adds `Date` and `Connection`.
    pub fn into_parts(self) -> pingora::Result<(ResponseHeader, Bytes)> {
        let mut header = ResponseHeader::build(self.status, Some(self.fields.len() + 2))?;
        for (name, value) in self.fields {
            header.append_header(name, value)?;
        }
        Ok((header, self.body))
    }

    /// The answer as bytes of HTTP/1.1, for connections that are closed after it.
    pub fn to_last_words(&self, date: &HeaderValue) -> Vec<u8> {
        let mut bytes = format!("HTTP/1.1 {} {}\r\n", self.status, phrase(self.status)).into_bytes();
        let close = [("Date", date), ("Connection", &HeaderValue::from_static("close"))];
        let fields = self.fields.iter().map(|(name, value)| (*name, value));
        for (name, value) in fields.chain(close) {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// The reference's text for a status (fiber's table; it differs from newer names such as "Content Too Large").
pub(crate) fn phrase(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Request Entity Too Large",
        414 => "Request URI Too Long",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Internal Server Error",
    }
}

#[cfg(test)]
mod tests;
