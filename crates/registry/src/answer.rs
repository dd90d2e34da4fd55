//! `sys.registry.snapshot`: the state, page by page, for whoever is behind.

use std::sync::Arc;

use bus::client::{Client, Delivery, Message, Status};
use bus::roles::Role;
use bus::sys::{MAX_SNAPSHOT_PAGE_BYTES, REGISTRY_SNAPSHOT, SnapshotPage, SnapshotRequest};

use crate::keeper::{Keeper, Told};

/// Room for the head of a page, which has 64 digits and three numbers in it.
const HEAD_BYTES: usize = 512;

/// Answers questions, one after another, until the client is closed. Nothing is kept of who asked.
pub(crate) async fn run(keeper: &Arc<Keeper>, client: &Client) {
    let mut questions = match client.subscribe(REGISTRY_SNAPSHOT, None).await {
        Ok(questions) => questions,
        Err(error) => return tracing::error!(%error, "the registry cannot serve its state"),
    };
    while let Some(delivery) = questions.next().await {
        match delivery {
            Delivery::Message(message) => answer(keeper, client, &message).await,
            Delivery::Denied { reason } => {
                tracing::error!(code = "LB02", %reason, "the registry cannot serve its state: the bus does not let this role");
                // The others go on: a server's table can be mended, and this process started anew then.
                std::future::pending::<()>().await;
            }
            // Whoever asked meanwhile asks again.
            Delivery::Interrupted { .. } | Delivery::NoResponders => {}
        }
    }
}

async fn answer(keeper: &Arc<Keeper>, client: &Client, message: &Message) {
    // A nats-server lets us answer anywhere: nobody is to have us speak where they may not.
    let is_inbox = |reply: &&str| Role::ALL.iter().any(|role| role.has_inbox(reply.as_bytes()));
    let reply = message.reply.as_deref().and_then(|reply| std::str::from_utf8(reply).ok());
    let Some(reply) = reply.filter(is_inbox) else { return };
    // What is no question gets no answer. All roles are ours, and say what this version reads.
    let Ok(request) = serde_json::from_slice::<SnapshotRequest>(&message.payload) else { return };
    let Ok(told) = keeper.told().await else { return };
    let max_payload = match *client.status().borrow() {
        Status::Connected { max_payload, .. } => max_payload,
        _ => return,
    };
    let page = page(&told, &request, max_payload.min(MAX_SNAPSHOT_PAGE_BYTES));
    if let Err(error) = client.publish(reply, None, &page).await {
        // Without a connection there is nobody who waits.
        tracing::debug!(%error, "a page of the registry's state was not sent");
    }
}

/// The page that `request` asks for, or the first one if there was a change. At most `max_bytes` with its head.
fn page(told: &Told, request: &SnapshotRequest, max_bytes: usize) -> Vec<u8> {
    let is_same = request.digest.as_ref().is_none_or(|digest| *digest == told.mark.digest);
    let offset = usize::try_from(request.offset).unwrap_or(usize::MAX);
    let (offset, rest) = match told.json.get(offset..) {
        Some(rest) if is_same => (request.offset, rest),
        _ => (0, told.json.as_slice()),
    };
    let bytes = &rest[..rest.len().min(max_bytes.saturating_sub(HEAD_BYTES).max(1))];
    let head = SnapshotPage { mark: told.mark.clone(), total_bytes: told.json.len() as u64, offset };
    // All keys are strings, so that writing cannot fail.
    let mut page = serde_json::to_vec(&head).unwrap_or_default();
    page.push(b'\n');
    page.extend_from_slice(bytes);
    page
}

#[cfg(test)]
mod tests {
    use bus::sys::RegistryMark;

    use super::*;

    #[test]
    fn which_page_is_given() {
        let digest = "d".repeat(64);
        let told =
            Told { mark: RegistryMark { version: u64::MAX, digest: digest.clone() }, json: vec![7; 1000] };
        for (asked, offset, wanted) in [
            (None, 0, (0, 600)),
            (Some("d"), 0, (0, 600)),
            (Some("d"), 600, (600, 400)),
            (Some("d"), 1000, (1000, 0)),
            (Some("d"), 1001, (0, 600)),
            (Some("d"), u64::MAX, (0, 600)),
            // There was a change.
            (Some("e"), 600, (0, 600)),
        ] {
            let request = SnapshotRequest { digest: asked.map(|digit| digit.repeat(64)), offset };
            let page = page(&told, &request, HEAD_BYTES + 600);
            let end = page.iter().position(|byte| *byte == b'\n').unwrap();
            let head: SnapshotPage = serde_json::from_slice(&page[..end]).unwrap();
            assert!(end < HEAD_BYTES && head.mark == told.mark && head.total_bytes == 1000);
            assert_eq!((head.offset, page.len() - end - 1), wanted, "{asked:?} {offset}");
        }
        // Even where a server takes next to nothing it goes on.
        assert!(page(&told, &SnapshotRequest::default(), 0).ends_with(b"\n\x07"));
    }
}
