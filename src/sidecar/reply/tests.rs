#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use gateward_auth::TokenError;

use super::*;
use crate::endpoints::EndpointRefusal;

const ABOUT: Circumstances<'_> = Circumstances {
    request_id: "r-1",
    user_api: true,
    wants_problem: false,
};

fn fields(answer: &Answer, name: &str) -> Vec<String> {
    let named = answer.fields.iter().filter(|(field, _)| *field == name);
    named.map(|(_, value)| value.to_str().unwrap().to_owned()).collect()
}

fn unauthorized(denial: Denial, accepts: Accepts) -> Answer {
    Refusal::from_denial(denial, accepts).to_answer(&ABOUT)
}

#[test]
fn a_401_offers_every_kind_that_the_route_accepts() {
    let answer = unauthorized(Denial::NoCredential, Accepts::BOTH);
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.body, "{\"message\":\"Unauthorized\"}");
    assert_eq!(
        fields(&answer, "WWW-Authenticate"),
        [
            "Basic realm=\"gateward\", charset=\"UTF-8\"",
            "Bearer realm=\"gateward\""
        ]
    );
    let only_jwt = unauthorized(
        Denial::KindNotAccepted,
        Accepts {
            basic: false,
            jwt: true,
        },
    );
    assert_eq!(fields(&only_jwt, "WWW-Authenticate"), ["Bearer realm=\"gateward\""]);
    let only_basic = unauthorized(
        Denial::LoginFailed,
        Accepts {
            basic: true,
            jwt: false,
        },
    );
    assert_eq!(
        fields(&only_basic, "WWW-Authenticate"),
        ["Basic realm=\"gateward\", charset=\"UTF-8\""]
    );
}

#[test]
fn a_bad_token_is_named_as_rfc_6750_wants() {
    let answer = unauthorized(Denial::TokenInvalid(TokenError::RefreshOnly), Accepts::BOTH);
    assert_eq!(
        fields(&answer, "WWW-Authenticate")[1],
        "Bearer realm=\"gateward\", error=\"invalid_token\""
    );
}

#[test]
fn a_token_that_is_spent_gets_the_challenges_of_its_route() {
    for (accepts, challenges) in [
        (Accepts::BOTH, 2),
        (
            Accepts {
                basic: false,
                jwt: true,
            },
            1,
        ),
    ] {
        let refusal = EndpointRefusal::Unauthorized("refresh_reuse").on_route(accepts);
        let answer = refusal.to_answer(&ABOUT);
        assert_eq!((answer.status(), refusal.label()), (401, "refresh_reuse"));
        assert_eq!(answer.body, "{\"message\":\"Unauthorized\"}");
        let told = fields(&answer, "WWW-Authenticate");
        assert_eq!(told.len(), challenges);
        assert_eq!(
            told.last().unwrap(),
            "Bearer realm=\"gateward\", error=\"invalid_token\""
        );
    }
}

#[test]
fn a_missing_scope_is_403_in_the_words_of_the_reference() {
    let scope = Scope::parse("messages:send").unwrap();
    let answer = unauthorized(Denial::ScopeMissing { scope }, Accepts::BOTH);
    assert_eq!(answer.status(), 403);
    assert_eq!(answer.body, "{\"message\":\"scope required: messages:send\"}");
    assert_eq!(fields(&answer, "Content-Type"), ["application/json"]);
    assert_eq!(
        fields(&answer, "Link"),
        ["</.well-known/api-catalog>; rel=\"api-catalog\""]
    );
    assert_eq!(fields(&answer, "X-Request-ID"), ["r-1"]);
}

#[test]
fn an_unknown_path_is_plain_text() {
    let answer = Refusal::NotFound.to_answer(&Circumstances {
        user_api: false,
        ..ABOUT
    });
    assert_eq!(answer.body, "Not Found");
    assert_eq!(fields(&answer, "Content-Type"), ["text/plain; charset=utf-8"]);
    assert!(fields(&answer, "Link").is_empty());
}

#[test]
fn who_has_to_wait_is_told_how_long() {
    let wait = |refusal: Refusal| fields(&refusal.to_answer(&ABOUT), "Retry-After");
    assert_eq!(wait(Refusal::Outage("store")), ["5"]);
    assert_eq!(wait(Refusal::RevocationUnknown), ["5"]);
    assert_eq!(wait(Refusal::Busy), ["1"]);
    assert!(wait(Refusal::NotFound).is_empty());
}

#[test]
fn the_same_facts_come_as_a_problem_when_asked_for() {
    let about = Circumstances {
        wants_problem: true,
        ..ABOUT
    };
    let answer = Refusal::BodyTooLarge.to_answer(&about);
    let problem: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(problem["status"], 413);
    assert_eq!(problem["type"], "urn:gateward:problem:body-too-large");
    assert_eq!(problem["message"], "Request Entity Too Large");
    assert_eq!(fields(&answer, "Content-Type"), ["application/problem+json"]);
}

#[test]
fn too_much_asked_is_429_and_says_when_to_come_back() {
    let refusal = EndpointRefusal::TooMany.on_route(Accepts::BOTH);
    let answer = refusal.to_answer(&ABOUT);
    assert_eq!(
        (refusal.status(), &answer.body[..]),
        (429, &br#"{"message":"Too Many Requests"}"#[..])
    );
    assert_eq!(fields(&answer, "Retry-After"), ["3600"]);
    assert!(!refusal.closes());
}

#[test]
fn last_words_close_the_connection() {
    let date = HeaderValue::from_static("Sat, 21 Nov 2026 08:00:00 GMT");
    let bytes = Refusal::Framing(FramingError::LengthRepeated)
        .to_answer(&ABOUT)
        .to_last_words(&date);
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{text}");
    assert!(text.contains("\r\nConnection: close\r\n"), "{text}");
    assert!(text.ends_with("\r\n\r\n{\"message\":\"Bad Request\"}"), "{text}");
}

#[test]
fn every_gateway_trouble_is_a_5xx_that_says_nothing_about_it() {
    for trouble in [
        GatewayTrouble::Unreachable,
        GatewayTrouble::Timeout,
        GatewayTrouble::Broken,
        GatewayTrouble::RejectedCredential,
    ] {
        let refusal = Refusal::Gateway(trouble);
        assert!((502..=504).contains(&refusal.status()));
        assert!(!refusal.message().contains("upstream"));
        assert!(refusal.clone().to_answer(&ABOUT).into_parts().is_ok());
    }
}
