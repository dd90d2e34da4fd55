//! Out of the spool to the store: compressed requests, each repeated until it is answered. The answers move the cursor `store`.
//!
//! Lines wait a little for others, so that a request carries many; then they are sorted by shard ([`pack`]). Each shard has one
//! request on its way ([`shards`]): its lines arrive in order, and a store that is away holds up no other. What is sent is
//! the spool's own bytes.

mod ask;
mod dead;
mod pack;
mod refused;
mod shards;
mod state;

use std::sync::Arc;
use std::time::Duration;

use bus::client::{Client, Status};
use bus::sys::AppendAnswer;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::config::ToStore;
use crate::context::Context;
use crate::error::chain;
use crate::lag::Lag;
use crate::live::{LiveBatch, Source};
use crate::publish::told;
use crate::quiet::quiet_warn;
use crate::spool::{self, Pos};
use crate::writer::OutCursor;

use ask::{Asks, Outcome, ask};
use pack::{Packer, Request};
use shards::{Pass, Shards};
use state::OK;
pub(crate) use state::StoreState;

/// Bytes of entries that are sorted and sent at once.
const WINDOW_BYTES: usize = 1 << 20;
/// How long the first line after a quiet while waits for others.
const GATHER: Duration = Duration::from_millis(20);
/// How long windows are apart that are not full: so much, and a little for each request of the one before, because requests cost
/// whoever sends them and the store more than lines do.
const APART: Duration = Duration::from_millis(100);
/// The little for each request.
const APART_FOR_EACH: Duration = Duration::from_millis(2);
/// Windows are apart no longer, however many shards there are: a line is to be found within a second.
const APART_AT_MOST: Duration = Duration::from_millis(400);
/// How often the lag is looked at, and the shards that are slow.
const LOOK: Duration = Duration::from_secs(1);
/// How long to wait after the spool could not be read.
const RETRY: Duration = Duration::from_secs(1);
/// What a busy store may ask for.
const BUSY: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(30));

/// Hands the spool to the store, from the cursor on, for ever.
pub(crate) struct Durable {
    context: Arc<Context>,
    state: Arc<StoreState>,
    client: Client,
    status: watch::Receiver<Status>,
    source: Source,
    cursor: Arc<OutCursor>,
    stop: watch::Receiver<bool>,
    settings: ToStore,
    lag: Lag,
    packer: Packer,
    shards: Shards,
    asks: Asks,
    /// What was read and waits for others.
    hand: Vec<LiveBatch>,
    /// Until when.
    gather_until: Option<Instant>,
    /// When the next window may go, if it is not full.
    next_window: Instant,
    pass: Option<Pass>,
    /// Messages that the server did not take from this credential, lines apart, when last looked at.
    violations: u64,
    connected: bool,
    stopping: bool,
    /// Nothing was left to read when it was last tried.
    drained: bool,
}

/// What a sender to the store is made of, beside its settings.
pub(crate) struct Parts {
    /// What the agent's parts share.
    pub(crate) context: Arc<Context>,
    /// How it stands with the store.
    pub(crate) state: Arc<StoreState>,
    /// The bus.
    pub(crate) client: Client,
    /// The spool, from the cursor on.
    pub(crate) source: Source,
    /// The cursor.
    pub(crate) cursor: Arc<OutCursor>,
    /// Told when it is time to end.
    pub(crate) stop: watch::Receiver<bool>,
}

impl Durable {
    /// A sender that begins where the source stands.
    pub(crate) fn new(parts: Parts, settings: ToStore) -> Self {
        let Parts { context, state, client, source, cursor, stop } = parts;
        Self {
            lag: Lag::new(Arc::clone(&context)),
            packer: Packer::new(&context.host),
            shards: Shards::new(settings.retry_after),
            status: client.status(),
            context,
            state,
            client,
            source,
            cursor,
            stop,
            settings,
            asks: Asks::default(),
            hand: Vec::new(),
            gather_until: None,
            next_window: Instant::now(),
            pass: None,
            violations: 0,
            connected: false,
            stopping: false,
            drained: false,
        }
    }

    /// Sends until told to stop; then what is there, as far as stores answer.
    pub(crate) async fn run(mut self) {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.context
            .metrics
            .store
            .dead_letters
            .set(i64::try_from(self.state.dead.count()).unwrap_or(i64::MAX));
        self.note_status();
        loop {
            self.send();
            if self.stopping && self.is_done() {
                return;
            }
            let gather_at = self.gather_until.filter(|_| self.may_read());
            let retry_at = self.shards.retry_at().filter(|_| self.connected);
            tokio::select! {
                biased;
                Some((shard, outcome)) = self.asks.next() => self.note(shard, outcome).await,
                changed = self.status.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.note_status();
                }
                () = told(&mut self.stop), if !self.stopping => {
                    self.stopping = true;
                    self.gather_until = Some(Instant::now());
                }
                _ = look.tick() => self.look().await,
                () = at(gather_at), if gather_at.is_some() => self.gather().await,
                read = self.source.next(WINDOW_BYTES, &mut self.hand),
                    if self.gather_until.is_none() && self.may_read() => self.begin_window(read),
                () = at(retry_at), if retry_at.is_some() => self.try_again(),
                () = std::future::ready(()), if self.may_pass() => self.pass_on().await,
            }
        }
    }

    /// Everything before this has been read for all shards.
    fn read_from(&self) -> Pos {
        self.hand.first().map_or(self.source.at(), |batch| batch.pos)
    }

    fn may_read(&self) -> bool {
        self.connected && self.shards.has_room()
    }

    /// Sends what can be sent, and moves the cursor.
    fn send(&mut self) {
        let now = Instant::now();
        self.shards.make_room(self.read_from(), now);
        self.cursor.advance(self.shards.stored(self.read_from()));
        if !self.connected {
            return;
        }
        for request in self.shards.take_ready(now) {
            self.context.metrics.store.sent_bytes.inc_by(request.message.len() as u64);
            let shard = request.shard;
            self.asks.start(shard, ask(self.client.clone(), request, self.settings.answer_within));
        }
    }

    fn is_done(&self) -> bool {
        !self.connected || (self.drained && self.hand.is_empty() && self.shards.is_settled())
    }

    /// Takes in how the connection stands.
    fn note_status(&mut self) {
        let status = self.status.borrow_and_update().clone();
        if let Status::Connected { max_payload, .. } = status {
            self.packer.set_max_payload(max_payload);
            self.connected = true;
            self.shards.retry_all();
            self.gather_until.get_or_insert_with(Instant::now);
            self.tell_state();
            return;
        }
        self.connected = false;
        self.source.release();
        let word = match status {
            Status::Refused { reason } => format!("NATS refuses the login: {reason}"),
            _ => "NATS is not reachable".to_owned(),
        };
        self.state.set(&word, self.shards.failing());
    }

    /// The first lines after a while are there: others may join them.
    fn begin_window(&mut self, read: Result<u64, spool::Error>) {
        self.drained = false;
        let now = Instant::now();
        let until = match read {
            Ok(_) if self.hand_bytes() >= WINDOW_BYTES => now,
            Ok(_) => self.next_window.max(now + GATHER),
            Err(why) => cannot_read(&why),
        };
        self.gather_until = Some(until);
    }

    fn hand_bytes(&self) -> usize {
        self.hand.iter().map(|batch| batch.bytes.len()).sum()
    }

    /// Reads what else is there, up to a window, and queues it for its shards.
    async fn gather(&mut self) {
        (self.gather_until, self.drained) = (None, false);
        let mut hand_bytes = self.hand_bytes();
        while hand_bytes < WINDOW_BYTES {
            let before = (self.source.at(), self.hand.len());
            if let Err(why) = self.source.try_next(WINDOW_BYTES - hand_bytes, &mut self.hand).await {
                self.gather_until = Some(cannot_read(&why));
                break;
            }
            hand_bytes += self.hand.iter().skip(before.1).map(|batch| batch.bytes.len()).sum::<usize>();
            if self.source.at() == before.0 {
                self.drained = true;
                break;
            }
        }
        let mut batches = std::mem::take(&mut self.hand);
        self.shards.retain(&mut batches);
        let requests = self.packer.pack(batches);
        if !self.drained {
            self.gather_until.get_or_insert_with(Instant::now);
        }
        self.next_window = Instant::now() + apart(requests.len());
        requests.into_iter().for_each(|request| self.shards.push(request));
    }

    /// Takes in what became of the request of a shard.
    async fn note(&mut self, shard: u8, outcome: Outcome) {
        self.context.metrics.store.answered(outcome.name());
        match outcome {
            Outcome::Answer(AppendAnswer::Acked { .. }) => self.acked(shard),
            Outcome::Answer(AppendAnswer::Rejected { code, reason }) => {
                self.refused(shard, &code, &reason).await;
            }
            Outcome::TooLong(bytes) => self.part(shard, bytes),
            trouble => {
                let delay = match &trouble {
                    Outcome::Answer(AppendAnswer::Busy { retry_ms, .. }) => {
                        Some(Duration::from_millis(*retry_ms).clamp(BUSY.0, BUSY.1))
                    }
                    _ => None,
                };
                self.shards.failed(shard, delay, Instant::now());
                if let Some(word) = self.forbidden().or_else(|| trouble.sentence(shard)) {
                    self.state.set(&word, self.shards.failing());
                }
            }
        }
    }

    /// What is said if the server has refused requests of late: then no answer comes.
    fn forbidden(&mut self) -> Option<String> {
        let violations = self.client.violations().saturating_sub(self.client.line_violations());
        let before = std::mem::replace(&mut self.violations, violations);
        let word = "NATS does not take requests to stores from this credential: is it an agent's?";
        (violations > before).then(|| word.to_owned())
    }

    fn acked(&mut self, shard: u8) {
        let was_failing = self.shards.failing() > 0;
        if let Some(request) = self.shards.done(shard) {
            self.context.metrics.store.lines.inc_by(request.lines());
        }
        if was_failing {
            self.tell_state();
        }
    }

    /// The bus takes less than it did: what waits is put together anew.
    fn part(&mut self, shard: u8, max_payload: usize) {
        self.packer.set_max_payload(max_payload);
        let Some(request) = self.shards.front(shard).cloned() else { return };
        let is_about_refused = request.is_about_refused;
        let parts = self.packer.pack(request.batches);
        self.shards
            .replace(shard, parts.into_iter().map(|part| Request { is_about_refused, ..part }).collect());
    }

    /// Says that all is well, if it is; what is in the way stays said otherwise.
    fn tell_state(&self) {
        let failing = self.shards.failing();
        if failing == 0 {
            self.state.set(OK, 0);
        } else {
            self.state.set(&self.state.word(), failing);
        }
    }

    /// A shard may be tried again: if it was set aside, it is read anew, behind those that are being read already.
    fn try_again(&mut self) {
        self.shards.forget_past_retries(Instant::now());
    }

    fn may_pass(&self) -> bool {
        self.connected
            && self.shards.has_room_for_pass()
            && (self.pass.is_some() || self.shards.may_begin_pass())
    }

    /// Reads on for the shards that were set aside.
    async fn pass_on(&mut self) {
        if self.pass.is_none() {
            self.pass = self.shards.begin_pass(Instant::now());
        }
        let Some(pass) = self.pass.take().filter(|_| self.shards.is_passing()) else { return };
        let end = self.read_from();
        if pass.at >= end {
            self.shards.end_pass(true, Instant::now());
            return;
        }
        let (reader, from) = (self.context.reader.clone(), pass.at);
        let read = tokio::task::spawn_blocking(move || reader.read(from, WINDOW_BYTES)).await;
        let read = match read {
            Ok(Ok(read)) => read,
            Ok(Err(why)) => {
                cannot_read(&why);
                self.shards.end_pass(false, Instant::now());
                return;
            }
            Err(_) => return self.shards.end_pass(false, Instant::now()),
        };
        // Where nothing was read there is nothing before what the others have in hand.
        let next = if read.next > pass.at { read.next.min(end) } else { end };
        let mut batches: Vec<LiveBatch> = read.batches.into_iter().map(LiveBatch::from).collect();
        self.shards.pass_over(&mut batches, next);
        let requests = self.packer.pack(batches);
        requests.into_iter().for_each(|request| self.shards.push(request));
        self.pass = Some(Pass { at: next });
    }

    /// Looks how far the store is behind.
    async fn look(&mut self) {
        let stored = self.shards.stored(self.read_from());
        // Nothing waits: there is no need to look whether what the spool notes between batches is a line.
        let is_idle = self.connected && self.drained && self.gather_until.is_none();
        let lag = match is_idle && stored == self.source.at() {
            true => Duration::ZERO,
            false => self.lag.age(&self.source, stored, self.shards.taken(stored)).await,
        };
        let bytes = if lag.is_zero() { 0 } else { self.source.bytes_from(stored) };
        let failing = self.shards.failing();
        let metrics = &self.context.metrics.store;
        metrics.lag.set(lag.as_secs_f64());
        metrics.lag_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        metrics.failing_shards.set(i64::try_from(failing).unwrap_or(i64::MAX));
        self.state.lags(lag, bytes);
        let word = self.state.word();
        let why = if word == OK { "what was spooled before is still on its way" } else { &word };
        self.context.health.store_lags(lag, why);
    }
}

/// How long the next window keeps from one of so many requests.
fn apart(requests: usize) -> Duration {
    let requests = u32::try_from(requests).unwrap_or(u32::MAX);
    APART_FOR_EACH.checked_mul(requests).map_or(APART_AT_MOST, |more| APART_AT_MOST.min(APART + more))
}

/// Says that the spool cannot be read, and when it is tried again.
fn cannot_read(why: &spool::Error) -> Instant {
    quiet_warn!(code = "LA03", error = %chain(why), "the spool cannot be read");
    Instant::now() + RETRY
}

/// Waits for that moment; for ever without one.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_waits_for_others_longer_than_a_search_may_take() {
        assert_eq!(apart(0), APART);
        assert_eq!(apart(16), Duration::from_millis(132));
        for requests in [256, 10_000, usize::MAX] {
            assert_eq!(apart(requests), APART_AT_MOST);
        }
        assert!(GATHER + APART_AT_MOST < Duration::from_millis(500));
    }
}
