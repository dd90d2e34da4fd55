//! A request to keep lines: read, checked, and put into the memtable.

use crate::clock::DAY;
use crate::flatten::Flattened;
use crate::memtable::{Memtable, SEAL_BYTES, SEAL_ROWS};
use crate::request::Request;
use crate::rows::{Rows, Source, import_head};
use crate::seen::{self, BootSeen, Seen, Verdict};
use crate::wal::MAX_PAYLOAD_BYTES;
use line::append::{Group, Groups, Row};
use line::{Body, Clock, Entry, Gap, Name, OrgId};
use std::collections::HashMap;
use std::collections::hash_map;
use std::sync::Arc;

/// A row may be so far ahead of the time at which it comes: clocks of hosts differ.
pub(crate) const FUTURE: i64 = 2 * DAY;
/// The field with the time that a row came with, if that was impossible.
const FORMER_TIME: &str = "logway.time";
/// Most records of one request.
const MAX_RECORDS: usize = 1 << 20;
/// Most gaps that one record of a gap becomes, if lines cover parts of it. A position is kept for each.
const MAX_PIECES: u64 = 8;

/// Why a request is refused for good: it is not whole, or no version writes such a one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It does not decode.
    #[error("the batch cannot be read: {0}")]
    Line(#[from] line::Error),
    /// Its body does not decompress to what it says.
    #[error("the batch cannot be decompressed: {0}")]
    Compression(String),
    /// A count in it is not that of what follows.
    #[error("the batch says {said} records and has {found}")]
    Count {
        /// What a group says.
        said: u64,
        /// What follows.
        found: u64,
    },
    /// It has more records than are taken at once.
    #[error("the batch has more than {MAX_RECORDS} records")]
    TooMany,
    /// It is longer than what the log reads back.
    #[error("the batch has {0} bytes, and {MAX_PAYLOAD_BYTES} at most are taken: send it in parts")]
    TooLong(usize),
}

/// A request that was found whole.
#[derive(Debug)]
pub(crate) struct Checked {
    /// The request as it came: what the log keeps.
    pub(crate) payload: Vec<u8>,
    /// Its groups, decompressed.
    body: Arc<Vec<u8>>,
    /// How many records they have.
    pub(crate) count: u32,
    /// How many positions it takes: one for each record, and what gaps may come to if lines cover parts of them.
    pub(crate) positions: u32,
    /// In the order of org, app and time, the places of the records; empty if they are in that order.
    order: Vec<u32>,
    /// Of each group, the number after the last that it covers.
    ends: Vec<u64>,
    /// Whose records there are, in order, each once.
    pub(crate) orgs: Vec<OrgId>,
}

/// What became of the records of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Stored.
    pub(crate) taken: u64,
    /// Dropped: stored before.
    pub(crate) duplicates: u64,
    /// Of those stored: their time was impossible, and is now another.
    pub(crate) retimed: u64,
    /// Dropped: rows from elsewhere that are older than anything that is kept.
    pub(crate) expired: u64,
    /// The highest pos that was given out, 0 if none was.
    pub(crate) last_pos: u64,
}

/// What decides what becomes of records: the same at a replay as it was first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// The pos of the first record in order.
    pub(crate) base: u64,
    /// How many positions there are from there on.
    pub(crate) positions: u32,
    /// The latest time that a row may have.
    pub(crate) latest: i64,
    /// The earliest time that a row may have.
    pub(crate) earliest: i64,
}

impl Terms {
    /// When the batch came.
    const fn now(&self) -> i64 {
        self.latest.saturating_sub(FUTURE)
    }
}

fn key_of(group: &Group<'_>) -> String {
    let address = &group.whose().address;
    seen::key(address.org.as_str(), address.instance.as_str())
}

/// A record of a group.
enum Record<'a> {
    Entry(Entry<'a>),
    Row(Row<'a>),
}

impl Record<'_> {
    const fn time(&self) -> i64 {
        match self {
            Self::Entry(entry) => entry.time,
            Self::Row(row) => row.time,
        }
    }

    /// How many rows it may become besides one.
    fn more(&self) -> u64 {
        match self {
            Self::Entry(entry) if matches!(entry.body, Body::Gap(_)) => entry.span.clamp(1, MAX_PIECES) - 1,
            _ => 0,
        }
    }

    const fn end(&self) -> u64 {
        match self {
            Self::Entry(entry) => entry.next_seq(),
            Self::Row(row) => row.seq.saturating_add(1),
        }
    }
}

/// Calls `each` with every record of a group; says how many there were.
fn records<'a>(group: &Group<'a>, mut each: impl FnMut(Record<'a>)) -> Result<u64, Malformed> {
    let mut found = 0;
    match group {
        Group::Machine(machine) => {
            for entry in machine.entries() {
                each(Record::Entry(entry?));
                found += 1;
            }
        }
        Group::Import(import) => {
            for row in import.rows() {
                each(Record::Row(row?));
                found += 1;
            }
        }
    }
    let said = u64::from(group.run().count);
    if found == said { Ok(found) } else { Err(Malformed::Count { said, found }) }
}

/// Reads a request through, so that nothing of it can fail later.
///
/// # Errors
/// When it is not whole: to send it again does not help.
pub(crate) fn check(Request { payload, body }: Request) -> Result<Checked, Malformed> {
    let mut apps: HashMap<(OrgId, Name), u32> = HashMap::new();
    let mut names: Vec<(OrgId, Name)> = Vec::new();
    let (mut keys, mut ends): (Vec<(u32, i64)>, _) = (Vec::new(), Vec::new());
    let mut more = 0;
    for group in Groups::new(&body) {
        let group = group?;
        let address = &group.whose().address;
        let app = match apps.entry((address.org.clone(), address.app.clone())) {
            hash_map::Entry::Occupied(known) => *known.get(),
            hash_map::Entry::Vacant(new) => {
                names.push(new.key().clone());
                *new.insert(u32::try_from(names.len() - 1).unwrap_or(u32::MAX))
            }
        };
        let mut end = 0;
        records(&group, |record| {
            keys.push((app, record.time()));
            end = record.end();
            more += record.more();
        })?;
        ends.push(end);
        if keys.len() > MAX_RECORDS {
            return Err(Malformed::TooMany);
        }
    }
    let mut by_name: Vec<usize> = (0..names.len()).collect();
    by_name.sort_by(|a, b| names[*a].cmp(&names[*b]));
    let mut rank = vec![0; names.len()];
    for (at, &name) in by_name.iter().enumerate() {
        rank[name] = at;
    }
    let key = |&place: &u32| {
        let (app, time) = keys[place as usize];
        (rank[app as usize], time)
    };
    let count = u32::try_from(keys.len()).unwrap_or(u32::MAX);
    let positions = count.saturating_add(u32::try_from(more).unwrap_or(u32::MAX));
    let mut order: Vec<u32> = (0..count).collect();
    if order.is_sorted_by_key(key) {
        order = Vec::new();
    } else {
        order.sort_by_key(key);
    }
    let mut orgs: Vec<OrgId> = names.into_iter().map(|(org, _)| org).collect();
    orgs.sort_unstable();
    orgs.dedup();
    Ok(Checked { payload, body, count, positions, order, ends, orgs })
}

impl Checked {
    /// Bytes of its groups.
    pub(crate) fn body_bytes(&self) -> usize {
        self.body.len()
    }

    /// Whether every record is stored already, as a line.
    pub(crate) fn is_stored(&self, seen: &Seen) -> bool {
        Groups::new(&self.body).zip(&self.ends).all(|(group, end)| {
            let Ok(group) = group else { return false };
            let boot = seen.get(&key_of(&group), group.whose().boot);
            boot.is_some_and(|boot| boot.has_lines(group.run().first_seq, *end))
        })
    }

    /// Puts the records into the memtable, but for those that were seen before. Those of orgs that `is_deleted` names count as
    /// taken and go no further.
    pub(crate) fn apply(
        &self,
        terms: &Terms,
        seen: &mut Seen,
        memtable: &mut Memtable,
        scratch: &mut Flattened,
        is_deleted: &dyn Fn(&OrgId) -> bool,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let (mut groups, mut items) = (Vec::new(), Vec::with_capacity(self.count as usize));
        // Of gaps that are cut in pieces, those behind the first. A log of an older release has no positions for them.
        let (mut pieces, mut spare) = (Vec::new(), terms.positions.saturating_sub(self.count) as usize);
        // It was read through before: nothing of it fails now.
        for group in Groups::new(&self.body).map_while(Result::ok) {
            let boot = seen.boot(&key_of(&group), group.whose().boot, terms.now());
            let decided = records(&group, |record| {
                let mut item = Item { group: groups.len(), record, keep: true, former_time: None };
                let beyond = item.judge(boot, spare, &mut outcome);
                item.retime(terms, &mut outcome);
                outcome.taken += u64::from(item.keep);
                spare -= beyond.len();
                pieces.extend(beyond.iter().filter_map(|&range| item.piece(range)));
                items.push(item);
            });
            debug_assert!(decided.is_ok(), "the batch was read through before");
            groups.push(group);
        }
        let mut inserter = Inserter { memtable, scratch, sources: groups.iter().map(source).collect() };
        let places: Box<dyn Iterator<Item = usize>> = if self.order.is_empty() {
            Box::new(0..items.len())
        } else {
            Box::new(self.order.iter().map(|&place| place as usize))
        };
        let places = places.chain(items.len()..items.len() + pieces.len());
        items.append(&mut pieces);
        let numbered: Vec<(u64, usize)> =
            (terms.base..).zip(places).filter(|(_, at)| items[*at].keep).collect();
        let app = |(_, at): &(u64, usize)| {
            let address = &groups[items[*at].group].whose().address;
            (&address.org, &address.app)
        };
        for run in numbered.chunk_by(|a, b| app(a) == app(b)) {
            let (org, app) = app(&run[0]);
            if !is_deleted(org) {
                inserter.insert(org, app, run, &items);
            }
            outcome.last_pos = outcome.last_pos.max(run.last().map_or(0, |(pos, _)| *pos));
        }
        outcome
    }
}

/// A record, where it belongs, and what was decided about it.
struct Item<'a> {
    group: usize,
    record: Record<'a>,
    keep: bool,
    /// The time that it came with, if it got another.
    former_time: Option<i64>,
}

impl Item<'_> {
    /// Decides whether the record is stored. A gap that is stored in parts becomes the first of them; the others, at most
    /// `spare`, are returned.
    fn judge(&mut self, boot: &mut BootSeen, spare: usize, outcome: &mut Outcome) -> Vec<(u64, u64)> {
        let most = usize::try_from(self.record.more()).unwrap_or(0).min(spare) + 1;
        let verdict = match &self.record {
            Record::Entry(entry) if matches!(entry.body, Body::Gap(_)) => {
                boot.gap(entry.seq, entry.span, most)
            }
            Record::Entry(entry) => boot.line(entry.seq, entry.span),
            Record::Row(row) => boot.line(row.seq, 1),
        };
        self.keep = verdict != Verdict::Duplicate;
        outcome.duplicates += u64::from(!self.keep);
        let (Verdict::Narrowed(mut ranges), Record::Entry(entry)) = (verdict, &mut self.record) else {
            return Vec::new();
        };
        (entry.seq, entry.span) = ranges.remove(0);
        ranges
    }

    /// A further part of a gap. The bytes that are lost are told with the first.
    fn piece(&self, (seq, span): (u64, u64)) -> Option<Self> {
        let Record::Entry(entry) = &self.record else { return None };
        let Body::Gap(gap) = entry.body else { return None };
        let entry = Entry { seq, span, body: Body::Gap(Gap { bytes: 0, ..gap }), ..*entry };
        Some(Self { record: Record::Entry(entry), ..*self })
    }

    /// Gives a record whose time is impossible the time at which it came. A row from elsewhere that is older than anything
    /// that is kept is dropped: it would only be thrown away later.
    fn retime(&mut self, terms: &Terms, outcome: &mut Outcome) {
        let time = self.record.time();
        if !self.keep || (terms.earliest..=terms.latest).contains(&time) {
            return;
        }
        let new_time = terms.now().saturating_add(outcome.retimed.cast_signed());
        match &mut self.record {
            Record::Entry(entry) => (entry.time, entry.clock) = (new_time, Clock::Host),
            Record::Row(_) if time < terms.earliest => {
                self.keep = false;
                outcome.expired += 1;
                return;
            }
            Record::Row(row) => row.time = new_time,
        }
        self.former_time = Some(time);
        outcome.retimed += 1;
    }
}

/// Puts records into the memtable.
struct Inserter<'a> {
    memtable: &'a mut Memtable,
    scratch: &'a mut Flattened,
    /// Of each group.
    sources: Vec<Source>,
}

impl Inserter<'_> {
    /// Inserts records of one app, each with its pos.
    fn insert(&mut self, org: &OrgId, app: &Name, run: &[(u64, usize)], items: &[Item<'_>]) {
        let (sources, scratch) = (&self.sources, &mut *self.scratch);
        let mut left = run.iter();
        self.memtable.with_app(org, app, |rows| {
            // References into these rows, by group.
            let mut refs: Vec<Option<u32>> = vec![None; sources.len()];
            while rows.text_bytes() < SEAL_BYTES && rows.len() < SEAL_ROWS && !rows.is_wide() {
                let Some(&(pos, at)) = left.next() else { return true };
                let item = &items[at];
                let source = *refs[item.group].get_or_insert_with(|| rows.source_ref(&sources[item.group]));
                insert(rows, source, pos, item, scratch);
            }
            left.len() == 0
        });
    }
}

fn insert(rows: &mut Rows, source: u32, pos: u64, item: &Item<'_>, scratch: &mut Flattened) {
    let taken = match &item.record {
        Record::Entry(entry) => rows.push_entry(source, pos, entry, scratch),
        Record::Row(row) => {
            let mut head = import_head(row.time, pos, row.seq, row.level, None);
            head.kind.level_source = row.level_source;
            if item.former_time.is_some() {
                head.kind.clock = Clock::Host;
            }
            rows.push_import(source, &head, row.message, row.fields.clone(), scratch)
        }
    };
    debug_assert!(taken, "rows are sealed long before they are full");
    if let Some(time) = item.former_time {
        let mut text = Vec::with_capacity(32);
        line::time::write_rfc3339(time, &mut text);
        rows.add_field(FORMER_TIME, &text);
    }
}

/// Where the rows of a group come from.
fn source(group: &Group<'_>) -> Source {
    let whose = group.whose();
    let (region, instance) = (whose.address.region.clone(), whose.address.instance.clone());
    Source { region, instance, host: Arc::from(whose.host), boot: whose.boot }
}
