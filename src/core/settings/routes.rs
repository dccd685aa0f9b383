//! `GET /3rdparty/v1/settings` (WIRE §3.11): also what the sidecar checks a login with.

use std::sync::Arc;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Map, Value};

use super::store;
use crate::{
    App,
    http::{ApiError, CallerOrLogin, Json, Routes},
};

/// What a device is told and API clients are not: section and key.
const SECRETS: [(&str, &str); 2] = [("encryption", "passphrase"), ("webhooks", "signing_key")];

pub(crate) fn routes() -> Routes {
    Routes::new().at(&["/api/3rdparty/v1/settings"], get(show))
}

async fn show(State(app): State<Arc<App>>, CallerOrLogin(user): CallerOrLogin) -> Result<Response, ApiError> {
    let settings = store::of(&app.database, &user).await?;
    Ok(Json(public(settings)).into_response())
}

/// Without the secrets; a section that had nothing else stays, empty.
fn public(mut settings: Map<String, Value>) -> Map<String, Value> {
    for (section, key) in SECRETS {
        if let Some(Value::Object(section)) = settings.get_mut(section) {
            section.remove(key);
        }
    }
    settings
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let stored = json!({
            "encryption": {"passphrase": "p"},
            "webhooks": {"retry_count": 3, "signing_key": "k"},
            "ping": null,
        });
        let Value::Object(stored) = stored else { unreachable!() };
        assert_eq!(
            Value::Object(public(stored)),
            json!({"encryption": {}, "webhooks": {"retry_count": 3}, "ping": null})
        );
    }
}
