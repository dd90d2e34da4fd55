//! `collapse_nums at field`: numbers become `<N>`, so that messages that differ in numbers only are the same. With
//! `prettify`, what is made of several numbers gets a name too: `<UUID>`, `<IP4>`, `<TIME>`, `<DATE>`, `<DATETIME>`.

use std::fmt;

use super::{Pipe, Room, Run, Stage, update};
use crate::condition::Condition;
use crate::filter::Filter;
use crate::lexer::Lexer;
use crate::needs::Fields;
use crate::quote::Plain;
use crate::stats::Context;
use crate::{Error, field, token};

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub struct CollapseNums {
    /// Which rows.
    pub condition: Option<Condition>,
    /// Which field.
    pub field: String,
    /// Whether compounds of numbers get a name.
    pub prettify: bool,
}

pub(super) fn parse(lex: &mut Lexer<'_>) -> Result<Pipe, Error> {
    let condition = Condition::parse_if(lex)?;
    let field = update::parse_at(lex)?;
    let prettify = lex.eat("prettify");
    Ok(Pipe::CollapseNums(CollapseNums { condition, field, prettify }))
}

impl fmt::Display for CollapseNums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("collapse_nums")?;
        if let Some(condition) = &self.condition {
            write!(f, " {condition}")?;
        }
        if self.field != field::MSG {
            write!(f, " at {}", Plain(&self.field))?;
        }
        f.write_str(if self.prettify { " prettify" } else { "" })
    }
}

impl Stage for CollapseNums {
    fn needs(&self, needs: &mut Fields) {
        update::needs(&self.field, self.condition.as_ref(), needs);
    }

    fn run(&self, _: Context) -> Result<Run, Error> {
        let prettify = self.prettify;
        let change = move |value: &[u8], out: &mut Vec<u8>, room: &mut Room| {
            let before = out.len();
            collapse(value, out);
            if prettify {
                let text = name_compounds(&out[before..]);
                out.truncate(before);
                out.extend_from_slice(&text);
            }
            room.take(out.len() - before);
        };
        update::run(&self.field, self.condition.as_ref(), Box::new(change))
    }

    fn keeps_time(&self) -> bool {
        self.field != field::TIME
    }

    fn filters(&mut self) -> Vec<&mut Filter> {
        self.condition.iter_mut().map(|condition| &mut condition.0).collect()
    }
}

/// Stands for a number.
const NUMBER: &[u8] = b"<N>";

/// Letters that may stand right before a number: `T10:00`, `v1`, `x1`, `s`…
const BEFORE: &[u8] = b"TXxtvV_";
/// Letters that may stand right behind one: units, and what joins dates and times.
const BEHIND: &[u8] = b"TZsmhun_kKMGB";

/// Appends `value` with its numbers collapsed. A number is a run of digits and hexadecimal letters that does not stand
/// inside a word, has a digit, and is decimal or has at least four places.
fn collapse(value: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while at < value.len() {
        let Some(start) = (at..value.len()).find(|&start| begins(value, start)) else { break };
        out.extend_from_slice(&value[at..start]);
        let len = value[start..].iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let end = start + len;
        let run = &value[start..end];
        out.extend_from_slice(if is_number(run) && ends(value, end) { NUMBER } else { run });
        at = end;
    }
    out.extend_from_slice(value.get(at..).unwrap_or_default());
}

fn begins(value: &[u8], at: usize) -> bool {
    if !value.get(at).is_some_and(u8::is_ascii_hexdigit) {
        return false;
    }
    let Some(&before) = at.checked_sub(1).and_then(|before| value.get(before)) else { return true };
    !is_letter(before) || BEFORE.contains(&before)
}

fn ends(value: &[u8], at: usize) -> bool {
    value.get(at).is_none_or(|&behind| !is_letter(behind) || BEHIND.contains(&behind))
}

/// Part of a word; all bytes of letters beyond ASCII count as such.
const fn is_letter(byte: u8) -> bool {
    token::is_token_byte(byte) || byte >= 0x80
}

fn is_number(run: &[u8]) -> bool {
    let digits = run.iter().filter(|byte| byte.is_ascii_digit()).count();
    digits == run.len() || digits > 0 && run.len() >= 4 && run.len().is_multiple_of(2)
}

/// What compounds are called, the longest first.
const COMPOUNDS: [(&str, &str); 7] = [
    ("<N>-<N>-<N>-<N>-<N>", "<UUID>"),
    ("<N>.<N>.<N>.<N>", "<IP4>"),
    ("<N>-<N>-<N>", "<DATE>"),
    ("<N>/<N>/<N>", "<DATE>"),
    ("<N>:<N>:<N>.<N>", "<TIME>"),
    ("<N>:<N>:<N>,<N>", "<TIME>"),
    ("<N>:<N>:<N>", "<TIME>"),
];

fn name_compounds(text: &[u8]) -> Vec<u8> {
    let mut text = text.to_vec();
    for (compound, name) in COMPOUNDS {
        text = replace(&text, compound.as_bytes(), name.as_bytes());
    }
    for between in ["T", " "] {
        for zone in ["Z", ""] {
            let compound = format!("<DATE>{between}<TIME>{zone}");
            text = replace(&text, compound.as_bytes(), b"<DATETIME>");
        }
    }
    text
}

fn replace(text: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let (mut out, mut at) = (Vec::with_capacity(text.len()), 0);
    for found in memchr::memmem::find_iter(text, old) {
        out.extend_from_slice(&text[at..found]);
        out.extend_from_slice(new);
        at = found + old.len();
    }
    out.extend_from_slice(&text[at..]);
    out
}

#[cfg(test)]
mod tests {
    use crate::pipe::tests::{before, prints, turns};

    #[test]
    fn numbers() {
        for (value, wanted) in [
            ("took 12ms, 3 of 45", "took <N>ms, <N> of <N>"),
            ("abc12x a1b2 dead beef", "abc12x <N> dead beef"),
            ("10.0.0.1:8080", "<N>.<N>.<N>.<N>:<N>"),
            ("2026-11-22T10:00:00Z x", "<N>-<N>-<N>T<N>:<N>:<N>Z x"),
            ("id=3f2a99ee", "id=<N>"),
            ("été1 x", "été1 x"),
            ("", ""),
        ] {
            turns("collapse_nums", &["_msg"], &[&[value]], &["_msg"], &[&[wanted]]);
        }
        for (value, wanted) in [
            ("at 2026-11-22T10:00:00.123Z from 10.0.0.1", "at <DATETIME> from <IP4>"),
            ("2edfed59-3e98-4073-bbb2-28d321ca71a7 10:20:30", "<UUID> <TIME>"),
        ] {
            turns("collapse_nums at a prettify", &["a"], &[&[value]], &["a"], &[&[wanted]]);
        }
        turns(
            "collapse_nums if (b:1) at a",
            &["a", "b"],
            &[&["7", "1"], &["7", ""]],
            &["a", "b"],
            &[&["<N>", "1"], &["7", ""]],
        );
    }

    #[test]
    fn a_copy_changes_alone() {
        let (a, both): (&[&str], &[&str]) = (&["a"], &["a", "b"]);
        turns("copy a as b | collapse_nums at b", a, &[&["7"]], both, &[&["7", "<N>"]]);
        turns("copy a as b | collapse_nums at a", a, &[&["7"]], both, &[&["<N>", "7"]]);
    }

    #[test]
    fn needs_and_text() {
        prints("collapse_nums", "collapse_nums");
        prints("collapse_nums if (x) at a prettify", "collapse_nums if (x) at a prettify");
        before("collapse_nums if (b:1) at a", "a", "a b");
        before("collapse_nums if (b:1) at a", "c", "c");
    }
}
