//! `a as b, c* as d*`: fields and the names that they get.

use std::fmt;

use crate::lexer::Lexer;
use crate::names::{Name, Names};
use crate::needs::Fields;
use crate::{Block, Column, Error, field};

/// A field, or fields with a prefix, and its new name, or prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// What it is called.
    pub from: Name,
    /// What it will be called.
    pub to: Name,
}

/// Reads `a as b, c* as d*`; `as` may be left out.
pub(super) fn parse(lex: &mut Lexer<'_>) -> Result<Vec<Pair>, Error> {
    let mut pairs = Vec::new();
    loop {
        let start = lex.offset();
        let from = Name::parse(lex)?;
        lex.eat("as");
        let to = Name::parse(lex)?;
        if matches!(from, Name::Exact(_)) != matches!(to, Name::Exact(_)) {
            let message = "both names must end with '*', or none of them";
            return Err(lex.error_from(start, message));
        }
        pairs.push(Pair { from, to });
        if !lex.eat(",") {
            return Ok(pairs);
        }
    }
}

/// The new name of `field`, if this pair is about it.
pub(super) fn new_name(pair: &Pair, name: &str) -> Option<String> {
    match (&pair.from, &pair.to) {
        (Name::Exact(from), Name::Exact(to)) => {
            (from == name || field::resolve(from) == name).then(|| to.clone())
        }
        (Name::Prefix(from), Name::Prefix(to)) => {
            name.strip_prefix(from.as_str()).map(|rest| format!("{to}{rest}"))
        }
        _ => None,
    }
}

/// Writes the pairs.
pub(super) fn write(pairs: &[Pair], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (at, pair) in pairs.iter().enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        write!(f, "{comma}{} as {}", pair.from, pair.to)?;
    }
    Ok(())
}

/// Turns what is needed behind a pair into what is needed before it; `moves` if the old name is gone then.
pub(super) fn needs(pair: &Pair, moves: bool, needs: &mut Fields) {
    match (&pair.from, &pair.to) {
        (Name::Exact(from), Name::Exact(to)) => {
            let is_needed = needs.has(to);
            needs.remove(to);
            if moves && from != to {
                needs.remove(from);
            }
            if is_needed {
                needs.add(from);
            }
        }
        (from, to) => {
            if needs.has_any(to) {
                needs.add_names(&Names(vec![from.clone()]));
            }
        }
    }
}

/// The columns of `block` that `names` lists, under the names that it lists them by.
pub(super) fn listed<'a>(names: &'a Names, block: &'a Block) -> Vec<(&'a str, &'a Column)> {
    let mut found: Vec<(&str, &Column)> = Vec::new();
    for name in &names.0 {
        match name {
            Name::Exact(name) => found.extend(block.column(name).map(|column| (name.as_str(), &**column))),
            Name::Prefix(_) => {
                let columns = block.columns().iter().filter(|(field, _)| name.matches(field));
                found.extend(columns.map(|(field, column)| (&**field, &**column)));
            }
        }
    }
    found.sort_unstable_by_key(|(name, _)| *name);
    found.dedup_by_key(|(name, _)| *name);
    found
}
