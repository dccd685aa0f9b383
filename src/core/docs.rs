//! What does the API say about itself? The user API as a Swagger 2.0 document (WIRE §1.11), for whoever asks, if
//! `http.openapi.enabled` says so. A page to look at it with is not part of it: any viewer takes the document.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Map, Value, json};

use crate::{
    App,
    http::{ApiError, AskedHost, AskedScheme, Json, Routes},
};

/// Everything but where the server is.
const DOCUMENT: &str = include_str!("docs/swagger.json");

pub(crate) fn routes() -> Routes {
    Routes::new()
        .at(&["/api"], get(lead_to_docs))
        .at(&["/api/docs"], get(lead_to_document))
        .at(&["/api/docs/doc.json"], get(show))
}

/// As the reference, which has a page there.
async fn lead_to_docs(State(app): State<Arc<App>>) -> Response {
    lead(&app, "/docs")
}

async fn lead_to_document(State(app): State<Arc<App>>) -> Response {
    lead(&app, "/docs/doc.json")
}

fn lead(app: &App, path: &str) -> Response {
    let place = format!("{}{path}", public_path(app).trim_end_matches('/'));
    // Only a strange public path could be no header value.
    let place = HeaderValue::try_from(place).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, place)]).into_response()
}

async fn show(
    State(app): State<Arc<App>>,
    AskedHost(host): AskedHost,
    AskedScheme(scheme): AskedScheme,
) -> Result<Json<Map<String, Value>>, ApiError> {
    let mut document: Map<String, Value> = serde_json::from_str(DOCUMENT).map_err(|error| {
        tracing::error!(error = %error, "the api's description cannot be read");
        ApiError::internal()
    })?;
    let host = app.config.http.api.as_ref().map_or(host, |api| api.host.clone());
    document.insert("host".to_owned(), host.into());
    document.insert("basePath".to_owned(), public_path(&app).into());
    document.insert("schemes".to_owned(), json!([scheme]));
    if let Some(Value::Object(info)) = document.get_mut("info") {
        info.insert("version".to_owned(), env!("CARGO_PKG_VERSION").into());
    }
    Ok(Json(document))
}

fn public_path(app: &App) -> &str {
    app.config.http.api.as_ref().map_or("/api", |api| api.path.as_str())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use axum::body::Body;
    use serde_json::{Value, json};

    use crate::{
        config::PublicApi,
        testing::{Answer, Bench, request},
    };

    async fn ask(bench: &Bench) -> Answer {
        let asked = request("GET", "/api/docs/doc.json", "")
            .header("host", "sms.example.com")
            .header("x-forwarded-proto", "https");
        bench.send(asked.body(Body::empty()).unwrap()).await
    }

    #[tokio::test]
    async fn the_description_is_there_only_if_it_is_wanted() {
        let bench = Bench::new().await;
        for path in ["/api", "/api/docs", "/api/docs/doc.json"] {
            assert_eq!(bench.ask("GET", path, "").await.text(), (404, "Not Found"), "{path}");
        }
        let bench = Bench::with(|config| config.http.openapi = true).await;
        for (path, place) in [
            ("/api", "/api/docs"),
            ("/api/", "/api/docs"),
            ("/api/docs", "/api/docs/doc.json"),
            ("/api/docs/", "/api/docs/doc.json"),
        ] {
            let answer = bench.ask("GET", path, "").await;
            assert_eq!(answer.status, 301, "{path}");
            assert_eq!(answer.header("location"), Some(place), "{path}");
        }
        let document = ask(&bench).await.json();
        assert_eq!(document["swagger"], "2.0");
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(document["host"], "sms.example.com");
        assert_eq!(
            (&document["basePath"], &document["schemes"]),
            (&json!("/api"), &json!(["https"]))
        );
    }

    #[tokio::test]
    async fn it_says_where_the_api_is_for_the_public() {
        let bench = Bench::with(|config| {
            config.http.openapi = true;
            let (host, path) = ("public.example.com".to_owned(), "/gw".to_owned());
            config.http.api = Some(PublicApi { host, path });
        })
        .await;
        let document = ask(&bench).await.json();
        assert_eq!(
            (&document["host"], &document["basePath"]),
            (&json!("public.example.com"), &json!("/gw"))
        );
        let led = bench.ask("GET", "/api", "").await;
        assert_eq!(led.header("location"), Some("/gw/docs"));
        let led = bench.ask("GET", "/api/docs", "").await;
        assert_eq!(led.header("location"), Some("/gw/docs/doc.json"));
    }

    #[tokio::test]
    async fn what_is_described_exists_and_refers_to_what_is_described() {
        let bench = Bench::with(|config| config.http.openapi = true).await;
        let phone = bench.register("{}").await;
        let document = ask(&bench).await.json();
        let mut operations = 0;
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                operations += 1;
                let in_path = path.matches('{').count();
                let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
                let named = parameters.iter().filter(|parameter| parameter["in"] == "path").count();
                assert_eq!(in_path, named, "{method} {path}");
                if path.contains("/auth/") {
                    continue; // Those are the sidecar's.
                }
                let path = format!("/api{}", path.replace("{id}", "x"));
                let answer = bench
                    .ask(&method.to_uppercase(), &path, &bench.minted(&phone.login))
                    .await;
                assert_ne!(answer.body, "Not Found", "{method} {path}");
                assert!(
                    operation["responses"].get(answer.status.as_str()).is_some(),
                    "{method} {path}: {answer:?}"
                );
            }
        }
        assert_eq!(operations, 23);
        let mut references = Vec::new();
        collect(&document, &mut references);
        assert!(references.len() > 50);
        for name in references {
            let name = name.strip_prefix("#/definitions/").unwrap().to_owned();
            assert!(document["definitions"].get(&name).is_some(), "{name}");
        }
    }

    fn collect(value: &Value, references: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                references.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|value| collect(value, references));
            }
            Value::Array(items) => items.iter().for_each(|value| collect(value, references)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}
