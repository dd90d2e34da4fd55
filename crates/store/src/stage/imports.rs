//! Rows that came over HTTP are said on the bus too, once they are durable: who listens sees them as they come.

use bus::broker::Interest;
use bus::client::{Client, PubBatch};
use bytes::Bytes;
use line::append::{Group, Groups};
use line::json::Encoder;
use line::subject;

/// Bytes of messages that are handed to the bus at once.
const BATCH_BYTES: usize = 256 << 10;

/// Says the rows of a request's groups on the bus, but for those of which `interest` knows that nobody would hear them. What the bus does not
/// take is in the store all the same.
pub(super) async fn publish(client: &Client, interest: Option<&Interest>, body: &[u8]) {
    let is_heard = |subject: &str| {
        interest.is_none_or(|interest| interest.is_heard(&Bytes::copy_from_slice(subject.as_bytes())))
    };
    let Some(batches) = messages(body, is_heard) else { return };
    for batch in batches {
        if let Err(error) = client.send(batch).await {
            return tracing::debug!(%error, "imported rows were not said on the bus");
        }
    }
}

fn messages(body: &[u8], is_heard: impl Fn(&str) -> bool) -> Option<Vec<PubBatch>> {
    let (mut batches, mut batch) = (Vec::new(), Client::batch());
    for group in Groups::new(body) {
        let Group::Import(import) = group.ok()? else { continue };
        let subject = subject::inner(&import.whose.address);
        if !is_heard(&subject) {
            continue;
        }
        let encoder = Encoder::new(&import.whose.address, import.whose.host);
        for row in import.rows() {
            let row = row.ok()?;
            batch.push_with(&subject, |out| encoder.write_import(import.whose.boot, &row, out));
            if batch.len_bytes() >= BATCH_BYTES {
                batches.push(std::mem::replace(&mut batch, Client::batch()));
            }
        }
    }
    if batch.len_bytes() > 0 {
        batches.push(batch);
    }
    Some(batches)
}
