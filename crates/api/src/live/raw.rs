//! Messages as they come, for who puts them in order by itself.

use bus::client::{Client, Delivery, Status};
use bytes::Bytes;
use line::{Address, Name, OrgId, subject};
use tokio::sync::mpsc;

use crate::logs::Failure;

/// Batches that may wait to be taken. What comes while so many wait is only counted: the store has it, too.
const MAX_QUEUED: usize = 64;
/// Messages of one batch.
const MAX_TOGETHER: usize = 512;

/// What is heard.
#[derive(Debug)]
pub enum Heard {
    /// It listens: what is said from here on is heard.
    Begun,
    /// Messages, each with the address that its subject says.
    Messages(Vec<(Address, Bytes)>),
    /// So many messages were not taken in time.
    Missed(u64),
    /// Nothing is heard any more, and why.
    Lost(Failure),
}

/// What is heard, as it comes. Dropped, it ends.
pub type Hearing = mpsc::Receiver<Heard>;

/// One that is over before it began.
pub fn deaf(failure: Failure) -> Hearing {
    let (sender, receiver) = mpsc::channel(1);
    // There is room for one.
    let _ = sender.try_send(Heard::Lost(failure));
    receiver
}

/// Hears all lines of an org, or of an app of it. Must be called in a tokio runtime.
pub(super) fn hear(client: Client, org: OrgId, app: Option<Name>) -> Hearing {
    let (sender, receiver) = mpsc::channel(MAX_QUEUED);
    tokio::spawn(async move {
        if let Err(failure) = listen(&client, &org, app.as_ref(), &sender).await {
            // Whoever listened may be gone.
            let _gone = sender.send(Heard::Lost(failure)).await;
        }
    });
    receiver
}

async fn listen(
    client: &Client,
    org: &OrgId,
    app: Option<&Name>,
    sender: &mpsc::Sender<Heard>,
) -> Result<(), Failure> {
    let mut status = client.status();
    // Which connection it is: with the next one some lines may be missing.
    let epoch = match *status.borrow_and_update() {
        Status::Connected { epoch, .. } => epoch,
        _ => return Err(Failure::Away("there is no connection to the bus".into())),
    };
    let is_gone = |status: &Status| !matches!(status, Status::Connected { epoch: now, .. } if *now == epoch);
    let pattern = subject::inner_pattern(org, app, None, None);
    let subscribed = client.subscribe(&pattern, None).await;
    let mut subscription = subscribed.map_err(|error| Failure::Away(error.to_string()))?;
    if sender.send(Heard::Begun).await.is_err() {
        return Ok(());
    }
    let mut missed = 0;
    loop {
        tokio::select! {
            delivery = subscription.next() => {
                let mut messages = Vec::new();
                let mut next = Some(delivery);
                while let Some(delivery) = next {
                    messages.extend(take(org, delivery)?);
                    next = if messages.len() < MAX_TOGETHER { subscription.try_next().map(Some) } else { None };
                }
                if missed > 0 && sender.try_send(Heard::Missed(missed)).is_ok() {
                    missed = 0;
                }
                let count = messages.len() as u64;
                match sender.try_send(Heard::Messages(messages)) {
                    Ok(()) => {}
                    Err(mpsc::error::TrySendError::Full(_)) => missed += count,
                    Err(mpsc::error::TrySendError::Closed(_)) => return Ok(()),
                }
                // Others of this thread have a turn.
                tokio::task::yield_now().await;
            }
            () = async { _ = status.wait_for(is_gone).await } => return Err(super::lost()),
            () = sender.closed() => return Ok(()),
        }
    }
}

/// A message of this org; anything else is passed over.
fn take(org: &OrgId, delivery: Option<Delivery>) -> Result<Option<(Address, Bytes)>, Failure> {
    match delivery {
        Some(Delivery::Message(message)) => {
            let subject = std::str::from_utf8(&message.subject).ok();
            let address = subject.and_then(|subject| subject::parse_inner(subject).ok());
            Ok(address.filter(|address| address.org == *org).map(|address| (address, message.payload)))
        }
        Some(Delivery::NoResponders) => Ok(None),
        Some(Delivery::Denied { reason }) => Err(Failure::Away(reason)),
        Some(Delivery::Interrupted { .. }) | None => Err(super::lost()),
    }
}
