//! What was found, to stdout: lines, a table, name=value, or JSON.

use std::io::Write;

use anyhow::Result;

use super::plan::Plan;
use super::table::{self, Table};
use crate::logs::neutral;
use crate::logs::render::Style;
use crate::output::Data;
use crate::rows::Row;

/// Writes rows to stdout.
pub(super) struct Printer<'a> {
    out: Data,
    style: Style,
    as_json: bool,
    plan: &'a Plan,
    table: Table,
    text: String,
    rows: u64,
}

impl<'a> Printer<'a> {
    pub(super) fn new(style: Style, as_json: bool, plan: &'a Plan) -> Self {
        let (out, table, text) = (Data::stdout(), Table::default(), String::new());
        Self { out, style, as_json, plan, table, text, rows: 0 }
    }

    /// How many rows there were.
    pub(super) const fn rows(&self) -> u64 {
        self.rows
    }

    /// Whether none has come yet.
    pub(super) const fn is_first(&self) -> bool {
        self.rows == 0
    }

    /// Takes a row as the server gave it. What is no row is shown as it is, or escaped.
    pub(super) fn row(&mut self, json: &[u8]) -> Result<()> {
        self.rows += 1;
        self.text.clear();
        if self.as_json {
            if !self.style.is_careful() {
                self.out.write_all(json)?;
                return Ok(self.out.write_all(b"\n")?);
            }
            neutral::json(json, &mut self.text);
            self.text.push('\n');
        } else {
            match Row::read(json) {
                Some(row) => self.as_text(row),
                None => {
                    neutral::json(json, &mut self.text);
                    self.text.push('\n');
                }
            }
        }
        Ok(self.out.write_all(self.text.as_bytes())?)
    }

    fn as_text(&mut self, row: Row) {
        if let Some(item) = row.item() {
            let marks = match self.style.has_colour {
                true => self.plan.marks().find(item.message.message.as_bytes()),
                false => Vec::new(),
            };
            let span = item.message.entry.span;
            self.style.write_marked(&item.message, span, &marks, &mut self.text);
        } else if self.style.for_terminal {
            self.table.row(row, &mut self.text);
        } else {
            table::write_pairs(&row, &mut self.text);
        }
    }

    /// Sends what is buffered on its way.
    pub(super) fn flush(&mut self) -> Result<()> {
        Ok(self.out.flush()?)
    }

    /// Writes what was held back, and sends all on its way.
    pub(super) fn finish(&mut self) -> Result<()> {
        self.text.clear();
        self.table.finish(&mut self.text);
        self.out.write_all(self.text.as_bytes())?;
        self.flush()
    }
}
