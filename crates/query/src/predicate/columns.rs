//! Many rows at once: a predicate against the columns of a block, and a test against one column.

use std::sync::Arc;

use super::{FieldTest, Matcher, Predicate, Rows};
use crate::block::{Block, Column, Text};
use crate::field;
use crate::filter::phrase::Search;
use crate::filter::time::TimeRange;

/// Rows that lie in columns. Errors are those of whoever fetches them.
pub trait Columns {
    /// Why a column cannot be had.
    type Error;
    /// How many rows there are.
    fn rows(&self) -> usize;
    /// Whose the rows are, when that is known to be one org; a block on its way through pipes does not know it any more, and
    /// was confined before.
    fn org(&self) -> Option<&str>;
    /// The values of `field`, a name without aliases; none when no row has it.
    ///
    /// # Errors
    /// What made it impossible to fetch them.
    fn column(&mut self, field: &str) -> Result<Option<Arc<Column>>, Self::Error>;

    /// Takes out of `rows` what `test` does not match, for who can tell without the column. `false`: it has to be tested by that.
    ///
    /// # Errors
    /// As [`Columns::column`].
    fn retain(&mut self, test: &FieldTest, rows: &mut Rows) -> Result<bool, Self::Error> {
        let _ = (test, rows);
        Ok(false)
    }
}

impl Predicate {
    /// Takes out of `rows` what does not match. Columns are fetched one by one, and only as long as rows are left that they
    /// decide.
    ///
    /// # Errors
    /// Those of [`Columns::column`]; `rows` is then of no use.
    pub fn retain<C: Columns>(&self, columns: &mut C, rows: &mut Rows) -> Result<(), C::Error> {
        if rows.is_empty() {
            return Ok(());
        }
        match self {
            Self::All => {}
            Self::None => rows.clear(),
            Self::And(all) => all.iter().try_for_each(|predicate| predicate.retain(columns, rows))?,
            Self::Or(any) => {
                let mut found = Rows::none(rows.len());
                for predicate in any {
                    let mut one = rows.clone();
                    predicate.retain(columns, &mut one)?;
                    rows.and_not(&one);
                    found.or(&one);
                }
                *rows = found;
            }
            Self::Not(predicate) => {
                let mut others = rows.clone();
                predicate.retain(columns, &mut others)?;
                rows.and_not(&others);
            }
            Self::Time { from, to } => {
                let range = TimeRange { from: *from, to: *to };
                retain_times(columns, rows, |time| range.has(time))?;
            }
            Self::DayRange(range) => retain_times(columns, rows, |time| range.has(time))?,
            Self::WeekRange(range) => retain_times(columns, rows, |time| range.has(time))?,
            Self::Orgs(_) => {
                if columns.org().is_none_or(|org| !self.has_org(org)) {
                    rows.clear();
                }
            }
            Self::Field(test) => {
                if columns.retain(test, rows)? {
                    return Ok(());
                }
                match columns.column(test.field())? {
                    Some(column) => test.retain(&column, rows),
                    None if test.matches_empty() => {}
                    None => rows.clear(),
                }
            }
        }
        Ok(())
    }
}

/// A block has its columns at hand.
impl Columns for &Block {
    type Error = std::convert::Infallible;

    fn rows(&self) -> usize {
        Block::rows(self)
    }

    fn org(&self) -> Option<&str> {
        None
    }

    fn column(&mut self, field: &str) -> Result<Option<Arc<Column>>, Self::Error> {
        // Pipes keep the names that a query gives to fields, aliases among them.
        let by_alias = || {
            field::ALIASES
                .iter()
                .filter(|(_, name)| *name == field)
                .find_map(|(alias, _)| Block::column(self, alias))
        };
        Ok(Block::column(self, field).or_else(by_alias).cloned())
    }
}

fn retain_times<C: Columns>(
    columns: &mut C,
    rows: &mut Rows,
    keep: impl Fn(i64) -> bool,
) -> Result<(), C::Error> {
    match columns.column(field::TIME)?.as_deref() {
        Some(Column::Time(times)) => rows.retain(|row| times.get(row).is_some_and(|&time| keep(time))),
        Some(other) => {
            let mut scratch = Vec::new();
            rows.retain(|row| {
                let text = std::str::from_utf8(other.value(row, &mut scratch)).unwrap_or_default();
                line::time::parse_rfc3339(text).is_ok_and(&keep)
            });
        }
        None => rows.clear(),
    }
    Ok(())
}

impl FieldTest {
    /// Takes out of `rows` those whose value in `column` is not as it has to be. Equal values are decided once, and texts that
    /// lie end to end are searched as one.
    pub fn retain(&self, column: &Column, rows: &mut Rows) {
        match column {
            Column::Const(value) => {
                if !self.matches(value) {
                    rows.clear();
                }
            }
            Column::Dict { values, codes } => {
                let decided: Vec<bool> = values.iter().map(|value| self.matches(value)).collect();
                let beyond = self.matches_empty();
                rows.retain(|row| {
                    codes
                        .get(row)
                        .map_or(beyond, |&code| decided.get(usize::from(code)).copied().unwrap_or(beyond))
                });
            }
            Column::Text(text) => self.retain_text(text, rows),
            Column::Time(_) | Column::Number(_) | Column::Hex(_) => {
                let mut scratch = Vec::new();
                rows.retain(|row| self.matches(column.value(row, &mut scratch)));
            }
        }
    }

    fn retain_text(&self, text: &Text, rows: &mut Rows) {
        // Where few rows are left, reading those is quicker than searching all.
        let is_dense = rows.count() >= rows.len() / 8;
        let found = match self.matcher() {
            Matcher::Search(search) if is_dense => rows_of(text, search),
            Matcher::Phrases(phrases) if is_dense && !phrases.has_empty() && phrases.few().is_some() => {
                let mut found = Rows::none(text.len());
                phrases.few().unwrap_or_default().iter().for_each(|search| found.or(&rows_of(text, search)));
                found
            }
            Matcher::AnyCase(search) if is_dense && search.bulk().is_some() => {
                let candidate = |bytes: &[u8], from| Some(search.bulk()?.find_at(bytes, from)?.start());
                rows_with(text, candidate, |value, at| search.matches_from(value, at))
            }
            Matcher::Regex(expression) if is_dense && expression.has_candidates() => {
                let candidate = |bytes: &[u8], from| expression.candidate(bytes, from);
                rows_with(text, candidate, |value, _| expression.matches_rest(value))
            }
            matcher => return rows.retain(|row| matcher.matches(text.get(row))),
        };
        rows.and(&found);
    }
}

/// The rows in which `search` finds something.
fn rows_of(text: &Text, search: &Search) -> Rows {
    rows_with(text, |bytes, from| search.candidate(bytes, from), |value, at| search.matches_from(value, at))
}

/// The rows that have something that `candidate` finds in all texts end to end, and that `fits`, which is given the row's value
/// and where in it the first such thing begins. What is found may go on in the next row.
fn rows_with(
    text: &Text,
    candidate: impl Fn(&[u8], usize) -> Option<usize>,
    fits: impl Fn(&[u8], usize) -> bool,
) -> Rows {
    let (bytes, ends) = (text.bytes(), text.ends());
    let mut found = Rows::none(ends.len());
    let (mut row, mut from) = (0, 0);
    while from < bytes.len()
        && let Some(at) = candidate(bytes, from)
    {
        let before = row;
        row = row_of(ends, row, at);
        let Some(&end) = ends.get(row) else { break };
        let start = if row == before { from } else { ends.get(row - 1).map_or(0, |&end| end as usize) };
        let value = bytes.get(start..end as usize).unwrap_or_default();
        if fits(value, at - start) {
            found.insert(row);
        }
        from = end as usize;
        row += 1;
    }
    found
}

/// The first row from `row` on that ends behind byte `at`: mostly one of the next.
fn row_of(ends: &[u32], row: usize, at: usize) -> usize {
    const NEAR: usize = 8;
    let rest = ends.get(row..).unwrap_or_default();
    let is_before = |end: &u32| *end as usize <= at;
    match rest.iter().take(NEAR).position(|end| !is_before(end)) {
        Some(near) => row + near,
        None => row + rest.partition_point(is_before),
    }
}
