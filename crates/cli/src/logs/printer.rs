//! What is shown of what comes, and how: in one of the formats, through the filter, to stdout.

use std::collections::HashSet;
use std::io::Write;
use std::time::Duration;

use anyhow::Result;
use line::codes::{self, Code};
use line::json::{Encoder, Message};
use line::{Address, Body, OrgId};
use query::Marks;
use tokio::time::Instant;

use super::filter::Filter;
use super::format::Format;
use super::item::Item;
use super::joiner::{Joinable, Joiner, Piece};
use super::logfmt;
use super::neutral;
use super::pretty::Pretty;
use super::raw::Raw;
use super::render::{Style, missing};
use super::stitch::{Show, Source};
use crate::output::{Data, aside, notice};

/// Codes that are explained in one run at most: an app can write as many as it wants.
const MAX_HINTS: usize = 32;

/// How lines are shown, and which.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) style: Style,
    pub(super) format: Format,
    /// Which lines, where this program chooses.
    pub(super) filter: Filter,
    /// What to mark.
    pub(super) marks: Marks,
    /// Whether traces are kept together.
    pub(super) joins: bool,
    /// Of a line's own fields these; `None`: all.
    pub(super) fields: Option<Vec<String>>,
}

/// Writes lines to stdout.
pub(crate) struct Printer {
    out: Data,
    look: Look,
    org: OrgId,
    begun: Instant,
    joiner: Joiner<(Item, u64)>,
    pretty: Pretty,
    raw: Raw,
    explained: HashSet<&'static str>,
    /// What is to be explained behind the lines that are buffered.
    hints: Vec<&'static Code>,
    text: String,
    bytes: Vec<u8>,
    lines: u64,
}

impl Printer {
    /// Lines of `org` as `look` says.
    pub(super) fn new(out: Data, look: Look, org: OrgId) -> Self {
        let pretty = Pretty::new(look.fields.clone());
        Self {
            out,
            look,
            org,
            begun: Instant::now(),
            joiner: Joiner::default(),
            pretty,
            raw: Raw::default(),
            explained: HashSet::new(),
            hints: Vec::new(),
            text: String::new(),
            bytes: Vec::new(),
            lines: 0,
        }
    }

    /// The filter.
    pub(crate) const fn filter(&self) -> &Filter {
        &self.look.filter
    }

    /// How many lines were to be written so far.
    pub(super) const fn lines(&self) -> u64 {
        self.lines
    }

    /// Writes what a stitch says is to be shown.
    pub(crate) fn show(&mut self, show: &[Show<Item>]) -> Result<()> {
        for one in show {
            match one {
                Show::Line(record) => self.item(&record.payload, record.span)?,
                Show::Gap(record, new) => self.item(&record.payload, *new)?,
                Show::Missing { source, seq, span, time } => self.missing(source, *seq, *span, *time)?,
            }
        }
        Ok(())
    }

    /// Writes one message if it passes the filter. Of a gap, `new_lost` lines are news.
    pub(crate) fn item(&mut self, item: &Item, new_lost: u64) -> Result<()> {
        if !self.look.filter.passes(&item.message) {
            return Ok(());
        }
        self.lines += 1;
        if self.look.format == Format::Pretty && self.look.joins {
            let now = self.begun.elapsed();
            let mut pieces = Vec::new();
            self.joiner.take(now, joinable(item, new_lost), &mut pieces);
            return self.pieces(pieces);
        }
        self.first(item, new_lost)
    }

    /// Writes a line between groups of lines, where people read.
    pub(super) fn separator(&mut self) -> Result<()> {
        self.release_all()?;
        if self.look.format.is_for_people() {
            self.text.clear();
            self.look.style.paint(2, "--", &mut self.text);
            self.text.push('\n');
            self.out.write_all(self.text.as_bytes())?;
        }
        Ok(())
    }

    /// When something that waits for the rest of a trace has waited long enough.
    pub(super) fn due(&self) -> Option<Instant> {
        Some(self.begun + self.joiner.due()?)
    }

    /// Writes what has waited long enough.
    pub(super) fn release(&mut self) -> Result<()> {
        self.let_go(Joiner::tick)
    }

    /// Writes all that waits.
    fn release_all(&mut self) -> Result<()> {
        self.let_go(Joiner::finish)
    }

    fn let_go(
        &mut self,
        how: impl FnOnce(&mut Joiner<(Item, u64)>, Duration, &mut Vec<Piece<(Item, u64)>>),
    ) -> Result<()> {
        let mut pieces = Vec::new();
        how(&mut self.joiner, self.begun.elapsed(), &mut pieces);
        self.pieces(pieces)
    }

    fn pieces(&mut self, pieces: Vec<Piece<(Item, u64)>>) -> Result<()> {
        for piece in pieces {
            match piece {
                Piece::First((item, new_lost)) => self.first(&item, new_lost)?,
                Piece::Rest((item, _)) => {
                    self.text.clear();
                    Pretty::rest(self.look.style, &item.message, &self.look.marks, &mut self.text);
                    self.out.write_all(self.text.as_bytes())?;
                }
            }
        }
        Ok(())
    }

    /// Writes a line of its own.
    fn first(&mut self, item: &Item, new_lost: u64) -> Result<()> {
        match self.look.format {
            Format::Json => self.json(&item.raw),
            _ => self.message(&item.message, new_lost),
        }
    }

    fn missing(&mut self, source: &Source, seq: u64, span: u64, time: i64) -> Result<()> {
        self.release_all()?;
        let message = missing(source, seq, span, time);
        if self.look.format != Format::Json {
            return self.message(&message, span);
        }
        let address = Address::new(self.org.clone(), &message.app, &message.region, &message.instance)?;
        let mut row = Vec::new();
        Encoder::new(&address, &message.host).write(source.boot, &message.entry, &mut row);
        self.json(&row)
    }

    /// Writes JSON as it came, on one line; for a terminal, with what it would obey escaped.
    fn json(&mut self, raw: &[u8]) -> Result<()> {
        if self.look.style.is_careful() {
            self.text.clear();
            neutral::json(raw, &mut self.text);
            self.out.write_all(self.text.as_bytes())?;
        } else if raw.contains(&b'\n') {
            // Outside of strings, where alone it can stand, a line break is a blank.
            let row: Vec<u8> = raw.iter().map(|&byte| if byte == b'\n' { b' ' } else { byte }).collect();
            self.out.write_all(&row)?;
        } else {
            self.out.write_all(raw)?;
        }
        Ok(self.out.write_all(b"\n")?)
    }

    /// Writes a message in any format but JSON.
    fn message(&mut self, message: &Message, new_lost: u64) -> Result<()> {
        let style = self.look.style;
        self.text.clear();
        match self.look.format {
            Format::Raw => return self.raw(message, new_lost),
            Format::Logfmt => logfmt::write(message, new_lost, self.look.fields.as_deref(), &mut self.text),
            Format::Pretty => {
                self.pretty.first(style, message, new_lost, &self.look.marks, &mut self.text);
                self.explain(message);
            }
            Format::Plain | Format::Json => {
                let marks = self.marks(message);
                style.write_marked(message, new_lost, &marks, &mut self.text);
            }
        }
        Ok(self.out.write_all(self.text.as_bytes())?)
    }

    fn raw(&mut self, message: &Message, new_lost: u64) -> Result<()> {
        if let Body::Gap(gap) = &message.entry.body {
            // Among the lines it could not be told from one.
            notice(&format!("— {} ({}) —", gap.message(new_lost), gap.reason.code_name()));
            return Ok(());
        }
        self.bytes.clear();
        let _ = self.raw.write(self.look.style, message, &mut self.bytes);
        Ok(self.out.write_all(&self.bytes)?)
    }

    fn marks(&self, message: &Message) -> Vec<std::ops::Range<usize>> {
        match self.look.style.has_colour && !self.look.marks.is_empty() {
            true => self.look.marks.find(message.message.as_bytes()),
            false => Vec::new(),
        }
    }

    /// Says what a code means, once in a run, behind its line.
    fn explain(&mut self, message: &Message) {
        let Some(entry) = message.code.as_deref().and_then(codes::find) else { return };
        if self.explained.len() < MAX_HINTS && self.explained.insert(entry.code) {
            self.hints.push(entry);
        }
    }

    /// Sends what is buffered on its way.
    pub(crate) fn flush(&mut self) -> Result<()> {
        self.out.flush()?;
        for entry in self.hints.drain(..) {
            aside(&format!("({}: {}; logway explain {})", entry.code, entry.title, entry.code));
        }
        Ok(())
    }

    /// The same, with all that waits.
    pub(crate) fn finish(&mut self) -> Result<()> {
        self.release_all()?;
        self.flush()
    }
}

/// A line for the joiner.
fn joinable(item: &Item, new_lost: u64) -> Joinable<(Item, u64)> {
    let message = &item.message;
    let boot = message.boot.map_or_else(String::new, |boot| boot.to_string());
    let key = format!("{}/{boot}/{:?}", message.instance, message.entry.stream);
    let text = match &message.entry.body {
        Body::Line(text) if text.part == 0 && !text.more => {
            Some((message.message.clone(), message.entry.level_source))
        }
        _ => None,
    };
    Joinable { key, text, payload: (item.clone(), new_lost) }
}
