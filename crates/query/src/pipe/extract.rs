//! `extract "<ip> - <user>" from field`: parts of a text become fields, by a pattern.
//!
//! A place takes what stands up to the text behind it. A value in quotes is taken whole and without them, unless the place
//! says `<plain:name>`.

use std::fmt;
use std::sync::Arc;

use memchr::memmem;

use super::pattern::{self, Place};
use super::produce::{Keeping, Produce, each_text};
use super::{Each, Pipe, Room, Run, Stage};
use crate::condition::{Condition, Mask, compile};
use crate::filter::Filter;
use crate::lexer::{Lexer, VALUE};
use crate::needs::Fields;
use crate::predicate::Predicate;
use crate::quote::{Plain, Quoted, quoted_len, unquote};
use crate::stats::Context;
use crate::{Block, Error, field};

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub struct Extract {
    /// Which rows.
    pub condition: Option<Condition>,
    /// The pattern, as it is written.
    pub pattern: String,
    /// Where the text is.
    pub from: String,
    /// What becomes of fields that are there already.
    pub keeping: Keeping,
    places: Vec<Place>,
}

/// Reads what `extract` and `extract_regexp` have in common: condition, pattern with its place, field and what is kept.
pub(super) fn parse_parts(
    lex: &mut Lexer<'_>,
) -> Result<(Option<Condition>, usize, String, String, Keeping), Error> {
    let condition = Condition::parse_if(lex)?;
    let start = lex.offset();
    let pattern = lex.compound(VALUE, "pattern")?.into_owned();
    let from = if lex.eat("from") { lex.field_name()? } else { field::MSG.to_owned() };
    Ok((condition, start, pattern, from, Keeping::parse(lex)))
}

pub(super) fn parse(lex: &mut Lexer<'_>) -> Result<Pipe, Error> {
    let (condition, start, pattern, from, keeping) = parse_parts(lex)?;
    let places = pattern::parse(&pattern).map_err(|message| lex.error_from(start, message))?;
    if places.iter().skip(1).any(|place| place.before.is_empty()) {
        return Err(lex.error_from(start, "between two places of the pattern there must be text"));
    }
    if places.iter().all(|place| place.field.is_empty()) {
        return Err(lex.error_from(start, "the pattern names no field: write <name> where its value is"));
    }
    Ok(Pipe::Extract(Extract { condition, pattern, from, keeping, places }))
}

/// Writes what both kinds have in common behind the name of the pipe.
pub(super) fn write_parts(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    condition: Option<&Condition>,
    pattern: &str,
    from: &str,
    keeping: Keeping,
) -> fmt::Result {
    f.write_str(name)?;
    if let Some(condition) = condition {
        write!(f, " {condition}")?;
    }
    write!(f, " {}", Quoted(pattern))?;
    if from != field::MSG {
        write!(f, " from {}", Plain(from))?;
    }
    f.write_str(keeping.text())
}

/// What is needed before a pipe that makes `results` of `from`.
pub(super) fn needs<'a>(
    results: impl Iterator<Item = &'a str> + Clone,
    from: &str,
    condition: Option<&Condition>,
    keeping: Keeping,
    needs: &mut Fields,
) {
    if !results.clone().any(|result| needs.has(result)) {
        return;
    }
    if condition.is_none() && keeping == Keeping::Nothing {
        results.for_each(|result| needs.remove(result));
    }
    needs.add(from);
    if let Some(condition) = condition {
        condition.add_needs(needs);
    }
}

impl Extract {
    fn results(&self) -> impl Iterator<Item = &str> + Clone {
        self.places.iter().map(|place| place.field.as_str()).filter(|field| !field.is_empty())
    }
}

impl fmt::Display for Extract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_parts(f, "extract", self.condition.as_ref(), &self.pattern, &self.from, self.keeping)
    }
}

impl Stage for Extract {
    fn needs(&self, fields: &mut Fields) {
        needs(self.results(), &self.from, self.condition.as_ref(), self.keeping, fields);
    }

    fn run(&self, _: Context) -> Result<Run, Error> {
        let predicate = compile(self.condition.as_ref())?;
        Ok(Run::Each(Arc::new(Ready { extract: self.clone(), predicate })))
    }

    fn keeps_time(&self) -> bool {
        !self.results().any(|field| field == field::TIME)
    }

    fn filters(&mut self) -> Vec<&mut Filter> {
        self.condition.iter_mut().map(|condition| &mut condition.0).collect()
    }
}

struct Ready {
    extract: Extract,
    predicate: Option<Arc<Predicate>>,
}

impl Each for Ready {
    fn apply(&self, block: Block, room: &mut Room) -> Block {
        let (mask, mut new) = (Mask::new(self.predicate.as_ref(), &block), Produce::default());
        each_text(&block, &self.extract.from, &mask, |row, value| {
            let mut found = match_places(&self.extract.places, value).into_iter();
            for place in &self.extract.places {
                let value = found.next().unwrap_or_default();
                if !place.field.is_empty() {
                    new.put(row, &place.field, &value, room);
                }
            }
        });
        new.merge(block, self.extract.keeping)
    }
}

/// The values of the places, as far as the text fits them.
fn match_places(places: &[Place], value: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let first = places.first().map_or(&b""[..], |place| place.before.as_bytes());
    let Some(start) = memmem::find(value, first) else { return found };
    let mut rest = value.get(start + first.len()..).unwrap_or_default();
    for (at, place) in places.iter().enumerate() {
        let next = places.get(at + 1).map_or(&b""[..], |place| place.before.as_bytes());
        if place.option != "plain"
            && let Some((text, len)) = quoted(rest)
        {
            found.push(text);
            match rest.get(len..).and_then(|rest| rest.strip_prefix(next)) {
                Some(behind) => rest = behind,
                None => break,
            }
            continue;
        }
        let end = if next.is_empty() { Some(rest.len()) } else { memmem::find(rest, next) };
        let Some(end) = end else { break };
        found.push(rest.get(..end).unwrap_or_default().to_vec());
        rest = rest.get(end + next.len()..).unwrap_or_default();
    }
    found
}

/// The text in quotes that `value` begins with, and how many bytes it takes with them.
fn quoted(value: &[u8]) -> Option<(Vec<u8>, usize)> {
    value.first().filter(|&&first| first == b'"' || first == b'`')?;
    let text = std::str::from_utf8(value).ok()?;
    let len = quoted_len(text)?;
    let inside = unquote(text.get(..len)?).ok()?;
    Some((inside.into_owned().into_bytes(), len))
}

#[cfg(test)]
mod tests {
    use crate::pipe::tests::{before, prints, refused, turns};

    #[test]
    fn parts_become_fields() {
        for (pattern, value, wanted) in [
            ("ip=<a> ", "x ip=1.2.3.4 y", "1.2.3.4"),
            ("<a>,<_>", "x,y", "x"),
            ("<_>,<a>", "x,y", "y"),
            ("m=<a> z", r#"m="q \"w\" e" z"#, r#"q "w" e"#),
            ("m=<plain:a> z", r#"m="q" z"#, r#""q""#),
            ("m=<a>", "nothing", ""),
            ("&lt;<a>&gt;", "<x>", "x"),
        ] {
            let pipe = format!("extract '{pattern}'");
            turns(&pipe, &["_msg"], &[&[value]], &["_msg", "a"], &[&[value, wanted]]);
        }
        let (names, rows): (&[&str], &[&[&str]]) =
            (&["x", "a"], &[&["k=1", "old"], &["k=", "old"], &["no", "old"]]);
        turns("extract 'k=<a>' from x", names, rows, names, &[&["k=1", "1"], &["k=", ""], &["no", ""]]);
        turns("extract 'k=<a>' from x keep_original_fields", names, rows, names, rows);
        let wanted: &[&[&str]] = &[&["k=1", "1"], &["k=", "old"], &["no", "old"]];
        turns("extract 'k=<a>' from x skip_empty_results", names, rows, names, wanted);
        let wanted: &[&[&str]] = &[&["k=1", "old"], &["k=", "old"], &["no", ""]];
        turns("extract if (x:no) 'k=<a>' from x", names, rows, names, wanted);
    }

    #[test]
    fn needs_and_text() {
        prints("extract 'a<b>c' from x", "extract \"a<b>c\" from x");
        prints("extract if (y) 'a<b>' keep_original_fields", "extract if (y) \"a<b>\" keep_original_fields");
        before("extract '<a> <b>' from x", "a c", "x c");
        before("extract '<a> <b>' from x", "c", "c");
        before("extract if (y:1) '<a> <b>' from x", "a c", "a x c y");
        refused("extract 'abc'", "names no field");
        refused("extract '<a><b>'", "there must be text");
        refused("extract '<a'", "without '>'");
    }
}
