//! Blocks as lines of JSON, as `/select/logsql/query` gives them.

use line::json::write_string;

use super::{Block, Column};

/// In which order the fields of a row are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// By name.
    Sorted,
    /// As the block has them, because the last pipe says so (`fields`, `stats`).
    AsGiven,
}

/// Appends each row as one object and a line break. All values are strings, empty ones are left out, and so are rows
/// in which all are empty. Bytes that are not UTF-8 become U+FFFD.
pub fn write_ndjson(block: &Block, order: Order, out: &mut Vec<u8>) {
    let mut columns: Vec<(Vec<u8>, &str, &Column)> =
        block.columns().iter().map(|(name, column)| (key(name), &**name, &**column)).collect();
    if order == Order::Sorted {
        columns.sort_by_key(|(_, name, _)| *name);
    }
    let scratch = &mut Vec::new();
    for row in 0..block.rows() {
        let before = out.len();
        out.push(b'{');
        for (key, _, column) in &columns {
            let value = column.value(row, scratch);
            if value.is_empty() {
                continue;
            }
            if out.len() > before + 1 {
                out.push(b',');
            }
            out.extend_from_slice(key);
            write_value(value, out);
        }
        if out.len() == before + 1 {
            out.truncate(before);
        } else {
            out.extend_from_slice(b"}\n");
        }
    }
}

/// `"name":`
fn key(name: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len() + 3);
    write_string(name, &mut out);
    out.push(b':');
    out
}

/// Appends `value` as a JSON string.
pub(crate) fn write_value(value: &[u8], out: &mut Vec<u8>) {
    match std::str::from_utf8(value) {
        Ok(text) => write_string(text, out),
        Err(_) => write_string(&String::from_utf8_lossy(value), out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::tests::table;

    #[test]
    fn rows_as_lines() {
        let block = table(
            &["b", "_msg", "a\"q"],
            &[&["1", "tab\there", ""], &["", "", ""], &["", "", "2"], &["", "é", "x"]],
        )
        .with("_time", Column::Time(vec![0]));
        let mut out = Vec::new();
        write_ndjson(&block, Order::Sorted, &mut out);
        let wanted = [
            r#"{"_msg":"tab\there","_time":"1970-01-01T00:00:00.000000000Z","b":"1"}"#,
            r#"{"a\"q":"2"}"#,
            r#"{"_msg":"é","a\"q":"x"}"#,
        ];
        assert_eq!(String::from_utf8(out).unwrap(), wanted.map(|line| format!("{line}\n")).concat());
    }

    #[test]
    fn the_order_of_the_block_is_kept() {
        let mut out = Vec::new();
        write_ndjson(&table(&["b", "a"], &[&["1", "2"]]), Order::AsGiven, &mut out);
        assert_eq!(out, b"{\"b\":\"1\",\"a\":\"2\"}\n");
    }

    #[test]
    fn what_is_not_utf8_is_replaced() {
        let block = Block::new(1).with("_msg", Column::of(b"a\xffb"));
        let mut out = Vec::new();
        write_ndjson(&block, Order::Sorted, &mut out);
        assert_eq!(out, "{\"_msg\":\"a\u{fffd}b\"}\n".as_bytes());
    }
}
