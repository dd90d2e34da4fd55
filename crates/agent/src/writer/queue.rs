//! The queue from the sessions to the thread that writes the spool.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{Semaphore, oneshot};

use crate::assemble::Encoded;
use crate::machine::BootHandle;
use crate::spool::BootState;

/// Bytes of entries that may wait for the spool's thread. When they are reached the sessions wait, and with them their
/// Machines: nothing is dropped.
const QUEUE_BYTES: usize = 16 << 20;
/// What a job without entries counts for.
const JOB_BYTES: usize = 64;

/// What the thread is asked to do, in order.
#[derive(Debug)]
pub(crate) enum Job {
    /// Append entries of a boot.
    Append {
        /// Whose.
        boot: Arc<BootHandle>,
        /// What.
        entries: Encoded,
        /// Whether the app's share of the spool is asked first. Gap records and events of the agent are taken anyhow.
        admit: bool,
    },
    /// State what the start found missing.
    Fill {
        /// Of which boot.
        boot: Arc<BootHandle>,
        /// The gap record.
        entries: Encoded,
    },
    /// Make everything durable and say how far the boot has come.
    Open {
        /// Which.
        boot: Arc<BootHandle>,
        /// Where the answer goes.
        reply: oneshot::Sender<Option<BootState>>,
    },
    /// The boot is over.
    End {
        /// Which.
        boot: Arc<BootHandle>,
        /// How.
        ending: Ending,
        /// Told when that is durable.
        done: oneshot::Sender<()>,
    },
    /// Note what the boot has said of its sequence.
    Tell {
        /// Which.
        boot: Arc<BootHandle>,
    },
    /// End what has vanished of a Machine that nobody can speak for any more.
    Retire {
        /// The Machine's key.
        key: Arc<[u8]>,
    },
    /// Persist how far each boot has come.
    SaveMarks,
}

/// How a boot ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With a goodbye.
    Bye,
    /// Without one, and it may come back: a gap record states what it is known to have had.
    Lost,
    /// Without one, and it cannot come back.
    Over,
}

impl Job {
    fn cost(&self) -> u32 {
        let bytes = match self {
            Self::Append { entries, .. } | Self::Fill { entries, .. } => entries.bytes.len(),
            _ => 0,
        };
        u32::try_from((JOB_BYTES + bytes).min(QUEUE_BYTES)).unwrap_or(u32::MAX)
    }
}

/// A job and the room that it takes up.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) job: Job,
    pub(super) cost: u32,
}

#[derive(Debug, Default)]
struct State {
    jobs: VecDeque<Queued>,
    hasten: bool,
    stopped: bool,
}

/// The queue; both sides share it.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
    room: Semaphore,
}

/// What the thread found in the queue.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Somebody waits for a sync.
    pub(super) hasten: bool,
    /// Nothing more will come.
    pub(super) stopped: bool,
}

impl Default for Queue {
    fn default() -> Self {
        Self { state: Mutex::default(), wake: Condvar::new(), room: Semaphore::new(QUEUE_BYTES) }
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a job, when there is room. Nothing is done with it after the thread has stopped.
    pub(crate) async fn push(&self, job: Job) {
        let cost = job.cost();
        if let Ok(permit) = self.room.acquire_many(cost).await {
            permit.forget();
            self.state().jobs.push_back(Queued { job, cost });
            self.wake.notify_one();
        }
    }

    /// Queues a job if there is room now; for what is asked again soon anyway.
    pub(crate) fn try_push(&self, job: Job) {
        let cost = job.cost();
        if let Ok(permit) = self.room.try_acquire_many(cost) {
            permit.forget();
            self.state().jobs.push_back(Queued { job, cost });
            self.wake.notify_one();
        }
    }

    /// Asks for a sync as soon as what is queued now has been appended.
    pub(crate) fn hasten(&self) {
        self.state().hasten = true;
        self.wake.notify_one();
    }

    /// Asks the boot's state, after everything queued before is durable. `None` as well when the thread has stopped.
    pub(crate) async fn open(&self, boot: &Arc<BootHandle>) -> Option<BootState> {
        let (reply, answer) = oneshot::channel();
        self.push(Job::Open { boot: Arc::clone(boot), reply }).await;
        self.hasten();
        answer.await.ok().flatten()
    }

    /// Ends a boot and waits until that is durable.
    pub(crate) async fn end(&self, boot: &Arc<BootHandle>, ending: Ending) {
        let (done, ended) = oneshot::channel();
        self.push(Job::End { boot: Arc::clone(boot), ending, done }).await;
        self.hasten();
        // An error means that the thread has stopped; the boot is then found without an end at the next start.
        let _ended = ended.await;
    }

    /// No job is taken any more; the thread ends when it has done those that are queued.
    pub(crate) fn stop(&self) {
        self.room.close();
        self.state().stopped = true;
        self.wake.notify_one();
    }

    /// Moves the queued jobs to the end of `jobs`. Waits for some until `until`, or for ever without it.
    pub(super) fn take(&self, jobs: &mut VecDeque<Queued>, until: Option<Instant>) -> Taken {
        let mut state = self.state();
        while state.jobs.is_empty() && !state.hasten && !state.stopped {
            let Some(until) = until else {
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        jobs.append(&mut state.jobs);
        Taken { hasten: std::mem::take(&mut state.hasten), stopped: state.stopped }
    }

    /// Gives back the room of a job that is done.
    pub(super) fn done(&self, cost: u32) {
        self.room.add_permits(cost as usize);
    }
}
