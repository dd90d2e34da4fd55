//! `extract_regexp "(?P<ip>[0-9.]+)" from field`: parts of a text become fields: those that named groups of a regular
//! expression match.

use std::fmt;
use std::sync::Arc;

use regex::bytes::Regex;

use super::extract::{needs, parse_parts, write_parts};
use super::produce::{Keeping, Produce, each_text};
use super::{Each, Pipe, Room, Run, Stage, replace_regexp};
use crate::condition::{Condition, Mask, compile};
use crate::filter::Filter;
use crate::lexer::Lexer;
use crate::needs::Fields;
use crate::predicate::Predicate;
use crate::stats::Context;
use crate::{Block, Error, field};

/// See the module.
#[derive(Debug, Clone)]
pub struct ExtractRegexp {
    /// Which rows.
    pub condition: Option<Condition>,
    /// Where the text is.
    pub from: String,
    /// What becomes of fields that are there already.
    pub keeping: Keeping,
    regex: Regex,
}

impl PartialEq for ExtractRegexp {
    fn eq(&self, other: &Self) -> bool {
        (&self.condition, &self.from, self.keeping, self.regex.as_str())
            == (&other.condition, &other.from, other.keeping, other.regex.as_str())
    }
}

pub(super) fn parse(lex: &mut Lexer<'_>) -> Result<Pipe, Error> {
    let (condition, start, pattern, from, keeping) = parse_parts(lex)?;
    lex.count_regexp()?;
    let regex = replace_regexp::compile(&pattern).map_err(|message| lex.error_from(start, message))?;
    if regex.capture_names().flatten().next().is_none() {
        return Err(lex.error_from(start, "the regular expression names no field: write (?P<name>…)"));
    }
    Ok(Pipe::ExtractRegexp(ExtractRegexp { condition, from, keeping, regex }))
}

impl fmt::Display for ExtractRegexp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let condition = self.condition.as_ref();
        write_parts(f, "extract_regexp", condition, self.regex.as_str(), &self.from, self.keeping)
    }
}

impl Stage for ExtractRegexp {
    fn needs(&self, fields: &mut Fields) {
        let results: Vec<&str> = self.regex.capture_names().flatten().collect();
        needs(results.into_iter(), &self.from, self.condition.as_ref(), self.keeping, fields);
    }

    fn run(&self, _: Context) -> Result<Run, Error> {
        let predicate = compile(self.condition.as_ref())?;
        Ok(Run::Each(Arc::new(Ready { extract: self.clone(), predicate })))
    }

    fn keeps_time(&self) -> bool {
        !self.regex.capture_names().flatten().any(|field| field == field::TIME)
    }

    fn filters(&mut self) -> Vec<&mut Filter> {
        self.condition.iter_mut().map(|condition| &mut condition.0).collect()
    }
}

struct Ready {
    extract: ExtractRegexp,
    predicate: Option<Arc<Predicate>>,
}

impl Each for Ready {
    fn apply(&self, block: Block, room: &mut Room) -> Block {
        let (mask, mut new) = (Mask::new(self.predicate.as_ref(), &block), Produce::default());
        let regex = &self.extract.regex;
        let mut places = regex.capture_locations();
        each_text(&block, &self.extract.from, &mask, |row, value| {
            let matches = regex.captures_read(&mut places, value).is_some();
            for (at, name) in regex.capture_names().enumerate() {
                let Some(name) = name else { continue };
                let place = if matches { places.get(at) } else { None };
                let part = place.and_then(|(from, to)| value.get(from..to)).unwrap_or_default();
                new.put(row, name, part, room);
            }
        });
        new.merge(block, self.extract.keeping)
    }
}

#[cfg(test)]
mod tests {
    use crate::pipe::tests::{before, prints, refused, turns};

    #[test]
    fn parts_become_fields() {
        let rows: &[&[&str]] = &[&["u=bob t=12"], &["nothing"]];
        let wanted: &[&[&str]] = &[&["u=bob t=12", "bob", "12"], &["nothing", "", ""]];
        turns(
            "extract_regexp 'u=(?P<u>[a-z]+) t=(?<t>[0-9]+)'",
            &["_msg"],
            rows,
            &["_msg", "u", "t"],
            wanted,
        );
    }

    #[test]
    fn needs_and_text() {
        let text = "extract_regexp if (y) \"(?P<a>x)\" from b skip_empty_results";
        prints(text, text);
        before("extract_regexp '(?P<a>x)' from b", "a c", "b c");
        refused("extract_regexp 'x'", "names no field");
        refused("extract_regexp '('", "regular expression");
    }
}
