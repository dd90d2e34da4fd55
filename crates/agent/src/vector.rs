//! Out of the spool to a Vector socket source instead of NATS: the same JSON with `logway.org`, a line each.
//!
//! Vector's socket source acknowledges nothing: the cursor moves when the bytes are written. What Vector's own buffers hold
//! when it is killed is lost to whoever reads from Vector; the spool still answers for it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use line::GapReason;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::LiveLag;
use crate::clock::unix_ns;
use crate::context::Context;
use crate::error::chain;
use crate::lag::Lag;
use crate::lines::Outs;
use crate::live::{LiveBatch, Source};
use crate::publish::told;
use crate::quiet::quiet_warn;
use crate::ranges::Ranges;
use crate::writer::OutCursor;

/// Entries that are written at once, in bytes before encoding.
const WRITE_BYTES: usize = 256 << 10;
/// How often the lag is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// First and longest wait before connecting again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// Writes the spool to a unix stream socket, from the cursor on, for ever.
#[derive(Debug)]
pub(crate) struct Vector {
    context: Arc<Context>,
    path: PathBuf,
    source: Source,
    cursor: Arc<OutCursor>,
    stop: watch::Receiver<bool>,
    outs: Outs,
    lag: Lag,
    batches: Vec<LiveBatch>,
    text: Vec<u8>,
    live_lag: Option<LiveLag>,
    /// What Vector will not get, because it was away for too long, and what it was not told of yet.
    left_out: Ranges,
}

impl Vector {
    /// A writer to the socket `path` that begins where `source` stands.
    pub(crate) fn new(
        context: Arc<Context>,
        path: PathBuf,
        source: Source,
        cursor: Arc<OutCursor>,
        live_lag: Option<LiveLag>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self {
            outs: Outs::new(&context.host, true),
            lag: Lag::new(Arc::clone(&context)),
            context,
            path,
            source,
            cursor,
            stop,
            batches: Vec::new(),
            text: Vec::new(),
            live_lag,
            left_out: Ranges::default(),
        }
    }

    /// Writes until told to stop; then what is there.
    pub(crate) async fn run(mut self) {
        let mut is_away = false;
        while let Some(stream) = self.connect(&mut is_away).await {
            is_away = false;
            self.context.outlet.set("vector");
            self.context.metrics.bus_connected.set(1);
            tracing::info!(path = %self.path.display(), "connected to Vector");
            self.source.seek(self.cursor.get());
            if self.carry(stream).await {
                return;
            }
            self.context.metrics.rewinds.inc();
            self.context.metrics.bus_connected.set(0);
            self.batches.clear();
            self.source.release();
        }
    }

    /// Connects, however long it takes. `None`: told to stop.
    async fn connect(&mut self, is_away: &mut bool) -> Option<UnixStream> {
        let (mut delay, longest) = BACKOFF;
        loop {
            let error = match UnixStream::connect(&self.path).await {
                Ok(stream) => return Some(stream),
                Err(error) => error,
            };
            if !std::mem::replace(is_away, true) {
                self.context.outlet.set("vector away");
                tracing::warn!(path = %self.path.display(), %error, "Vector is not reachable, lines are spooled meanwhile");
            }
            self.lag.look(&self.source, self.cursor.get(), None).await;
            self.skip_ahead().await;
            tokio::select! {
                () = told(&mut self.stop) => return None,
                () = sleep(delay) => delay = (delay * 2).min(longest),
            }
        }
    }

    /// Lets go of what Vector is too far behind with, so that it does not hold up the spool: the store has the lines. Vector is told
    /// when it is back.
    async fn skip_ahead(&mut self) {
        let Some(limit) = self.live_lag else { return };
        let is_more = self.source.is_more(self.cursor.get(), limit.bytes);
        if self.context.health.lag() <= limit.after && !is_more {
            return;
        }
        self.source.seek(self.cursor.get());
        // What cannot be read now is tried again with the next look.
        let _read = self.left_out.leave_out(&mut self.source, &mut self.batches).await;
        self.cursor.advance(self.source.at());
        self.context.outlet.set("vector away, lines are left out");
        self.source.release();
    }

    /// Tells Vector what it does not get.
    async fn tell_left_out(&mut self, stream: &mut UnixStream) -> bool {
        if self.left_out.is_empty() {
            return true;
        }
        self.text.clear();
        let mut records = 0;
        for (key, boot, gap) in self.left_out.live_gaps(unix_ns()) {
            let Some(machine) = self.outs.get(key) else { continue };
            machine.encoder.write(line::Boot::from_bits(boot), &gap, &mut self.text);
            self.text.push(b'\n');
            self.context.metrics.app(&machine.address).gap(GapReason::LiveLag, gap.span);
            records += 1;
        }
        if stream.write_all(&self.text).await.is_err() {
            return false;
        }
        self.left_out = Ranges::default();
        tracing::warn!(
            code = "LA05",
            gap_records = records,
            "Vector was away for too long and was not given all lines"
        );
        true
    }

    /// True: told to stop, and all is out. False: the connection is gone.
    async fn carry(&mut self, mut stream: UnixStream) -> bool {
        if !self.tell_left_out(&mut stream).await {
            return false;
        }
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = told(&mut self.stop) => return self.finish(&mut stream).await,
                _ = look.tick() => self.lag.look(&self.source, self.cursor.get(), None).await,
                read = self.source.next(WRITE_BYTES, &mut self.batches) => {
                    if let Err(why) = read {
                        quiet_warn!(code = "LA03", error = %chain(&why), "the spool cannot be read");
                        sleep(BACKOFF.1).await;
                        return false;
                    }
                    if !self.write(&mut stream).await {
                        return false;
                    }
                }
            }
        }
    }

    async fn finish(&mut self, stream: &mut UnixStream) -> bool {
        while self.source.try_next(WRITE_BYTES, &mut self.batches).await.is_ok() && !self.batches.is_empty() {
            if !self.write(stream).await {
                return true;
            }
        }
        // What was written is with the kernel; a reader that is gone gets no more.
        let _shut = stream.shutdown().await;
        true
    }

    /// Writes the batches in hand and moves the cursor. False if the connection is gone.
    async fn write(&mut self, stream: &mut UnixStream) -> bool {
        let Some(next) = self.batches.last().map(|last| last.next) else { return true };
        self.text.clear();
        let mut lines = 0;
        for batch in self.batches.drain(..) {
            let Some(machine) = self.outs.get(&batch.key) else { continue };
            for entry in batch.entries().map_while(Result::ok) {
                machine.encoder.write(line::Boot::from_bits(batch.boot), &entry, &mut self.text);
                self.text.push(b'\n');
                lines += 1;
            }
        }
        if let Err(error) = stream.write_all(&self.text).await {
            quiet_warn!(path = %self.path.display(), %error, "the connection to Vector was lost");
            return false;
        }
        self.cursor.advance(next);
        self.context.metrics.published.inc_by(lines);
        true
    }
}
