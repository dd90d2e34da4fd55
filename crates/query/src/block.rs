//! What flows through pipes: a block of rows, column by column.
//!
//! A column keeps the form that a stored part has it in: one value for all rows, codes into a dictionary, numbers, or
//! texts end to end. So a scan hands over what it has decoded without a copy per row, and a pipe that groups by a
//! dictionary looks at each of its values once.

mod column;
mod json;
mod wire;

use std::sync::Arc;

use crate::field::ALIASES;

#[cfg(test)]
pub(crate) use column::tests as column_tests;
pub(crate) use column::write_decimal;
pub use column::{Column, Text};
pub(crate) use json::write_value;
pub use json::{Order, write_ndjson};

/// Whether whoever hands over rows should go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// More rows are wanted.
    More,
    /// Nothing that comes from here on can change the answer.
    Done,
}

/// Rows as columns. A field that has no column is empty in every row, which is the same as missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Block {
    rows: usize,
    columns: Vec<(Arc<str>, Arc<Column>)>,
    weights: Option<Vec<u64>>,
}

impl Block {
    /// A block of `rows` rows without any field.
    pub const fn new(rows: usize) -> Self {
        Self { rows, columns: Vec::new(), weights: None }
    }

    /// How many rows there are, whatever they weigh.
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// Whether there is no row.
    pub const fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Gives `field` a column, in place of the one it may have. A column that is shorter than the block is empty from
    /// there on.
    pub fn set(&mut self, field: impl Into<Arc<str>>, column: impl Into<Arc<Column>>) {
        let (field, column) = (field.into(), column.into());
        match self.columns.iter_mut().find(|(name, _)| *name == field) {
            Some((_, old)) => *old = column,
            None => self.columns.push((field, column)),
        }
    }

    /// The same, for building: `Block::new(2).with("app", column)`.
    #[must_use]
    pub fn with(mut self, field: impl Into<Arc<str>>, column: impl Into<Arc<Column>>) -> Self {
        self.set(field, column);
        self
    }

    /// Takes the column of `field` out.
    pub fn remove(&mut self, field: &str) -> Option<Arc<Column>> {
        let at = self.columns.iter().position(|(name, _)| &**name == field)?;
        Some(self.columns.remove(at).1)
    }

    /// The column of `field`; `None` if it is empty in every row. A field of the platform is found under its other
    /// names too ([`crate::field::ALIASES`]), unless a column has just the name asked for.
    pub fn column(&self, field: &str) -> Option<&Arc<Column>> {
        self.named(field).or_else(|| {
            let other_names = ALIASES.iter().filter_map(|&(alias, name)| {
                (alias == field).then_some(name).or_else(|| (name == field).then_some(alias))
            });
            other_names.filter_map(|name| self.named(name)).next()
        })
    }

    fn named(&self, field: &str) -> Option<&Arc<Column>> {
        self.columns.iter().find(|(name, _)| &**name == field).map(|(_, column)| column)
    }

    /// All columns in their order, each name once.
    pub fn columns(&self) -> &[(Arc<str>, Arc<Column>)] {
        &self.columns
    }

    /// Keeps the columns whose name `keep` likes.
    pub fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.columns.retain(|(name, _)| keep(name));
    }

    /// The value of `field` in `row`, empty if missing. `scratch` is where a value is written that is kept as a number.
    pub fn value<'a>(&'a self, field: &str, row: usize, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        self.column(field).map_or(&[], |column| column.value(row, scratch))
    }

    /// Says that row `i` stands for `weights[i]` rows alike. `count` and `rate` are the only ones that may see such
    /// blocks; missing weights count as 1.
    pub fn set_weights(&mut self, weights: Vec<u64>) {
        self.weights = Some(weights);
    }

    /// How many rows `row` stands for.
    pub fn weight(&self, row: usize) -> u64 {
        self.weights.as_ref().and_then(|weights| weights.get(row)).copied().unwrap_or(1)
    }

    /// The weights, if the rows have any.
    pub fn weights(&self) -> Option<&[u64]> {
        self.weights.as_deref()
    }

    /// The rows at `rows`, in that order; one may come twice.
    #[must_use]
    pub fn select(&self, rows: &[u32]) -> Self {
        let pick = |(name, column): &(Arc<str>, Arc<Column>)| (name.clone(), Arc::new(column.select(rows)));
        let weigh = |weights: &Vec<u64>| {
            rows.iter().map(|&row| weights.get(row as usize).copied().unwrap_or(1)).collect()
        };
        Self {
            rows: rows.len(),
            columns: self.columns.iter().map(pick).collect(),
            weights: self.weights.as_ref().map(weigh),
        }
    }

    /// The first `rows` rows, or all if there are not as many.
    #[must_use]
    pub fn head(self, rows: usize) -> Self {
        if rows >= self.rows { self } else { self.range(0, rows) }
    }

    /// The rows `from..to`, as far as there are any.
    #[must_use]
    pub fn range(&self, from: usize, to: usize) -> Self {
        let rows: Vec<u32> = (from..to.min(self.rows)).filter_map(|row| u32::try_from(row).ok()).collect();
        self.select(&rows)
    }

    /// Roughly how many bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        let columns = self.columns.iter().map(|(name, column)| name.len() + column.bytes() + 64);
        columns.sum::<usize>() + self.weights.as_ref().map_or(0, |weights| weights.len() * 8)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A block of texts: a row of names, then rows of values.
    pub(crate) fn table(names: &[&str], rows: &[&[&str]]) -> Block {
        let mut block = Block::new(rows.len());
        for (at, name) in names.iter().enumerate() {
            let column: Text = rows.iter().map(|row| row[at].as_bytes()).collect();
            block.set(*name, Column::Text(column));
        }
        block
    }

    #[test]
    fn a_field_has_one_column() {
        let mut block = table(&["a", "b"], &[&["1", "2"], &["3", "4"]]);
        block.set("a", Column::of("x"));
        assert_eq!(block.columns().len(), 2);
        for (field, wanted) in [("a", "x"), ("b", "4"), ("c", "")] {
            assert_eq!(block.value(field, 1, &mut Vec::new()), wanted.as_bytes());
        }
        assert!(block.remove("b").is_some() && block.remove("b").is_none());
    }

    #[test]
    fn the_platforms_fields_have_other_names() {
        let block = table(&["app", "fly.region"], &[&["web", "lhr"]]);
        for (field, wanted) in [("fly.app.name", "web"), ("app", "web"), ("region", "lhr"), ("level", "")] {
            assert_eq!(block.value(field, 0, &mut Vec::new()), wanted.as_bytes());
        }
    }

    #[test]
    fn rows_keep_their_weight() {
        let mut block = table(&["a"], &[&["1"], &["2"], &["3"]]);
        assert_eq!(block.weight(2), 1);
        block.set_weights(vec![5, 6, 7]);
        let picked = block.select(&[2, 0]);
        assert_eq!((picked.weight(0), picked.weight(1), picked.rows()), (7, 5, 2));
        assert_eq!(block.clone().head(1).weights(), Some(&[5][..]));
        assert_eq!(block.range(1, 9).rows(), 2);
    }
}
