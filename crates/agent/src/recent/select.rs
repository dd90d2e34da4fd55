//! Which entries of the spool a question asks for, and in which messages they go out.

use std::collections::HashMap;
use std::sync::Arc;

use bus::sys::RecentRequest;
use line::{Boot, Entry, OrgId, entry};

use crate::lines::Outs;
use crate::spool::{self, Batch, Pos, SpoolReader};

/// Longest message, save one that holds a single longer line.
const MAX_MESSAGE_BYTES: usize = 512 << 10;
/// The most bytes of entries that are looked at for the newest n lines.
const MAX_NEWEST_BYTES: usize = 16 << 20;
/// How much is read at once when all lines are asked for.
const READ_BYTES: usize = 1 << 20;

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
}

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Lines sent.
    pub(super) sent: u64,
    /// Older ones that were asked for are gone.
    pub(super) truncated: bool,
}

impl Selection {
    /// Checks a question.
    pub(super) fn new(request: RecentRequest) -> Result<Self, line::Error> {
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

/// Finds what is asked for and gives `send` one message after the other, until it says that nobody listens.
pub(super) fn run(
    reader: &SpoolReader,
    selection: &Selection,
    host: &str,
    send: impl FnMut(Vec<u8>) -> bool,
) -> Result<Found, spool::Error> {
    let mut out = Out::new(host, send);
    let mut seen = Seen::default();
    match selection.n {
        Some(0) => {}
        Some(n) => newest(reader, selection, n, &mut out, &mut seen)?,
        None => all(reader, selection, &mut out, &mut seen)?,
    }
    out.finish();
    Ok(Found { sent: out.sent, truncated: seen.truncated })
}

fn newest<S: FnMut(Vec<u8>) -> bool>(
    reader: &SpoolReader,
    selection: &Selection,
    n: u32,
    out: &mut Out<S>,
    seen: &mut Seen,
) -> Result<(), spool::Error> {
    let batches = reader.newest(|key| selection.has_key(key), u64::from(n), MAX_NEWEST_BYTES)?;
    let bytes: usize = batches.iter().map(|batch| batch.bytes.len()).sum();
    let lines = pick(selection, &batches, seen);
    let surplus = lines.len().saturating_sub(n as usize);
    // All that was wanted is there: what is older was not asked for.
    seen.truncated = lines.len() < n as usize && (seen.truncated || bytes > MAX_NEWEST_BYTES / 2);
    for line in lines.into_iter().skip(surplus) {
        if !out.push(&line) {
            break;
        }
    }
    Ok(())
}

fn all<S: FnMut(Vec<u8>) -> bool>(
    reader: &SpoolReader,
    selection: &Selection,
    out: &mut Out<S>,
    seen: &mut Seen,
) -> Result<(), spool::Error> {
    let end = reader.end();
    let mut at = Pos(0);
    while at < end {
        let mut read = reader.read(at, READ_BYTES)?;
        if read.next <= at {
            break;
        }
        at = read.next;
        read.batches.retain(|batch| selection.has_key(&batch.key));
        for line in pick(selection, &read.batches, seen) {
            if !out.push(&line) {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// A line that is asked for.
struct Line<'a> {
    key: &'a Arc<[u8]>,
    boot: u64,
    entry: Entry<'a>,
}

/// The lines of `batches` that are asked for, oldest first.
fn pick<'a>(selection: &Selection, batches: &'a [Batch], seen: &mut Seen) -> Vec<Line<'a>> {
    let mut lines = Vec::new();
    for batch in batches {
        let mark = selection.mark(batch);
        seen.batch(selection, mark, batch);
        let entries = entry::Reader::new(&batch.bytes, batch.first_seq, batch.time).map_while(Result::ok);
        let asked = entries.filter(|entry| selection.has_entry(mark, entry));
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
    message: Vec<u8>,
    line: Vec<u8>,
    sent: u64,
}

impl<S: FnMut(Vec<u8>) -> bool> Out<S> {
    fn new(host: &str, send: S) -> Self {
        Self { send, outs: Outs::new(host, false), message: Vec::new(), line: Vec::new(), sent: 0 }
    }

    /// Adds a line. False: nobody listens.
    fn push(&mut self, line: &Line<'_>) -> bool {
        let Some(machine) = self.outs.get(line.key) else { return true };
        self.line.clear();
        machine.encoder.write(Boot::from_bits(line.boot), &line.entry, &mut self.line);
        self.line.push(b'\n');
        if !self.message.is_empty()
            && self.message.len() + self.line.len() > MAX_MESSAGE_BYTES
            && !self.flush()
        {
            return false;
        }
        self.message.extend_from_slice(&self.line);
        self.sent += 1;
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
}
