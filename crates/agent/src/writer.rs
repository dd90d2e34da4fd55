//! The thread that owns the spool: appends what the sessions bring, syncs for all of them at once, acknowledges.

mod fate;
mod keep;
mod late;
mod queue;
mod refuse;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use line::{Clock, GapReason};

use crate::assemble::{Encoded, gap_entry};
use crate::clock::unix_ns;
use crate::health::Health;
use crate::live::{Feeds, LiveBatch};
use crate::machine::BootHandle;
use crate::metrics::Metrics;
use crate::spool::{self, Admission, BatchRef, Pos, Spool, SpoolReader};
use crate::{Error, recover};

use keep::Keep;
pub(crate) use keep::{LIVE, STORE};
use queue::Queued;
pub(crate) use queue::{Ending, Job, Queue};
use refuse::Refusals;

/// How long the first entry of a group waits for others before the disk is asked to sync. Nobody reads later for it: the
/// live copy does not wait.
const GROUP_DELAY: Duration = Duration::from_millis(5);
/// How often something is tried again that the disk refused.
const RETRY_DELAY: Duration = Duration::from_millis(250);

/// What the thread needs.
#[derive(Debug)]
pub(crate) struct Parts {
    /// The spool.
    pub(crate) spool: Spool,
    /// Where what was appended is handed on.
    pub(crate) feeds: Arc<Feeds>,
    /// How far each way out has come.
    pub(crate) cursors: Cursors,
    /// Bytes that every cursor has passed and that are kept for `sys.recent`.
    pub(crate) keep_bytes: u64,
    /// The agent's figures.
    pub(crate) metrics: Arc<Metrics>,
    /// Whether the spool can write.
    pub(crate) health: Arc<Health>,
}

/// How far each way out has come.
#[derive(Debug, Clone)]
pub(crate) struct Cursors {
    /// The live copy.
    pub(crate) live: Arc<OutCursor>,
    /// What the store has, if there is one.
    pub(crate) store: Option<Arc<OutCursor>>,
}

/// The position up to which lines are out, as the task that carries them on tells the thread.
#[derive(Debug, Default)]
pub(crate) struct OutCursor(AtomicU64);

impl OutCursor {
    /// A cursor that begins at `pos`.
    pub(crate) const fn new(pos: Pos) -> Self {
        Self(AtomicU64::new(pos.0))
    }

    /// Everything before `pos` is out.
    pub(crate) fn advance(&self, pos: Pos) {
        self.0.fetch_max(pos.0, Ordering::AcqRel);
    }

    /// Everything before this is out.
    pub(crate) fn get(&self) -> Pos {
        Pos(self.0.load(Ordering::Acquire))
    }
}

/// The running thread, and what others need of it.
#[derive(Debug)]
pub(crate) struct Running {
    /// To the thread.
    pub(crate) queue: Arc<Queue>,
    /// From it.
    pub(crate) feeds: Arc<Feeds>,
    /// How far each way out has come.
    pub(crate) cursors: Cursors,
    /// Reads the spool.
    pub(crate) reader: SpoolReader,
    /// The agent's figures.
    pub(crate) metrics: Arc<Metrics>,
    /// Whether the spool can write.
    pub(crate) health: Arc<Health>,
    thread: JoinHandle<()>,
}

impl Running {
    /// Starts the thread.
    pub(crate) fn start(parts: Parts) -> Result<Self, Error> {
        let queue = Arc::new(Queue::default());
        let (feeds, cursors) = (Arc::clone(&parts.feeds), parts.cursors.clone());
        let (metrics, health) = (Arc::clone(&parts.metrics), Arc::clone(&parts.health));
        let reader = parts.spool.reader();
        let writer = Writer::new(parts, Arc::clone(&queue));
        let named = std::thread::Builder::new().name("spool".into());
        let alarm = Alarm { queue: Arc::clone(&queue), health: Arc::clone(&health) };
        let run = move || {
            let _alarm = alarm;
            writer.run();
        };
        let thread = named.spawn(run).map_err(Error::Thread)?;
        Ok(Self { queue, feeds, cursors, reader, metrics, health, thread })
    }

    /// Ends the thread after it has done what is queued, as far as the disk lets it.
    pub(crate) async fn stop(self) {
        self.queue.stop();
        let Self { thread, .. } = self;
        // A thread that has panicked has said so.
        let _ended = tokio::task::spawn_blocking(move || thread.join()).await;
    }
}

/// Says so if the thread dies of a fault in the program: from then on nothing is acknowledged.
struct Alarm {
    queue: Arc<Queue>,
    health: Arc<Health>,
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.queue.stop();
            self.health.spool_fails(&spool::Error::Invalid("its thread has died; restart the agent"));
        }
    }
}

struct Writer {
    spool: Spool,
    feeds: Arc<Feeds>,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    queue: Arc<Queue>,
    jobs: VecDeque<Queued>,
    refusals: Refusals,
    keep: Keep,
    /// Those who carry lines on have to be woken.
    has_news: bool,
    /// As [`Spool::moves`] was last seen.
    moves: u64,
    /// What the next sync makes durable.
    unsynced: Vec<Unsynced>,
    /// When that is due.
    sync_at: Option<Instant>,
    /// The disk refused to take something: not before this moment is it asked again.
    retry_at: Option<Instant>,
}

/// What waits for a sync.
enum Unsynced {
    Entries(Arc<BootHandle>, u64),
    Opened(Arc<BootHandle>, tokio::sync::oneshot::Sender<Option<spool::BootState>>),
    Ended(tokio::sync::oneshot::Sender<()>),
}

/// What the disk refused for now, and why.
type Later<T> = Box<(T, spool::Error)>;

fn later<T>(what: T, why: spool::Error) -> Later<T> {
    Box::new((what, why))
}

impl Writer {
    fn new(parts: Parts, queue: Arc<Queue>) -> Self {
        Self {
            spool: parts.spool,
            feeds: parts.feeds,
            metrics: parts.metrics,
            health: parts.health,
            queue,
            jobs: VecDeque::new(),
            refusals: Refusals::default(),
            keep: Keep::new(parts.cursors, parts.keep_bytes),
            has_news: false,
            moves: 0,
            unsynced: Vec::new(),
            sync_at: None,
            retry_at: None,
        }
    }

    fn run(mut self) {
        loop {
            let wake_at = self.wake_at();
            let taken = self.queue.take(&mut self.jobs, wake_at);
            let now = Instant::now();
            self.keep.advance(&mut self.spool);
            if self.retry_at.is_none_or(|at| now >= at) {
                self.retry_at = None;
                self.append_jobs();
                self.append_refusals(taken.hasten || taken.stopped);
            }
            if std::mem::take(&mut self.has_news) {
                self.feeds.wake();
            }
            let asked = (taken.hasten || taken.stopped) && !self.unsynced.is_empty();
            if asked || self.sync_at.is_some_and(|at| now >= at) {
                self.sync();
            }
            self.keep.house(&mut self.spool, &self.metrics, &self.health, taken.stopped);
            self.note_moves();
            if taken.stopped && (self.jobs.is_empty() || self.retry_at.is_some()) {
                return;
            }
        }
    }

    /// When there is something to do even if no job comes.
    fn wake_at(&self) -> Option<Instant> {
        let refused_at = if self.retry_at.is_none() { self.refusals.due() } else { None };
        [self.retry_at, self.sync_at, refused_at, self.keep.due()].into_iter().flatten().min()
    }

    fn append_jobs(&mut self) {
        while let Some(Queued { job, cost }) = self.jobs.pop_front() {
            match self.handle(job) {
                Ok(()) => self.queue.done(cost),
                Err(refused) => {
                    let (job, why) = *refused;
                    self.jobs.push_front(Queued { job, cost });
                    self.refused_by_disk(&why);
                    return;
                }
            }
        }
    }

    /// Does a job, or gives it back for later.
    fn handle(&mut self, job: Job) -> Result<(), Later<Job>> {
        match job {
            Job::Append { boot, entries, admit } => {
                if admit && !self.admit(&boot, &entries) {
                    self.refusals.add(&boot, &entries);
                    return Ok(());
                }
                if let Err(why) = self.settle(&boot) {
                    return Err(later(Job::Append { boot, entries, admit: false }, why));
                }
                self.append(&boot, entries).map_err(|refused| {
                    let (entries, why) = *refused;
                    later(Job::Append { boot, entries, admit: false }, why)
                })
            }
            Job::Open { boot, reply } => {
                if let Err(why) = self.settle(&boot).and_then(|()| self.replace(&boot)) {
                    return Err(later(Job::Open { boot, reply }, why));
                }
                // Whoever asked finds it in the handle.
                let _known = self.last_time(&boot);
                self.note_unsynced(Unsynced::Opened(boot, reply));
                Ok(())
            }
            Job::End { boot, ending, done } => match self.end(&boot, ending) {
                Ok(()) => {
                    self.note_unsynced(Unsynced::Ended(done));
                    Ok(())
                }
                Err(why) => Err(later(Job::End { boot, ending, done }, why)),
            },
            Job::Tell { boot } => self.tell(&boot).map_err(|why| later(Job::Tell { boot }, why)),
            Job::Retire { key } => self.retire(&key, None).map_err(|why| later(Job::Retire { key }, why)),
            Job::Fill { boot, entries } => self.fill(boot, entries),
            Job::SaveMarks => {
                if let Err(why) = self.spool.save_marks() {
                    tracing::warn!(error = %crate::error::chain(&why), "the spool's marks could not be saved");
                }
                Ok(())
            }
        }
    }

    /// Appends the gap record of a hole that the start found.
    fn fill(&mut self, boot: Arc<BootHandle>, entries: Encoded) -> Result<(), Later<Job>> {
        match self.spool.fill(batch_ref(&boot, &entries)) {
            Ok(pos) => self.appended(&boot, entries, pos, true),
            Err(why @ (spool::Error::Full { .. } | spool::Error::Io { .. })) => {
                return Err(later(Job::Fill { boot, entries }, why));
            }
            Err(why) => recover::not_filled(&why),
        }
        Ok(())
    }

    fn admit(&mut self, boot: &BootHandle, entries: &Encoded) -> bool {
        let group = boot.machine.key.get(..boot.machine.group_len).unwrap_or_default();
        self.spool.admit(group, entries.bytes.len() as u64, unix_ns()) == Admission::Accept
    }

    /// States what was refused of a boot, before something else of it is written.
    fn settle(&mut self, boot: &Arc<BootHandle>) -> Result<(), spool::Error> {
        let Some(gap) = self.refusals.take(boot) else { return Ok(()) };
        let (lines, bytes) = (gap.next_seq - gap.from_seq, gap.bytes);
        let entry = gap_entry(gap.from_seq, lines, gap.time, Clock::Guest, GapReason::SpoolFull, bytes);
        match self.append(boot, Encoded::one(&entry)) {
            Ok(()) => {
                boot.machine.metrics.gap(GapReason::SpoolFull, lines);
                Ok(())
            }
            Err(refused) => {
                self.refusals.put_back(boot, gap);
                Err(refused.1)
            }
        }
    }

    fn append_refusals(&mut self, all: bool) {
        for boot in self.refusals.ready(all, Instant::now()) {
            if let Err(why) = self.settle(&boot) {
                self.refused_by_disk(&why);
                return;
            }
        }
    }

    /// Appends entries. What the spool has already is left out, what is missing is stated.
    fn append(&mut self, boot: &Arc<BootHandle>, entries: Encoded) -> Result<(), Later<Encoded>> {
        match self.spool.append(batch_ref(boot, &entries)) {
            Ok(pos) => {
                self.appended(boot, entries, pos, false);
                Ok(())
            }
            Err(spool::Error::Duplicate { .. }) => self.append_late(boot, entries),
            Err(spool::Error::Ahead { next_seq }) => {
                let span = entries.first_seq.saturating_sub(next_seq).max(1);
                let time = entries.first_time.saturating_sub(1);
                let gap = gap_entry(next_seq, span, time, Clock::Guest, GapReason::SequenceHole, 0);
                boot.machine.metrics.gap(GapReason::SequenceHole, span);
                if let Err(refused) = self.append(boot, Encoded::one(&gap)) {
                    return Err(later(entries, refused.1));
                }
                self.append(boot, entries)
            }
            Err(why) => Err(later(entries, why)),
        }
    }

    fn appended(&mut self, boot: &Arc<BootHandle>, entries: Encoded, pos: Pos, is_fill: bool) {
        self.note_unsynced(Unsynced::Entries(Arc::clone(boot), entries.next_seq));
        self.keep.dirty();
        self.has_news = true;
        self.feeds.push(LiveBatch {
            pos,
            next: self.spool.end(),
            key: Arc::clone(&boot.machine.key),
            boot: boot.boot.bits(),
            first_seq: entries.first_seq,
            next_seq: entries.next_seq,
            count: entries.count,
            is_fill,
            base_time: entries.base_time,
            bytes: entries.bytes.into(),
        });
    }

    fn note_unsynced(&mut self, what: Unsynced) {
        self.sync_at.get_or_insert_with(|| Instant::now() + GROUP_DELAY);
        if let (Some(Unsynced::Entries(last, last_next)), Unsynced::Entries(boot, next_seq)) =
            (self.unsynced.last_mut(), &what)
            && Arc::ptr_eq(last, boot)
        {
            *last_next = (*last_next).max(*next_seq);
            return;
        }
        self.unsynced.push(what);
    }

    fn sync(&mut self) {
        let started = Instant::now();
        if let Err(why) = self.spool.sync() {
            self.health.spool_fails(&why);
            self.sync_at = Some(Instant::now() + RETRY_DELAY);
            return;
        }
        self.metrics.synced(started.elapsed());
        if self.retry_at.is_none() {
            self.health.spool_works();
        }
        self.sync_at = None;
        let now = unix_ns();
        for what in self.unsynced.drain(..) {
            match what {
                Unsynced::Entries(boot, next_seq) => boot.set_durable(next_seq, now),
                Unsynced::Opened(boot, reply) => {
                    // Who asked may be gone by now.
                    let _sent = reply.send(self.spool.boot(&boot.machine.key, boot.boot.bits()));
                }
                Unsynced::Ended(done) => {
                    let _sent = done.send(());
                }
            }
        }
    }

    /// After a failed sync that was mended a reader's place is no longer behind what it has carried.
    fn note_moves(&mut self) {
        if self.spool.moves() != self.moves {
            self.moves = self.spool.moves();
            self.feeds.moved(self.spool.end());
            self.feeds.wake();
        }
    }

    fn refused_by_disk(&mut self, why: &spool::Error) {
        self.retry_at = Some(Instant::now() + RETRY_DELAY);
        self.health.spool_fails(why);
    }
}

fn batch_ref<'a>(boot: &'a BootHandle, entries: &'a Encoded) -> BatchRef<'a> {
    BatchRef {
        key: &boot.machine.key,
        group_len: boot.machine.group_len,
        boot: boot.boot.bits(),
        first_seq: entries.first_seq,
        next_seq: entries.next_seq,
        count: entries.count,
        bytes: &entries.bytes,
        time: entries.base_time,
    }
}

#[cfg(test)]
mod tests;
