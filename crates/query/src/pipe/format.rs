//! `format "<a> is <uc:b>" as field`: a text made of fields. What stands before the colon changes the value.

use core::net::Ipv4Addr;
use std::fmt;
use std::sync::Arc;

use super::pattern::{self, Place};
use super::produce::{Keeping, Produce};
use super::{Each, MOST, Pipe, Room, Run, Stage};
use crate::block::write_value;
use crate::condition::{Condition, Mask, compile};
use crate::filter::Filter;
use crate::lexer::{Lexer, VALUE};
use crate::needs::Fields;
use crate::predicate::Predicate;
use crate::quote::{Plain, Quoted};
use crate::stats::Context;
use crate::value::write_number;
use crate::{Block, Error, field, number};

mod codes;

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub struct Format {
    /// Which rows.
    pub condition: Option<Condition>,
    /// The pattern, as it is written.
    pub pattern: String,
    /// Where the text goes.
    pub result: String,
    /// What becomes of a value that is there already.
    pub keeping: Keeping,
    places: Vec<Place>,
}

/// What may be done with a value.
const OPTIONS: [&str; 16] = [
    "base64decode",
    "base64encode",
    "duration",
    "duration_seconds",
    "hexdecode",
    "hexencode",
    "hexnumdecode",
    "hexnumencode",
    "ipv4",
    "lc",
    "q",
    "time",
    "uc",
    "urldecode",
    "urlencode",
    "",
];

pub(super) fn parse(lex: &mut Lexer<'_>) -> Result<Pipe, Error> {
    let condition = Condition::parse_if(lex)?;
    let start = lex.offset();
    let pattern = lex.compound(VALUE, "pattern")?.into_owned();
    let places = pattern::parse(&pattern).map_err(|message| lex.error_from(start, message))?;
    if let Some(place) = places.iter().find(|place| !OPTIONS.contains(&place.option.as_str())) {
        let known =
            OPTIONS.iter().filter(|option| !option.is_empty()).copied().collect::<Vec<_>>().join(", ");
        let message =
            format!("'{}' is nothing that can be done with a value: there are {known}", place.option);
        return Err(lex.error_from(start, message));
    }
    let result = if lex.eat("as") { lex.field_name()? } else { field::MSG.to_owned() };
    let keeping = Keeping::parse(lex);
    Ok(Pipe::Format(Format { condition, pattern, result, keeping, places }))
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("format")?;
        if let Some(condition) = &self.condition {
            write!(f, " {condition}")?;
        }
        write!(f, " {}", Quoted(&self.pattern))?;
        if self.result != field::MSG {
            write!(f, " as {}", Plain(&self.result))?;
        }
        f.write_str(self.keeping.text())
    }
}

impl Stage for Format {
    fn needs(&self, needs: &mut Fields) {
        if !needs.has(&self.result) {
            return;
        }
        if self.condition.is_none() && self.keeping == Keeping::Nothing {
            needs.remove(&self.result);
        }
        self.places.iter().filter(|place| !place.field.is_empty()).for_each(|place| needs.add(&place.field));
        if let Some(condition) = &self.condition {
            condition.add_needs(needs);
        }
    }

    fn run(&self, _: Context) -> Result<Run, Error> {
        let predicate = compile(self.condition.as_ref())?;
        Ok(Run::Each(Arc::new(Ready { format: self.clone(), predicate })))
    }

    fn keeps_time(&self) -> bool {
        self.result != field::TIME
    }

    fn filters(&mut self) -> Vec<&mut Filter> {
        self.condition.iter_mut().map(|condition| &mut condition.0).collect()
    }
}

struct Ready {
    format: Format,
    predicate: Option<Arc<Predicate>>,
}

impl Each for Ready {
    fn apply(&self, block: Block, room: &mut Room) -> Block {
        let (mask, mut new) = (Mask::new(self.predicate.as_ref(), &block), Produce::default());
        let columns: Vec<_> =
            self.format.places.iter().map(|place| (place, block.column(&place.field))).collect();
        let (mut text, mut scratch) = (Vec::new(), Vec::new());
        for row in (0..block.rows()).filter(|&row| mask.has(row)) {
            text.clear();
            for (place, column) in &columns {
                text.extend_from_slice(place.before.as_bytes());
                if !place.field.is_empty() {
                    let value = column.map_or(&b""[..], |column| column.value(row, &mut scratch));
                    write(&place.option, value, &mut text);
                }
                if text.len() > MOST {
                    break;
                }
            }
            new.put(row, &self.format.result, &text, room);
            if room.is_full() {
                break;
            }
        }
        new.merge(block, self.format.keeping)
    }
}

/// Appends `value` as `option` wants it; as it is where that cannot be done.
fn write(option: &str, value: &[u8], out: &mut Vec<u8>) {
    let before = out.len();
    let text = std::str::from_utf8(value).ok();
    let done = match option {
        "q" => {
            write_value(value, out);
            Some(())
        }
        "lc" => text.map(|text| out.extend_from_slice(text.to_lowercase().as_bytes())),
        "uc" => text.map(|text| out.extend_from_slice(text.to_uppercase().as_bytes())),
        "time" => text.and_then(unix_time).map(|nanos| line::time::write_rfc3339(nanos, out)),
        "duration" => text.and_then(|text| text.parse().ok()).map(|nanos| write_duration(nanos, out)),
        "duration_seconds" => {
            text.and_then(number::duration).map(|nanos| write_number(nanos as f64 / 1e9, out))
        }
        "ipv4" => text
            .and_then(|text| text.parse::<u32>().ok())
            .map(|bits| out.extend_from_slice(Ipv4Addr::from(bits).to_string().as_bytes())),
        _ => codes::write(option, value, out),
    };
    if done.is_none() {
        out.truncate(before);
        out.extend_from_slice(value);
    }
}

/// Unix seconds, milliseconds, microseconds or nanoseconds, told apart by their size, in nanoseconds.
fn unix_time(text: &str) -> Option<i64> {
    let number: f64 = text.parse().ok()?;
    let unit = match number.abs() {
        size if size < 4_294_967_296.0 => 1e9,
        size if size < 4_294_967_296e3 => 1e6,
        size if size < 4_294_967_296e6 => 1e3,
        _ => return text.parse().ok().or_else(|| number::to_i64(number)),
    };
    match text.parse::<i64>() {
        Ok(whole) => whole.checked_mul(number::to_i64(unit)?),
        Err(_) => number::to_i64(number * unit),
    }
}

/// Appends `1h2m3.5s`.
fn write_duration(nanos: i64, out: &mut Vec<u8>) {
    const UNITS: [(&str, u64); 4] = [
        ("w", 604_800_000_000_000),
        ("d", 86_400_000_000_000),
        ("h", 3_600_000_000_000),
        ("m", 60_000_000_000),
    ];
    if nanos < 0 {
        out.push(b'-');
    }
    let mut left = nanos.unsigned_abs();
    let before = out.len();
    for (unit, size) in UNITS {
        if left >= size {
            out.extend_from_slice(format!("{}{unit}", left / size).as_bytes());
            left %= size;
        }
    }
    let (unit, size) = match left {
        0 if out.len() > before => return,
        0 => ("", 1.0),
        left if left >= 1_000_000_000 || out.len() > before => ("s", 1e9),
        left if left >= 1_000_000 => ("ms", 1e6),
        left if left >= 1_000 => ("µs", 1e3),
        _ => ("ns", 1.0),
    };
    write_number(left as f64 / size, out);
    out.extend_from_slice(unit.as_bytes());
}

#[cfg(test)]
mod tests {
    use crate::pipe::tests::{before, prints, refused, turns};

    #[test]
    fn texts_of_fields() {
        for (pattern, value, wanted) in [
            ("x <a> y", "v", "x v y"),
            ("<a><a>&lt;", "v", "vv<"),
            ("<q:a>", "a\"b", r#""a\"b""#),
            ("<uc:a> <lc:a>", "äB", "ÄB äb"),
            ("<urlencode:a>", "a b/é", "a+b%2F%C3%A9"),
            ("<urldecode:a>", "a+b%2fx%zz%", "a b/x%zz%"),
            ("<hexencode:a> <hexdecode:a>", "41", "3431 A"),
            ("<hexdecode:a>", "4x1", "4x1"),
            ("<hexnumencode:a>", "255", "00000000000000FF"),
            ("<hexnumdecode:a>", "ff", "255"),
            ("<base64encode:a>", "hello", "aGVsbG8="),
            ("<base64decode:a>", "aGVsbG8=", "hello"),
            ("<base64decode:a>", "??", "??"),
            ("<time:a>", "1700000000", "2023-11-14T22:13:20.000000000Z"),
            ("<time:a>", "1700000000123", "2023-11-14T22:13:20.123000000Z"),
            ("<time:a>", "1700000000123456789", "2023-11-14T22:13:20.123456789Z"),
            ("<duration:a>", "3723500000000", "1h2m3.5s"),
            ("<duration:a>", "1500", "1.5µs"),
            ("<duration:a>", "0", "0"),
            ("<duration_seconds:a>", "1m0.5s", "60.5"),
            ("<ipv4:a>", "167772161", "10.0.0.1"),
            ("<ipv4:a>", "x", "x"),
        ] {
            let pipe = format!("format '{pattern}'");
            turns(&pipe, &["a"], &[&[value]], &["a", "_msg"], &[&[value, wanted]]);
        }
        let (names, rows): (&[&str], &[&[&str]]) = (&["a", "b"], &[&["1", "old"], &["", "old"], &["2", ""]]);
        turns("format '<a>' as b", names, rows, names, &[&["1", "1"], &["", ""], &["2", "2"]]);
        turns("format '<a>' as b keep_original_fields", names, rows, names, &[rows[0], rows[1], &["2", "2"]]);
        turns(
            "format '<a>' as b skip_empty_results",
            names,
            rows,
            names,
            &[&["1", "1"], rows[1], &["2", "2"]],
        );
        turns("format if (a:2) 'x' as b", names, rows, names, &[rows[0], rows[1], &["2", "x"]]);
    }

    #[test]
    fn needs_and_text() {
        prints("format '<a>'", "format \"<a>\"");
        let text = "format if (x) \"<uc:a>\" as b skip_empty_results";
        prints(text, text);
        before("format '<a> <b>' as c", "c d", "a b d");
        before("format '<a>' as c", "d", "d");
        before("format if (e:1) '<a>' as c", "c", "a c e");
        refused("format '<xx:a>'", "there are base64decode");
    }
}
