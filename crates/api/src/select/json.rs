//! Values of blocks as JSON.

use line::json::write_string;
use line::time::{parse_rfc3339, rfc3339};
use query::{Block, Column};

/// Appends a value as a string of JSON; bytes that are not UTF-8 become U+FFFD.
pub(crate) fn write_value(value: &[u8], out: &mut Vec<u8>) {
    match std::str::from_utf8(value) {
        Ok(text) => write_string(text, out),
        Err(_) => write_string(&String::from_utf8_lossy(value), out),
    }
}

/// The value of `field` in `row`, as text.
pub(crate) fn text(block: &Block, field: &str, row: usize, scratch: &mut Vec<u8>) -> String {
    String::from_utf8_lossy(block.value(field, row, scratch)).into_owned()
}

/// The value of `field` in `row`, as a count; 0 if it is none.
pub(crate) fn count(block: &Block, field: &str, row: usize, scratch: &mut Vec<u8>) -> u64 {
    std::str::from_utf8(block.value(field, row, scratch)).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The time in `_time` of `row`, Unix nanoseconds.
pub(crate) fn time(block: &Block, row: usize, scratch: &mut Vec<u8>) -> Option<i64> {
    match block.column(query::field::TIME).map(|column| &**column) {
        Some(Column::Time(times)) => times.get(row).copied(),
        Some(column) => parse_rfc3339(std::str::from_utf8(column.value(row, scratch)).ok()?).ok(),
        None => None,
    }
}

/// A time without a fraction that says nothing.
pub(crate) fn short_time(nanos: i64) -> String {
    let text = rfc3339(nanos);
    text.strip_suffix(".000000000Z").map_or_else(|| text.clone(), |whole| format!("{whole}Z"))
}

/// Unix seconds, with three digits of fraction if there is one.
pub(crate) fn unix_seconds(nanos: i64) -> String {
    let (seconds, millis) = (nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000) / 1_000_000);
    if millis == 0 { seconds.to_string() } else { format!("{seconds}.{millis:03}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(short_time(1_000_000_000), "1970-01-01T00:00:01Z");
        assert_eq!(short_time(1_500_000_000), "1970-01-01T00:00:01.500000000Z");
        assert_eq!(unix_seconds(1_500_000_000), "1.500");
        assert_eq!(unix_seconds(2_000_000_000), "2");
    }
}
