//! Where are this gateway's APIs? The link set of RFC 9727 (WIRE §1.10), for anybody who asks the host.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::Response,
    routing::get,
};
use gateward_contract::{headers, json};
use serde::Serialize;

use crate::{
    App,
    config::PublicApi,
    http::{AskedHost, ClientAddress, RateLimiter, Routes},
};

const KIND: &str = r#"application/linkset+json; profile="https://www.rfc-editor.org/info/rfc9727""#;
const DOCUMENTATION: &str = "https://docs.sms-gate.app/";
const WINDOW: Duration = Duration::from_secs(60);

/// 60 requests a minute.
pub(crate) fn limiter() -> RateLimiter {
    RateLimiter::new(60, WINDOW)
}

pub(crate) fn routes() -> Routes {
    Routes::new().at(&["/.well-known/api-catalog"], get(show))
}

async fn show(State(app): State<Arc<App>>, ClientAddress(client): ClientAddress, host: AskedHost) -> Response {
    let answer = async {
        let fields = [
            (header::CONTENT_TYPE, HeaderValue::from_static(KIND)),
            (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600")),
            (header::LINK, HeaderValue::from_static(headers::LINK_USER_API)),
        ];
        (fields, json::to_vec(&Catalog::of(app.config.http.api.as_ref(), &host)))
    };
    app.catalog_limit.guard(client, app.now(), answer).await
}

#[derive(Debug, Serialize)]
struct Catalog {
    linkset: [Links; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Links {
    anchor: String,
    service_desc: [Target; 1],
    service_doc: [Target; 1],
    status: [Target; 1],
}

#[derive(Debug, Serialize)]
struct Target {
    href: String,
    #[serde(rename = "type")]
    kind: &'static str,
}

impl Catalog {
    /// At the configured host and path, or else where the client asked.
    fn of(api: Option<&PublicApi>, asked: &AskedHost) -> Self {
        let (host, path) = match api {
            Some(api) => (api.host.as_str(), api.path.trim_matches('/')),
            None => (asked.0.as_str(), "api"),
        };
        let slash = if path.is_empty() { "" } else { "/" };
        let base = format!("https://{host}{slash}{path}");
        let json = |href| {
            [Target {
                href,
                kind: headers::JSON,
            }]
        };
        Self {
            linkset: [Links {
                anchor: format!("{base}/3rdparty/v1"),
                service_desc: json(format!("{base}/docs/doc.json")),
                service_doc: [Target {
                    href: DOCUMENTATION.to_owned(),
                    kind: "text/html",
                }],
                status: json(format!("{base}/3rdparty/v1/health/ready")),
            }],
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use axum::body::Body;
    use axum::http::header;

    use super::*;
    use crate::testing::{Answer, Bench, request};

    const PATH: &str = "/.well-known/api-catalog";

    async fn ask(bench: &Bench, host: &str) -> Answer {
        let asked = request("GET", PATH, "").header(header::HOST, host);
        bench.send(asked.body(Body::empty()).unwrap()).await
    }

    fn anchor(answer: &Answer) -> String {
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        body["linkset"][0]["anchor"].as_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn the_link_set_names_the_host_that_was_asked() {
        let bench = Bench::new().await;
        let answer = ask(&bench, "sms.example.com:8443").await;
        assert_eq!(
            answer.body,
            concat!(
                r#"{"linkset":[{"anchor":"https://sms.example.com:8443/api/3rdparty/v1","#,
                r#""service-desc":[{"href":"https://sms.example.com:8443/api/docs/doc.json","type":"application/json"}],"#,
                r#""service-doc":[{"href":"https://docs.sms-gate.app/","type":"text/html"}],"#,
                r#""status":[{"href":"https://sms.example.com:8443/api/3rdparty/v1/health/ready","type":"application/json"}]}]}"#
            )
        );
        for (name, value) in [
            ("content-type", KIND),
            ("cache-control", "public, max-age=3600"),
            ("link", headers::LINK_USER_API),
            ("x-ratelimit-limit", "60"),
            ("x-ratelimit-remaining", "59"),
            ("x-ratelimit-reset", "60"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{name}");
        }
    }

    #[tokio::test]
    async fn a_configured_address_wins_over_the_one_that_was_asked() {
        for (path, expected) in [
            ("/gw", "https://sms.example.com/gw/3rdparty/v1"),
            ("/", "https://sms.example.com/3rdparty/v1"),
        ] {
            let bench = Bench::with(|config| {
                let (host, path) = ("sms.example.com".into(), path.into());
                config.http.api = Some(PublicApi { host, path });
            })
            .await;
            assert_eq!(anchor(&ask(&bench, "other.example").await), expected);
        }
    }

    #[tokio::test]
    async fn a_proxy_that_is_believed_says_which_host_was_asked() {
        let asked = |builder: axum::http::request::Builder| {
            let asked = builder
                .header(header::HOST, "127.0.0.1:3100")
                .header("X-Forwarded-Host", "front.example, back.example");
            asked.body(Body::empty()).unwrap()
        };
        let bench = Bench::new().await;
        let answer = bench.send(asked(request("GET", PATH, ""))).await;
        assert_eq!(anchor(&answer), "https://front.example/api/3rdparty/v1");

        let bench = Bench::with(|config| config.http.proxies = vec!["192.0.2.0/24".parse().unwrap()]).await;
        let answer = bench.send(asked(request("GET", PATH, ""))).await;
        assert_eq!(anchor(&answer), "https://127.0.0.1:3100/api/3rdparty/v1");
    }

    #[tokio::test]
    async fn the_sixty_first_within_a_minute_is_refused_and_others_are_not() {
        let bench = Bench::new().await;
        for _ in 0..60 {
            assert_eq!(bench.ask("HEAD", PATH, "").await.status, 200);
        }
        let refused = ask(&bench, "sms.example.com").await;
        assert_eq!(refused.text(), (429, "Too Many Requests"));
        assert_eq!(refused.header("retry-after"), Some("60"));
        assert_eq!(refused.header("x-ratelimit-limit"), None);
        let other = request("GET", PATH, "").header("X-Forwarded-For", "203.0.113.7");
        assert_eq!(bench.send(other.body(Body::empty()).unwrap()).await.status, 200);
    }
}
