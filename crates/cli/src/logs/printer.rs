//! What is shown of what comes, and how: text or JSON, through the filter, to stdout.

use std::io::Write;

use anyhow::Result;
use line::json::{Encoder, Message};
use line::{Address, OrgId};

use super::filter::Filter;
use super::item::Item;
use super::neutral;
use super::render::{Style, missing};
use super::stitch::{Show, Source};
use crate::output::Data;

/// Writes lines to stdout.
pub(crate) struct Printer {
    out: Data,
    style: Style,
    as_json: bool,
    filter: Filter,
    org: OrgId,
    text: String,
}

impl Printer {
    /// Lines of `org` that pass `filter`, as text in `style` or as JSON.
    pub(crate) fn new(out: Data, style: Style, as_json: bool, filter: Filter, org: OrgId) -> Self {
        Self { out, style, as_json, filter, org, text: String::new() }
    }

    /// The filter.
    pub(crate) const fn filter(&self) -> &Filter {
        &self.filter
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
        if !self.filter.passes(&item.message) {
            return Ok(());
        }
        if !self.as_json {
            return self.text(&item.message, new_lost);
        }
        self.json(&item.raw)
    }

    fn missing(&mut self, source: &Source, seq: u64, span: u64, time: i64) -> Result<()> {
        let message = missing(source, seq, span, time);
        if !self.as_json {
            return self.text(&message, span);
        }
        let address = Address::new(self.org.clone(), &message.app, &message.region, &message.instance)?;
        let mut row = Vec::new();
        Encoder::new(&address, &message.host).write(source.boot, &message.entry, &mut row);
        self.json(&row)
    }

    /// Writes JSON as it came, on one line; for a terminal, with what it would obey escaped.
    fn json(&mut self, raw: &[u8]) -> Result<()> {
        if self.style.is_careful() {
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

    fn text(&mut self, message: &Message, new_lost: u64) -> Result<()> {
        self.text.clear();
        self.style.write(message, new_lost, &mut self.text);
        Ok(self.out.write_all(self.text.as_bytes())?)
    }

    /// Sends what is buffered on its way.
    pub(crate) fn flush(&mut self) -> Result<()> {
        Ok(self.out.flush()?)
    }
}
