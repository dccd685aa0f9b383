//! The logs of phones: they stay there (WIRE §3.12).

use axum::{http::StatusCode, routing::get};

use crate::http::{ApiError, Caller, Routes};

pub(crate) fn routes() -> Routes {
    Routes::new().at(&["/api/3rdparty/v1/logs"], get(list))
}

async fn list(Caller(_): Caller) -> ApiError {
    let text = "For privacy reasons, device's logs are not accessible through Cloud server";
    ApiError::new(StatusCode::NOT_IMPLEMENTED, text)
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;

    #[tokio::test]
    async fn logs_stay_on_the_phones() {
        let bench = Bench::new().await;
        let phone = bench.register("{}").await;
        for path in [
            "/api/3rdparty/v1/logs",
            "/api/3rdparty/v1/logs?from=2026-01-01T00:00:00Z&to=x",
        ] {
            let answer = bench.ask("GET", path, &bench.minted(&phone.login)).await;
            let text = "For privacy reasons, device's logs are not accessible through Cloud server";
            assert_eq!(answer.refusal(), (501, text.to_owned()));
            assert_eq!(bench.ask("GET", path, "").await.refusal().0, 401);
        }
    }
}
