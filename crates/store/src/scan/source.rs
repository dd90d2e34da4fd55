//! What a scan reads rows from: a frame of a part, or rows that are still in memory.

use std::sync::Arc;

use query::Column;

use crate::rows::Rows;

/// Rows of one app, served by the column.
pub trait Source: Send + Sync {
    /// How many rows there are.
    fn rows(&self) -> usize;

    /// The earliest and the latest time, both inclusive, Unix nanoseconds.
    fn time_range(&self) -> (i64, i64);

    /// The times of the rows.
    ///
    /// # Errors
    /// What is wrong with the bytes, or why they cannot be read.
    fn times(&self) -> Result<Vec<i64>, SourceError>;

    /// The values of `field`; `None` if it is empty in every row.
    ///
    /// # Errors
    /// What is wrong with the bytes, or why they cannot be read.
    fn column(&self, field: &str) -> Result<Option<Arc<Column>>, SourceError>;

    /// The names of all fields that some row has, those of the platform included.
    ///
    /// # Errors
    /// What is wrong with the bytes, or why they cannot be read.
    fn fields(&self) -> Result<Vec<Arc<str>>, SourceError>;
}
