//! HELLO and WELCOME: where a boot goes on.

use std::sync::atomic::Ordering;

use line::frame::{self, Frame, Hello, Welcome};
use line::join::Limits;
use tokio::time::{Instant, sleep_until};

use super::{Fault, Greeted, Session};
use crate::accept::stopped;
use crate::assemble::Assembler;
use crate::clock::unix_ns;
use crate::stamp::Stamper;
use crate::writer::Ending;

/// How often init should ping.
pub(super) const HEARTBEAT_MS: u32 = 5_000;

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
        self.wait_turn().await?;
        let (boot, others) = self.machine.enter(hello.boot);
        boot.note_next(hello.next_seq);
        self.context.heard.add(&boot);
        for other in others {
            self.context.queue.end(&other, Ending::Over).await;
            self.machine.forget(&other);
        }
        let state = self.context.queue.open(&boot).await;
        // Of one that has only said how far it is, nothing is here.
        let state = state.filter(|state| state.next_seq > 1);
        let resume_seq = state.as_ref().map_or(0, |state| state.resume_seq(hello.first_seq.max(1)));
        boot.set_durable(resume_seq, now_ns);
        let last_time = boot.last_time.load(Ordering::Acquire);
        let expected = resume_seq.max(1);
        let assembler = Assembler::new(expected, hello.ring_bytes, Stamper::new(last_time));
        let assembler = if state.is_none() { assembler.begin_unknown() } else { assembler };
        let (submitted, acked) = (resume_seq, resume_seq);
        self.greeted = Some(Greeted { boot, assembler, submitted, acked, flush: None, told_at: None });
        if !self.observe(hello.next_seq, hello.realtime, hello.boottime, now_ns).await {
            self.tell().await;
        }
        let window_bytes = Limits::for_ring(hello.ring_bytes).window_bytes(hello.ring_bytes);
        let welcome =
            Welcome { version: frame::VERSION, resume_seq, window_bytes, heartbeat_ms: HEARTBEAT_MS };
        self.send(&Frame::Welcome(welcome)).await
    }

    /// Waits until the Machine may greet.
    async fn wait_turn(&mut self) -> Result<(), Fault> {
        let at = self.machine.greetings.next(Instant::now());
        tokio::select! {
            biased;
            () = sleep_until(at) => Ok(()),
            _ = stopped(&mut self.stop) => Err(Fault::Gone),
        }
    }
}
