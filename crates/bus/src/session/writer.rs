//! The writing side of a connection.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::{Duration, Instant, timeout};

use super::peer::Peer;
use super::{Server, Stats};

/// Writes what waits, until the queue is closed and empty or the client takes nothing for too long.
pub(super) async fn write_out<S: Server>(
    server: &S,
    client: &Arc<S::Client>,
    peer: &Peer,
    writer: &mut (impl AsyncWrite + Unpin),
) {
    let (stall, stats) = (server.settings().stall, server.stats());
    loop {
        let (next, is_closing) = {
            let mut outgoing = peer.outgoing();
            (outgoing.next(Instant::now()), outgoing.is_closing())
        };
        match next {
            Some(bytes) => {
                match write_all(peer, writer, &bytes, stall).await {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::TimedOut && !peer.outgoing().is_closing() => {
                        return cut(peer, stats);
                    }
                    Err(_) => return,
                }
                let has_room = {
                    let mut outgoing = peer.outgoing();
                    outgoing.recycle(bytes);
                    outgoing.take_owed()
                };
                peer.note_written();
                if has_room {
                    server.has_room(client);
                }
            }
            None if is_closing => {
                let _ = timeout(stall, writer.shutdown()).await;
                return;
            }
            None => peer.wake.notified().await,
        }
    }
}

fn cut(peer: &Peer, stats: &Stats) {
    stats.slow_consumers.fetch_add(1, Ordering::Relaxed);
    tracing::warn!(client = peer.id, "cut a client that stopped reading");
}

/// Writes all of `bytes`. Only a client that takes nothing at all for as long as `stall` fails, with `TimedOut`; slowly is good
/// enough.
async fn write_all(
    peer: &Peer,
    writer: &mut (impl AsyncWrite + Unpin),
    mut bytes: &[u8],
    stall: Duration,
) -> std::io::Result<()> {
    loop {
        let count = timeout(stall, writer.write(bytes)).await.map_err(|_| ErrorKind::TimedOut)??;
        if count == 0 {
            return Err(ErrorKind::WriteZero.into());
        }
        bytes = &bytes[count..];
        if bytes.is_empty() {
            // TLS may still hold some of it.
            return timeout(stall, writer.flush()).await.map_err(|_| ErrorKind::TimedOut)?;
        }
        peer.outgoing().note_taken(Instant::now());
    }
}
