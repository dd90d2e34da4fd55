//! `/metrics` and `/health`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::config::MoreMetrics;
use crate::context::Context;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves until dropped.
pub(crate) async fn serve(listener: TcpListener, context: Arc<Context>, more: Option<MoreMetrics>) {
    let router = Router::new().route("/metrics", get(metrics)).route("/health", get(health));
    let served = Arc::new(Served { context, more });
    if let Err(error) = axum::serve(listener, router.with_state(served)).await {
        tracing::warn!(%error, "the metrics are not served any more");
    }
}

/// What the answers are made of.
struct Served {
    context: Arc<Context>,
    more: Option<MoreMetrics>,
}

/// What each text of figures ends with, and all of them together once.
const END: &str = "# EOF\n";

async fn metrics(State(served): State<Arc<Served>>) -> impl IntoResponse {
    let mut text = served.context.metrics.text();
    let more = served.more.as_ref().map(|more| (more.0)()).unwrap_or_default();
    if !more.is_empty() && text.ends_with(END) {
        text.truncate(text.len() - END.len());
    }
    ([(header::CONTENT_TYPE, OPENMETRICS)], text + &more)
}

/// 200 `ok`, or 503 with what is wrong in a sentence.
async fn health(State(served): State<Arc<Served>>) -> impl IntoResponse {
    match served.context.health.fault() {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(fault) => (StatusCode::SERVICE_UNAVAILABLE, format!("{fault}\n")),
    }
}
