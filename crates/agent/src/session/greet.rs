//! HELLO and WELCOME: where a boot goes on.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use line::entry;
use line::frame::{self, Frame, Hello, Welcome};

use super::{Fault, Greeted, Session};
use crate::assemble::Assembler;
use crate::clock::unix_ns;
use crate::machine::BootHandle;
use crate::spool::{Batch, SpoolReader};
use crate::stamp::Stamper;

/// How often init should ping.
const HEARTBEAT_MS: u32 = 5_000;
/// The most unacknowledged bytes that init should have on the way, whatever its ring.
const MAX_WINDOW_BYTES: u32 = 4 << 20;
/// Enough of a Machine's newest entries to find the last one's time.
const LAST_ENTRY_BYTES: usize = 8 << 20;

impl Session {
    /// Takes a HELLO: the boots before this one are over, and this one goes on where the spool ends.
    pub(super) async fn greet(&mut self, hello: &Hello<'_>) -> Result<(), Fault> {
        let now_ns = unix_ns();
        if self.greeted.is_some() {
            return Err(self.malformed("a second HELLO"));
        }
        if !(hello.versions.0..=hello.versions.1).contains(&frame::VERSION) {
            let (oldest, newest) = hello.versions;
            let reason = format!("this agent speaks version {}, not {oldest} to {newest}", frame::VERSION);
            return Err(Fault::Refuse("LA08", reason));
        }
        let (boot, others) = self.machine.enter(hello.boot);
        boot.live.store(true, Ordering::Release);
        boot.note_next(hello.next_seq);
        self.context.heard.add(&boot);
        for other in others {
            self.context.queue.end(&other, true).await;
            self.machine.forget(other.boot);
        }
        let state = self.context.queue.open(&boot).await;
        let resume_seq = state.as_ref().map_or(0, |state| state.next_seq);
        boot.set_durable(resume_seq, now_ns);
        let last_time = self.last_time(&boot, state.is_some()).await;
        let expected = resume_seq.max(1);
        let assembler = Assembler::new(expected, hello.ring_bytes, Stamper::new(last_time));
        let assembler = if state.is_none() { assembler.begin_unknown() } else { assembler };
        self.greeted =
            Some(Greeted { boot, assembler, submitted: resume_seq, acked: resume_seq, flush: None });
        self.observe(hello.next_seq, hello.realtime, hello.boottime, now_ns).await;
        let window_bytes = (hello.ring_bytes / 2).clamp(64 << 10, MAX_WINDOW_BYTES);
        let welcome =
            Welcome { version: frame::VERSION, resume_seq, window_bytes, heartbeat_ms: HEARTBEAT_MS };
        self.send(&Frame::Welcome(welcome)).await
    }

    /// The time of the boot's last entry: times go on rising, also after a restart of the agent.
    async fn last_time(&self, boot: &Arc<BootHandle>, is_known: bool) -> i64 {
        let known = boot.last_time.load(Ordering::Acquire);
        if known > 0 || !is_known {
            return known;
        }
        let (reader, key) = (self.context.reader.clone(), Arc::clone(&self.machine.key));
        let read = tokio::task::spawn_blocking(move || last_entry_time(&reader, &key));
        read.await.unwrap_or(0)
    }
}

/// The latest time among a Machine's newest entries; 0 if there is none.
fn last_entry_time(reader: &SpoolReader, key: &[u8]) -> i64 {
    let newest = reader.newest(|found| found == key, 1, LAST_ENTRY_BYTES).unwrap_or_default();
    newest.iter().filter_map(last_of_batch).max().unwrap_or(0)
}

fn last_of_batch(batch: &Batch) -> Option<i64> {
    let entries = entry::Reader::new(&batch.bytes, batch.first_seq, batch.time);
    entries.map_while(Result::ok).last().map(|entry| entry.time)
}
