//! Filters inside pipes: `filter …`, and `if (…)` behind the name of a pipe or function.

use std::fmt;
use std::sync::Arc;

use crate::filter::Filter;
use crate::lexer::Lexer;
use crate::needs::Fields;
use crate::predicate::{Predicate, Rows};
use crate::{Block, Error};

/// A filter that rows have to match for something to be done with them.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition(pub Filter);

impl Condition {
    /// Reads `if (…)`, if it is there.
    pub(crate) fn parse_if(lex: &mut Lexer<'_>) -> Result<Option<Self>, Error> {
        if !lex.eat("if") {
            return Ok(None);
        }
        lex.expect("(", "if")?;
        if lex.eat(")") {
            return Ok(Some(Self(Filter::All)));
        }
        let filter = crate::filter::parse::filter(lex)?;
        lex.expect(")", "the filter of 'if'")?;
        Ok(Some(Self(filter)))
    }

    /// Ready to match.
    pub(crate) fn compile(&self) -> Result<Arc<Predicate>, Error> {
        Ok(Arc::new(self.0.compile()?))
    }

    /// Adds the fields that it looks at.
    pub(crate) fn add_needs(&self, needs: &mut Fields) {
        self.0.each_field(&mut |field| needs.add(field));
    }
}

/// Ready to match, if there is one.
pub(crate) fn compile(condition: Option<&Condition>) -> Result<Option<Arc<Predicate>>, Error> {
    condition.map(Condition::compile).transpose()
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "if ({})", self.0)
    }
}

/// Which rows of a block match.
#[derive(Debug)]
pub(crate) struct Mask(Option<Rows>);

impl Mask {
    /// The rows of `block` that match `predicate`; all if there is none.
    pub(crate) fn new(predicate: Option<&Arc<Predicate>>, block: &Block) -> Self {
        let predicate = predicate.filter(|predicate| !matches!(***predicate, Predicate::All));
        Self(predicate.map(|predicate| {
            let mut rows = Rows::all(block.rows());
            // A block has its columns at hand: nothing can fail.
            let Ok(()) = predicate.retain(&mut &*block, &mut rows);
            rows
        }))
    }

    /// Whether `row` matches.
    pub(crate) fn has(&self, row: usize) -> bool {
        self.0.as_ref().is_none_or(|rows| rows.has(row))
    }

    /// The rows that match, if it is not known without looking that all do.
    pub(crate) fn rows(&self) -> Option<Vec<u32>> {
        let rows = self.0.as_ref()?;
        Some(rows.iter().filter_map(|row| u32::try_from(row).ok()).collect())
    }

    /// Whether all rows do, as far as that is known without looking.
    pub(crate) const fn is_all(&self) -> bool {
        self.0.is_none()
    }
}
