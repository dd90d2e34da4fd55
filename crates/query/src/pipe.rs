//! What comes behind `|`.

use std::fmt;

use crate::error::Error;
use crate::filter::Filter;
use crate::lexer::{Lexer, NAME};

/// One pipe of a query.
#[derive(Debug, Clone, PartialEq)]
pub enum Pipe {}

impl Pipe {
    /// The filters in it, for whoever must put limits on a query.
    pub fn filters_mut(&mut self) -> Vec<&mut Filter> {
        match *self {}
    }
}

impl fmt::Display for Pipe {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

/// Reads the pipe that `lexer` stands at.
pub(crate) fn parse(lexer: &mut Lexer<'_>) -> Result<Pipe, Error> {
    let start = lexer.offset();
    let name = lexer.compound(NAME, "pipe")?;
    Err(lexer.not_supported(start, format!("the pipe '{name}'")))
}
