//! `replace_regexp ("re", "$1") at field limit N`: text instead of what a regular expression matches; `$1` or `${name}`
//! in it stands for a group.

use std::fmt;

use regex::bytes::Regex;

use super::replace::{Replace, parse_parts};
use super::{Pipe, Room, Run, Stage, update};
use crate::condition::Condition;
use crate::filter::Filter;
use crate::lexer::Lexer;
use crate::needs::Fields;
use crate::stats::Context;
use crate::{Error, field};

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplaceRegexp(Replace);

pub(super) fn parse(lex: &mut Lexer<'_>) -> Result<Pipe, Error> {
    let start = lex.offset();
    let replace = ReplaceRegexp(parse_parts(lex, "replace_regexp")?);
    lex.count_regexp()?;
    compile(&replace.0.old).map_err(|message| lex.error_from(start, message))?;
    Ok(Pipe::ReplaceRegexp(replace))
}

/// The expression, or what is wrong with it. Its compiled size is bounded, and so is the time that it takes.
pub(super) fn compile(text: &str) -> Result<Regex, String> {
    regex::bytes::RegexBuilder::new(text)
        .size_limit(1 << 20)
        .dfa_size_limit(1 << 20)
        .build()
        .map_err(|error| format!("the regular expression cannot be used: {}", last_line(&error.to_string())))
}

fn last_line(text: &str) -> String {
    text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

impl fmt::Display for ReplaceRegexp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write("replace_regexp", f)
    }
}

impl Stage for ReplaceRegexp {
    fn needs(&self, needs: &mut Fields) {
        update::needs(&self.0.field, self.0.condition.as_ref(), needs);
    }

    fn run(&self, _: Context) -> Result<Run, Error> {
        let regex = compile(&self.0.old).map_err(|message| Error::Syntax { offset: 0, len: 0, message })?;
        let (new, limit) = (self.0.new.clone().into_bytes(), self.0.limit);
        let limit = if limit == 0 { usize::MAX } else { usize::try_from(limit).unwrap_or(usize::MAX) };
        let change = move |value: &[u8], out: &mut Vec<u8>, room: &mut Room| {
            let (mut at, mut text) = (0, Vec::new());
            for groups in regex.captures_iter(value).take(limit) {
                let Some(whole) = groups.get(0).filter(|_| !room.is_full()) else { break };
                text.clear();
                groups.expand(&new, &mut text);
                room.put(value.get(at..whole.start()).unwrap_or_default(), out);
                room.put(&text, out);
                at = whole.end();
            }
            room.put(value.get(at..).unwrap_or_default(), out);
        };
        update::run(&self.0.field, self.0.condition.as_ref(), Box::new(change))
    }

    fn keeps_time(&self) -> bool {
        self.0.field != field::TIME
    }

    fn filters(&mut self) -> Vec<&mut Filter> {
        self.0.condition.iter_mut().map(|condition: &mut Condition| &mut condition.0).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::pipe::tests::{before, prints, refused, turns};

    #[test]
    fn text_for_matches() {
        let rows: &[&[&str]] = &[&["a1b22"], &["abc"], &[""]];
        turns(
            "replace_regexp (\"[0-9]+\", \"<$0>\")",
            &["_msg"],
            rows,
            &["_msg"],
            &[&["a<1>b<22>"], &["abc"], &[""]],
        );
        turns(
            "replace_regexp (`(\\w)=(\\w)`, \"$2=$1\") at x limit 1",
            &["x"],
            &[&["a=b c=d"]],
            &["x"],
            &[&["b=a c=d"]],
        );
    }

    #[test]
    fn needs_and_text() {
        prints("replace_regexp ('a+', b) at x", "replace_regexp (\"a+\", \"b\") at x");
        before("replace_regexp if (y:1) (a, b)", "_msg", "_msg y");
        refused("replace_regexp (\"(\", b)", "regular expression");
        refused("replace_regexp (\"(a{1000}){1000}\", b)", "regular expression");
        // They count among those of filters.
        let many = |pipe: &str, count| std::iter::repeat_n(pipe, count).collect::<Vec<_>>().join(" | ");
        let extract = many("extract_regexp \"(?P<x>a)\"", 15);
        assert!(
            crate::parse(&format!("_msg:~a | {extract} | {}", many("replace_regexp (a, b)", 15)), 0).is_ok()
        );
        refused(&format!("{extract} | {} | filter x:~a", many("replace_regexp (a, b)", 17)), "more than");
    }
}
