//! What the registry's log says about the bus: once when it is lost or refused, once when it is back.

use bus::client::{Client, Status};

/// What was said last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Nothing,
    Away,
    Refused,
    Here,
}

/// Follows the connection until it is closed.
pub(crate) async fn follow(client: &Client) {
    let mut status = client.status();
    let mut said = Said::Nothing;
    loop {
        said = note(&status.borrow_and_update(), said);
        if status.changed().await.is_err() {
            return;
        }
    }
}

fn note(status: &Status, said: Said) -> Said {
    match status {
        Status::Connected { .. } => {
            if matches!(said, Said::Away | Said::Refused) {
                tracing::info!("the registry is on the bus again");
            }
            Said::Here
        }
        Status::Refused { reason } => {
            if said != Said::Refused {
                tracing::error!(code = "LB01", %reason, "NATS refused the registry's login, nobody hears of changes meanwhile");
            }
            Said::Refused
        }
        // Before the first try has failed there is nothing to say, unless a connection was lost.
        Status::Connecting { last_error: None, .. } if said != Said::Here => said,
        Status::Connecting { last_error, .. } => {
            if !matches!(said, Said::Away | Said::Refused) {
                let error = last_error.as_deref().unwrap_or("the connection was lost");
                tracing::warn!(code = "LR03", %error, "the registry does not reach NATS, nobody hears of changes meanwhile");
            }
            if said == Said::Refused { said } else { Said::Away }
        }
        Status::Closed => said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_loss_is_said_once() {
        let connecting = |last_error: Option<&str>| Status::Connecting {
            attempts: 1,
            last_error: last_error.map(str::to_owned),
        };
        let here = Status::Connected { server: String::new(), max_payload: 1, epoch: 1 };
        let refused = Status::Refused { reason: String::new() };
        for (status, before, after) in [
            (&connecting(None), Said::Nothing, Said::Nothing),
            (&connecting(Some("no")), Said::Nothing, Said::Away),
            (&here, Said::Away, Said::Here),
            (&connecting(None), Said::Here, Said::Away),
            (&refused, Said::Away, Said::Refused),
            (&connecting(Some("no")), Said::Refused, Said::Refused),
            (&Status::Closed, Said::Here, Said::Here),
        ] {
            assert_eq!(note(status, before), after, "{status:?}");
        }
    }
}
