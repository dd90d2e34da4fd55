//! `fields a, b*`: all other fields are dropped, and those that are left come in this order.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::{Each, Pipe, Room, Run, Stage};
use crate::field::TIME;
use crate::lexer::Lexer;
use crate::names::{Name, Names};
use crate::needs::Fields;
use crate::stats::Context;
use crate::{Block, Column, Error, field};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keep {
    /// What is kept.
    pub names: Names,
}

pub(super) fn parse(lex: &mut Lexer<'_>) -> Result<Pipe, Error> {
    Ok(Pipe::Fields(Keep { names: Names::parse(lex)? }))
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fields {}", self.names)
    }
}

impl Stage for Keep {
    fn needs(&self, needs: &mut Fields) {
        if self.names.is_all() {
            return;
        }
        let wanted = self.names.0.iter().filter(|name| needs.has_any(name)).cloned().collect();
        let mut before = Fields::none();
        before.add_names(&Names(wanted));
        if let (Fields::Only { names, .. }, Fields::Only { prefixes, .. }) = (&*needs, &mut before) {
            // Of what a prefix would let pass, only that is needed which is needed behind.
            let exact: BTreeSet<String> = names
                .iter()
                .filter(|name| prefixes.iter().any(|p| name.starts_with(p.as_str())))
                .cloned()
                .collect();
            if needs_no_prefix(needs) {
                prefixes.clear();
                exact.iter().for_each(|name| before.add(name));
            }
        }
        *needs = before;
    }

    fn run(&self, _: Context) -> Result<Run, Error> {
        Ok(Run::Each(Arc::new(self.clone())))
    }

    fn keeps_time(&self) -> bool {
        self.names.matches(TIME)
    }

    fn orders_fields(&self) -> bool {
        !self.names.is_all()
    }
}

fn needs_no_prefix(needs: &Fields) -> bool {
    matches!(needs, Fields::Only { prefixes, .. } if prefixes.is_empty())
}

impl Each for Keep {
    fn apply(&self, block: Block, _: &mut Room) -> Block {
        if self.names.is_all() {
            return block;
        }
        let mut kept = Block::new(block.rows());
        for name in &self.names.0 {
            match name {
                Name::Exact(name) => {
                    let column = block.column(name).cloned();
                    kept.set(name.as_str(), column.unwrap_or_else(|| Arc::new(Column::of(""))));
                }
                Name::Prefix(prefix) => {
                    let aliases =
                        field::ALIASES.iter().filter(|(alias, _)| alias.starts_with(prefix.as_str()));
                    for (alias, _) in aliases {
                        if let Some(column) = block.column(alias) {
                            kept.set(*alias, column.clone());
                        }
                    }
                    for (field, column) in block.columns().iter().filter(|(field, _)| name.matches(field)) {
                        kept.set(field.clone(), column.clone());
                    }
                }
            }
        }
        if let Some(weights) = block.weights() {
            kept.set_weights(weights.to_vec());
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use crate::pipe::tests::{before, prints, turns};

    #[test]
    fn others_are_dropped() {
        let rows: &[&[&str]] = &[&["1", "2", "3", "web"], &["4", "5", "6", "db"]];
        turns("fields c, a", &["a", "b", "c", "app"], rows, &["c", "a"], &[&["3", "1"], &["6", "4"]]);
        turns("keep b*, gone", &["a", "bx", "by"], &[&["1", "2", "3"]], &["bx", "by"], &[&["2", "3"]]);
        turns("fields *", &["a", "b"], &[&["1", "2"]], &["a", "b"], &[&["1", "2"]]);
        let names = &["fly.app.name"];
        turns("fields fly.app.name", &["a", "b", "c", "app"], rows, names, &[&["web"], &["db"]]);
        turns("fields fly.*", &["a", "b", "c", "app"], rows, names, &[&["web"], &["db"]]);
    }

    #[test]
    fn needs_and_text() {
        prints("keep  a , \"b c\",d*", "fields a, \"b c\", d*");
        before("fields a, b*", "*", "a b*");
        before("fields a, b*", "b.x c", "b.x");
        before("fields *", "c", "c");
        before("fields fly.app.name", "*", "app");
    }
}
