//! A function as it stands in a query: `quantile(0.9, a, b)`, `uniq_values(a) limit 5`.

use std::fmt;

use super::{ALL, Accumulate, Context, Entry, MISSING, Takes};
use crate::Error;
use crate::lexer::{Lexer, VALUE};
use crate::names::{Name, Names};
use crate::needs::Fields;
use crate::pipe::suggest;
use crate::quote::Plain;

/// A call of a function. Written without `as`, its text names the result.
#[derive(Debug, Clone)]
pub struct Call {
    entry: &'static Entry,
    /// The share that `quantile` asks for, as it is written.
    phi: Option<String>,
    /// The field that `row_max` and `row_min` look at.
    source: Option<String>,
    /// The fields that it looks at, or gives.
    pub(crate) names: Names,
    /// Most values that it gives.
    pub(crate) limit: Option<u64>,
}

impl PartialEq for Call {
    fn eq(&self, other: &Self) -> bool {
        self.entry.name == other.entry.name && self.to_string() == other.to_string()
    }
}

impl Eq for Call {}

impl Call {
    fn new(entry: &'static Entry) -> Self {
        Self { entry, phi: None, source: None, names: Names::all(), limit: None }
    }

    /// Whether `lex` stands at a function.
    pub(crate) fn is_next(lex: &Lexer<'_>) -> bool {
        ALL.iter().map(|entry| entry.name).chain(MISSING.iter().copied()).any(|name| lex.is(name))
    }

    /// Reads one.
    pub(crate) fn parse(lex: &mut Lexer<'_>) -> Result<Self, Error> {
        let start = lex.offset();
        if let Some(name) = MISSING.iter().find(|name| lex.is(name)) {
            lex.advance();
            return Err(lex.not_supported(start, format!("the stats function '{name}'")));
        }
        let Some(entry) = ALL.iter().find(|entry| lex.is(entry.name)) else {
            let known = ALL.iter().map(|entry| entry.name);
            let hint = suggest(lex.token().raw, known, "see docs/logsql.md for those there are");
            return Err(lex.error(format!("{} is no stats function: {hint}", lex.here())));
        };
        lex.advance();
        let mut call = Self::new(entry);
        call.parse_arguments(lex, start)?;
        if entry.takes == Takes::FieldsAndLimit && lex.eat("limit") {
            call.limit = Some(lex.unsigned("limit")?);
        }
        Ok(call)
    }

    fn parse_arguments(&mut self, lex: &mut Lexer<'_>, start: usize) -> Result<(), Error> {
        let name = self.entry.name;
        lex.expect("(", name)?;
        match self.entry.takes {
            Takes::Phi => {
                let at = lex.offset();
                let phi = lex.compound(VALUE, "share from 0 to 1")?.into_owned();
                let sound = phi.parse::<f64>().is_ok_and(|phi| (0.0..=1.0).contains(&phi));
                if !sound {
                    return Err(lex.error_from(at, format!("'{phi}' is no share: give a number from 0 to 1")));
                }
                self.phi = Some(phi);
                lex.eat(",");
            }
            Takes::Source => {
                self.source = Some(lex.field_name()?);
                lex.eat(",");
            }
            _ => {}
        }
        let mut names = Vec::new();
        while !lex.eat(")") {
            names.push(Name::parse(lex)?);
            if !lex.eat(",") && !lex.is(")") {
                return Err(
                    lex.error(format!("missing ',' or ')' after a field of {name}, there is {}", lex.here()))
                );
            }
        }
        if !names.is_empty() {
            self.names = Names(names);
        }
        match self.entry.takes {
            Takes::Nothing if !self.names.is_all() => {
                Err(lex.error_from(start, format!("'{name}' takes no fields")))
            }
            Takes::One if self.field().is_none() => {
                Err(lex.error_from(start, format!("'{name}' takes one field")))
            }
            _ => Ok(()),
        }
    }

    /// Its name.
    pub const fn function(&self) -> &'static str {
        self.entry.name
    }

    /// Whether it sees nothing of a row but that it is there.
    pub(crate) fn is_bare_count(&self) -> bool {
        matches!(self.entry.name, "count" | "rate") && self.names.is_all()
    }

    /// The share asked for.
    pub(crate) fn phi(&self) -> f64 {
        self.phi.as_deref().and_then(|phi| phi.parse().ok()).unwrap_or(0.5)
    }

    /// The field that decides.
    pub(crate) fn source(&self) -> &str {
        self.source.as_deref().unwrap_or_default()
    }

    /// The one field that it is about.
    pub(crate) fn field(&self) -> Option<&str> {
        match &self.names.0[..] {
            [Name::Exact(name)] => Some(name),
            _ => None,
        }
    }

    /// The state of it without any group.
    pub(crate) fn start(&self, context: Context) -> Box<dyn Accumulate> {
        (self.entry.make)(self, context)
    }

    /// Adds the fields that it looks at.
    pub(crate) fn add_needs(&self, needs: &mut Fields) {
        if !self.is_bare_count() {
            needs.add_names(&self.names);
        }
        if let Some(source) = &self.source {
            needs.add(source);
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.entry.name)?;
        let first = self.phi.clone().or_else(|| self.source.as_deref().map(|name| Plain(name).to_string()));
        match first {
            Some(first) if self.names.is_unsaid() => f.write_str(&first)?,
            Some(first) => write!(f, "{first}, {}", self.names)?,
            None if self.entry.takes == Takes::Nothing => {}
            None => write!(f, "{}", self.names)?,
        }
        f.write_str(")")?;
        self.limit.map_or(Ok(()), |limit| write!(f, " limit {limit}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Call, Error> {
        Call::parse(&mut Lexer::new(text, 0).unwrap())
    }

    #[test]
    fn printed_as_canonical_text() {
        for (text, wanted) in [
            ("count()", "count(*)"),
            ("COUNT(*)", "count(*)"),
            ("sum(a,b)", "sum(a, b)"),
            ("sum(a*)", "sum(a*)"),
            ("quantile(0.99)", "quantile(0.99)"),
            ("quantile(0.5,  a)", "quantile(0.5, a)"),
            ("median(a)", "median(a)"),
            ("row_max(a)", "row_max(a)"),
            ("row_min(a, b, c)", "row_min(a, b, c)"),
            ("uniq_values(\"a b\") limit 5", "uniq_values(\"a b\") limit 5"),
            ("rate()", "rate()"),
            ("histogram(fly.x)", "histogram(fly.x)"),
        ] {
            let call = parse(text).unwrap();
            assert_eq!(call.to_string(), wanted);
            assert_eq!(parse(wanted).unwrap(), call);
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, wanted) in [
            ("cuont()", "did you mean 'count'?"),
            ("stddev(a)", "the stats function 'stddev' is not supported yet"),
            ("quantile(2, a)", "'2' is no share"),
            ("histogram()", "takes one field"),
            ("histogram(a, b)", "takes one field"),
            ("rate(a)", "takes no fields"),
            ("count(a", "missing ',' or ')'"),
            ("count", "missing '('"),
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains(wanted), "{text}: {message}");
        }
    }

    #[test]
    fn fields_looked_at() {
        for (text, wanted) in [("count()", ""), ("rate()", ""), ("count(a)", "a"), ("row_max(a, b)", "ab")] {
            let mut needs = Fields::none();
            parse(text).unwrap().add_needs(&mut needs);
            let has: String = ["a", "b"].into_iter().filter(|name| needs.has(name)).collect();
            assert_eq!(has, wanted);
        }
    }
}
