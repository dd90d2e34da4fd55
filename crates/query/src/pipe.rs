//! What comes behind `|`, one file each, and what pipes have in common.

mod collapse_nums;
mod copy;
mod counted;
mod decolorize;
mod delete;
mod drop_empty_fields;
mod extract;
mod extract_regexp;
mod field_names;
mod field_values;
mod fields;
mod filter;
mod first;
mod format;
mod last;
mod len;
mod limit;
mod logfmt;
mod math;
mod offset;
mod pack;
mod pack_json;
mod pack_logfmt;
mod pairs;
mod pattern;
mod produce;
mod registry;
mod rename;
mod replace;
mod replace_regexp;
mod room;
mod sort;
mod stats;
mod top;
mod uniq;
mod unpack_json;
mod unpack_logfmt;
mod update;

use std::fmt;
use std::sync::Arc;

use crate::budget::Account;
use crate::filter::Filter;
use crate::lexer::Lexer;
use crate::needs::Fields;
use crate::stats::Context;
use crate::wire::Reader;
use crate::{Block, Error, Flow};

pub use first::First;
pub use last::Last;
pub(crate) use registry::suggest;
pub use registry::{Entry, MISSING, entries};
pub(crate) use room::{MOST, Room};
pub use sort::Sort;
pub use stats::Stats;

/// How a pipe is run.
pub(crate) enum Run {
    /// Row by row.
    Each(Arc<dyn Each>),
    /// It lets the first rows pass, and no more.
    Limit(u64),
    /// It keeps the first rows back.
    Offset(u64),
    /// It has to see all rows before it gives any.
    Gather(Start),
}

/// Makes the state of a pipe that has to see all rows, which charges what it holds to the account.
pub(crate) type Start = Arc<dyn Fn(Account) -> Box<dyn Gather> + Send + Sync>;

/// A pipe that does the same with every row, whatever the others are.
pub(crate) trait Each: Send + Sync {
    /// The rows of `block` as they are behind the pipe, with as much new text as there is room for.
    fn apply(&self, block: Block, room: &mut Room) -> Block;
}

/// The state of a pipe that has to see all rows.
pub(crate) trait Gather: Send {
    /// Takes rows in. [`Flow::Done`] if no other row can change what it will give.
    fn push(&mut self, block: &Block) -> Result<Flow, Error>;

    /// Appends the state.
    fn export(&self, out: &mut Vec<u8>);

    /// Joins an exported state to this one.
    fn import(&mut self, state: &mut Reader<'_>) -> Result<(), Error>;

    /// Gives its rows to `out` until that says [`Flow::Done`].
    fn finish(&mut self, out: &mut dyn FnMut(Block) -> Flow);
}

/// A pipe as it stands in a query.
pub(crate) trait Stage: fmt::Debug + fmt::Display {
    /// Turns the fields that are needed behind the pipe into those that are needed before it.
    fn needs(&self, needs: &mut Fields);

    /// Ready to run.
    fn run(&self, context: Context) -> Result<Run, Error>;

    /// Whether rows behind it still have the `_time` that they came with.
    fn keeps_time(&self) -> bool {
        true
    }

    /// Whether the order of the fields behind it is meant.
    fn orders_fields(&self) -> bool {
        false
    }

    /// The filters in it.
    fn filters(&mut self) -> Vec<&mut Filter> {
        Vec::new()
    }
}

macro_rules! pipes {
    ($($(#[doc = $doc:literal])* $variant:ident($type:ty),)*) => {
        /// One pipe of a query.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Pipe {
            $($(#[doc = $doc])* $variant($type),)*
        }

        impl Pipe {
            fn stage(&self) -> &dyn Stage {
                match self {
                    $(Self::$variant(pipe) => pipe,)*
                }
            }

            fn stage_mut(&mut self) -> &mut dyn Stage {
                match self {
                    $(Self::$variant(pipe) => pipe,)*
                }
            }
        }
    };
}

pipes! {
    /// Numbers in a text become `<N>`.
    CollapseNums(collapse_nums::CollapseNums),
    /// Fields get a second name.
    Copy(copy::Copy),
    /// Terminal colours are taken out of a text.
    Decolorize(decolorize::Decolorize),
    /// Fields are dropped.
    Delete(delete::Delete),
    /// Rows without any field are dropped.
    DropEmptyFields(drop_empty_fields::DropEmptyFields),
    /// Parts of a text become fields, by a pattern.
    Extract(extract::Extract),
    /// Parts of a text become fields, by a regular expression.
    ExtractRegexp(extract_regexp::ExtractRegexp),
    /// The names of the fields that there are.
    FieldNames(field_names::FieldNames),
    /// The values that a field has.
    FieldValues(field_values::FieldValues),
    /// All other fields are dropped.
    Fields(fields::Keep),
    /// All other rows are dropped.
    Filter(filter::Where),
    /// The first rows in an order.
    First(first::First),
    /// A text made of fields.
    Format(format::Format),
    /// The last rows in an order.
    Last(last::Last),
    /// The length of a value.
    Len(len::Len),
    /// The first rows that come.
    Limit(limit::Limit),
    /// Numbers made of numbers.
    Math(math::Math),
    /// The rows behind the first ones that come.
    Offset(offset::Offset),
    /// Fields as one JSON object, or one logfmt text.
    Pack(pack::Pack),
    /// Fields get another name.
    Rename(rename::Rename),
    /// Text instead of other text.
    Replace(replace::Replace),
    /// Text instead of what a regular expression matches.
    ReplaceRegexp(replace_regexp::ReplaceRegexp),
    /// Rows in an order.
    Sort(Sort),
    /// One row for each group of rows.
    Stats(Stats),
    /// The commonest combinations of values.
    Top(top::Top),
    /// The different combinations of values.
    Uniq(uniq::Uniq),
    /// The members of a JSON object become fields.
    UnpackJson(unpack_json::UnpackJson),
    /// The pairs of a logfmt text become fields.
    UnpackLogfmt(unpack_logfmt::UnpackLogfmt),
}

impl Pipe {
    /// Turns the fields that are needed behind the pipe into those that are needed before it.
    pub fn needs(&self, needs: &mut Fields) {
        self.stage().needs(needs);
    }

    pub(crate) fn run(&self, context: Context) -> Result<Run, Error> {
        self.stage().run(context)
    }

    /// Whether it does the same with every row, whatever the others are, so that it can be part of a tail.
    pub const fn is_row_local(&self) -> bool {
        !matches!(
            self,
            Self::FieldNames(_)
                | Self::FieldValues(_)
                | Self::First(_)
                | Self::Last(_)
                | Self::Limit(_)
                | Self::Offset(_)
                | Self::Sort(_)
                | Self::Stats(_)
                | Self::Top(_)
                | Self::Uniq(_)
        )
    }

    /// Whether rows behind it still have the `_time` that they came with.
    pub fn keeps_time(&self) -> bool {
        self.stage().keeps_time()
    }

    /// Whether the order of the fields behind it is meant, as in `fields b, a`.
    pub fn orders_fields(&self) -> bool {
        self.stage().orders_fields()
    }

    /// The filters in it, for whoever must put limits on a query.
    pub fn filters_mut(&mut self) -> Vec<&mut Filter> {
        self.stage_mut().filters()
    }
}

impl fmt::Display for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.stage(), f)
    }
}

/// Reads the pipe that `lex` stands at, up to the next `|`, `)`, `;` or the end.
pub(crate) fn parse(lex: &mut Lexer<'_>) -> Result<Pipe, Error> {
    let pipe = registry::parse(lex)?;
    if lex.is_done() {
        return Ok(pipe);
    }
    Err(lex.error(format!("there is {} where '{pipe}' should end: put '|' before the next pipe", lex.here())))
}

#[cfg(test)]
pub(crate) mod tests;
