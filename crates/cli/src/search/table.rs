//! Rows that are no lines: a table for people, `name=value` for programs.

use std::fmt::Write;

use super::value;
use crate::logs::neutral;
use crate::rows::Row;

/// Rows that are looked at before it is known how wide the columns are.
const MAX_HELD: usize = 500;
/// Most characters of a column; what is longer moves its row's rest to the right.
const MAX_WIDTH: usize = 60;

/// Appends a row as `name=value name="other value"`, on a line.
pub(super) fn write_pairs(row: &Row, out: &mut String) {
    for (at, (name, value)) in row.fields().enumerate() {
        if at > 0 {
            out.push(' ');
        }
        value::write(name, out);
        out.push('=');
        value::write(value, out);
    }
    out.push('\n');
}

/// A table. It holds back the first rows, to see how wide the columns are.
#[derive(Debug, Default)]
pub(super) struct Table {
    held: Vec<Row>,
    columns: Option<Vec<(String, usize)>>,
}

impl Table {
    /// Takes a row, and appends what can be shown.
    pub(super) fn row(&mut self, row: Row, out: &mut String) {
        if self.columns.is_none() {
            self.held.push(row);
            if self.held.len() >= MAX_HELD {
                self.begin(out);
            }
            return;
        }
        self.write(&row, out);
    }

    /// Appends what was held back.
    pub(super) fn finish(&mut self, out: &mut String) {
        if self.columns.is_none() && !self.held.is_empty() {
            self.begin(out);
        }
    }

    fn begin(&mut self, out: &mut String) {
        let held = std::mem::take(&mut self.held);
        let mut columns: Vec<(String, usize)> = Vec::new();
        for (name, value) in held.iter().flat_map(Row::fields) {
            let width = shown(value).chars().count().min(MAX_WIDTH);
            match columns.iter_mut().find(|(known, _)| known == name) {
                Some((_, widest)) => *widest = width.max(*widest),
                None => columns.push((name.to_owned(), width.max(shown(name).chars().count()))),
            }
        }
        let names = columns.iter().map(|(name, width)| (shown(name), *width)).collect::<Vec<_>>();
        write_cells(&names, out);
        self.columns = Some(columns);
        held.iter().for_each(|row| self.write(row, out));
    }

    fn write(&self, row: &Row, out: &mut String) {
        let columns = self.columns.as_deref().unwrap_or_default();
        let mut cells: Vec<_> = columns.iter().map(|(name, width)| (shown(row.get(name)), *width)).collect();
        // What the first rows did not have.
        for (name, value) in row.fields().filter(|(name, _)| !columns.iter().any(|(known, _)| known == name))
        {
            let mut pair = String::new();
            value::write(name, &mut pair);
            pair.push('=');
            value::write(value, &mut pair);
            cells.push((pair, 0));
        }
        write_cells(&cells, out);
    }
}

fn shown(value: &str) -> String {
    neutral::plain(value)
}

fn write_cells(cells: &[(String, usize)], out: &mut String) {
    let start = out.len();
    for (at, (text, width)) in cells.iter().enumerate() {
        let gap = if at > 0 { "  " } else { "" };
        // Writing to a string cannot fail.
        let _ = write!(out, "{gap}{text:<width$}");
    }
    out.truncate(start + out[start..].trim_end().len());
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(json: &str) -> Row {
        Row::read(json.as_bytes()).unwrap()
    }

    #[test]
    fn columns_are_as_wide_as_they_need_to_be() {
        let (mut table, mut out) = (Table::default(), String::new());
        table.row(row(r#"{"app":"web","n":"12"}"#), &mut out);
        table.row(row(r#"{"app":"a-longer-name","n":"3","x":"\u001b[2J"}"#), &mut out);
        assert_eq!(out, "");
        table.finish(&mut out);
        assert_eq!(out, "app            n   x\nweb            12\na-longer-name  3   \\x1b[2J\n");
        // What comes late goes behind.
        out.clear();
        table.row(row(r#"{"app":"b","y":"1 2"}"#), &mut out);
        assert_eq!(out.split_whitespace().collect::<Vec<_>>(), ["b", "y=\"1", "2\""]);
    }

    #[test]
    fn a_long_table_does_not_wait_for_its_end() {
        let (mut table, mut out) = (Table::default(), String::new());
        for number in 0..MAX_HELD {
            table.row(row(&format!(r#"{{"n":"{number}"}}"#)), &mut out);
        }
        assert_eq!(out.lines().count(), MAX_HELD + 1);
    }

    #[test]
    fn pairs() {
        let mut out = String::new();
        write_pairs(&row(r#"{"count(*)":"7","a":"x y"}"#), &mut out);
        assert_eq!(out, "count(*)=7 a=\"x y\"\n");
    }
}
