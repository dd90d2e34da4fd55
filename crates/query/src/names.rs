//! Fields as a pipe lists them: `a`, `prefix*`, `*`.

use std::fmt;

use crate::lexer::Lexer;
use crate::quote::Plain;
use crate::{Block, Column, Error};

/// One of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// This field.
    Exact(String),
    /// All fields that begin so; all there are when it is empty.
    Prefix(String),
}

impl Name {
    /// Whether `field` is meant, by the name it is given or by an alias of it.
    pub fn matches(&self, field: &str) -> bool {
        match self {
            Self::Exact(name) => name == field,
            Self::Prefix(prefix) => field.starts_with(prefix),
        }
    }

    /// Reads one.
    pub(crate) fn parse(lex: &mut Lexer<'_>) -> Result<Self, Error> {
        if lex.eat("*") {
            return Ok(Self::Prefix(String::new()));
        }
        let name = lex.field_name()?;
        if !lex.token().spaced && lex.eat("*") {
            return Ok(Self::Prefix(name));
        }
        Ok(Self::Exact(name))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => Plain(name).fmt(f),
            Self::Prefix(prefix) if prefix.is_empty() => f.write_str("*"),
            Self::Prefix(prefix) => write!(f, "{}*", Plain(prefix)),
        }
    }
}

/// A list of fields.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names(pub Vec<Name>);

impl Names {
    /// Every field there is.
    pub fn all() -> Self {
        Self(vec![Name::Prefix(String::new())])
    }

    /// Just this field.
    pub fn one(name: &str) -> Self {
        Self(vec![Name::Exact(name.to_owned())])
    }

    /// Whether every field is meant.
    pub fn is_all(&self) -> bool {
        self.0.iter().any(|name| matches!(name, Name::Prefix(prefix) if prefix.is_empty()))
    }

    /// Whether it is [`Names::all`], so that it need not be written. A list with `*` and names says more: whoever lists a name
    /// means it by that name.
    pub(crate) fn is_unsaid(&self) -> bool {
        matches!(&self.0[..], [Name::Prefix(prefix)] if prefix.is_empty())
    }

    /// Whether `field` is meant.
    pub fn matches(&self, field: &str) -> bool {
        self.0.iter().any(|name| name.matches(field))
    }

    /// The columns of `block` that are meant, each once.
    pub(crate) fn columns<'a>(&self, block: &'a Block) -> Vec<&'a Column> {
        let mut found: Vec<&Column> = Vec::new();
        let mut add = |column: &'a Column| {
            if !found.iter().any(|other| std::ptr::eq(*other, column)) {
                found.push(column);
            }
        };
        for name in &self.0 {
            match name {
                Name::Exact(name) => {
                    if let Some(column) = block.column(name) {
                        add(column);
                    }
                }
                Name::Prefix(_) => {
                    let columns = block.columns().iter().filter(|(field, _)| name.matches(field));
                    columns.for_each(|(_, column)| add(column));
                }
            }
        }
        found
    }

    /// Reads `a, b*, c`.
    pub(crate) fn parse(lex: &mut Lexer<'_>) -> Result<Self, Error> {
        let mut names = vec![Name::parse(lex)?];
        while lex.eat(",") {
            names.push(Name::parse(lex)?);
        }
        Ok(Self(names))
    }

    /// Reads `(a, b*, c)`.
    pub(crate) fn parse_list(lex: &mut Lexer<'_>, after: &str) -> Result<Self, Error> {
        Ok(Self(lex.list(after, Name::parse)?))
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, name) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{name}")?;
        }
        Ok(())
    }
}

/// Writes `a, b` with quotes where they are needed.
pub(crate) struct List<'a>(pub(crate) &'a [String]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, name) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{}", Plain(name))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::tests::table;

    #[test]
    fn lists() {
        for (text, wanted) in [
            ("a, b.c ,d*", "a, b.c, d*"),
            ("*", "*"),
            ("\"a b\", 'x*'", "\"a b\", \"x*\""),
            ("a-b*", "\"a-b\"*"),
            ("fly.app.name", "fly.app.name"),
        ] {
            let mut lex = Lexer::new(text, 0).unwrap();
            let names = Names::parse(&mut lex).unwrap();
            assert!(lex.is_end());
            assert_eq!(names.to_string(), wanted);
            assert_eq!(Names::parse(&mut Lexer::new(wanted, 0).unwrap()).unwrap(), names);
        }
    }

    #[test]
    fn columns_come_once() {
        let block = table(&["app", "a.x", "a.y"], &[&["1", "2", "3"]]);
        let mut lex = Lexer::new("a.x, a.*, fly.app.name, gone", 0).unwrap();
        assert_eq!(Names::parse(&mut lex).unwrap().columns(&block).len(), 3);
        assert_eq!(Names::all().columns(&block).len(), 3);
    }
}
