//! Rows that came over HTTP are said on the bus too, once they are durable: who listens sees them as they come.

use std::io::Read;

use bus::client::{Client, PubBatch};
use line::append::{Envelope, Group, Groups};
use line::json::Encoder;
use line::subject;

/// Whether a request holds rows from elsewhere. Whoever writes one writes one kind: its first byte tells.
pub(super) fn is_import(request: &[u8]) -> bool {
    let Ok(envelope) = Envelope::read(request) else { return false };
    let mut first = [0];
    let read = if envelope.is_compressed {
        zstd::stream::read::Decoder::new(envelope.sent).and_then(|mut body| body.read_exact(&mut first))
    } else {
        envelope.sent.first().map_or(Ok(()), |byte| {
            first[0] = *byte;
            Ok(())
        })
    };
    read.is_ok() && Groups::is_import(first[0])
}

/// Bytes of messages that are handed to the bus at once.
const BATCH_BYTES: usize = 256 << 10;

/// Says the rows of a request on the bus. What the bus does not take is in the store all the same.
pub(super) async fn publish(client: &Client, request: &[u8]) {
    let Some(batches) = messages(request) else { return };
    for batch in batches {
        if let Err(error) = client.send(batch).await {
            return tracing::debug!(%error, "imported rows were not said on the bus");
        }
    }
}

fn messages(request: &[u8]) -> Option<Vec<PubBatch>> {
    let envelope = Envelope::read(request).ok()?;
    let decompressed;
    let body = if envelope.is_compressed {
        decompressed = zstd::bulk::decompress(envelope.sent, envelope.body_bytes).ok()?;
        &decompressed[..]
    } else {
        envelope.sent
    };
    let (mut batches, mut batch) = (Vec::new(), Client::batch());
    for group in Groups::new(body) {
        let Group::Import(import) = group.ok()? else { continue };
        let encoder = Encoder::new(&import.whose.address, import.whose.host);
        let subject = subject::inner(&import.whose.address);
        for row in import.rows() {
            let row = row.ok()?;
            batch.push_with(&subject, |out| encoder.write_import(import.whose.boot, &row, out));
            if batch.len_bytes() >= BATCH_BYTES {
                batches.push(std::mem::replace(&mut batch, Client::batch()));
            }
        }
    }
    batches.push(batch);
    Some(batches)
}
