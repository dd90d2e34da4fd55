//! `field_names as name`: the names of the fields that there are, and in how many rows, the commonest first.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::{Gather, Pipe, Run, Stage};
use crate::budget::Account;
use crate::lexer::Lexer;
use crate::needs::Fields;
use crate::quote::Plain;
use crate::stats::Context;
use crate::wire::{Reader, put, put_bytes};
use crate::{Block, Column, Error, Flow, Text};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldNames {
    /// The field that the names are in.
    pub result: String,
}

pub(super) fn parse(lex: &mut Lexer<'_>) -> Result<Pipe, Error> {
    lex.eat("as");
    let result = if lex.is_done() { "name".to_owned() } else { lex.field_name()? };
    Ok(Pipe::FieldNames(FieldNames { result }))
}

impl fmt::Display for FieldNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("field_names")?;
        if self.result == "name" { Ok(()) } else { write!(f, " as {}", Plain(&self.result)) }
    }
}

impl Stage for FieldNames {
    fn needs(&self, needs: &mut Fields) {
        *needs = Fields::all();
    }

    fn run(&self, _: Context) -> Result<Run, Error> {
        let result: Arc<str> = self.result.as_str().into();
        Ok(Run::Gather(Arc::new(move |account| {
            Box::new(State { result: result.clone(), names: BTreeMap::new(), account })
        })))
    }

    fn keeps_time(&self) -> bool {
        false
    }

    fn orders_fields(&self) -> bool {
        true
    }
}

struct State {
    result: Arc<str>,
    names: BTreeMap<Arc<str>, u64>,
    account: Account,
}

impl State {
    fn add(&mut self, name: &Arc<str>, rows: u64) -> Result<(), Error> {
        if let Some(count) = self.names.get_mut(name) {
            *count = count.saturating_add(rows);
            return Ok(());
        }
        self.names.insert(name.clone(), rows);
        self.account.charge(name.len() + 64)
    }
}

/// In how many of `rows` rows `column` has a value.
fn count(column: &Column, rows: usize) -> u64 {
    let count = match column {
        Column::Const(value) if value.is_empty() => 0,
        Column::Const(_) => rows,
        Column::Dict { values, codes } => {
            let has: Vec<bool> = values.iter().map(|value| !value.is_empty()).collect();
            let codes = codes.iter().take(rows);
            codes.filter(|&&code| has.get(usize::from(code)).copied().unwrap_or(false)).count()
        }
        Column::Text(text) => text.iter().take(rows).filter(|value| !value.is_empty()).count(),
        Column::Time(_) | Column::Number(_) | Column::Hex(_) => column.len().unwrap_or(0).min(rows),
    };
    count as u64
}

impl Gather for State {
    fn push(&mut self, block: &Block) -> Result<Flow, Error> {
        for (name, column) in block.columns() {
            let rows = count(column, block.rows());
            if rows > 0 {
                self.add(name, rows)?;
            }
        }
        Ok(Flow::More)
    }

    fn export(&self, out: &mut Vec<u8>) {
        put(self.names.len() as u64, out);
        for (name, rows) in &self.names {
            put_bytes(name.as_bytes(), out);
            put(*rows, out);
        }
    }

    fn import(&mut self, state: &mut Reader<'_>) -> Result<(), Error> {
        for _ in 0..state.number()? {
            let name =
                std::str::from_utf8(state.bytes()?).map_err(|_| Error::Partial("the name of a field"))?;
            let rows = state.number()?;
            self.add(&name.into(), rows)?;
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn FnMut(Block) -> Flow) {
        let mut names: Vec<_> = std::mem::take(&mut self.names).into_iter().collect();
        names.sort_by_key(|(_, rows)| std::cmp::Reverse(*rows));
        let text: Text = names.iter().map(|(name, _)| name.as_bytes()).collect();
        let rows = names.iter().map(|(_, rows)| *rows).collect();
        let block = Block::new(names.len());
        out(block.with(self.result.clone(), Column::Text(text)).with("hits", Column::Number(rows)));
    }
}

#[cfg(test)]
mod tests {
    use crate::pipe::tests::{before, prints, turns};

    #[test]
    fn names() {
        let rows: &[&[&str]] = &[&["x", "", "1"], &["y", "", ""]];
        turns("field_names", &["a", "b", "c"], rows, &["name", "hits"], &[&["a", "2"], &["c", "1"]]);
        turns("field_names as f", &["a"], &[], &["f", "hits"], &[]);
    }

    #[test]
    fn needs_and_text() {
        prints("field_names", "field_names");
        prints("field_names x", "field_names as x");
        before("field_names", "name", "*");
    }
}
