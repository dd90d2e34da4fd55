//! What the agent's log says about the bus: once when it is lost, once when it is back.

use std::sync::Arc;

use bus::client::{Client, Status};

use crate::context::Context;

/// What was said last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Nothing,
    Away,
    Refused,
    Here,
}

/// Follows the connection until it is closed.
/// `carries`: the bus carries the lines, not Vector.
pub(crate) async fn follow(client: Client, context: Arc<Context>, carries: bool) {
    let mut status = client.status();
    let mut said = Said::Nothing;
    loop {
        said = note(&status.borrow_and_update(), said, &context, carries);
        if status.changed().await.is_err() {
            return;
        }
    }
}

fn note(status: &Status, said: Said, context: &Context, carries: bool) -> Said {
    let word = match status {
        Status::Connected { .. } => "connected",
        Status::Refused { .. } => "refused",
        Status::Connecting { .. } => "connecting",
        Status::Closed => "closed",
    };
    if carries {
        context.outlet.set(word);
        context.metrics.bus_connected.set(i64::from(word == "connected"));
    }
    match status {
        Status::Connected { server, .. } => {
            if said != Said::Here {
                tracing::info!(%server, "connected to NATS");
            }
            Said::Here
        }
        Status::Refused { reason } => {
            if said != Said::Refused {
                tracing::error!(code = "LB01", %reason, "NATS refused the login, lines are spooled meanwhile");
            }
            Said::Refused
        }
        // Before the first try has failed there is nothing to say, unless a connection was lost.
        Status::Connecting { last_error: None, .. } if said != Said::Here => said,
        Status::Connecting { last_error, .. } => {
            if !matches!(said, Said::Away | Said::Refused) {
                let error = last_error.as_deref().unwrap_or("the connection was lost");
                tracing::warn!(code = "LA11", %error, "NATS is not reachable, lines are spooled meanwhile");
            }
            if said == Said::Refused { said } else { Said::Away }
        }
        Status::Closed => said,
    }
}
