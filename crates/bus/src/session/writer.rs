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
                let _ = timeout(CUT_AFTER, writer.shutdown()).await;
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

/// How often a write that takes long is looked after.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a client that is being cut may take for what is already on its way.
const CUT_AFTER: Duration = Duration::from_secs(2);

/// Writes all of `bytes`. Only a client that takes nothing at all for as long as `stall` fails, with `TimedOut`; slowly is good
/// enough. One that is being cut has [`CUT_AFTER`] for all of it.
async fn write_all(
    peer: &Peer,
    writer: &mut (impl AsyncWrite + Unpin),
    mut bytes: &[u8],
    stall: Duration,
) -> std::io::Result<()> {
    let mut last_taken = Instant::now();
    let mut cut_at = None;
    loop {
        let written = async {
            if bytes.is_empty() {
                // TLS may still hold some of it.
                writer.flush().await.map(|()| 0)
            } else {
                writer.write(bytes).await
            }
        };
        let outcome = timeout(LOOK_EVERY.min(stall), written).await;
        let now = Instant::now();
        if peer.outgoing().is_closing() && now >= *cut_at.get_or_insert(now + CUT_AFTER) {
            return Err(ErrorKind::TimedOut.into());
        }
        match outcome {
            Ok(Ok(0)) if bytes.is_empty() => return Ok(()),
            Ok(Ok(0)) => return Err(ErrorKind::WriteZero.into()),
            Ok(Ok(count)) => {
                bytes = &bytes[count..];
                last_taken = now;
                if !bytes.is_empty() {
                    peer.outgoing().note_taken(now);
                }
            }
            Ok(Err(error)) => return Err(error),
            Err(_) if now - last_taken >= stall => return Err(ErrorKind::TimedOut.into()),
            Err(_) => {}
        }
    }
}
