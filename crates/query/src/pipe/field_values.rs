//! `field_values field limit N`: the values that a field has, and how often, the commonest first.

use std::fmt;
use std::sync::Arc;

use super::counted::{Counted, Order, Plan};
use super::{Pipe, Run, Stage, top};
use crate::Error;
use crate::lexer::Lexer;
use crate::needs::Fields;
use crate::quote::Plain;
use crate::stats::Context;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldValues {
    /// The field.
    pub field: String,
    /// Most values; 0 for all.
    pub limit: u64,
}

pub(super) fn parse(lex: &mut Lexer<'_>) -> Result<Pipe, Error> {
    let field = lex.field_name()?;
    let limit = if lex.eat("limit") { lex.unsigned("limit")? } else { 0 };
    Ok(Pipe::FieldValues(FieldValues { field, limit }))
}

impl fmt::Display for FieldValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "field_values {}", Plain(&self.field))?;
        if self.limit == 0 { Ok(()) } else { write!(f, " limit {}", self.limit) }
    }
}

impl Stage for FieldValues {
    fn needs(&self, fields: &mut Fields) {
        top::needs(std::slice::from_ref(&self.field), fields);
    }

    fn run(&self, _: Context) -> Result<Run, Error> {
        let plan = Arc::new(Plan {
            by: top::by(std::slice::from_ref(&self.field)),
            skips_empty: true,
            order: Order::Hits,
            limit: usize::try_from(self.limit).unwrap_or(usize::MAX),
            may_cut: true,
            hits: Some("hits".to_owned()),
            rank: None,
        });
        Ok(Run::Gather(Arc::new(move |account| Box::new(Counted::new(plan.clone(), account)))))
    }

    fn keeps_time(&self) -> bool {
        false
    }

    fn orders_fields(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::pipe::tests::{before, prints, turns};

    #[test]
    fn values() {
        let rows: &[&[&str]] = &[&["x"], &["y"], &["x"], &[""]];
        turns("field_values a", &["a"], rows, &["a", "hits"], &[&["x", "2"], &["y", "1"]]);
        turns("field_values a limit 1", &["a"], rows, &["a", "hits"], &[&["x", "2"]]);
        turns("field_values gone", &["a"], rows, &["gone", "hits"], &[]);
    }

    #[test]
    fn needs_and_text() {
        prints("field_values a.b limit 5", "field_values a.b limit 5");
        before("field_values a", "*", "a");
    }
}
