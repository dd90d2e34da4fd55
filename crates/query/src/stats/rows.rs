//! Which rows of a block go to which groups, and their values.

use crate::value::number;
use crate::{Column, Text};

/// Rows of a block with their groups.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows<'a> {
    groups: &'a [u32],
    rows: Option<&'a [u32]>,
    /// The one group that all rows go to.
    one: Option<usize>,
}

impl<'a> Rows<'a> {
    /// Row `i` goes to `groups[i]`.
    pub(crate) fn all(groups: &'a [u32]) -> Self {
        Self::new(groups, None)
    }

    /// Row `rows[i]` goes to `groups[i]`.
    pub(crate) fn some(rows: &'a [u32], groups: &'a [u32]) -> Self {
        Self::new(groups, Some(rows))
    }

    fn new(groups: &'a [u32], rows: Option<&'a [u32]>) -> Self {
        let first = groups.first().copied();
        let one = first.filter(|first| groups.iter().all(|group| group == first));
        Self { groups, rows, one: one.map(|group| group as usize) }
    }

    /// How many rows there are.
    pub(crate) const fn len(&self) -> usize {
        self.groups.len()
    }

    /// The group that all of them go to, if it is one.
    pub(crate) const fn one(&self) -> Option<usize> {
        self.one
    }

    /// Pairs of row and group.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, usize)> {
        let row = |at: usize| self.rows.map_or(at, |rows| rows.get(at).map_or(0, |&row| row as usize));
        self.groups.iter().enumerate().map(move |(at, &group)| (row(at), group as usize))
    }
}

/// Calls `take` with the group and value of each row.
pub(crate) fn each_value(column: &Column, rows: &Rows<'_>, mut take: impl FnMut(usize, &[u8])) {
    let scratch = &mut Vec::new();
    rows.iter().for_each(|(row, group)| take(group, column.value(row, scratch)));
}

/// Calls `take` with each pair of group and value that there is, at least once and not as often as there are rows,
/// where that is easily told.
pub(crate) fn each_distinct(column: &Column, rows: &Rows<'_>, mut take: impl FnMut(usize, &[u8])) {
    match column {
        Column::Const(value) => each_group(rows, |group| take(group, value)),
        Column::Dict { values, codes } => {
            let groups = rows.iter().map(|(_, group)| group + 1).max().unwrap_or(0);
            let slots = groups.saturating_mul(values.len());
            if slots > rows.len().saturating_mul(8).max(4096) {
                return each_value(column, rows, take);
            }
            let mut seen = vec![false; slots];
            for (row, group) in rows.iter() {
                let code = codes.get(row).map_or(values.len(), |&code| usize::from(code));
                let Some(value) = values.get(code) else { continue };
                if !std::mem::replace(&mut seen[group * values.len() + code], true) {
                    take(group, value);
                }
            }
        }
        Column::Text(text) => each_change(text, rows, take),
        Column::Time(_) | Column::Number(_) | Column::Hex(_) => each_value(column, rows, take),
    }
}

fn each_group(rows: &Rows<'_>, mut take: impl FnMut(usize)) {
    if let Some(group) = rows.one() {
        return take(group);
    }
    let mut last = None;
    for (_, group) in rows.iter() {
        if last.replace(group) != Some(group) {
            take(group);
        }
    }
}

fn each_change(text: &Text, rows: &Rows<'_>, mut take: impl FnMut(usize, &[u8])) {
    let mut last: Option<(usize, &[u8])> = None;
    for (row, group) in rows.iter() {
        let value = text.get(row);
        if last.replace((group, value)) != Some((group, value)) {
            take(group, value);
        }
    }
}

/// Calls `take` with the group and number of each row that has one.
pub(crate) fn each_number(column: &Column, rows: &Rows<'_>, mut take: impl FnMut(usize, f64)) {
    match column {
        Column::Const(value) => {
            let Some(number) = number(value) else { return };
            rows.iter().for_each(|(_, group)| take(group, number));
        }
        Column::Dict { values, codes } => {
            let numbers: Vec<Option<f64>> = values.iter().map(|value| number(value)).collect();
            for (row, group) in rows.iter() {
                let code = codes.get(row).map(|&code| usize::from(code));
                if let Some(&Some(number)) = code.and_then(|code| numbers.get(code)) {
                    take(group, number);
                }
            }
        }
        Column::Number(numbers) => {
            for (row, group) in rows.iter() {
                if let Some(&number) = numbers.get(row) {
                    take(group, number as f64);
                }
            }
        }
        Column::Text(text) => {
            for (row, group) in rows.iter() {
                if let Some(number) = number(text.get(row)) {
                    take(group, number);
                }
            }
        }
        // A sum of times or of ids means nothing.
        Column::Time(_) | Column::Hex(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::column_tests::any_column;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn distinct_values_are_all_values(
            column in any_column(8),
            groups in prop::collection::vec(0_u32..3, 8),
            picked in prop::sample::subsequence((0_u32..8).collect::<Vec<_>>(), 0..=8),
        ) {
            let picked_groups: Vec<u32> = picked.iter().map(|&row| groups[row as usize]).collect();
            for rows in [Rows::all(&groups), Rows::some(&picked, &picked_groups)] {
                let (mut all, mut distinct) = (BTreeSet::new(), BTreeSet::new());
                each_value(&column, &rows, |group, value| { all.insert((group, value.to_vec())); });
                each_distinct(&column, &rows, |group, value| { distinct.insert((group, value.to_vec())); });
                prop_assert_eq!(all, distinct);
            }
        }

        #[test]
        fn numbers_are_those_of_the_values(column in any_column(6), groups in prop::collection::vec(0_u32..3, 6)) {
            prop_assume!(!matches!(column, Column::Hex(_) | Column::Time(_)));
            let rows = Rows::all(&groups);
            let (mut one, mut other) = (Vec::new(), Vec::new());
            each_number(&column, &rows, |group, number| one.push((group, number.to_bits())));
            each_value(&column, &rows, |group, value| {
                other.extend(number(value).map(|number| (group, number.to_bits())));
            });
            prop_assert_eq!(one, other);
        }
    }
}
