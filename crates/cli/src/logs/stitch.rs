//! Joins recent and live lines by id, so that each is shown once and in the order of its boot, and finds out what is missing.
//!
//! Pure: records and times come as arguments, and what is to be shown or asked for is given back. A record that comes ahead
//! of a hole is held while the agents are asked for the hole; what they do not have either is shown as missing.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use line::Boot;

use super::ranges::Ranges;

/// How long records wait behind a hole that the agents could not fill, before it is shown as missing.
pub(crate) const HOLD: Duration = Duration::from_millis(500);
/// How long they wait while the agents have not answered at all, as after they were restarted.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// The least time between two questions about the same hole.
const ASK_AGAIN: Duration = Duration::from_millis(150);
/// How long a hole that only a heartbeat shows is left to the lines that are on their way.
const ON_THE_WAY: Duration = Duration::from_millis(300);

/// Which start of which instance. Names as they stand in messages.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Source {
    pub(crate) instance: Arc<str>,
    pub(crate) boot: Boot,
    pub(crate) app: Arc<str>,
    pub(crate) region: Arc<str>,
}

/// A record of a boot, with whatever the caller wants back when it is its turn.
#[derive(Debug, Clone)]
pub(crate) struct Record<T> {
    pub(crate) source: Source,
    /// Its first sequence number.
    pub(crate) seq: u64,
    /// How many it covers, at least 1.
    pub(crate) span: u64,
    /// Unix nanoseconds.
    pub(crate) time: i64,
    /// It says that the numbers it covers are lost.
    pub(crate) is_gap: bool,
    /// What it takes in memory while it is held, about.
    pub(crate) bytes: usize,
    pub(crate) payload: T,
}

impl<T> Record<T> {
    fn end(&self) -> u64 {
        self.seq.saturating_add(self.span)
    }
}

/// What is to be shown, in this order.
#[derive(Debug, Clone)]
pub(crate) enum Show<T> {
    /// A line or an event, for the first time.
    Line(Record<T>),
    /// A gap record, and how many of its numbers were neither shown nor reported before.
    Gap(Record<T>, u64),
    /// Numbers of which nobody knows anything.
    Missing {
        source: Source,
        seq: u64,
        span: u64,
        /// The time of what stands before or after the hole, Unix nanoseconds.
        time: i64,
    },
}

/// What to ask the agents for: records of the boots in `after` from that seq on, and of all others those from `since` on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) after: Vec<(Source, u64)>,
    /// Unix nanoseconds; `i64::MAX` when nothing of other boots is wanted.
    pub(crate) since: i64,
}

/// How much is kept at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Records held behind holes. One more is let go and asked for again when its turn comes.
    pub(crate) held_records: usize,
    /// Their bytes.
    pub(crate) held_bytes: usize,
    /// Boots that are followed. The one that was quiet for longest is forgotten for one more.
    pub(crate) boots: usize,
}

impl Limits {
    /// What `logway logs` allows itself: 20,000 records, 16 MiB, 4,096 boots.
    pub(crate) const TAIL: Self = Self { held_records: 20_000, held_bytes: 16 << 20, boots: 4096 };
}

/// What is known of one boot.
#[derive(Debug)]
struct Known<T> {
    /// One past the last number that was shown, as a line or as lost. `None` until it is clear where to begin.
    next: Option<u64>,
    /// Records ahead of a hole, by seq.
    held: BTreeMap<u64, Record<T>>,
    /// The lowest number that came, held or let go; `u64::MAX` if none did. A boot that nobody knew begins there.
    lowest: u64,
    /// Its time, Unix nanoseconds; `i64::MAX` if there is none.
    lowest_time: i64,
    /// The boot has come at least this far, as a heartbeat or a record that was let go says.
    expected: u64,
    /// Shown as lost.
    lost: Ranges,
    /// Since when something is missing, and when it was last asked for.
    hole: Option<Hole>,
    last_time: i64,
    last_active: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Hole {
    /// The first missing number; `None` while it is not clear where the boot begins.
    next: Option<u64>,
    /// When it became the first.
    since: Duration,
    ask_at: Duration,
    is_asked: bool,
    /// The agents were asked for it and had their say.
    is_answered: bool,
}

/// See the module's text. All times are [`Duration`]s since one moment of the caller's choice.
#[derive(Debug)]
pub(crate) struct Stitch<T> {
    boots: HashMap<Source, Known<T>>,
    limits: Limits,
    held_records: usize,
    held_bytes: usize,
    /// History has been told; before that everything live is held.
    is_live: bool,
    /// Lines of boots that are not known count from this time on, Unix nanoseconds.
    since: i64,
    /// Lines of unknown boots up to this time were shown before the boot was forgotten.
    forgotten: i64,
    /// The live lines were interrupted at this time, and the agents have not said yet what came meanwhile.
    interrupted: Option<Duration>,
    is_asking: bool,
    ask_at: Duration,
}

impl<T> Stitch<T> {
    /// Nothing known yet. Lines of boots that the history does not name count from `since` on (Unix nanoseconds).
    pub(crate) fn new(since: i64, limits: Limits) -> Self {
        Self {
            boots: HashMap::new(),
            limits,
            held_records: 0,
            held_bytes: 0,
            is_live: false,
            since,
            forgotten: i64::MIN,
            interrupted: None,
            is_asking: false,
            ask_at: Duration::ZERO,
        }
    }

    /// A record of the history: the caller shows it; what comes live is then joined to it. Gap records are told too.
    pub(crate) fn history(&mut self, source: &Source, seq: u64, span: u64, is_gap: bool, time: i64) {
        let known = Self::known(&mut self.boots, source, Duration::ZERO);
        let end = seq.saturating_add(span);
        let from = known.next.map_or(seq, |next| next.max(seq));
        if is_gap {
            known.lost.add(from, end);
        } else {
            known.lost.take(seq, end);
        }
        known.next = Some(known.next.map_or(end, |next| next.max(end)));
        known.last_time = known.last_time.max(time);
    }

    /// The history is complete: from here on live records are shown. What was held meanwhile is joined now.
    pub(crate) fn begin(&mut self, now: Duration, show: &mut Vec<Show<T>>) {
        self.is_live = true;
        let sources: Vec<_> = self.boots.keys().cloned().collect();
        for source in sources {
            self.settle(&source, now, show);
        }
    }

    /// A record that came, live or as an answer.
    pub(crate) fn record(&mut self, now: Duration, record: Record<T>, show: &mut Vec<Show<T>>) {
        let is_new = !self.boots.contains_key(&record.source);
        if is_new && record.time <= self.forgotten {
            return;
        }
        if is_new {
            self.make_room();
        }
        let source = record.source.clone();
        let known = Self::known(&mut self.boots, &source, now);
        known.last_active = now;
        match known.next {
            Some(next) if self.is_live && record.seq <= next => {
                known.accept(record, show);
            }
            _ => self.hold(record),
        }
        if self.is_live {
            self.settle(&source, now, show);
        }
    }

    /// A heartbeat says that the boot has come up to `next_seq` on the agent's disk.
    pub(crate) fn mark(&mut self, now: Duration, source: &Source, next_seq: u64, show: &mut Vec<Show<T>>) {
        if !self.boots.contains_key(source) {
            self.make_room();
        }
        let known = Self::known(&mut self.boots, source, now);
        known.expected = known.expected.max(next_seq);
        if self.is_live {
            self.settle(source, now, show);
        }
    }

    /// The live lines were interrupted: what came meanwhile must be asked for.
    pub(crate) fn interrupted(&mut self, now: Duration) {
        self.interrupted = Some(now);
        self.is_asking = false;
        self.ask_at = now;
    }

    /// Whether something is missing, so that [`Stitch::tick`] should be called every now and then (50 ms).
    pub(crate) fn is_waiting(&self) -> bool {
        self.is_live && (self.interrupted.is_some() || self.boots.values().any(|known| known.hole.is_some()))
    }

    /// What to ask the agents for now, if anything. One question at a time: [`Stitch::answered`] or
    /// [`Stitch::unanswered`] ends it.
    pub(crate) fn ask(&mut self, now: Duration) -> Option<Ask> {
        if !self.is_live || self.is_asking || now < self.ask_at {
            return None;
        }
        let is_due = |known: &Known<T>| known.hole.is_some_and(|hole| hole.ask_at <= now);
        let is_unknown = |known: &Known<T>| known.next.is_none();
        let everything =
            self.interrupted.is_some() || self.boots.values().any(|k| is_due(k) && is_unknown(k));
        let mut after = Vec::new();
        for (source, known) in &mut self.boots {
            let wanted = is_due(known);
            if let (Some(next), true) = (known.next, everything || wanted) {
                after.push((source.clone(), next));
            }
            if let (Some(hole), true) = (&mut known.hole, everything || wanted) {
                (hole.is_asked, hole.ask_at) = (true, now + ASK_AGAIN);
            }
        }
        if after.is_empty() && !everything {
            return None;
        }
        self.is_asking = true;
        after.sort_unstable();
        let since = if everything { self.since.max(self.forgotten.saturating_add(1)) } else { i64::MAX };
        Some(Ask { after, since })
    }

    /// All that was asked for has come.
    pub(crate) fn answered(&mut self, now: Duration, show: &mut Vec<Show<T>>) {
        (self.is_asking, self.interrupted) = (false, None);
        let asked = |known: &Known<T>| known.hole.is_some_and(|hole| hole.is_asked);
        let sources: Vec<_> = self.boots.iter().filter(|(_, k)| asked(k)).map(|(s, _)| s.clone()).collect();
        for source in sources {
            if let Some(known) = self.boots.get_mut(&source) {
                if let Some(hole) = &mut known.hole {
                    hole.is_answered = true;
                }
                if known.next.is_none() {
                    let since = self.since.max(self.forgotten);
                    // A boot whose lines are older than its beginning has that from a clock that goes wrong.
                    let begins_later =
                        (since.saturating_add(1)..=known.lowest_time).contains(&start(&source));
                    known.next = Some(match known.lowest {
                        // All of it is newer than the beginning, whether anybody still has it or not.
                        _ if begins_later => 1,
                        // Nothing of it is newer but what is held, if anything is.
                        u64::MAX => known.expected,
                        lowest => lowest,
                    });
                }
            }
            self.settle(&source, now, show);
        }
    }

    /// Nobody answered. It is asked again, for up to [`PATIENCE`]: nobody has said yet that it is lost.
    pub(crate) fn unanswered(&mut self, now: Duration, show: &mut Vec<Show<T>>) {
        if self.interrupted.is_some_and(|since| now >= since + PATIENCE) {
            return self.answered(now, show);
        }
        (self.is_asking, self.ask_at) = (false, now + ASK_AGAIN);
    }

    /// Lets go of what waited long enough behind a hole.
    pub(crate) fn tick(&mut self, now: Duration, show: &mut Vec<Show<T>>) {
        if self.interrupted.is_some_and(|since| now < since + PATIENCE) {
            return;
        }
        let due = |known: &Known<T>| known.hole.is_some_and(|hole| hole.is_over(now));
        let mut sources: Vec<_> = self.boots.iter().filter(|(_, k)| due(k)).map(|(s, _)| s.clone()).collect();
        sources.sort_unstable();
        for source in sources {
            self.give_up(&source, now, show);
        }
    }

    /// Shows everything that is held, with what is missing between: nothing more will come.
    pub(crate) fn finish(&mut self, now: Duration, show: &mut Vec<Show<T>>) {
        let mut sources: Vec<_> = self.boots.keys().cloned().collect();
        sources.sort_unstable();
        for source in sources {
            while self.boots.get(&source).is_some_and(|known| known.hole.is_some()) {
                self.give_up(&source, now, show);
            }
        }
    }

    /// Shows the first hole of `source` as missing and goes on behind it.
    fn give_up(&mut self, source: &Source, now: Duration, show: &mut Vec<Show<T>>) {
        let Some(known) = self.boots.get_mut(source) else { return };
        let held = known.held.first_key_value();
        let to = held.map_or(known.expected, |(&seq, _)| seq);
        let time = held.map_or(known.last_time, |(_, record)| record.time);
        if let Some(next) = known.next.filter(|&next| next < to) {
            known.lost.add(next, to);
            show.push(Show::Missing { source: source.clone(), seq: next, span: to - next, time });
        }
        (known.next, known.hole) = (Some(to), None);
        self.settle(source, now, show);
    }

    /// Shows what is no longer behind a hole, and notes the hole that remains.
    fn settle(&mut self, source: &Source, now: Duration, show: &mut Vec<Show<T>>) {
        let Some(known) = self.boots.get_mut(source) else { return };
        if known.next.is_none() && known.lowest <= 1 {
            known.next = Some(known.lowest);
        }
        while let (Some(next), Some(first)) = (known.next, known.held.first_entry())
            && *first.key() <= next
        {
            let record = first.remove();
            self.held_records -= 1;
            self.held_bytes -= record.bytes;
            known.accept(record, show);
        }
        let is_whole =
            known.held.is_empty() && known.next.map_or(known.expected == 0, |n| n >= known.expected);
        if is_whole {
            known.hole = None;
        } else if known.hole.is_none_or(|hole| hole.next != known.next) {
            let ask_at = if known.held.is_empty() { now + ON_THE_WAY } else { now };
            known.hole =
                Some(Hole { next: known.next, since: now, ask_at, is_asked: false, is_answered: false });
        }
    }

    /// Keeps a record until its turn. When that is too much, lets go of the boot's latest, but remembers that it exists.
    /// The boot's first stays in any case, so that it is known where the hole ends.
    fn hold(&mut self, record: Record<T>) {
        let Some(known) = self.boots.get_mut(&record.source) else { return };
        if record.seq < known.lowest {
            (known.lowest, known.lowest_time) = (record.seq, record.time);
        }
        known.expected = known.expected.max(record.end());
        if known.held.get(&record.seq).is_some_and(|there| !there.is_gap || record.is_gap) {
            return;
        }
        self.held_records += 1;
        self.held_bytes += record.bytes;
        let mut let_go = known.held.insert(record.seq, record);
        let is_full =
            self.held_records > self.limits.held_records || self.held_bytes > self.limits.held_bytes;
        if let_go.is_none() && is_full && known.held.len() > 1 {
            let_go = known.held.pop_last().map(|(_, record)| record);
        }
        if let Some(record) = let_go {
            self.held_records -= 1;
            self.held_bytes -= record.bytes;
        }
    }

    fn known<'a>(
        boots: &'a mut HashMap<Source, Known<T>>,
        source: &Source,
        now: Duration,
    ) -> &'a mut Known<T> {
        boots.entry(source.clone()).or_insert_with(|| Known {
            next: None,
            held: BTreeMap::new(),
            lowest: u64::MAX,
            lowest_time: i64::MAX,
            expected: 0,
            lost: Ranges::default(),
            hole: None,
            last_time: i64::MIN,
            last_active: now,
        })
    }

    /// Forgets the boot that was quiet for longest, if there are too many.
    fn make_room(&mut self) {
        if self.boots.len() < self.limits.boots {
            return;
        }
        let quiet = self.boots.iter().filter(|(_, known)| known.held.is_empty());
        let oldest = quiet.min_by_key(|(_, known)| known.last_active).map(|(source, _)| source.clone());
        if let Some(known) = oldest.and_then(|source| self.boots.remove(&source)) {
            self.forgotten = self.forgotten.max(known.last_time);
        }
    }
}

/// When a boot began, Unix nanoseconds.
fn start(source: &Source) -> i64 {
    i64::try_from(source.boot.start_ms()).map_or(i64::MAX, |ms| ms.saturating_mul(1_000_000))
}

impl<T> Known<T> {
    /// Shows a record that does not stand behind a hole, unless it was shown before.
    fn accept(&mut self, record: Record<T>, show: &mut Vec<Show<T>>) {
        let (next, end) = (self.next.unwrap_or(record.seq), record.end());
        self.last_time = self.last_time.max(record.time);
        self.next = Some(next.max(end));
        if record.is_gap {
            let from = record.seq.max(next);
            if from < end {
                self.lost.add(from, end);
                show.push(Show::Gap(record, end - from));
            }
        } else {
            // A line wins over a gap: one that was shown as lost is shown after all.
            let was_lost = self.lost.take(record.seq, end);
            if was_lost || record.seq >= next {
                show.push(Show::Line(record));
            }
        }
    }
}

impl Hole {
    fn is_over(self, now: Duration) -> bool {
        now >= self.since + PATIENCE || (self.is_answered && now >= self.since + HOLD)
    }
}

#[cfg(test)]
mod tests;
