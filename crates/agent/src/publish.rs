//! Out of the spool to NATS: one message a line. What the server has confirmed moves the cursor.

mod skip;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bus::client::{Client, PubBatch, Receipt, Status};
use line::Body;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};

use crate::context::Context;
use crate::error::chain;
use crate::lag::Lag;
use crate::lines::Outs;
use crate::live::{LiveBatch, Source};
use crate::quiet::quiet_warn;
use crate::spool::Pos;
use crate::writer::OutCursor;
use crate::{LiveLag, spool};

/// Entries that are sent at once, in bytes before encoding; one confirmation is asked for each.
const SEND_BYTES: usize = 256 << 10;
/// Sendings that may wait for their confirmation. Then the publisher waits too.
const MAX_UNCONFIRMED: usize = 8;
/// How often the lag is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long to wait after the spool could not be read.
const RETRY: Duration = Duration::from_secs(1);
/// How long to wait after the server has refused lines.
const REFUSED_RETRY: Duration = Duration::from_secs(5);

/// Publishes the spool, from the cursor on, for ever.
pub(crate) struct Publisher {
    context: Arc<Context>,
    client: Client,
    source: Source,
    cursor: Arc<OutCursor>,
    live_lag: Option<LiveLag>,
    stop: watch::Receiver<bool>,
    outs: Outs,
    lag: Lag,
    batches: Vec<LiveBatch>,
    unconfirmed: VecDeque<Unconfirmed>,
    /// Lines that the server had refused when it confirmed the last sending.
    refused: u64,
    scratch: Vec<u8>,
    max_payload: usize,
}

/// Lines that are on their way.
struct Unconfirmed {
    receipt: Receipt,
    next: Pos,
    lines: u64,
    taken: i64,
}

/// Why publishing paused.
enum Pause {
    /// The connection is gone, or the spool cannot be read.
    Lost,
    /// The server refuses lines.
    Refused,
    /// Told to stop, and all is out.
    Stopped,
}

impl Publisher {
    /// A publisher that begins where `source` stands.
    pub(crate) fn new(
        context: Arc<Context>,
        client: Client,
        source: Source,
        cursor: Arc<OutCursor>,
        live_lag: Option<LiveLag>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self {
            outs: Outs::new(&context.host, false),
            lag: Lag::new(Arc::clone(&context)),
            context,
            client,
            source,
            cursor,
            live_lag,
            stop,
            batches: Vec::new(),
            unconfirmed: VecDeque::new(),
            refused: 0,
            scratch: Vec::new(),
            max_payload: usize::MAX,
        }
    }

    /// Publishes until told to stop; then what is there, as long as the server takes it.
    pub(crate) async fn run(mut self) {
        while self.connected().await {
            self.source.seek(self.cursor.get());
            self.refused = self.client.line_violations();
            let pause = self.carry().await;
            if let Pause::Stopped = pause {
                return;
            }
            if !self.unconfirmed.is_empty() {
                self.context.metrics.rewinds.inc();
            }
            self.unconfirmed.clear();
            self.source.release();
            if let Pause::Refused = pause {
                self.wait_refused().await;
            }
        }
    }

    /// Waits before lines are sent again that the server did not take from this credential.
    async fn wait_refused(&mut self) {
        self.context.health.refuses(true);
        let until = Instant::now() + REFUSED_RETRY;
        let mut look = interval(LOOK);
        loop {
            tokio::select! {
                () = told(&mut self.stop) => return,
                () = sleep_until(until) => return,
                _ = look.tick() => self.look().await,
            }
        }
    }

    /// Waits for the server. False: told to stop, or closed.
    async fn connected(&mut self) -> bool {
        let mut look = interval(LOOK);
        let mut status = self.client.status();
        loop {
            match &*status.borrow_and_update() {
                Status::Connected { max_payload, .. } => {
                    self.max_payload = *max_payload;
                    return true;
                }
                Status::Closed => return false,
                _ => {}
            }
            tokio::select! {
                changed = status.changed() => if changed.is_err() { return false },
                _ = look.tick() => self.lag.look(&self.source, self.cursor.get(), None).await,
                () = told(&mut self.stop) => return false,
            }
        }
    }

    async fn carry(&mut self) -> Pause {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                confirmed = confirmed(&mut self.unconfirmed) => {
                    if let Err(pause) = self.note(confirmed) {
                        return pause;
                    }
                }
                () = told(&mut self.stop) => {
                    self.finish().await;
                    return Pause::Stopped;
                }
                _ = look.tick() => self.look().await,
                read = self.source.next(SEND_BYTES, &mut self.batches),
                    if self.unconfirmed.len() < MAX_UNCONFIRMED =>
                {
                    if !self.take(read).await {
                        return Pause::Lost;
                    }
                }
            }
        }
    }

    /// Sends what is there and waits until it is confirmed, as long as the server takes it.
    async fn finish(&mut self) {
        while self.source.try_next(SEND_BYTES, &mut self.batches).await.is_ok() && !self.batches.is_empty() {
            if !self.send().await {
                return;
            }
        }
        while let Some(sent) = self.unconfirmed.front_mut() {
            let confirmed = (&mut sent.receipt).await;
            if self.note(confirmed).is_err() {
                return;
            }
        }
    }

    /// Sends what was read. False if the connection is gone or nothing could be read.
    async fn take(&mut self, read: Result<u64, spool::Error>) -> bool {
        match read {
            Ok(skipped) => self.note_skipped(skipped),
            Err(why) => {
                quiet_warn!(code = "LA03", error = %chain(&why), "the spool cannot be read");
                sleep(RETRY).await;
                return false;
            }
        }
        match self.live_lag {
            Some(limit) if self.is_behind(limit) => self.skip_ahead().await,
            _ => self.send().await,
        }
    }

    fn note_skipped(&self, bytes: u64) {
        if bytes > 0 {
            self.context.metrics.unreadable_bytes.inc_by(bytes);
            quiet_warn!(code = "LA03", bytes, "a part of the spool could not be read and was passed over");
        }
    }

    /// Sends the batches in hand. False if the connection is gone.
    async fn send(&mut self) -> bool {
        let Some(last) = self.batches.last() else { return true };
        let (next, taken) = (last.next, self.batches.first().map_or(0, |first| first.base_time));
        let mut out = Client::batch();
        let mut lines = 0;
        for batch in std::mem::take(&mut self.batches) {
            lines += self.encode(&batch, &mut out);
        }
        self.send_out(out, Sent { next, lines, taken }).await
    }

    async fn send_out(&mut self, out: PubBatch, sent: Sent) -> bool {
        // Too long for a server that takes less than the one before: it is encoded anew for the new one.
        let Ok(receipt) = self.client.send(out).await else { return false };
        let Sent { next, lines, taken } = sent;
        self.unconfirmed.push_back(Unconfirmed { receipt, next, lines, taken });
        true
    }

    fn encode(&mut self, batch: &LiveBatch, out: &mut PubBatch) -> u64 {
        let Some(machine) = self.outs.get(&batch.key) else { return 0 };
        let boot = line::Boot::from_bits(batch.boot);
        let mut lines = 0;
        for entry in batch.entries() {
            let Ok(entry) = entry else {
                quiet_warn!(code = "LA03", subject = %machine.subject, "a spooled batch could not be read to its end");
                break;
            };
            lines += 1;
            let text_bytes = match &entry.body {
                Body::Line(text) => text.bytes.len(),
                _ => 0,
            };
            // Escaping makes six bytes of one at most.
            if text_bytes.saturating_mul(6).saturating_add(8192) < self.max_payload {
                out.push_with(&machine.subject, |buf| machine.encoder.write(boot, &entry, buf));
                continue;
            }
            self.scratch.clear();
            if machine.write_within(boot, &entry, self.max_payload, &mut self.scratch) {
                out.push(&machine.subject, &self.scratch);
            }
        }
        lines
    }

    /// Takes in a confirmation: how many lines were refused by then. An error if it will not come, or if the server has taken
    /// it all in and refused some of it.
    fn note(&mut self, confirmed: Result<u64, bus::Error>) -> Result<(), Pause> {
        let Ok(refused) = confirmed else { return Err(Pause::Lost) };
        if refused > self.refused {
            return Err(Pause::Refused);
        }
        let Some(sent) = self.unconfirmed.pop_front() else { return Ok(()) };
        self.cursor.advance(sent.next);
        self.context.metrics.published.inc_by(sent.lines);
        self.context.health.refuses(false);
        Ok(())
    }

    async fn look(&mut self) {
        let taken = self.unconfirmed.front().map(|sent| sent.taken);
        self.lag.look(&self.source, self.cursor.get(), taken).await;
    }
}

/// What a sending carries.
struct Sent {
    next: Pos,
    lines: u64,
    taken: i64,
}

async fn confirmed(unconfirmed: &mut VecDeque<Unconfirmed>) -> Result<u64, bus::Error> {
    match unconfirmed.front_mut() {
        Some(sent) => (&mut sent.receipt).await,
        None => std::future::pending().await,
    }
}

/// Waits until told to stop. A teller who is gone has ended with the agent.
pub(crate) async fn told(stop: &mut watch::Receiver<bool>) {
    let _told = stop.wait_for(|stop| *stop).await;
}
