//! A connection of a Machine's init: frames in, acknowledgements out.

mod greet;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use line::Boot;
use line::frame::{self, Bye, Frame, Parsed, Ping, Refused};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use crate::accept::stopped;
use crate::assemble::{Assembler, Now, Rule, notice};
use crate::clock::unix_ns;
use crate::context::Context;
use crate::machine::{BootHandle, Machine};
use crate::machines::Stop;
use crate::quiet::quiet_warn;
use crate::writer::{Ending, Job};

/// Entries are handed to the spool when they are this many bytes, or when there is nothing more to read.
const HANDOVER_BYTES: usize = 256 << 10;
/// How much is read at once.
const READ_BYTES: usize = 64 << 10;
/// A Machine is sent away when so many bytes were looked at that are no frame: what it may cost is bounded, not only what it sends.
const MAX_GARBAGE_BYTES: u64 = 16 << 20;
/// How long init may take to read an answer. It is small: whoever does not take it does not read at all.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);
/// At the agent's end: how long what is in the socket may take to be read, and to be on disk.
const DRAIN: Duration = Duration::from_millis(200);
/// The rest of that.
const LAST_SYNC: Duration = Duration::from_secs(1);

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// With a goodbye: the boot is over and on disk.
    Bye,
    /// Without one.
    Lost,
}

/// Why a connection is given up.
#[derive(Debug)]
enum Fault {
    /// It failed, or was closed.
    Gone,
    /// Init must be told to go away.
    Refuse(&'static str, String),
}

impl From<std::io::Error> for Fault {
    fn from(_: std::io::Error) -> Self {
        Self::Gone
    }
}

/// What goes on after a frame.
enum Next {
    Read,
    Over,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Session {
    stream: UnixStream,
    context: Arc<Context>,
    machine: Arc<Machine>,
    stop: watch::Receiver<Stop>,
    input: BytesMut,
    output: Vec<u8>,
    /// Init does not listen any more. What it said before that may still wait in the socket, and counts.
    is_deaf: bool,
    /// Bytes that were looked at and are no frame, of [`MAX_GARBAGE_BYTES`].
    garbage_bytes: u64,
    greeted: Option<Greeted>,
}

/// What is known after the HELLO.
#[derive(Debug)]
struct Greeted {
    boot: Arc<BootHandle>,
    assembler: Assembler,
    /// Everything below was handed to the spool's thread.
    submitted: u64,
    /// Everything below was acknowledged.
    acked: u64,
    /// The barrier that init waits for.
    flush: Option<u64>,
    /// When what a PING says of the sequence was last noted on disk.
    told_at: Option<Instant>,
}

impl Session {
    /// The session of a connection that was just accepted.
    pub(crate) fn new(
        stream: UnixStream,
        context: Arc<Context>,
        machine: Arc<Machine>,
        stop: watch::Receiver<Stop>,
    ) -> Self {
        Self {
            stream,
            context,
            machine,
            stop,
            input: BytesMut::new(),
            output: Vec::new(),
            is_deaf: false,
            garbage_bytes: 0,
            greeted: None,
        }
    }

    /// Serves the connection to its end.
    pub(crate) async fn run(mut self) -> End {
        let end = match self.serve().await {
            Ok(end) => end,
            Err(Fault::Gone) => End::Lost,
            Err(Fault::Refuse(code, reason)) => {
                self.refuse(code, &reason).await;
                End::Lost
            }
        };
        // What was received whole is kept, although nobody can be told any more.
        self.hand_over().await;
        if let Some(greeted) = &mut self.greeted {
            greeted.boot.last_time.store(greeted.assembler.stamper().last(), Ordering::Release);
            greeted.boot.live.store(false, Ordering::Release);
        }
        end
    }

    async fn serve(&mut self) -> Result<End, Fault> {
        loop {
            if self.is_deaf {
                return self.hear_out().await;
            }
            let settle_at = self.settle_at();
            self.input.reserve(READ_BYTES);
            tokio::select! {
                biased;
                // First, because a Machine may see to it that there is always something to read.
                stop = stopped(&mut self.stop) => return self.leave(stop).await,
                () = moved(self.greeted.as_ref()) => self.acknowledge().await?,
                read = self.stream.read_buf(&mut self.input) => {
                    if read? == 0 {
                        return Err(Fault::Gone);
                    }
                    if let Next::Over = self.take_input().await? {
                        return Ok(End::Bye);
                    }
                }
                () = sleep_until(settle_at.unwrap_or_else(Instant::now)), if settle_at.is_some() => {
                    self.settle(false).await;
                }
            }
        }
    }

    /// Ends the connection because it was told to.
    async fn leave(&mut self, stop: Stop) -> Result<End, Fault> {
        if stop == Stop::Agent {
            self.drain().await?;
        }
        Ok(End::Lost)
    }

    /// Takes what still waits in the socket of an init that does not listen any more.
    async fn hear_out(&mut self) -> Result<End, Fault> {
        loop {
            self.input.reserve(READ_BYTES);
            let read = tokio::select! {
                biased;
                stop = stopped(&mut self.stop) => return self.leave(stop).await,
                read = timeout(DRAIN, self.stream.read_buf(&mut self.input)) => read,
            };
            if !matches!(read, Ok(Ok(1..))) {
                return Err(Fault::Gone);
            }
            if let Next::Over = self.take_input().await? {
                return Ok(End::Bye);
            }
        }
    }

    /// When lines over the rate limit must be stated.
    fn settle_at(&self) -> Option<Instant> {
        let unsettled = self.greeted.as_ref().is_some_and(|greeted| greeted.assembler.is_unsettled());
        unsettled.then(|| Instant::now() + Duration::from_secs(1))
    }

    /// Handles all whole frames that were read.
    async fn take_input(&mut self) -> Result<Next, Fault> {
        let mut input = std::mem::take(&mut self.input);
        let mut used_bytes = 0;
        let mut next = Next::Read;
        while let Some(bytes) = input.get(used_bytes..).filter(|bytes| !bytes.is_empty()) {
            match frame::parse(bytes) {
                Parsed::Incomplete { need } => {
                    input.advance(used_bytes);
                    used_bytes = 0;
                    input.reserve(need);
                    break;
                }
                Parsed::Frame { frame, used } => {
                    used_bytes += used;
                    next = self.take_frame(frame).await?;
                    if let Next::Over = next {
                        break;
                    }
                }
                Parsed::Unknown { used, .. } => used_bytes += used,
                Parsed::Garbage { used, looked_at, why } => {
                    used_bytes += used;
                    self.garbage(used, looked_at, &why)?;
                }
            }
        }
        input.advance(used_bytes);
        self.input =
            if input.is_empty() && input.capacity() > 4 * READ_BYTES { BytesMut::new() } else { input };
        // Also when the Machine never pauses: what is over its limit is stated once a second.
        self.settle(false).await;
        Ok(next)
    }

    fn garbage(&mut self, bytes: usize, looked_at: usize, why: &line::Error) -> Result<(), Fault> {
        self.context.metrics.garbage_bytes.inc_by(bytes as u64);
        self.garbage_bytes += looked_at as u64;
        let instance = &self.machine.address.instance;
        quiet_warn!(code = "LA08", org = %self.machine.address.org, %instance, bytes, %why, "bytes that are no frame are passed over");
        if self.garbage_bytes > MAX_GARBAGE_BYTES {
            return Err(Fault::Refuse("LA08", "too much of what was sent is no frame".into()));
        }
        Ok(())
    }

    async fn take_frame(&mut self, frame: Frame<'_>) -> Result<Next, Fault> {
        if let Frame::Hello(hello) = &frame {
            self.greet(hello).await?;
            return Ok(Next::Read);
        }
        let Some(greeted) = &mut self.greeted else {
            return Err(self.malformed("the first frame is no HELLO"));
        };
        let now = Now { unix_ns: unix_ns(), instant: std::time::Instant::now() };
        let rate = self.machine.rate();
        let rule = Rule { rate: rate.as_deref(), now };
        match frame {
            Frame::Batch(batch) => {
                greeted.assembler.batch(&batch, rule);
                if greeted.assembler.collected_bytes() >= HANDOVER_BYTES {
                    self.hand_over().await;
                }
            }
            Frame::Gap(gap) => {
                let spanned = greeted.assembler.expected();
                if !greeted.assembler.gap(&gap, now) {
                    return Err(self.malformed("a gap of impossible length"));
                }
                let lines = greeted.assembler.expected() - spanned;
                if lines > 0 {
                    self.machine.metrics.gap(gap.reason, lines);
                }
            }
            Frame::Ping(ping) => self.ping(ping, now.unix_ns).await?,
            Frame::Flush { next_seq } => self.flush(next_seq, now).await?,
            Frame::Bye(bye) => {
                self.bye(bye, now).await?;
                return Ok(Next::Over);
            }
            _ => return Err(self.malformed("a frame that only the agent sends")),
        }
        Ok(Next::Read)
    }

    fn malformed(&self, why: &str) -> Fault {
        self.context.metrics.malformed_frames.inc();
        Fault::Refuse("LA08", why.to_owned())
    }

    async fn ping(&mut self, ping: Ping, now_ns: i64) -> Result<(), Fault> {
        let has_all = self.observe(ping.next_seq, ping.realtime, ping.boottime, now_ns).await;
        let told_at = self.greeted.as_mut().map(|greeted| &mut greeted.told_at);
        if let Some(told_at) = told_at.filter(|told_at| !has_all && told_at.is_none_or(is_long_ago)) {
            *told_at = Some(Instant::now());
            self.tell().await;
        }
        self.send(&Frame::Pong { boottime: ping.boottime }).await
    }

    /// Has it noted on disk how far init says that it has come.
    async fn tell(&self) {
        if let Some(greeted) = &self.greeted {
            self.context.queue.push(Job::Tell { boot: Arc::clone(&greeted.boot) }).await;
        }
    }

    /// Takes in what init says of its clocks and its sequence. False if it has given out numbers that have not come.
    async fn observe(&mut self, next_seq: u64, realtime: i64, boottime: i64, now_ns: i64) -> bool {
        let Some(greeted) = &mut self.greeted else { return true };
        greeted.boot.note_next(next_seq);
        let has_all = next_seq == greeted.assembler.expected();
        let is_off = greeted.assembler.stamper().observe(now_ns, realtime, boottime);
        if has_all {
            greeted.assembler.stamper().nothing_until(boottime, now_ns);
        }
        if is_off && !greeted.boot.clock_told.swap(true, Ordering::AcqRel) {
            let off_s = now_ns.saturating_sub(realtime) / line::time::SECOND;
            let text =
                format!("the Machine's clock is {off_s} s behind the host's: its lines have the host's time");
            let event = line::Event::new("clock_off", line::Level::Warn, text)
                .text("code_name", "LA09")
                .int("behind_seconds", off_s);
            let (boot, entries) = notice(event, now_ns, fastrand::u16(..));
            self.append_notice(boot, entries).await;
        }
        has_all
    }

    async fn append_notice(&self, boot: Boot, entries: crate::assemble::Encoded) {
        let boot = Arc::new(BootHandle::new(Arc::clone(&self.machine), boot));
        let queue = &self.context.queue;
        queue.push(Job::Append { boot: Arc::clone(&boot), entries, admit: true }).await;
        // Nobody waits for its end.
        let (done, _) = tokio::sync::oneshot::channel();
        queue.push(Job::End { boot, ending: Ending::Bye, done }).await;
    }

    async fn flush(&mut self, barrier: u64, now: Now) -> Result<(), Fault> {
        if let Some(greeted) = &mut self.greeted {
            let rate = self.machine.rate();
            let rule = Rule { rate: rate.as_deref(), now };
            greeted.boot.note_next(barrier);
            greeted.assembler.cut(rule);
            greeted.flush = Some(greeted.flush.map_or(barrier, |before| before.max(barrier)));
        }
        self.settle(true).await;
        self.context.queue.hasten();
        self.acknowledge().await
    }

    async fn bye(&mut self, bye: Bye, now: Now) -> Result<(), Fault> {
        if let Some(greeted) = &mut self.greeted {
            greeted.assembler.end(bye.next_seq, now);
        }
        self.hand_over().await;
        if let Some(greeted) = &self.greeted {
            self.context.queue.end(&greeted.boot, Ending::Bye).await;
            self.machine.forget(&greeted.boot);
        }
        // Init may not wait for this any more.
        let _told = self.acknowledge().await;
        Ok(())
    }

    /// States the lines over the rate limit that are old enough, or all.
    async fn settle(&mut self, force: bool) {
        if let Some(greeted) = &mut self.greeted {
            let now = Now { unix_ns: unix_ns(), instant: std::time::Instant::now() };
            greeted.assembler.settle(now, force);
        }
        self.hand_over().await;
    }

    /// Hands what was collected to the spool's thread; waits as long as its queue is full.
    async fn hand_over(&mut self) {
        let Some(greeted) = &mut self.greeted else { return };
        let counts = greeted.assembler.counts();
        let metrics = &self.machine.metrics;
        metrics.lines.inc_by(counts.lines);
        metrics.bytes.inc_by(counts.bytes);
        metrics.duplicates.inc_by(counts.duplicates);
        if counts.holes > 0 {
            metrics.gap(line::GapReason::SequenceHole, counts.holes);
        }
        if counts.limited > 0 {
            metrics.gap(line::GapReason::RateLimited, counts.limited);
        }
        let Some(entries) = greeted.assembler.take() else { return };
        greeted.submitted = entries.next_seq;
        let boot = Arc::clone(&greeted.boot);
        self.context.queue.push(Job::Append { boot, entries, admit: true }).await;
    }

    /// Tells init what is on disk by now.
    async fn acknowledge(&mut self) -> Result<(), Fault> {
        let Some(greeted) = &mut self.greeted else { return Ok(()) };
        let next_seq = greeted.boot.durable();
        let flushed = greeted.flush.take_if(|barrier| *barrier <= next_seq);
        if next_seq > greeted.acked {
            greeted.acked = next_seq;
            encode(&mut self.output, &Frame::Ack { next_seq });
        }
        if let Some(next_seq) = flushed {
            encode(&mut self.output, &Frame::Flushed { next_seq });
        }
        self.write_out().await
    }

    async fn send(&mut self, frame: &Frame<'_>) -> Result<(), Fault> {
        encode(&mut self.output, frame);
        self.write_out().await
    }

    async fn write_out(&mut self) -> Result<(), Fault> {
        if !self.is_deaf {
            let is_written = tokio::select! {
                biased;
                is_written = write_all(&mut self.stream, &self.output) => is_written,
                // Once told to stop, nothing waits for an init that does not read.
                _ = stopped(&mut self.stop) => false,
            };
            self.is_deaf = !is_written;
        }
        self.output.clear();
        Ok(())
    }

    async fn refuse(&mut self, code: &'static str, reason: &str) {
        self.context.metrics.refused(code);
        let address = &self.machine.address;
        quiet_warn!(code, org = %address.org, instance = %address.instance, reason, "a Machine was sent away");
        // It is sent away whether it hears why or not.
        let _told = self.send(&Frame::Refused(Refused { code, reason })).await;
    }

    /// At the agent's end: takes what is in the socket already, and acknowledges it.
    async fn drain(&mut self) -> Result<(), Fault> {
        let until = Instant::now() + DRAIN;
        while Instant::now() < until {
            self.input.reserve(READ_BYTES);
            match self.stream.try_read_buf(&mut self.input) {
                Ok(0) | Err(_) => break,
                Ok(_) => {
                    if let Next::Over = self.take_input().await? {
                        return Ok(());
                    }
                }
            }
        }
        self.settle(true).await;
        self.context.queue.hasten();
        if let Some(greeted) = &self.greeted {
            let (boot, submitted) = (Arc::clone(&greeted.boot), greeted.submitted);
            // Without it init sends again what was not acknowledged: to the next agent.
            let _synced = timeout(LAST_SYNC, boot.wait_durable(submitted)).await;
        }
        self.acknowledge().await
    }
}

/// Whether a PING is due again: a Machine may ping as often as it likes.
fn is_long_ago(told_at: Instant) -> bool {
    told_at.elapsed() >= Duration::from_millis(u64::from(greet::HEARTBEAT_MS) / 2)
}

/// Writes all of it. False: nobody reads, or not in time.
async fn write_all(stream: &mut UnixStream, output: &[u8]) -> bool {
    let written = match stream.try_write(output) {
        Ok(written) => written,
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => 0,
        Err(_) => return false,
    };
    match output.get(written..).filter(|rest| !rest.is_empty()) {
        Some(rest) => matches!(timeout(WRITE_DEADLINE, stream.write_all(rest)).await, Ok(Ok(()))),
        None => true,
    }
}

fn encode(output: &mut Vec<u8>, frame: &Frame<'_>) {
    // All that the agent sends is short; only a body over 256 KiB could fail.
    let written = frame.write(output);
    debug_assert!(written.is_ok(), "{written:?}");
}

/// Waits until more of the boot is on disk.
async fn moved(greeted: Option<&Greeted>) {
    match greeted {
        Some(greeted) => greeted.boot.moved.notified().await,
        None => std::future::pending().await,
    }
}
