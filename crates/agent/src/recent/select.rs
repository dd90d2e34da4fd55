//! Which entries of the spool a question asks for, and in which messages and pages they go out.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bus::sys::RecentRequest;
use line::{Boot, Entry, OrgId, entry};

use crate::lines::Outs;
use crate::spool::{self, Batch, Pos, SpoolReader};

/// Longest message, save one that holds a single longer line.
const MAX_MESSAGE_BYTES: usize = 512 << 10;
/// A page is full when it has so many bytes. A reader has room for several times that.
const MAX_PAGE_BYTES: usize = 1 << 20;
/// How much is read at once, in bytes of entries.
const READ_BYTES: usize = 1 << 20;
/// How much of that is sorted by time and put on the page at once.
const GROUP_BYTES: usize = 64 << 10;
/// A page ends when so much of the spool was looked through for it, however little was found: whoever asked waits.
const MAX_WALK_BYTES: u64 = 64 << 20;
/// How much of the spool is looked through, from its end back, for where the newest n lines begin.
const MAX_LOOK_BACK_BYTES: u64 = 256 << 20;

/// A question that makes sense.
#[derive(Debug)]
pub(super) struct Selection {
    org: OrgId,
    app: Option<String>,
    region: Option<String>,
    instance: Option<String>,
    n: Option<u32>,
    /// By instance and boot: only records from this seq on.
    after: HashMap<(String, u64), u64>,
    since: Option<i64>,
    /// Where the page before ended.
    from: Option<Place>,
}

/// Where a page begins, and where the last one ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    at: Pos,
    end: Pos,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.at.0, self.end.0)
    }
}

impl FromStr for Place {
    type Err = Error;

    /// Reads what [`Place`]'s `Display` writes. Whatever position a question names, only what it may see is found there.
    fn from_str(text: &str) -> Result<Self, Error> {
        let pos = |digits: &str| digits.parse().map(Pos).map_err(|_| Error::Place(text.to_owned()));
        let (at, end) = text.split_once('-').ok_or_else(|| Error::Place(text.to_owned()))?;
        Ok(Self { at: pos(at)?, end: pos(end)? })
    }
}

/// Why a question makes no sense.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// An org or a boot that cannot be.
    #[error(transparent)]
    Line(#[from] line::Error),
    /// A page that cannot be.
    #[error("{0:?} is not where a page begins")]
    Place(String),
}

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Lines sent.
    pub(super) sent: u64,
    /// Older ones that were asked for are gone.
    pub(super) truncated: bool,
    /// Where the next page begins.
    pub(super) more: Option<String>,
}

impl Selection {
    /// Checks a question.
    pub(super) fn new(request: RecentRequest) -> Result<Self, Error> {
        let mut after = HashMap::new();
        for mark in request.after {
            after.insert((mark.instance, Boot::parse(&mark.boot)?.bits()), mark.next_seq);
        }
        Ok(Self {
            org: OrgId::new(&request.org)?,
            app: request.app,
            region: request.region,
            instance: request.instance,
            n: request.n,
            after,
            since: request.since,
            from: request.page.map(|page| page.from.parse()).transpose()?,
        })
    }

    /// Whether a Machine is asked for. The org is compared whole: nobody gets a line of another.
    fn has_key(&self, key: &[u8]) -> bool {
        let Ok(key) = std::str::from_utf8(key) else { return false };
        let mut parts = key.split('.');
        let asked =
            |part: Option<&str>, wanted: Option<&String>| wanted.is_none_or(|w| part == Some(w.as_str()));
        parts.next() == Some(self.org.as_str())
            && asked(parts.next(), self.app.as_ref())
            && asked(parts.next(), self.region.as_ref())
            && asked(parts.next(), self.instance.as_ref())
    }

    /// From which seq on the boot of a batch is asked for, if the question names it.
    fn mark(&self, batch: &Batch) -> Option<u64> {
        if self.after.is_empty() {
            return None;
        }
        let instance = std::str::from_utf8(&batch.key).ok()?.rsplit('.').next()?;
        self.after.get(&(instance.to_owned(), batch.boot)).copied()
    }

    fn has_entry(&self, mark: Option<u64>, entry: &Entry<'_>) -> bool {
        match mark {
            Some(mark) => entry.next_seq() > mark,
            None => self.since.is_none_or(|since| entry.time >= since),
        }
    }
}

/// Finds a page of what is asked for and gives `send` one message after the other, none longer than `max_payload`, until it
/// says that nobody listens.
pub(super) fn run(
    reader: &SpoolReader,
    selection: &Selection,
    host: &str,
    max_payload: usize,
    send: impl FnMut(Vec<u8>) -> bool,
) -> Result<Found, spool::Error> {
    if selection.n == Some(0) {
        return Ok(Found::default());
    }
    let start = Start::find(reader, selection)?;
    let (mut out, mut seen) = (Out::new(host, max_payload, send), Seen::default());
    let more = page(reader, selection, &start, &mut out, &mut seen)?;
    out.finish();
    let truncated = start.may_be_truncated && (seen.truncated || start.cut_short);
    Ok(Found { sent: out.sent, truncated, more: more.map(|place| place.to_string()) })
}

/// Where the answer begins.
struct Start {
    place: Place,
    /// Entries of the first batch that are too many.
    surplus: usize,
    /// Nobody looked for what is older.
    cut_short: bool,
    /// Older ones are asked for too, and would be here.
    may_be_truncated: bool,
}

impl Start {
    fn find(reader: &SpoolReader, selection: &Selection) -> Result<Self, spool::Error> {
        let end = reader.end();
        let from = |place| Self { place, surplus: 0, cut_short: false, may_be_truncated: true };
        Ok(match (selection.from, selection.n) {
            (Some(place), _) => Self { may_be_truncated: false, ..from(place) },
            (None, None) => from(Place { at: Pos(0), end }),
            (None, Some(n)) => {
                let newest =
                    reader.newest_start(|key| selection.has_key(key), u64::from(n), MAX_LOOK_BACK_BYTES)?;
                Self {
                    place: Place { at: newest.pos, end },
                    surplus: newest.surplus.and_then(|surplus| usize::try_from(surplus).ok()).unwrap_or(0),
                    cut_short: newest.cut_short,
                    // If all that was wanted is there, nothing older was asked for.
                    may_be_truncated: newest.surplus.is_none(),
                }
            }
        })
    }
}

/// Puts lines on the page until it is full. Gives where the next page begins, if there is one.
fn page<S: FnMut(Vec<u8>) -> bool>(
    reader: &SpoolReader,
    selection: &Selection,
    start: &Start,
    out: &mut Out<S>,
    seen: &mut Seen,
) -> Result<Option<Place>, spool::Error> {
    let Place { at: begin, end } = start.place;
    let (mut at, mut surplus) = (begin, start.surplus);
    while at < end {
        if at.0 - begin.0 >= MAX_WALK_BYTES {
            return Ok(Some(Place { at, end }));
        }
        let mut read = reader.read(at, READ_BYTES)?;
        if read.next <= at {
            break;
        }
        read.batches.retain(|batch| batch.pos < end && selection.has_key(&batch.key));
        let mut batches = &read.batches[..];
        while let Some((group, rest)) = split_group(batches) {
            for line in pick(selection, group, std::mem::take(&mut surplus), seen) {
                if !out.push(&line) {
                    return Ok(None);
                }
            }
            (batches, at) = (rest, group.last().map_or(at, |batch| batch.next));
            if out.page_bytes >= MAX_PAGE_BYTES {
                return Ok((at < end).then_some(Place { at, end }));
            }
        }
        at = read.next;
    }
    Ok(None)
}

/// The first batches, so many that they have about [`GROUP_BYTES`], and the rest; `None` if there is none.
fn split_group(batches: &[Batch]) -> Option<(&[Batch], &[Batch])> {
    let mut bytes = 0;
    let fits = |batch: &&Batch| {
        let is_first = bytes == 0;
        bytes += batch.bytes.len();
        is_first || bytes <= GROUP_BYTES
    };
    let count = batches.iter().take_while(fits).count();
    (count > 0).then(|| batches.split_at(count))
}

/// A line that is asked for.
struct Line<'a> {
    key: &'a Arc<[u8]>,
    boot: u64,
    entry: Entry<'a>,
}

/// The lines of `batches` that are asked for, without the first `surplus` entries, oldest first.
fn pick<'a>(
    selection: &Selection,
    batches: &'a [Batch],
    mut surplus: usize,
    seen: &mut Seen,
) -> Vec<Line<'a>> {
    let mut lines = Vec::new();
    for batch in batches {
        let mark = selection.mark(batch);
        seen.batch(selection, mark, batch);
        let entries = entry::Reader::new(&batch.bytes, batch.first_seq, batch.time).map_while(Result::ok);
        let asked =
            entries.skip(std::mem::take(&mut surplus)).filter(|entry| selection.has_entry(mark, entry));
        lines.extend(asked.map(|entry| Line { key: &batch.key, boot: batch.boot, entry }));
    }
    lines.sort_by_key(|line| line.entry.time);
    lines
}

/// The boots met so far, and whether the beginning of one is missing that was asked for.
#[derive(Debug, Default)]
struct Seen {
    boots: HashMap<(Arc<[u8]>, u64), ()>,
    truncated: bool,
}

impl Seen {
    fn batch(&mut self, selection: &Selection, mark: Option<u64>, batch: &Batch) {
        if batch.fill || self.boots.insert((Arc::clone(&batch.key), batch.boot), ()).is_some() {
            return;
        }
        let wanted_from = mark.unwrap_or(1);
        let may_be_older = mark.is_some() || selection.since.is_none_or(|since| batch.time >= since);
        self.truncated |= batch.first_seq > wanted_from && may_be_older;
    }
}

/// Puts lines into messages.
struct Out<S> {
    send: S,
    outs: Outs,
    max_payload: usize,
    message: Vec<u8>,
    line: Vec<u8>,
    sent: u64,
    page_bytes: usize,
}

impl<S: FnMut(Vec<u8>) -> bool> Out<S> {
    fn new(host: &str, max_payload: usize, send: S) -> Self {
        let outs = Outs::new(host, false);
        Self { send, outs, max_payload, message: Vec::new(), line: Vec::new(), sent: 0, page_bytes: 0 }
    }

    /// Adds a line. False: nobody listens.
    fn push(&mut self, line: &Line<'_>) -> bool {
        let Some(machine) = self.outs.get(line.key) else { return true };
        self.line.clear();
        let boot = Boot::from_bits(line.boot);
        // One byte is for the newline.
        if !machine.write_within(boot, &line.entry, self.max_payload.saturating_sub(1), &mut self.line) {
            return true;
        }
        self.line.push(b'\n');
        let max_bytes = MAX_MESSAGE_BYTES.min(self.max_payload);
        if !self.message.is_empty() && self.message.len() + self.line.len() > max_bytes && !self.flush() {
            return false;
        }
        self.message.extend_from_slice(&self.line);
        self.sent += 1;
        self.page_bytes += self.line.len();
        true
    }

    fn flush(&mut self) -> bool {
        let message = std::mem::take(&mut self.message);
        message.is_empty() || (self.send)(message)
    }

    fn finish(&mut self) {
        // Whether anybody still listens makes no difference now.
        let _sent = self.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_org_that_asks_and_what_it_names() {
        let check =
            |request: RecentRequest, key: &str| Selection::new(request).unwrap().has_key(key.as_bytes());
        let org = RecentRequest { org: "a".into(), ..RecentRequest::default() };
        assert!(check(org.clone(), "a.web.lhr.i1"));
        for key in ["ab.web.lhr.i1", "b.web.lhr.i1", "", "a*.web.lhr.i1"] {
            assert!(!check(org.clone(), key), "{key}");
        }
        let web = RecentRequest { app: Some("web".into()), ..org.clone() };
        assert!(check(web.clone(), "a.web.lhr.i1") && !check(web, "a.webs.lhr.i1"));
        let region = RecentRequest { region: Some("lhr".into()), ..org.clone() };
        assert!(check(region.clone(), "a.web.lhr.i1") && !check(region, "a.web.ams.i1"));
        let instance = RecentRequest { instance: Some("i1".into()), ..org };
        assert!(check(instance.clone(), "a.web.lhr.i1") && !check(instance, "a.web.lhr.i2"));
    }

    #[test]
    fn nonsense_is_refused() {
        for org in ["", "*", ">", "a.b", "A"] {
            assert!(Selection::new(RecentRequest { org: org.into(), ..RecentRequest::default() }).is_err());
        }
        let after = vec![bus::sys::Mark { instance: "i".into(), boot: "x".into(), next_seq: 1 }];
        assert!(
            Selection::new(RecentRequest { org: "a".into(), after, ..RecentRequest::default() }).is_err()
        );
    }

    #[test]
    fn a_place_is_read_as_it_was_written() {
        let place = Place { at: Pos(12), end: Pos(u64::MAX) };
        assert_eq!(place.to_string().parse::<Place>().unwrap(), place);
        for bad in ["", "1", "-", "1-", "-1", "a-1", "1-18446744073709551616"] {
            assert!(bad.parse::<Place>().is_err(), "{bad}");
        }
    }
}
