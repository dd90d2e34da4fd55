//! The writing side of a connection.

use std::io::ErrorKind;
use std::sync::atomic::Ordering;

use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::time::{Instant, timeout};

use super::hub::{Hub, Peer};

/// Writes what waits, until the queue is closed and empty or the client takes nothing for too long.
pub(super) async fn write_out(hub: &Hub, peer: &Peer, mut writer: OwnedWriteHalf) {
    loop {
        let (next, is_closing) = {
            let mut outgoing = peer.outgoing();
            (outgoing.next(Instant::now()), outgoing.is_closing())
        };
        match next {
            Some(bytes) => {
                match write_all(hub, peer, &mut writer, &bytes).await {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::TimedOut && !peer.outgoing().is_closing() => {
                        hub.stats.slow_consumers.fetch_add(1, Ordering::Relaxed);
                        tracing::warn!(client = peer.id, role = %peer.role, "cut a bus client that stopped reading");
                        return;
                    }
                    Err(_) => return,
                }
                peer.outgoing().recycle(bytes);
                peer.drained.notify_waiters();
            }
            None if is_closing => {
                let _ = writer.shutdown().await;
                return;
            }
            None => peer.wake.notified().await,
        }
    }
}

/// Writes all of `bytes`. Only a client that takes nothing at all for as long as the configuration allows fails, with
/// `TimedOut`; slowly is good enough.
async fn write_all(
    hub: &Hub,
    peer: &Peer,
    writer: &mut OwnedWriteHalf,
    mut bytes: &[u8],
) -> std::io::Result<()> {
    loop {
        let count =
            timeout(hub.config.stall, writer.write(bytes)).await.map_err(|_| ErrorKind::TimedOut)??;
        if count == 0 {
            return Err(ErrorKind::WriteZero.into());
        }
        bytes = &bytes[count..];
        if bytes.is_empty() {
            return Ok(());
        }
        peer.outgoing().note_taken(Instant::now());
    }
}
