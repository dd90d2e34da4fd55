//! `unpack_json from field fields (a, b*) result_prefix "p_"`: the members of a JSON object become fields. Nested ones have
//! their names joined with dots; arrays stay JSON.

use line::json::Scanner;

use super::unpack_logfmt::{Parts, unpack_pipe};
use super::{Pipe, Run, Stage};
use crate::filter::Filter;
use crate::lexer::Lexer;
use crate::needs::Fields;
use crate::stats::Context;
use crate::{Error, field};

/// How deep objects may be nested in each other; what is deeper stays JSON.
const MAX_DEPTH: usize = 16;

unpack_pipe!(UnpackJson, "unpack_json", each_member);

/// Calls `take` with the name and value of every member of the object that `text` is. One that is broken gives those before
/// the break.
pub(super) fn each_member(text: &[u8], take: &mut dyn FnMut(&str, &[u8])) {
    let mut scanner = Scanner::new(text);
    if scanner.peek() == Some(b'{') {
        // What is broken has no more to give.
        let _ = members(text, &mut scanner, &mut String::new(), take, 0);
    }
}

fn members(
    text: &[u8],
    scanner: &mut Scanner<'_>,
    prefix: &mut String,
    take: &mut dyn FnMut(&str, &[u8]),
    depth: usize,
) -> Result<(), line::Error> {
    scanner.begin_object()?;
    while let Some(key) = scanner.next_key()? {
        let len = prefix.len();
        if len > 0 {
            prefix.push('.');
        }
        prefix.push_str(&key.decode()?);
        match scanner.peek() {
            Some(b'{') if depth < MAX_DEPTH => members(text, scanner, prefix, take, depth + 1)?,
            Some(b'"') => take(prefix, scanner.string()?.decode()?.as_bytes()),
            Some(b'n') => scanner.skip_value()?,
            _ => {
                let start = scanner.position();
                scanner.skip_value()?;
                take(prefix, text.get(start..scanner.position()).unwrap_or_default());
            }
        }
        prefix.truncate(len);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::pipe::tests::{before, prints, turns};

    #[test]
    fn members_become_fields() {
        let json = r#"{"a":"x","b":{"c":1.5,"d":[1, {"e":2}]},"f":true,"g":null,"a":"y"}"#;
        let (names, row): (&[&str], &[&str]) =
            (&["_msg", "a", "b.c", "b.d", "f"], &[json, "x", "1.5", r#"[1, {"e":2}]"#, "true"]);
        turns("unpack_json", &["_msg"], &[&[json]], names, &[row]);
        turns(
            "unpack_json fields (b*)",
            &["_msg"],
            &[&[json]],
            &["_msg", "b.c", "b.d"],
            &[&[json, "1.5", r#"[1, {"e":2}]"#]],
        );
        turns(
            "unpack_json fields (f) result_prefix p_",
            &["_msg"],
            &[&[json]],
            &["_msg", "p_f"],
            &[&[json, "true"]],
        );
        let rows: &[&[&str]] =
            &[&["plain", "old"], &["[1]", "old"], &[r#"{"a":"n","#, "old"], &[r#"{"a":""}"#, "old"]];
        let wanted: &[&[&str]] = &[rows[0], rows[1], &[r#"{"a":"n","#, "n"], &[r#"{"a":""}"#, ""]];
        turns("unpack_json", &["_msg", "a"], rows, &["_msg", "a"], wanted);
        turns("unpack_json keep_original_fields", &["_msg", "a"], rows, &["_msg", "a"], rows);
        let wanted: &[&[&str]] = &[rows[0], rows[1], &[r#"{"a":"n","#, "n"], rows[3]];
        turns("unpack_json skip_empty_results", &["_msg", "a"], rows, &["_msg", "a"], wanted);
        let rows_with_time: &[&[&str]] = &[&[r#"{"_time":"1","a":"2"}"#, "t"]];
        let wanted: &[&[&str]] = &[&[rows_with_time[0][0], "t", "2"]];
        turns("unpack_json", &["_msg", "_time"], rows_with_time, &["_msg", "_time", "a"], wanted);
        let wanted: &[&[&str]] = &[&[rows_with_time[0][0], "1"]];
        turns("unpack_json fields (_time)", &["_msg", "_time"], rows_with_time, &["_msg", "_time"], wanted);
        turns("unpack_json if (a:z)", &["_msg", "a"], rows, &["_msg", "a"], rows);
    }

    #[test]
    fn hostile_texts() {
        let deep = "{\"a\":".repeat(500);
        turns("unpack_json", &["_msg"], &[&[&deep]], &["_msg"], &[&[&deep]]);
    }

    #[test]
    fn needs_and_text() {
        prints("unpack_json", "unpack_json");
        let text = "unpack_json if (x) from y fields (a, b*) result_prefix \"p_\" keep_original_fields";
        prints(text, text);
        before("unpack_json from y", "a", "a y");
        before("unpack_json from y fields (a)", "b", "b");
        before("unpack_json from y fields (a) result_prefix p_", "p_a", "p_a y");
    }
}
