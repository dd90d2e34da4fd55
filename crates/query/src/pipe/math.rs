//! `math a / b as c, round(d, 0.1) as e`: numbers made of numbers.
//!
//! A field is the number that its value is: also a duration in nanoseconds, a size in bytes, a time in Unix nanoseconds, an
//! IPv4 address as 32 bits. Anything else is `NaN`, and so is what is made of it.

use std::fmt;
use std::sync::Arc;

use super::{Each, Pipe, Room, Run, Stage};
use crate::lexer::Lexer;
use crate::needs::Fields;
use crate::quote::Plain;
use crate::stats::Context;
use crate::value::write_number;
use crate::{Block, Column, Error, Text, field};

mod expression;

pub(crate) use expression::Expression;

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub struct Math {
    /// What is computed and where it goes, the one after the other.
    pub entries: Vec<(Expression, String)>,
}

pub(super) fn parse(lex: &mut Lexer<'_>) -> Result<Pipe, Error> {
    let mut entries = Vec::new();
    loop {
        let expression = Expression::parse(lex)?;
        let result = if lex.is(",") || lex.is_done() {
            expression.to_string()
        } else {
            lex.eat("as");
            lex.field_name()?
        };
        entries.push((expression, result));
        if !lex.eat(",") {
            return Ok(Pipe::Math(Math { entries }));
        }
    }
}

impl fmt::Display for Math {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("math ")?;
        for (at, (expression, result)) in self.entries.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{expression} as {}", Plain(result))?;
        }
        Ok(())
    }
}

impl Stage for Math {
    fn needs(&self, needs: &mut Fields) {
        for (expression, result) in self.entries.iter().rev() {
            if needs.has(result) {
                needs.remove(result);
                expression.each_field(&mut |field| needs.add(field));
            }
        }
    }

    fn run(&self, _: Context) -> Result<Run, Error> {
        Ok(Run::Each(Arc::new(self.clone())))
    }

    fn keeps_time(&self) -> bool {
        !self.entries.iter().any(|(_, result)| result == field::TIME)
    }
}

impl Each for Math {
    fn apply(&self, mut block: Block, _: &mut Room) -> Block {
        for (expression, result) in &self.entries {
            let mut text = Text::default();
            for number in expression.compute(&block) {
                text.push_with(|out| write_number(number, out));
            }
            block.set(result.as_str(), Column::Text(text));
        }
        block
    }
}

#[cfg(test)]
mod tests {
    use crate::pipe::tests::{before, prints, refused, turns};

    #[test]
    fn numbers_of_numbers() {
        for (expression, wanted) in [
            ("a + b * 2", "18"),
            ("(a + b) * 2", "26"),
            ("a - b - 1", "2"),
            ("2 ^ 3 ^ 2", "64"),
            ("-a + b", "-3"),
            ("a % 3", "2"),
            ("a / 0", "+Inf"),
            ("a % 0", "NaN"),
            ("7 & 12 or 1 xor 8", "13"),
            ("gone + 1", "NaN"),
            ("gone default 7", "7"),
            ("gone default a + 1", "9"),
            ("max(a, b, gone)", "8"),
            ("min(a, b)", "5"),
            ("abs(-2.5)", "2.5"),
            ("ceil(a / b) + floor(a / b)", "3"),
            ("round(a / b)", "2"),
            ("round(2.347, 0.05)", "2.35"),
            ("round(1234, 100)", "1200"),
            ("exp(0) + ln(1)", "1"),
            ("1KiB + 1s", "1000001024"),
            ("t", "0"),
            ("ip % 256", "1"),
            ("\"10.0.0.1\" - 1", "167772160"),
            ("0x10", "16"),
        ] {
            let names = &["a", "b", "t", "ip"];
            let row = &["8", "5", "1970-01-01T00:00:00Z", "10.0.0.1"];
            let mut wanted_row = row.to_vec();
            wanted_row.push(wanted);
            let pipe = format!("math {expression} as x");
            turns(&pipe, names, &[row], &["a", "b", "t", "ip", "x"], &[&wanted_row]);
        }
        turns("math a + 1 as a, a * 2 b", &["a"], &[&["1"]], &["a", "b"], &[&["2", "4"]]);
    }

    #[test]
    fn needs_and_text() {
        prints("eval a+b", "math a + b as \"a + b\"");
        prints("math (a + b)*c as d", "math (a + b) * c as d");
        prints("math a - (b - c) as d", "math a - (b - c) as d");
        prints("math ((a)) - b - c as d", "math a - b - c as d");
        prints("math -(a+b) as d, max(a,2) as e", "math -(a + b) as d, max(a, 2) as e");
        prints("math \"max\" + 'x y' as d", "math \"max\" + \"x y\" as d");
        prints("math a default 1 as d", "math a default 1 as d");
        before("math a + b as c, c * d as e", "e", "a b d");
        before("math a + b as c", "x", "x");
        refused("math a +", "missing");
        refused("math max(a) as b", "at least 2");
        refused("math abs(a, b) as c", "takes 1");
        refused("math rand() as x", "not supported");
        refused(&format!("math {}a as b", "(".repeat(100)), "levels of nesting");
    }
}
