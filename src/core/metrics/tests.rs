//! Tests of what is counted, and under which names.

use std::collections::BTreeSet;

use super::*;
use crate::config::Mode;
use crate::testing::{Bench, bearer};

/// WIRE §9, without `go_*` (of another language's runtime) and `sms_auth_jwt_*` (the sidecar's: tokens are its business).
const REFERENCE: [&str; 38] = [
    "http_request_duration_seconds",
    "http_requests_in_progress_total",
    "http_requests_total",
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_virtual_memory_bytes",
    "sms_events_enqueued_total",
    "sms_events_failed_total",
    "sms_events_sent_total",
    "sms_messages_cache_hits_total",
    "sms_messages_cache_misses_total",
    "sms_messages_limiter_batch_size",
    "sms_messages_limiter_checks_total",
    "sms_messages_limiter_query_errors_total",
    "sms_messages_limiter_refreshes_total",
    "sms_messages_total",
    "sms_online_batch_size",
    "sms_online_cache_latency_seconds",
    "sms_online_cache_operations_total",
    "sms_online_persistence_errors_total",
    "sms_online_persistence_latency_seconds",
    "sms_online_status_set_total",
    "sms_push_blacklist_total",
    "sms_push_enqueued_total",
    "sms_push_errors_total",
    "sms_push_retries_total",
    "sms_sse_active_connections",
    "sms_sse_connection_errors_total",
    "sms_sse_event_delivery_latency_seconds",
    "sms_sse_events_sent_total",
    "sms_sse_keepalives_sent_total",
    // Of the worker; where the database is SQLite it runs in the same process.
    "worker_executor_active_tasks",
    "worker_executor_task_duration_seconds",
    "worker_executor_task_result_total",
    // Not of the reference: threads come with the others of the process.
    "process_threads",
];

/// The families that show after each kind of thing has happened once.
#[tokio::test]
async fn the_metrics_are_those_of_the_reference() {
    let bench = Bench::with(|config| config.gateway.mode = Mode::Private).await;
    let listening = bench.register("{}").await;
    let absent = bench.register("{}").await;
    let pushed = bench.register(r#"{"pushToken":"push"}"#).await;
    let mut events = bench.listen(&listening).await;
    for phone in [&listening, &absent, &pushed] {
        let body = r#"{"message":"hi","phoneNumbers":["+79990001234"]}"#;
        let user = bench.minted(&phone.login);
        let answer = bench.tell("POST", "/api/3rdparty/v1/messages", &user, body).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        bench.ask("GET", "/api/mobile/v1/message", &bearer(&phone.token)).await;
    }
    events.next().await;
    bench.app.devices.flush_online().await.unwrap();

    let families = async || {
        let text = bench.ask("GET", "/metrics", "").await.body;
        let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        let names = types.filter_map(|line| line.split(' ').next().map(str::to_owned));
        names.collect::<BTreeSet<_>>()
    };
    let expected: BTreeSet<_> = REFERENCE.map(str::to_owned).into();
    // Events are told in the background.
    let mut shown = families().await;
    for _ in 0..1_000 {
        if shown == expected {
            break;
        }
        tokio::task::yield_now().await;
        shown = families().await;
    }
    let missing: Vec<_> = expected.difference(&shown).collect();
    let unknown: Vec<_> = shown.difference(&expected).collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "missing {missing:?}, unknown {unknown:?}"
    );
}

#[tokio::test]
async fn labels_are_route_patterns_and_refused_credentials_do_not_count() {
    let bench = Bench::new().await;
    let phone = bench.register("{}").await;
    let user = bench.minted(&phone.login);
    bench.ask("GET", "/api/3rdparty/v1/messages/secret-id", &user).await;
    bench.ask("GET", "/api/3rdparty/v1/messages/secret-id", "").await;
    bench.ask("GET", "/no/such/path", "").await;
    let text = bench.ask("GET", "/metrics", "").await.body;
    let line = r#"http_requests_total{method="GET",path="/api/3rdparty/v1/messages/:id",status_code="404"} 1"#;
    assert!(text.lines().any(|shown| shown == line), "{text}");
    assert!(
        !text.contains("secret-id") && !text.contains("no/such") && !text.contains("401"),
        "{text}"
    );
}

/// Prometheus 3 reads nothing of a type that it does not know, and takes a family that comes twice for an error.
#[tokio::test]
async fn the_text_is_of_a_type_that_every_prometheus_knows() {
    let bench = Bench::new().await;
    let phone = bench.register("{}").await;
    bench
        .ask("GET", "/api/3rdparty/v1/devices", &bench.minted(&phone.login))
        .await;
    let answer = bench.ask("GET", "/metrics", "").await;
    let kind = answer.header("content-type");
    assert_eq!(kind, Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(answer.body.ends_with('\n'));

    let mut families: Vec<(&str, &str)> = Vec::new();
    let mut described = "";
    for line in answer.body.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').unwrap();
            assert!(
                !text.is_empty() && families.iter().all(|(known, _)| *known != name),
                "{line}"
            );
            described = name;
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert_eq!(name, described, "{line}");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            families.push((name, kind));
        } else {
            let (name, kind) = *families.last().unwrap();
            let (sample, value) = line.rsplit_once(' ').unwrap();
            value.parse::<f64>().unwrap();
            let rest = sample.strip_prefix(name).unwrap();
            let (suffix, labels) = rest.split_at(rest.find('{').unwrap_or(rest.len()));
            let suffixes: &[&str] = match kind {
                "histogram" => &["_bucket", "_sum", "_count"],
                _ => &[""],
            };
            assert!(suffixes.contains(&suffix), "{line}");
            assert!(labels.is_empty() || labels.ends_with('}'), "{line}");
            assert_eq!(suffix == "_bucket", labels.contains("le=\""), "{line}");
        }
    }
    assert!(families.len() > 20);
}

#[test]
fn buckets_are_those_of_the_reference() {
    let buckets = duration_buckets();
    assert_eq!(buckets.len(), 35);
    assert!(buckets.is_sorted());
    assert_eq!(buckets.last(), Some(&60.0));
}

#[test]
fn made_up_methods_share_a_label() {
    assert_eq!(label(&Method::PATCH), "PATCH");
    let made_up = Method::from_bytes(b"FROBNICATE");
    assert_eq!(made_up.as_ref().map(label).ok(), Some("other"));
}
