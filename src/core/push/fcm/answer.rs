//! What does FCM's answer mean? Pure.
//!
//! As documented in "FCM REST error codes": the status and the code in `error.details` say whose fault it is.

use std::time::Duration;

use serde::Deserialize;

use crate::push::{call::Answer, courier::Outcome};

/// How long to wait after "too many requests" without a time, as the documentation asks; and when we are not let in.
const CALM_DOWN: Duration = Duration::from_secs(60);

/// The field that a bad request names when its token is wrong.
const TOKEN: &str = "message.token";

/// What an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) outcome: Outcome,
    /// How long nothing more should be sent.
    pub(super) pause: Option<Duration>,
    /// How long nothing more should be sent to this token.
    pub(super) rest: Option<Duration>,
}

impl Verdict {
    /// Nothing was said.
    pub(super) const FAILED: Self = Self::of(Outcome::Failed);
    /// We are not let in, whatever we send: somebody has to put that right, and until then it is nobody's failure.
    pub(super) const LOCKED_OUT: Self = Self {
        pause: Some(CALM_DOWN),
        ..Self::of(Outcome::Postponed)
    };

    const fn of(outcome: Outcome) -> Self {
        Self {
            outcome,
            pause: None,
            rest: None,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
struct Body {
    #[serde(default)]
    error: Problem,
}

#[derive(Debug, Default, Deserialize)]
struct Problem {
    #[serde(default)]
    details: Vec<Detail>,
}

/// One of `FcmError` and `BadRequest`; others have neither field.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    #[serde(default)]
    error_code: Option<String>,
    #[serde(default)]
    field_violations: Vec<FieldViolation>,
}

#[derive(Debug, Deserialize)]
struct FieldViolation {
    #[serde(default)]
    field: String,
}

impl Problem {
    fn is(&self, code: &str) -> bool {
        let codes = self.details.iter().filter_map(|detail| detail.error_code.as_deref());
        codes.into_iter().any(|known| known == code)
    }

    /// Whether it is the token that is no token: the field says so, or FCM refuses without naming a field.
    fn is_about_the_token(&self) -> bool {
        let mut fields = self
            .details
            .iter()
            .flat_map(|detail| &detail.field_violations)
            .peekable();
        if fields.peek().is_none() {
            return self.is("INVALID_ARGUMENT");
        }
        fields.any(|violation| violation.field == TOKEN)
    }
}

/// Judges one send.
pub(super) fn judge(answer: &Answer) -> Verdict {
    let status = answer.status.as_u16();
    if answer.status.is_success() {
        return Verdict::of(Outcome::Sent);
    }
    // Proxies on the way answer in other words: then only the status counts.
    let Body { error } = serde_json::from_slice(&answer.body).unwrap_or_default();
    let outcome = match status {
        404 if error.is("UNREGISTERED") => Outcome::Unreachable,
        403 if error.is("SENDER_ID_MISMATCH") => Outcome::Unreachable,
        400 if error.is_about_the_token() => Outcome::Unreachable,
        400 => Outcome::Refused,
        429 => Outcome::Postponed,
        // About a phone that a third party has to be asked about, and only about that one.
        401 if error.is("THIRD_PARTY_AUTH_ERROR") => Outcome::Failed,
        // Without one of these codes they are about the account or the project.
        401 | 403 | 404 => {
            tracing::error!(
                status,
                "fcm does not let us push: account or project are not what it expects"
            );
            return Verdict::LOCKED_OUT;
        }
        _ => Outcome::Failed,
    };
    tracing::warn!(status, outcome = ?outcome, "fcm refused a push");
    Verdict {
        outcome,
        pause: answer.retry_after.filter(|_| status >= 500),
        // Whose rate it is, the project's or one phone's, the code does not say; that others are refused, too, does.
        rest: (status == 429).then(|| answer.retry_after.unwrap_or(CALM_DOWN)),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use reqwest::StatusCode;
    use serde_json::json;

    use super::*;

    fn judged(status: u16, retry_after: Option<u64>, details: &serde_json::Value) -> Verdict {
        let body = json!({ "error": { "code": status, "message": "…", "status": "…", "details": details } });
        judge(&Answer {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: retry_after.map(Duration::from_secs),
            body: body.to_string().into_bytes(),
        })
    }

    fn fcm_error(code: &str) -> serde_json::Value {
        json!({ "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code })
    }

    fn bad_request(field: &str) -> serde_json::Value {
        json!({
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [{ "field": field, "description": "…" }],
        })
    }

    #[test]
    fn a_token_that_nobody_has_any_more_is_unreachable() {
        for (status, details) in [
            (404, json!([fcm_error("UNREGISTERED")])),
            (403, json!([fcm_error("SENDER_ID_MISMATCH")])),
            (400, json!([fcm_error("INVALID_ARGUMENT")])),
            (
                400,
                json!([fcm_error("INVALID_ARGUMENT"), bad_request("message.token")]),
            ),
            (400, json!([bad_request("message.token")])),
        ] {
            assert_eq!(
                judged(status, None, &details),
                Verdict::of(Outcome::Unreachable),
                "{details}"
            );
        }
    }

    #[test]
    fn a_message_that_is_bad_says_nothing_about_its_token() {
        for details in [
            json!([]),
            json!([bad_request("message.data[0].value")]),
            json!([bad_request("message"), fcm_error("INVALID_ARGUMENT")]),
        ] {
            assert_eq!(judged(400, None, &details), Verdict::of(Outcome::Refused), "{details}");
        }
    }

    #[test]
    fn what_is_wrong_with_the_project_may_be_put_right() {
        for (status, details) in [(401, json!([])), (403, json!([])), (404, json!([]))] {
            assert_eq!(judged(status, Some(9), &details), Verdict::LOCKED_OUT, "{status}");
        }
        let of_one_phone = json!([fcm_error("THIRD_PARTY_AUTH_ERROR")]);
        assert_eq!(judged(401, Some(9), &of_one_phone), Verdict::FAILED, "the others go on");
    }

    #[test]
    fn a_service_in_trouble_says_when_to_come_back() {
        for (status, after, outcome, pause, rest) in [
            (429, Some(7), Outcome::Postponed, None, Some(7)),
            (429, None, Outcome::Postponed, None, Some(60)),
            (503, Some(7), Outcome::Failed, Some(7), None),
            (503, None, Outcome::Failed, None, None),
            (500, None, Outcome::Failed, None, None),
        ] {
            let [pause, rest] = [pause, rest].map(|seconds| seconds.map(Duration::from_secs));
            assert_eq!(
                judged(status, after, &json!([])),
                Verdict { outcome, pause, rest },
                "{status}"
            );
        }
    }

    #[test]
    fn an_answer_that_is_no_json_is_judged_by_its_status() {
        let verdict = judge(&Answer {
            status: StatusCode::BAD_GATEWAY,
            retry_after: None,
            body: b"<!DOCTYPE html>".to_vec(),
        });
        assert_eq!(verdict, Verdict::FAILED);
    }
}
