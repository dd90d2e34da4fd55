//! `/metrics` and `/health`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::context::Context;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves until dropped.
pub(crate) async fn serve(listener: TcpListener, context: Arc<Context>) {
    let router = Router::new().route("/metrics", get(metrics)).route("/health", get(health));
    if let Err(error) = axum::serve(listener, router.with_state(context)).await {
        tracing::warn!(%error, "the metrics are not served any more");
    }
}

async fn metrics(State(context): State<Arc<Context>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, OPENMETRICS)], context.metrics.text())
}

/// 200 `ok`, or 503 with what is wrong in a sentence.
async fn health(State(context): State<Arc<Context>>) -> impl IntoResponse {
    match context.health.fault() {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(fault) => (StatusCode::SERVICE_UNAVAILABLE, format!("{fault}\n")),
    }
}
