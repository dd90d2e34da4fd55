//! The functions of the `stats` pipe, one file each, and what they have in common.
//!
//! A function keeps the state of all groups in columns: row `i` of a block goes to group `groups[i]`, so counting costs
//! an addition to a slot and nothing per row is hashed or allocated.

mod average;
mod bucket;
mod call;
mod count;
mod count_empty;
mod count_uniq;
mod extreme;
mod groups;
mod histogram;
mod quantile;
mod rate;
mod row;
mod rows;
mod sum;
mod sum_len;
mod uniq_values;
mod values;

pub use bucket::{Bucket, By};
pub use call::Call;
pub(crate) use groups::{Groups, check_key, key_values};
pub(crate) use rows::{Rows, each_distinct, each_number, each_value};

use crate::Block;
use crate::Error;
use crate::wire::Reader;

/// What a function takes in its parentheses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Fields, or nothing for all of them.
    Fields,
    /// The same, and `limit N` may follow.
    FieldsAndLimit,
    /// A number from 0 to 1, then fields.
    Phi,
    /// A field to look at, then the fields to give.
    Source,
    /// One field.
    One,
    /// Nothing.
    Nothing,
}

/// A function as it is known to the parser.
pub(crate) struct Entry {
    /// What it is called.
    pub(crate) name: &'static str,
    /// What stands in its parentheses.
    pub(crate) takes: Takes,
    /// One line for the reference.
    pub(crate) about: &'static str,
    /// Makes its state.
    pub(crate) make: fn(&Call, Context) -> Box<dyn Accumulate>,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// What functions must know beside their rows.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Context {
    /// How many seconds a group stands for: the step of `_time`, or the time that the query looks at. None if it looks
    /// at all of it.
    pub(crate) seconds: Option<f64>,
}

/// The functions that there are, by name.
pub(crate) const ALL: &[Entry] = &[
    average::ENTRY,
    count::ENTRY,
    count_empty::ENTRY,
    count_uniq::ENTRY,
    count_uniq::HASH,
    histogram::ENTRY,
    extreme::MAX,
    quantile::MEDIAN,
    extreme::MIN,
    quantile::ENTRY,
    rate::ENTRY,
    rate::SUM,
    row::ANY,
    row::MAX,
    row::MIN,
    sum::ENTRY,
    sum_len::ENTRY,
    uniq_values::ENTRY,
    values::ENTRY,
];

/// The functions that there are, by name, with a line about each.
pub fn functions() -> impl Iterator<Item = (&'static str, &'static str)> {
    ALL.iter().map(|entry| (entry.name, entry.about))
}

/// Functions of VictoriaLogs that are not there yet.
pub const MISSING: &[&str] =
    &["any", "field_max", "field_min", "json_values", "row_count", "stddev", "switch"];

/// The state of one function for all groups.
pub(crate) trait Accumulate: Send {
    /// Makes room for `groups` groups, never fewer than before; says how many bytes more it takes.
    fn grow(&mut self, groups: usize) -> usize;

    /// Takes rows in; says how many bytes more it takes.
    fn add(&mut self, block: &Block, rows: &Rows<'_>) -> usize;

    /// Appends the state of `group`.
    fn export(&self, group: usize, out: &mut Vec<u8>);

    /// Joins a state that was exported to that of `group`; says how many bytes more it takes.
    fn import(&mut self, group: usize, state: &mut Reader<'_>) -> Result<usize, Error>;

    /// Appends the result of `group`.
    fn finish(&self, group: usize, out: &mut Vec<u8>);
}

/// Makes `slots` as long as there are groups.
pub(crate) fn grow<T: Default>(slots: &mut Vec<T>, groups: usize) -> usize {
    let more = groups.saturating_sub(slots.len());
    slots.resize_with(slots.len().max(groups), T::default);
    more * size_of::<T>()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::block::tests::table;
    use crate::lexer::Lexer;

    /// What `call` gives for a column `a` (and `b`) of these values in one group, in one go, and split and joined again.
    #[track_caller]
    pub(crate) fn gives(call: &str, rows: &[[&str; 2]], wanted: &str) {
        let call = Call::parse(&mut Lexer::new(call, 0).unwrap()).unwrap();
        let context = Context { seconds: Some(2.0) };
        for cut in 0..=rows.len() {
            let mut whole = call.start(context);
            whole.grow(1);
            for part in [&rows[..cut], &rows[cut..]] {
                let part: Vec<&[&str]> = part.iter().map(|row| &row[..]).collect();
                let mut state = call.start(context);
                state.grow(1);
                let groups = vec![0; part.len()];
                state.add(&table(&["a", "b"], &part), &Rows::all(&groups));
                let mut bytes = Vec::new();
                state.export(0, &mut bytes);
                let mut reader = Reader(&bytes);
                whole.import(0, &mut reader).unwrap();
                assert!(reader.is_end());
                for cut in 0..bytes.len() {
                    // Cut off, it may be refused or taken, but not trip anything up.
                    let mut other = call.start(context);
                    other.grow(1);
                    let _ = other.import(0, &mut Reader(&bytes[..cut]));
                }
            }
            let mut out = Vec::new();
            whole.finish(0, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), wanted, "{call} cut at {cut}");
        }
    }

    #[test]
    fn names_are_in_order_and_known_once() {
        let names: Vec<_> = ALL.iter().map(|entry| entry.name).collect();
        assert!(names.is_sorted() && MISSING.iter().all(|name| !names.contains(name)));
    }
}
