//! Text to tokens. What a token means depends on where it stands, so the parser asks for one after the other and joins those
//! that make up a value: `foo-bar` is three tokens and one value.

use std::borrow::Cow;

use crate::error::Error;
use crate::filter::MAX_TERMS;
use crate::{quote, token};

/// Most bytes of a query.
pub const MAX_QUERY_BYTES: usize = 512 * 1024;
/// How deep parentheses, negations and subqueries may be nested.
pub const MAX_DEPTH: usize = 64;

/// What each regular expression counts among [`MAX_TERMS`]: there may be 32.
const REGEXP_TERMS: usize = 625;

/// What joins words into a value where a value with colons may stand: `10.0.0.1:80`, `2026-01-02T03:04:05+01:00`.
pub(crate) const VALUE: &str = "+-/:.$";
/// What joins words into a field's name, or into a value where a colon means something else.
pub(crate) const NAME: &str = "+-/.$";
/// What joins words into a name or number inside `math`.
#[allow(dead_code, reason = "its caller, the pipe math, follows")]
pub(crate) const MATH: &str = ":.$";

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A run of token characters.
    Word,
    /// Text in quotes, whole; its value is made by [`quote::unquote`].
    Quoted,
    /// A quote that is not closed: the rest of the query.
    Open,
    /// One other character, or one of `!= !~ =~`.
    Sign,
    /// The end of the query.
    End,
}

/// A piece of the query.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token<'a> {
    /// What it is.
    pub(crate) kind: Kind,
    /// As it is written.
    pub(crate) raw: &'a str,
    /// Its first byte in the query.
    pub(crate) start: usize,
    /// Whether there is space, or a comment, or nothing before it.
    pub(crate) spaced: bool,
}

/// The query, and how far it has been read. A copy is a place to come back to.
#[derive(Debug, Clone)]
pub(crate) struct Lexer<'a> {
    text: &'a str,
    token: Token<'a>,
    /// Where the token before the current one ends.
    before: usize,
    /// Where it starts.
    before_start: usize,
    now: i64,
    depth: usize,
    terms: usize,
}

impl<'a> Lexer<'a> {
    /// Starts at the first token. `now` (Unix nanoseconds) is what relative times in the text mean.
    ///
    /// [`Error::TooLarge`] when there are more bytes than [`MAX_QUERY_BYTES`].
    pub(crate) fn new(text: &'a str, now: i64) -> Result<Self, Error> {
        if text.len() > MAX_QUERY_BYTES {
            let message = format!(
                "the query has {} bytes, and at most {MAX_QUERY_BYTES} are taken: shorten it",
                text.len()
            );
            return Err(Error::TooLarge { offset: MAX_QUERY_BYTES, len: 0, message });
        }
        let token = next(text, 0);
        Ok(Self {
            text,
            token: Token { spaced: true, ..token },
            before: 0,
            before_start: 0,
            now,
            depth: 0,
            terms: 0,
        })
    }

    /// The current token.
    pub(crate) const fn token(&self) -> Token<'a> {
        self.token
    }

    /// What relative times mean, Unix nanoseconds.
    pub(crate) const fn now(&self) -> i64 {
        self.now
    }

    /// The first byte of the current token.
    pub(crate) const fn offset(&self) -> usize {
        self.token.start
    }

    /// Where the last token that was taken ends.
    pub(crate) const fn end_of_last(&self) -> usize {
        self.before
    }

    /// The token before the current one, as it is written; empty at the start.
    pub(crate) fn last(&self) -> &'a str {
        self.text.get(self.before_start..self.before).unwrap_or_default()
    }

    /// The text from `start` to the end of the last token that was taken.
    pub(crate) fn text_from(&self, start: usize) -> &'a str {
        self.text.get(start..self.before).unwrap_or_default()
    }

    /// Goes on to the next token.
    pub(crate) fn advance(&mut self) {
        self.before_start = self.token.start;
        self.before = self.token.start + self.token.raw.len();
        self.token = next(self.text, self.before);
    }

    /// Whether nothing follows.
    pub(crate) fn is_end(&self) -> bool {
        self.token.kind == Kind::End
    }

    /// Whether the current token is this word or sign, in any case; never when it is quoted.
    pub(crate) fn is(&self, word: &str) -> bool {
        matches!(self.token.kind, Kind::Word | Kind::Sign) && self.token.raw.eq_ignore_ascii_case(word)
    }

    /// Whether the current token is one of these words or signs.
    pub(crate) fn is_any(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.is(word))
    }

    /// Whether the current token is in quotes.
    pub(crate) fn is_quoted(&self) -> bool {
        matches!(self.token.kind, Kind::Quoted | Kind::Open)
    }

    /// Whether the filter or pipe that is being read ends here: at `|`, `)`, `;` or the end.
    pub(crate) fn is_done(&self) -> bool {
        self.is_end() || self.is_any(&["|", ")", ";"])
    }

    /// Takes the current token when it is this word or sign.
    pub(crate) fn eat(&mut self, word: &str) -> bool {
        let is = self.is(word);
        if is {
            self.advance();
        }
        is
    }

    /// Takes this word or sign, or says that it is missing `after` something.
    pub(crate) fn expect(&mut self, word: &str, after: &str) -> Result<(), Error> {
        if self.eat(word) {
            return Ok(());
        }
        Err(self.error(format!("missing '{word}' after {after}, there is {}", self.here())))
    }

    /// The current token, for a message.
    pub(crate) fn here(&self) -> String {
        match self.token.kind {
            Kind::End => "nothing more".into(),
            _ => format!("'{}'", self.token.raw.chars().take(40).collect::<String>()),
        }
    }

    /// [`Error::Syntax`] at the current token.
    pub(crate) fn error(&self, message: impl Into<String>) -> Error {
        if self.token.kind == Kind::Open {
            return self.open_quote();
        }
        Error::Syntax { offset: self.token.start, len: self.token.raw.len(), message: message.into() }
    }

    /// [`Error::Syntax`] from byte `start` to the end of the last token that was taken.
    pub(crate) fn error_from(&self, start: usize, message: impl Into<String>) -> Error {
        Error::Syntax { offset: start, len: self.before.saturating_sub(start), message: message.into() }
    }

    /// [`Error::NotSupported`] for what stands from byte `start` to the end of the last token.
    pub(crate) fn not_supported(&self, start: usize, what: impl Into<String>) -> Error {
        Error::NotSupported { offset: start, len: self.before.saturating_sub(start), what: what.into() }
    }

    fn open_quote(&self) -> Error {
        let quote = self.token.raw.chars().next().unwrap_or('"');
        let message =
            format!("the quote {quote} that begins here is not closed: add one, or escape it as \\{quote}");
        Error::Syntax { offset: self.token.start, len: self.token.raw.len(), message }
    }

    /// Runs `read` one level deeper; [`Error::TooLarge`] from [`MAX_DEPTH`] levels on.
    pub(crate) fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        if self.depth == MAX_DEPTH {
            let message = format!("more than {MAX_DEPTH} levels of nesting: write it flatter");
            return Err(Error::TooLarge { offset: self.token.start, len: self.token.raw.len(), message });
        }
        self.depth += 1;
        let read = read(self);
        self.depth -= 1;
        read
    }

    /// Counts `terms` more of what costs time for each row; [`Error::TooLarge`] beyond `most`.
    pub(crate) fn count_term(&mut self, terms: usize, most: usize) -> Result<(), Error> {
        self.terms += terms;
        if self.terms > most {
            let message = format!(
                "more than {most} filters (a regular expression counts as many): put values of one field into 'in(...)'"
            );
            return Err(Error::TooLarge { offset: self.token.start, len: self.token.raw.len(), message });
        }
        Ok(())
    }

    /// Counts a regular expression, of a filter or of a pipe, among the terms: it takes long to prepare.
    pub(crate) fn count_regexp(&mut self) -> Result<(), Error> {
        self.count_term(REGEXP_TERMS, MAX_TERMS)
    }

    /// Takes a value: quoted text, or words joined without space by the characters in `glue` ([`VALUE`], [`NAME`] or [`MATH`]).
    /// `what` names it in messages.
    pub(crate) fn compound(&mut self, glue: &str, what: &str) -> Result<Cow<'a, str>, Error> {
        if self.is_quoted() {
            return self.quoted();
        }
        let start = self.token.start;
        if !self.is_part(glue) {
            return Err(self.error(format!(
                "missing {what}, there is {}: quote text with other characters",
                self.here()
            )));
        }
        self.advance();
        while !self.token.spaced && self.is_part(glue) {
            self.advance();
        }
        let text = self.text_from(start);
        if text.len() == 1 && glue.contains(text) {
            return Err(
                self.error_from(start, format!("'{text}' alone is no {what}: quote it if it is meant"))
            );
        }
        Ok(Cow::Borrowed(text))
    }

    fn is_part(&self, glue: &str) -> bool {
        match self.token.kind {
            Kind::Word => true,
            Kind::Sign => glue.contains(self.token.raw),
            Kind::Quoted | Kind::Open | Kind::End => false,
        }
    }

    /// Takes quoted text.
    fn quoted(&mut self) -> Result<Cow<'a, str>, Error> {
        if self.token.kind == Kind::Open {
            return Err(self.open_quote());
        }
        let text = quote::unquote(self.token.raw).map_err(|(at, message)| Error::Syntax {
            offset: self.token.start + at,
            len: 1,
            message: message.into(),
        })?;
        self.advance();
        Ok(text)
    }

    /// Takes a field's name.
    #[allow(dead_code, reason = "its callers, the pipes, follow")]
    pub(crate) fn field_name(&mut self) -> Result<String, Error> {
        Ok(self.compound(NAME, "field name")?.into_owned())
    }

    /// Takes `(item, item, …)`; a comma may follow the last item. `after` says in messages what it follows.
    pub(crate) fn list<T>(
        &mut self,
        after: &str,
        mut item: impl FnMut(&mut Self) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        self.expect("(", after)?;
        let mut items = Vec::new();
        while !self.eat(")") {
            items.push(item(self)?);
            if !self.eat(",") && !self.is(")") {
                return Err(self.error(format!(
                    "missing ',' or ')' in the list after {after}, there is {}",
                    self.here()
                )));
            }
        }
        Ok(items)
    }

    /// Takes a number without sign, fraction or unit.
    pub(crate) fn unsigned(&mut self, what: &str) -> Result<u64, Error> {
        let start = self.offset();
        let text = self.compound(VALUE, what)?;
        let plain: String = text.chars().filter(|&c| c != '_').collect();
        plain
            .parse()
            .map_err(|_| self.error_from(start, format!("'{text}' is no {what}: give a whole number")))
    }

    /// Takes a number in any of the notations of [`crate::number::parse`].
    #[allow(dead_code, reason = "its callers, the pipes, follow")]
    pub(crate) fn number(&mut self, what: &str) -> Result<f64, Error> {
        let start = self.offset();
        let text = self.compound(VALUE, what)?;
        crate::number::parse(&text).ok_or_else(|| {
            self.error_from(
                start,
                format!("'{text}' is no {what}: give a number such as 10, 1.5, 10KiB or 5m"),
            )
        })
    }

    /// Takes a duration, in nanoseconds, which may be negative.
    pub(crate) fn duration(&mut self, what: &str) -> Result<i64, Error> {
        let start = self.offset();
        let text = self.compound(VALUE, what)?;
        crate::number::duration(&text).ok_or_else(|| {
            self.error_from(start, format!("'{text}' is no {what}: give one such as 5m, 1h30m or 1.5d"))
        })
    }
}

/// The token at or after byte `from`.
fn next(text: &str, from: usize) -> Token<'_> {
    let start = skip_space(text, from);
    let rest = text.get(start..).unwrap_or_default();
    let (kind, len) = measure(rest);
    Token { kind, raw: rest.get(..len).unwrap_or(rest), start, spaced: start > from }
}

/// Where spaces and comments from byte `from` on end.
fn skip_space(text: &str, from: usize) -> usize {
    let mut rest = text.get(from..).unwrap_or_default();
    loop {
        rest = rest.trim_start();
        if !rest.starts_with('#') {
            return text.len() - rest.len();
        }
        rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
    }
}

/// The kind and length of the token that `rest` begins with.
fn measure(rest: &str) -> (Kind, usize) {
    let Some(first) = rest.chars().next() else { return (Kind::End, 0) };
    if token::is_token_char(first) {
        let len = rest.find(|letter| !token::is_token_char(letter)).unwrap_or(rest.len());
        return (Kind::Word, len);
    }
    match first {
        '"' | '\'' | '`' => match quote::quoted_len(rest) {
            Some(len) => (Kind::Quoted, len),
            None => (Kind::Open, rest.len()),
        },
        '!' | '=' if rest.get(1..2) == Some("~") => (Kind::Sign, 2),
        '!' if rest.get(1..2) == Some("=") => (Kind::Sign, 2),
        _ => (Kind::Sign, first.len_utf8()),
    }
}
