//! `/metrics`, `/healthz` and `/varz` of a front door that stands alone.

use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::metrics::Reader;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves until dropped.
pub(crate) async fn serve(listener: TcpListener, figures: Reader) {
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/health", get(health))
        .route("/healthz", get(health))
        .route("/varz", get(varz));
    if let Err(error) = axum::serve(listener, router.with_state(figures)).await {
        tracing::warn!(%error, "the metrics are not served any more");
    }
}

async fn metrics(State(figures): State<Reader>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, OPENMETRICS)], figures.text())
}

/// 200 `ok`, or 503 with what is wrong in a sentence.
async fn health(State(figures): State<Reader>) -> impl IntoResponse {
    match figures.fault() {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(fault) => (StatusCode::SERVICE_UNAVAILABLE, format!("{fault}\n")),
    }
}

/// What tools for NATS servers look at first.
async fn varz(State(figures): State<Reader>) -> impl IntoResponse {
    let (door, stats) = (&figures.door, &figures.door.stats);
    let varz = serde_json::json!({
        "server_id": door.server_id, "server_name": door.server_id, "version": "2.10.0", "proto": 1,
        "auth_required": true, "max_payload": door.settings.limits.payload_bytes,
        "connections": stats.connections.load(Ordering::Relaxed),
        "in_msgs": stats.in_messages.load(Ordering::Relaxed),
        "in_bytes": stats.in_bytes.load(Ordering::Relaxed),
        "out_msgs": stats.out_messages.load(Ordering::Relaxed),
        "out_bytes": stats.out_bytes.load(Ordering::Relaxed),
        "slow_consumers": stats.slow_consumers.load(Ordering::Relaxed),
        "subscriptions": door.upstream.interests.len(),
    });
    ([(header::CONTENT_TYPE, "application/json")], varz.to_string())
}
