//! `sys.append.<shard>`: what agents and the HTTP API ask to keep.

use std::collections::BTreeSet;

use bus::client::{Delivery, Message, Subscription};
use bus::roles::Role;
use bus::sys::{APPEND_PREFIX, AppendAnswer, append_subject};
use line::shard::SHARDS;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Store;
use crate::Request;
use crate::engine::{Receipt, Refusal};

/// Which shards a store owns.
pub type Shards = BTreeSet<u8>;

/// Takes batches of the shards in `owned` until the client is closed, and follows when they become others.
pub(super) async fn run(store: &Store, mut owned: watch::Receiver<Shards>) {
    loop {
        let shards = owned.borrow_and_update().clone();
        let mut running = JoinSet::new();
        for subject in subjects(&shards) {
            match store.client.subscribe(&subject, None).await {
                Ok(batches) => {
                    running.spawn(take(store.clone(), batches));
                }
                Err(error) => return tracing::error!(%error, "the store takes no lines"),
            }
        }
        tokio::select! {
            // What was taken is answered all the same; what was not, its sender repeats.
            changed = owned.changed() => if changed.is_err() {
                // Nobody changes them any more.
                return ended(&mut running).await;
            },
            () = ended(&mut running) => return,
        }
    }
}

/// Waits for the first subscription to end, which is when the client does. Who owns nothing waits for ever.
async fn ended(running: &mut JoinSet<()>) {
    if running.join_next().await.is_none() {
        std::future::pending().await
    }
}

/// What to subscribe to: one subject for each shard, or one for all.
fn subjects(shards: &Shards) -> Vec<String> {
    if shards.len() == SHARDS {
        return vec![format!("{APPEND_PREFIX}*")];
    }
    shards.iter().map(|&shard| append_subject(shard)).collect()
}

async fn take(store: Store, mut batches: Subscription) {
    while let Some(delivery) = batches.next().await {
        match delivery {
            Delivery::Message(message) => append(&store, &message),
            Delivery::Denied { reason } => {
                tracing::error!(code = "LB02", %reason, "the store takes no lines: the bus does not let this role");
                // The others go on: a server's table can be mended, and this process started anew then.
                std::future::pending::<()>().await;
            }
            // Whoever asked meanwhile asks again.
            Delivery::Interrupted { .. } | Delivery::NoResponders => {}
        }
    }
}

fn append(store: &Store, message: &Message) {
    // A nats-server lets us answer anywhere: nobody is to have us speak where they may not.
    let is_inbox = |reply: &&str| Role::ALL.iter().any(|role| role.has_inbox(reply.as_bytes()));
    let reply = message.reply.as_deref().and_then(|reply| std::str::from_utf8(reply).ok());
    let Some(reply) = reply.filter(is_inbox).map(str::to_owned) else { return };
    let kept = match Request::read(message.payload.to_vec()) {
        Ok(request) => Ok(store.append(request)),
        Err(malformed) => Err(store.engine.reject(&malformed)),
    };
    let client = store.client.clone();
    tokio::spawn(async move {
        let result = match kept {
            Ok(kept) => kept.await,
            Err(refusal) => Err(refusal),
        };
        let answer = serde_json::to_vec(&answer(result)).unwrap_or_default();
        if let Err(error) = client.publish(&reply, None, &answer).await {
            // Without a connection there is nobody who waits; it is asked again.
            tracing::debug!(%error, "a batch was not answered");
        }
    });
}

fn answer(result: Result<Receipt, Refusal>) -> AppendAnswer {
    match result {
        Ok(receipt) => AppendAnswer::Acked { pos: receipt.pos, expired: receipt.expired },
        Err(Refusal::Busy { retry_ms, reason }) => AppendAnswer::Busy { retry_ms, reason },
        Err(Refusal::Rejected { code, reason }) => AppendAnswer::Rejected { code: code.to_owned(), reason },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_owns_all_needs_one_subscription() {
        assert_eq!(subjects(&(0..=255).collect()), ["sys.append.*"]);
        assert_eq!(subjects(&Shards::from([0, 200])), ["sys.append.0", "sys.append.200"]);
        assert!(subjects(&Shards::new()).is_empty());
    }

    #[test]
    fn what_is_answered() {
        let receipt = Receipt { pos: 7, taken: 2, ..Receipt::default() };
        assert_eq!(answer(Ok(receipt)), AppendAnswer::Acked { pos: 7, expired: 0 });
        let busy = Refusal::Busy { retry_ms: 5, reason: "LS02: full".into() };
        assert_eq!(answer(Err(busy)), AppendAnswer::Busy { retry_ms: 5, reason: "LS02: full".into() });
        let rejected = Refusal::Rejected { code: "LS05", reason: "no".into() };
        assert_eq!(
            answer(Err(rejected)),
            AppendAnswer::Rejected { code: "LS05".into(), reason: "no".into() }
        );
    }
}
