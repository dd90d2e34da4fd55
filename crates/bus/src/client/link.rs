//! The task that owns the connection: dial, subscribe, read and write; then all of it again, for ever.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use super::outbox::Outbox;
use super::subscription::Entry;
use super::{ServerAddr, Shared, Status};
use crate::codec::{ServerMessage, ServerOp, write};
use crate::dial::{Dialed, Failure, dial, refusal};
use crate::subject;

/// Longest pause between two tries.
const MAX_PAUSE: Duration = Duration::from_secs(2);
/// Pause after the server refused the login.
const REFUSED_PAUSE: Duration = Duration::from_secs(5);
/// After so long without a byte from the server, ask whether it lives.
const KEEPALIVE: Duration = Duration::from_secs(20);
/// After so long without a byte it is dead.
const DEAD_AFTER: Duration = Duration::from_secs(60);
/// How long the end of a connection may take that we end.
const FAREWELL: Duration = Duration::from_secs(1);
/// Bytes asked for in one read.
const READ_BYTES: usize = 64 * 1024;
/// Less room than this is not worth a read. More is not asked for: each message that waits holds the buffer that it came in.
const MIN_READ_BYTES: usize = 8 * 1024;
/// A connection that lived as long was a good one: its loss is met with a try at once.
const GOOD_AFTER: Duration = Duration::from_secs(2);

/// Keeps the connection until the client is closed or nobody holds it.
pub(super) async fn run(shared: Weak<Shared>) {
    let Some(strong) = shared.upgrade() else { return };
    let mut status = strong.status.subscribe();
    drop(strong);
    tokio::select! {
        () = keep(&shared) => {}
        // An error says that the status is gone with the last handle.
        _ = status.wait_for(|status| *status == Status::Closed) => {}
    }
    if let Some(strong) = shared.upgrade() {
        strong.outbox.shut();
        strong.subscriptions().clear();
    }
}

async fn keep(shared: &Weak<Shared>) {
    let (mut epoch, mut attempts, mut first) = (0, 0, 0);
    loop {
        let Some(strong) = shared.upgrade() else { return };
        let options = strong.options.clone();
        drop(strong);
        let turn = (first + usize::try_from(attempts).unwrap_or(0)) % options.servers.len().max(1);
        let Some(server) = options.servers.get(turn) else { return };
        attempts += 1;
        let lost = match dial(&options, server).await {
            Err(lost) => lost,
            Ok(session) => {
                epoch += 1;
                let since = Instant::now();
                let lost = serve(shared, session, epoch).await;
                // One that ends as soon as it begins must not be taken up again without a pause.
                attempts = if since.elapsed() >= GOOD_AFTER { 0 } else { attempts };
                lost
            }
        };
        let Some(strong) = shared.upgrade() else { return };
        if strong.elsewhere.swap(false, Ordering::Relaxed) {
            (first, attempts) = (turn + 1, 0);
        }
        let pause = note_loss(&strong, server, attempts, lost);
        drop(strong);
        tokio::time::sleep(pause).await;
    }
}

/// Tells everyone that the connection is lost, and gives the pause before the next try.
fn note_loss(shared: &Shared, server: &ServerAddr, attempts: u64, lost: Failure) -> Duration {
    shared.outbox.shut();
    let (status, pause) = match lost {
        Failure::Refused(reason) => {
            (Status::Refused { reason: format!("{server}: {reason}") }, REFUSED_PAUSE)
        }
        Failure::Broken(why) => {
            let exponent = u32::try_from(attempts.min(8)).unwrap_or(8);
            let longest = MAX_PAUSE.min(Duration::from_millis(10) * 2u32.pow(exponent));
            // Half of it at random, so that a server that comes back is not met by everyone at once.
            let pause =
                if attempts == 0 { Duration::ZERO } else { longest.mul_f64(0.5 + fastrand::f64() / 2.0) };
            (Status::Connecting { attempts, last_error: Some(format!("{server}: {why}")) }, pause)
        }
    };
    shared.set_status(status);
    pause
}

/// Serves a connection until it is lost.
async fn serve(shared: &Weak<Shared>, session: Dialed, epoch: u64) -> Failure {
    let Dialed { mut reader, mut writer, mut buffer, mut codec, max_payload, server } = session;
    let outbox = {
        let Some(strong) = shared.upgrade() else { return Failure::Broken("closed".to_owned()) };
        resubscribe(&strong, epoch, max_payload);
        strong.set_status(Status::Connected { server, max_payload, epoch });
        Arc::clone(&strong.outbox)
    };
    let reading = async {
        let mut silent = Duration::ZERO;
        loop {
            loop {
                match codec.next(&mut buffer) {
                    Ok(Some(op)) => {
                        if let Some(lost) = handle(shared, op).await {
                            return lost;
                        }
                    }
                    Ok(None) => break,
                    Err(why) => return Failure::Broken(format!("it does not speak NATS: {why}")),
                }
            }
            if buffer.capacity() - buffer.len() < MIN_READ_BYTES {
                buffer.reserve(READ_BYTES);
            }
            match timeout(KEEPALIVE, reader.read_buf(&mut buffer)).await {
                Ok(Ok(0)) => return Failure::Broken("the server closed the connection".to_owned()),
                Ok(Ok(_)) => silent = Duration::ZERO,
                Ok(Err(error)) => return error.into(),
                Err(_) => {
                    silent += KEEPALIVE;
                    if silent >= DEAD_AFTER {
                        return Failure::Broken("the server fell silent".to_owned());
                    }
                    outbox.push_now(b"PING\r\n", true);
                }
            }
        }
    };
    let writing = async {
        let mut bytes = Vec::new();
        while outbox.take(&mut bytes).await {
            // What TLS has taken is not on its way before the flush.
            let written = match writer.write_all(&bytes).await {
                Ok(()) => writer.flush().await,
                failed => failed,
            };
            if let Err(error) = written {
                return error.into();
            }
        }
        // With TLS this is a word of farewell, for which a dead connection has no room.
        let _ = timeout(FAREWELL, writer.shutdown()).await;
        Failure::Broken("closed".to_owned())
    };
    tokio::select! { lost = reading => lost, lost = writing => lost }
}

/// Marks the interruption on every subscription, in order behind what came before it, and has them all subscribed anew.
fn resubscribe(shared: &Shared, epoch: u64, max_payload: usize) {
    // The table is locked while the queue opens: a subscription that comes later finds the queue open and writes itself.
    let subscriptions = shared.subscriptions();
    let mut bytes = Vec::new();
    for (sid, entry) in subscriptions.iter() {
        if epoch > 1 {
            entry.interrupt(epoch);
        }
        write::sub(&mut bytes, &entry.pattern, entry.queue.as_deref(), *sid);
    }
    shared.outbox.open(bytes, max_payload);
}

async fn handle(shared: &Weak<Shared>, op: ServerOp) -> Option<Failure> {
    let Some(shared) = shared.upgrade() else { return Some(Failure::Broken("closed".to_owned())) };
    match op {
        ServerOp::Msg(message) => {
            let sid = std::str::from_utf8(&message.sid).ok().and_then(|text| text.parse().ok());
            let entry = sid.and_then(|sid: u64| shared.subscriptions().get(&sid).cloned());
            if let Some(entry) = entry {
                let outbox = Arc::clone(&shared.outbox);
                drop(shared);
                deliver(&entry, message, &outbox).await;
            }
        }
        ServerOp::Ping => {
            if !shared.outbox.push_now(b"PONG\r\n", false) {
                return Some(Failure::Broken("the server takes nothing of what is sent to it".to_owned()));
            }
        }
        ServerOp::Pong => {
            shared.outbox.answered(shared.line_violations.load(Ordering::Relaxed));
        }
        ServerOp::Err(text) => return note_error(&shared, &text),
        ServerOp::Info(info) => note_info(&shared, &info),
        ServerOp::Ok => {}
    }
    None
}

/// The server says anew what it takes, as after its configuration was read again.
fn note_info(shared: &Shared, info: &[u8]) {
    #[derive(Deserialize)]
    struct News {
        max_payload: Option<usize>,
    }
    let Ok(News { max_payload: Some(news) }) = serde_json::from_slice(info) else { return };
    shared.outbox.set_max_payload(news);
    shared.status.send_if_modified(|status| match status {
        Status::Connected { max_payload, .. } if *max_payload != news => {
            *max_payload = news;
            true
        }
        _ => false,
    });
}

/// Hands a message over. While its reader lets us wait, the server hears from us: that shows when it has cut us.
async fn deliver(entry: &Entry, message: ServerMessage, outbox: &Outbox) {
    let delivering = entry.deliver(message);
    tokio::pin!(delivering);
    while timeout(KEEPALIVE, &mut delivering).await.is_err() {
        outbox.push_now(b"PING\r\n", true);
    }
}

/// An error of the server in mid-session. Only one about the login ends the session from our side; for all others the
/// server closes, or it does not.
fn note_error(shared: &Shared, text: &Bytes) -> Option<Failure> {
    let text = String::from_utf8_lossy(text).into_owned();
    if text.starts_with("Permissions Violation for Publish") {
        let violations = shared.violations.fetch_add(1, Ordering::Relaxed) + 1;
        // A line's subject begins with its org.
        if text.contains(" to \"o.") {
            shared.line_violations.fetch_add(1, Ordering::Relaxed);
        }
        // Every message may be refused: said at the first, the second, the fourth and so on.
        if violations.is_power_of_two() {
            tracing::warn!(reason = %text, violations, "the bus refused a message");
        }
    } else if let Some(rest) = text.strip_prefix("Permissions Violation for Subscription to ") {
        let denied: Vec<_> = {
            let mut subscriptions = shared.subscriptions();
            let of_pattern = |e: &Entry| rest.starts_with(&subject::quoted(e.pattern.as_bytes()));
            let sids: Vec<u64> =
                subscriptions.iter().filter(|(_, e)| of_pattern(e)).map(|(sid, _)| *sid).collect();
            sids.iter().filter_map(|sid| subscriptions.remove(sid)).collect()
        };
        denied.iter().for_each(|entry| entry.deny(text.clone()));
    } else if let refused @ Failure::Refused(_) = refusal(&text) {
        return Some(refused);
    } else {
        let errors = shared.errors.fetch_add(1, Ordering::Relaxed) + 1;
        if errors.is_power_of_two() {
            tracing::warn!(reason = %text, errors, "the bus reported an error");
        }
    }
    None
}
