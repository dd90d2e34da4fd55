//! `f:~"re"`, `f:re("re")`: a regular expression finds something in the value. RE2's syntax, without look-around and
//! back-references, so that time is linear in the length of the value.

use std::fmt;

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::hir::{Hir, HirKind, Look};

use super::phrase::Search;
use crate::error::Error;
use crate::predicate::{Matcher, Need};
use crate::quote::Quoted;

/// The text of a regular expression, which [`Regexp::new`] has found to be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Regexp(pub String);

/// Most bytes of a compiled expression: what it costs to compile one and to run it grows with it.
const MAX_COMPILED_BYTES: usize = 1 << 20;
/// Most bytes of what each thread remembers while it runs one.
const MAX_CACHE_BYTES: usize = 2 << 20;
/// Most levels of parentheses inside an expression.
const MAX_NESTING: u32 = 100;

impl fmt::Display for Regexp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "~{}", Quoted(&self.0))
    }
}

impl Regexp {
    /// Checks that `pattern` is an expression, and not too large. The error is what is wrong with it, and whether it is
    /// its size.
    pub fn new(pattern: &str) -> Result<Self, (String, bool)> {
        match pattern {
            "" | ".*" | ".+" => {}
            _ => drop(build(pattern, false)?),
        }
        Ok(Self(pattern.into()))
    }

    pub(super) fn compile(&self) -> Result<Matcher, Error> {
        match self.0.as_str() {
            // What the Grafana plugin writes for "all" and "any value".
            "" | ".*" => Ok(Matcher::Any),
            ".+" => Ok(Matcher::NotEmpty),
            pattern => compile(pattern, false),
        }
    }
}

/// The matcher of `pattern`, which has to match whole values when it is `anchored`.
pub(super) fn compile(pattern: &str, anchored: bool) -> Result<Matcher, Error> {
    let refused = |(message, _)| Error::Syntax { offset: 0, len: 0, message };
    let regex = build(pattern, anchored).map_err(refused)?;
    let hir = regex_syntax::parse(regex.as_str()).ok();
    let is_local = hir.as_ref().is_some_and(is_local);
    let hint = hir.map(|hir| Hint::of(&hir)).unwrap_or_default();
    Ok(Matcher::Regex(Box::new(Expression {
        regex,
        literal: hint.literal(),
        texts: hint.texts(),
        need: hint.need,
        is_local,
    })))
}

pub(super) fn build(pattern: &str, anchored: bool) -> Result<Regex, (String, bool)> {
    let whole = format!("^(?s:{pattern})$");
    RegexBuilder::new(if anchored { &whole } else { pattern })
        .size_limit(MAX_COMPILED_BYTES)
        .dfa_size_limit(MAX_CACHE_BYTES)
        .nest_limit(MAX_NESTING)
        .build()
        .map_err(|why| match why {
            regex::Error::CompiledTooBig(limit) => {
                (format!("this regular expression needs more than {limit} bytes: make its repetitions and classes smaller"), true)
            }
            why => (format!("this is no regular expression: {}", reason(&why)), false),
        })
}

/// The last line of the library's message: the lines before it draw the pattern.
fn reason(why: &regex::Error) -> String {
    let text = why.to_string();
    let last = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it cannot be read");
    last.trim_start_matches("error: ").to_owned()
}

/// Longest match of an expression that is looked for in many values at once.
const MAX_LOCAL_BYTES: usize = 256;

/// Whether a match depends on nothing but its own, few bytes.
fn is_local(hir: &Hir) -> bool {
    let properties = hir.properties();
    properties.look_set().is_empty()
        && properties.minimum_len().is_some_and(|len| len > 0)
        && properties.maximum_len().is_some_and(|len| len <= MAX_LOCAL_BYTES)
}

/// An expression, with what is known of every value that it matches.
#[derive(Debug, Clone)]
pub(crate) struct Expression {
    regex: Regex,
    literal: Option<Search>,
    texts: Vec<Box<[u8]>>,
    need: Need,
    is_local: bool,
}

impl Expression {
    /// Whether [`Expression::candidate`] finds every value that matches among others that lie end to end.
    pub(crate) const fn has_candidates(&self) -> bool {
        self.literal.is_some() || self.is_local
    }

    /// The next place at or behind byte `from` where a match may lie.
    pub(crate) fn candidate(&self, bytes: &[u8], from: usize) -> Option<usize> {
        match &self.literal {
            Some(literal) => literal.candidate(bytes, from),
            None => self.regex.find_at(bytes, from).map(|found| found.start()),
        }
    }

    pub(crate) fn matches(&self, value: &[u8]) -> bool {
        self.literal.as_ref().is_none_or(|literal| literal.find(value, 0).is_some())
            && self.regex.is_match(value)
    }

    /// As [`Expression::matches`], for a value that is known to contain the literal.
    pub(crate) fn matches_rest(&self, value: &[u8]) -> bool {
        self.regex.is_match(value)
    }

    /// The first match at or behind byte `from`.
    pub(crate) fn find_at(&self, value: &[u8], from: usize) -> Option<std::ops::Range<usize>> {
        let from = Some(from).filter(|from| *from <= value.len())?;
        self.regex.find_at(value, from).map(|found| found.range())
    }

    pub(crate) fn literal(&self) -> Option<&Search> {
        self.literal.as_ref()
    }

    /// Texts that every match has in it.
    pub(crate) fn texts(&self) -> &[Box<[u8]>] {
        &self.texts
    }

    pub(crate) fn need(&self) -> Need {
        self.need.clone()
    }
}

/// What every match of an expression has in it.
#[derive(Debug, Clone)]
struct Hint {
    /// Texts that are all there.
    runs: Vec<Vec<u8>>,
    need: Need,
}

impl Default for Hint {
    fn default() -> Self {
        Self { runs: Vec::new(), need: Need::nothing() }
    }
}

/// A part of an expression, as a row of what has to follow each other.
enum Piece<'a> {
    Text(&'a [u8]),
    /// The start or the end of the value.
    Border,
    /// Something of which only the hint is known.
    Other(Hint),
}

impl Hint {
    fn of(hir: &Hir) -> Self {
        let mut pieces = Vec::new();
        flatten(hir, &mut pieces);
        let mut hint = Self::default();
        let mut run = Run::default();
        for piece in pieces {
            match piece {
                Piece::Text(text) => run.text.extend_from_slice(text),
                Piece::Border if run.text.is_empty() => run.starts_whole = true,
                Piece::Border => {
                    run.ends_whole = true;
                    hint.end(std::mem::take(&mut run));
                    run.starts_whole = true;
                }
                Piece::Other(inner) => {
                    hint.end(std::mem::take(&mut run));
                    hint.runs.extend(inner.runs);
                    hint.need = hint.need.both(inner.need);
                }
            }
        }
        hint.end(run);
        hint
    }

    fn end(&mut self, run: Run) {
        if !run.text.is_empty() {
            let need = Need::of(&run.text, !run.starts_whole, !run.ends_whole);
            self.need = std::mem::replace(&mut self.need, Need::nothing()).both(need);
            self.runs.push(run.text);
        }
    }

    fn texts(&self) -> Vec<Box<[u8]>> {
        self.runs.iter().map(|run| run.as_slice().into()).collect()
    }

    /// The longest text, when looking for it first is worth it.
    fn literal(&self) -> Option<Search> {
        let longest = self.runs.iter().max_by_key(|run| run.len())?;
        (longest.len() >= 2).then(|| Search::new(longest, false, false))
    }
}

/// Text that stands together in every match.
#[derive(Default)]
struct Run {
    text: Vec<u8>,
    starts_whole: bool,
    ends_whole: bool,
}

fn flatten<'a>(hir: &'a Hir, pieces: &mut Vec<Piece<'a>>) {
    match hir.kind() {
        HirKind::Empty => {}
        HirKind::Literal(text) => pieces.push(Piece::Text(&text.0)),
        HirKind::Capture(group) => flatten(&group.sub, pieces),
        HirKind::Concat(parts) => parts.iter().for_each(|part| flatten(part, pieces)),
        HirKind::Look(Look::Start | Look::End) => pieces.push(Piece::Border),
        // Other borders take no room, but what they say about tokens is not what tokens are.
        HirKind::Look(_) | HirKind::Class(_) => pieces.push(Piece::Other(Hint::default())),
        HirKind::Repetition(repeat) => {
            let inner = if repeat.min > 0 { Hint::of(&repeat.sub) } else { Hint::default() };
            pieces.push(Piece::Other(inner));
        }
        HirKind::Alternation(choices) => {
            let need = Need::any(choices.iter().map(|choice| Hint::of(choice).need));
            pieces.push(Piece::Other(Hint { runs: Vec::new(), need }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::check;

    #[test]
    fn finds_inside() {
        check("x:~\"a.c\"", &["abc", "xxa-cxx"], &["", "ac", "ABC"]);
        check("x:re(\"^a\")", &["ab"], &["ba"]);
        check("x:!~\"(?i)warn\"", &["", "info"], &["WARNING"]);
        check("~\"err.*timeout\"", &["error: a timeout"], &["timeout, error"]);
        check("x:~\".*\"", &["", "a"], &[]);
        check("x:!~\".*\"", &[], &["", "a"]);
        check("x:~\".+\"", &["a"], &[""]);
        check("x:~\"привет|мир\"", &["о мир"], &["о"]);
        check("x:~\"^$\"", &[""], &["a"]);
    }

    #[track_caller]
    fn hint(pattern: &str, literal: Option<&str>, sets: &[&[&str]]) {
        let hint = Hint::of(&regex_syntax::parse(pattern).unwrap());
        let found = hint.literal().map(|search| String::from_utf8_lossy(search.needle()).into_owned());
        assert_eq!(found.as_deref(), literal, "{pattern}");
        let found: Vec<Vec<_>> = hint
            .need
            .sets()
            .iter()
            .map(|set| set.iter().map(|t| String::from_utf8_lossy(t)).collect())
            .collect();
        assert_eq!(found, sets, "{pattern}");
    }

    #[test]
    fn hints() {
        hint("abc", Some("abc"), &[&[]]);
        hint("a bcd e", Some("a bcd e"), &[&["bcd"]]);
        hint("^abc$", Some("abc"), &[&["abc"]]);
        hint("^abc", Some("abc"), &[&[]]);
        hint("^(GET|PUT) /x/", Some(" /x/"), &[&["x"]]);
        hint(" (GET|PUT) ", None, &[&[]]);
        hint("( GET | PUT )", None, &[&["GET"], &["PUT"]]);
        hint("a= b1 .*c= d2 ", Some("c= d2 "), &[&["b1", "d2"]]);
        hint("( x1 )+", Some(" x1 "), &[&["x1"]]);
        hint("( x1 )*", None, &[&[]]);
        hint(r"\babc\b", Some("abc"), &[&[]]);
        hint("(?i)abc", None, &[&[]]);
        hint("(?m)^abc$", Some("abc"), &[&[]]);
        hint("", None, &[&[]]);
    }

    #[test]
    fn refused() {
        for (pattern, too_large) in
            [("(", false), (r"(a)\1", false), ("(?=a)", false), (r"(\w{1000}){1000}", true)]
        {
            let Err((message, large)) = Regexp::new(pattern) else { panic!("{pattern} is taken") };
            assert_eq!(large, too_large, "{message}");
            assert!(!message.contains('\n'), "{message}");
        }
        assert!(Regexp::new(&"(".repeat(300_000)).is_err());
    }
}
