//! Lines that are brought over HTTP: `/insert/jsonline`.

mod batches;
mod inflate;
mod names;
mod options;
mod reader;
mod refusals;
mod seqs;
mod split;
mod streams;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use access::Action;
use hyper::HeaderMap;
use hyper::body::Incoming;

use crate::args::Args;
use crate::body::next_bytes;
use crate::limits::Kind;
use crate::reply::{self, Refused, Reply};
use crate::serve::{Api, Asked, unix_s};
use batches::Batches;
use inflate::Inflate;
use options::Options;
use reader::Reader;
use refusals::Refusals;
use split::{Lines, MAX_LINE_BYTES};

pub(crate) use seqs::Seqs;
pub(crate) use streams::Streams;

/// Keeps what the body says, line by line. Good lines are kept whatever is wrong with others; 400 then says which were not.
pub(crate) async fn jsonline(api: &Arc<Api>, asked: Asked, mut body: Incoming) -> Result<Reply, Refused> {
    asked.caller.must(Action::Write)?;
    let options = Options::read(&asked.args, &asked.headers)?;
    let mut inflate = Inflate::of(&asked.headers)?;
    let _place = api.gate.enter(Kind::Insert, &asked.caller.grant.org).await?;
    let mut insert = Insert {
        reader: Reader::new(&options, asked.now),
        lines: Lines::default(),
        batches: Batches::new(api, &asked.caller.grant, unix_s()),
        refusals: Refusals::default(),
    };
    while let Some(bytes) = next_bytes(&mut body, api.limits.head_time).await? {
        api.counts.inserted_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let mut rest = &bytes[..];
        while let Some(plain) = inflate.next(&mut rest)? {
            insert.lines.push(plain);
            insert.take(options.is_debug).await?;
        }
    }
    insert.lines.push(inflate.end()?);
    insert.lines.finish();
    insert.take(options.is_debug).await?;
    insert.send().await?;
    let counts = &api.counts;
    counts.inserted_lines.fetch_add(insert.batches.kept(), Ordering::Relaxed);
    counts.refused_lines.fetch_add(insert.refusals.count() + insert.batches.expired(), Ordering::Relaxed);
    match insert.refusals.verdict(&insert.batches) {
        Some(refused) => Err(refused),
        None if options.is_debug => Ok(reply::ok(reply::TEXT, insert.batches.told())),
        None => Ok(reply::ok(reply::TEXT, "")),
    }
}

/// What [`crate::probe::line`] says.
pub(crate) fn probe(line: &[u8], now: i64) -> Result<Option<usize>, String> {
    let options = Options::read(&Args::default(), &HeaderMap::new()).map_err(|refused| refused.text)?;
    let mut reader = Reader::new(&options, now);
    let row = reader.read(line).map_err(String::from)?;
    Ok(row.map(|row| row.fields().len()))
}

/// A body on its way to rows.
struct Insert<'a> {
    reader: Reader<'a>,
    lines: Lines,
    batches: Batches<'a>,
    refusals: Refusals,
}

impl Insert<'_> {
    /// Makes rows of the lines that are whole, and hands them over whenever there are many.
    async fn take(&mut self, is_debug: bool) -> Result<(), Refused> {
        while self.take_some(is_debug) {
            self.send().await?;
        }
        Ok(())
    }

    async fn send(&mut self) -> Result<(), Refused> {
        // A body may take hours, and a token end meanwhile.
        self.batches.must_stand()?;
        let sent = self.batches.send_all().await;
        sent.map_err(|why| self.refusals.with_failure(&why, &self.batches))
    }

    /// Makes rows of lines until there are many: true.
    fn take_some(&mut self, is_debug: bool) -> bool {
        while !self.batches.is_full() {
            let Some((number, line)) = self.lines.next() else { return false };
            let taken = match line {
                None => Err(format!("it has more than {MAX_LINE_BYTES} bytes").into()),
                Some(line) => match self.reader.read(line) {
                    Ok(None) => continue,
                    Ok(Some(row)) if is_debug => self.batches.tell(&row),
                    Ok(Some(row)) => self.batches.add(&row),
                    Err(why) => Err(why),
                },
            };
            if let Err(why) = taken {
                self.refusals.note(number, why);
            }
        }
        true
    }
}
