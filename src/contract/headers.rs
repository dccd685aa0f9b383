//! Which header names and fixed values do the two processes and their clients share (WIRE §1.6, DESIGN §8)? Names are in
//! lower case, as HTTP/2 writes them.

/// Echoed when the client sent a sane one, made otherwise.
pub const X_REQUEST_ID: &str = "x-request-id";
/// The number of items before paging, on lists.
pub const X_TOTAL_COUNT: &str = "x-total-count";
/// Where the catalogue and the documents are.
pub const LINK: &str = "link";

/// From the core to the sidecar: whose password was changed by the request that this answers. The sidecar drops that
/// user's cached logins, revokes the user's tokens, and removes the header.
pub const X_GATEWARD_USER: &str = "x-gateward-user";

/// `Content-Type` of every JSON body, errors included: no charset.
pub const JSON: &str = "application/json";
/// `Content-Type` of text bodies.
pub const TEXT: &str = "text/plain; charset=utf-8";
/// `Content-Type` of RFC 9457 bodies, for clients that ask for them.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// `Link` on every answer under `/api/3rdparty/v1`.
pub const LINK_USER_API: &str = r#"</.well-known/api-catalog>; rel="api-catalog""#;
/// `Link` on every other answer, with the public path at its default, `/api`.
pub const LINK_OTHER: &str = concat!(
    r#"</.well-known/api-catalog>; rel="api-catalog", </api/docs/doc.json>; rel="service-desc", "#,
    r#"<https://docs.sms-gate.app/>; rel="service-doc", </.well-known/api-catalog>; rel="describedby""#
);

/// `Link` outside the user API for a public path, which begins with `/` and does not end with one (unless it is `/`).
pub fn link_other(public_path: &str) -> String {
    let path = public_path.trim_end_matches('/');
    LINK_OTHER.replacen("</api/docs", &format!("<{path}/docs"), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_follows_the_public_path() {
        assert_eq!(link_other("/api"), LINK_OTHER);
        assert!(link_other("/").contains(", </docs/doc.json>; rel=\"service-desc\""));
        assert!(link_other("/sms/v2").contains(", </sms/v2/docs/doc.json>; "));
    }
}
