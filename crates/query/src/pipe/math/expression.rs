//! What `math` computes.

use std::fmt;

use crate::lexer::{Kind, Lexer, MATH};
use crate::quote::{Plain, Quoted};
use crate::{Block, Column, Error, number};

/// An expression over the fields of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Expression {
    /// A number as it is written.
    Number(f64, String),
    /// A time that was asked for as `now()`, Unix nanoseconds.
    Now(i64),
    /// The number that a field is.
    Field(String),
    /// `-x`
    Minus(Box<Self>),
    /// Two numbers and what is between them.
    Binary(Operator, Box<Self>, Box<Self>),
    /// A function by its name.
    Call(Function, Vec<Self>),
}

/// What may stand between two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operator(usize);

/// What makes one number of two.
type Combine = fn(f64, f64) -> f64;

/// Signs, how tightly they bind (the smallest first), and what they do.
const OPERATORS: [(&str, u8, Combine); 10] = [
    ("^", 1, f64::powf),
    ("*", 2, |a, b| a * b),
    ("/", 2, |a, b| a / b),
    ("%", 2, |a, b| a % b),
    ("+", 3, |a, b| a + b),
    ("-", 3, |a, b| a - b),
    ("&", 4, |a, b| bits(a, b, |a, b| a & b)),
    ("xor", 5, |a, b| bits(a, b, |a, b| a ^ b)),
    ("or", 6, |a, b| bits(a, b, |a, b| a | b)),
    ("default", 10, |a, b| if a.is_nan() { b } else { a }),
];

/// Most operators of an expression: it is computed by recursion.
const MAX_OPERATORS: usize = 256;

/// The loosest of them.
const LOOSEST: u8 = 10;

/// A function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Function(usize);

/// What computes one number of several.
type Compute = fn(&[f64]) -> f64;

/// Functions, the fewest and most numbers that they take, and what they do.
const FUNCTIONS: [(&str, usize, usize, Compute); 8] = [
    ("abs", 1, 1, |x| first(x).abs()),
    ("ceil", 1, 1, |x| first(x).ceil()),
    ("exp", 1, 1, |x| first(x).exp()),
    ("floor", 1, 1, |x| first(x).floor()),
    ("ln", 1, 1, |x| first(x).ln()),
    ("max", 2, usize::MAX, |x| x.iter().copied().fold(f64::NAN, f64::max)),
    ("min", 2, usize::MAX, |x| x.iter().copied().fold(f64::NAN, f64::min)),
    ("round", 1, 2, |x| round(first(x), x.get(1).copied())),
];

fn first(numbers: &[f64]) -> f64 {
    numbers.first().copied().unwrap_or(f64::NAN)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "as bits, and out of range saturates"
)]
fn bits(a: f64, b: f64, compute: fn(u64, u64) -> u64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { compute(a as u64, b as u64) as f64 }
}

/// To the nearest multiple, written with no more places than that has.
fn round(number: f64, nearest: Option<f64>) -> f64 {
    let Some(nearest) = nearest else { return number.round() };
    let scale = (0..=15).map(|power| 10f64.powi(power)).find(|scale| {
        let scaled = nearest * scale;
        (scaled - scaled.round()).abs() < 1e-9 * scaled.abs()
    });
    let scale = scale.unwrap_or(1.0);
    ((number / nearest).round() * nearest * scale).round() / scale
}

impl Expression {
    /// Reads one, of at most [`MAX_OPERATORS`].
    pub(super) fn parse(lex: &mut Lexer<'_>) -> Result<Self, Error> {
        Self::whole(lex, &mut 0)
    }

    fn whole(lex: &mut Lexer<'_>, count: &mut usize) -> Result<Self, Error> {
        lex.nested(|lex| Self::binary(lex, LOOSEST, count))
    }

    /// Reads operands joined by signs that bind at least as tightly as `loosest`.
    fn binary(lex: &mut Lexer<'_>, loosest: u8, count: &mut usize) -> Result<Self, Error> {
        let mut left = Self::operand(lex, count)?;
        while let Some(operator) = Operator::next(lex).filter(|operator| operator.binding() <= loosest) {
            *count += 1;
            if *count > MAX_OPERATORS {
                let message = format!("more than {MAX_OPERATORS} operators in one expression: split it up");
                return Err(Error::TooLarge { offset: lex.offset(), len: lex.token().raw.len(), message });
            }
            lex.advance();
            let right = Self::binary(lex, operator.binding() - 1, count)?;
            left = Self::Binary(operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn operand(lex: &mut Lexer<'_>, count: &mut usize) -> Result<Self, Error> {
        let start = lex.offset();
        if lex.eat("(") {
            let inside = Self::whole(lex, count)?;
            lex.expect(")", "the expression in parentheses")?;
            return Ok(inside);
        }
        if lex.eat("-") {
            return lex.nested(|lex| Ok(Self::Minus(Box::new(Self::operand(lex, count)?))));
        }
        if lex.eat("+") {
            return lex.nested(|lex| Self::operand(lex, count));
        }
        if lex.token().kind == Kind::Word && is_call(lex) {
            return Self::call(lex, count);
        }
        let is_quoted = lex.is_quoted();
        let text = lex.compound(MATH, "field or number")?.into_owned();
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            match number::parse(&text).filter(|number| !number.is_nan()) {
                Some(number) => return Ok(Self::Number(number, text)),
                None if is_quoted => {}
                None => {
                    let message = format!("'{text}' is no number: quote it if it is a field");
                    return Err(lex.error_from(start, message));
                }
            }
        }
        Ok(Self::Field(text))
    }

    fn call(lex: &mut Lexer<'_>, count: &mut usize) -> Result<Self, Error> {
        let (start, name) = (lex.offset(), lex.token().raw.to_ascii_lowercase());
        lex.advance();
        if name == "rand" {
            return Err(lex.not_supported(start, "the math function 'rand'"));
        }
        let arguments = lex.list(&name, |lex| Self::whole(lex, count))?;
        if name == "now" && arguments.is_empty() {
            return Ok(Self::Now(lex.now()));
        }
        let known = FUNCTIONS.iter().position(|(known, ..)| *known == name);
        let Some((place, &(_, fewest, most, _))) = known.and_then(|at| Some((at, FUNCTIONS.get(at)?))) else {
            let names = FUNCTIONS.iter().map(|(name, ..)| *name);
            let hint = crate::pipe::suggest(
                &name,
                names,
                "there are abs, ceil, exp, floor, ln, max, min, now, round",
            );
            return Err(lex.error_from(start, format!("'{name}' is no math function: {hint}")));
        };
        if arguments.len() < fewest || arguments.len() > most {
            let takes = match (fewest, most) {
                (fewest, usize::MAX) => format!("at least {fewest} numbers"),
                (fewest, most) if fewest == most => format!("{fewest} number"),
                (fewest, most) => format!("{fewest} or {most} numbers"),
            };
            return Err(lex.error_from(start, format!("'{name}' takes {takes}")));
        }
        Ok(Self::Call(Function(place), arguments))
    }

    /// Calls `each` with every field in it.
    pub(super) fn each_field(&self, each: &mut impl FnMut(&str)) {
        match self {
            Self::Number(..) | Self::Now(_) => {}
            Self::Field(field) => each(field),
            Self::Minus(inside) => inside.each_field(each),
            Self::Binary(_, left, right) => {
                left.each_field(each);
                right.each_field(each);
            }
            Self::Call(_, arguments) => arguments.iter().for_each(|argument| argument.each_field(each)),
        }
    }

    /// Its number in each row.
    pub(super) fn compute(&self, block: &Block) -> Vec<f64> {
        match self {
            Self::Number(number, _) => vec![*number; block.rows()],
            Self::Now(nanos) => vec![*nanos as f64; block.rows()],
            Self::Field(field) => numbers(block, field),
            Self::Minus(inside) => inside.compute(block).into_iter().map(|number| -number).collect(),
            Self::Binary(operator, left, right) => {
                let (left, right) = (left.compute(block), right.compute(block));
                left.into_iter().zip(right).map(|(left, right)| operator.compute(left, right)).collect()
            }
            Self::Call(function, arguments) => {
                let columns: Vec<Vec<f64>> =
                    arguments.iter().map(|argument| argument.compute(block)).collect();
                let row =
                    |row| columns.iter().filter_map(|column| column.get(row)).copied().collect::<Vec<_>>();
                (0..block.rows()).map(|at| function.compute(&row(at))).collect()
            }
        }
    }

    /// How tightly it binds when it is printed.
    fn binding(&self) -> u8 {
        match self {
            Self::Binary(operator, ..) => operator.binding(),
            _ => 0,
        }
    }
}

fn is_call(lex: &Lexer<'_>) -> bool {
    let mut ahead = lex.clone();
    ahead.advance();
    ahead.is("(")
}

/// The numbers that the values of `field` are.
fn numbers(block: &Block, field: &str) -> Vec<f64> {
    let of = |value: &[u8]| number::of_value(value).unwrap_or(f64::NAN);
    match block.column(field).map(|column| &**column) {
        None => vec![f64::NAN; block.rows()],
        Some(Column::Const(value)) => vec![of(value); block.rows()],
        Some(Column::Time(times)) if times.len() == block.rows() => {
            times.iter().map(|&time| time as f64).collect()
        }
        Some(Column::Number(numbers)) if numbers.len() == block.rows() => {
            numbers.iter().map(|&number| number as f64).collect()
        }
        Some(column) => {
            let scratch = &mut Vec::new();
            (0..block.rows()).map(|row| of(column.value(row, scratch))).collect()
        }
    }
}

impl Operator {
    fn next(lex: &Lexer<'_>) -> Option<Self> {
        OPERATORS.iter().position(|(sign, ..)| lex.is(sign)).map(Self)
    }

    fn binding(self) -> u8 {
        OPERATORS.get(self.0).map_or(LOOSEST, |(_, binding, _)| *binding)
    }

    fn compute(self, left: f64, right: f64) -> f64 {
        OPERATORS.get(self.0).map_or(f64::NAN, |(.., compute)| compute(left, right))
    }
}

impl Function {
    fn compute(self, numbers: &[f64]) -> f64 {
        FUNCTIONS.get(self.0).map_or(f64::NAN, |(.., compute)| compute(numbers))
    }
}

/// A field whose name would read as something else goes into quotes.
fn write_field(field: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let is_word = |word: &str| field.eq_ignore_ascii_case(word);
    let is_taken = OPERATORS.iter().any(|(word, ..)| is_word(word))
        || FUNCTIONS.iter().any(|(word, ..)| is_word(word))
        || ["as", "rand", "now"].into_iter().any(is_word)
        || field.starts_with(|c: char| c.is_ascii_digit());
    if is_taken { write!(f, "{}", Quoted(field)) } else { write!(f, "{}", Plain(field)) }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inside = |f: &mut fmt::Formatter<'_>, part: &Self, loosest: u8| {
            if part.binding() > loosest { write!(f, "({part})") } else { write!(f, "{part}") }
        };
        match self {
            Self::Number(_, text) if text.chars().all(|c| c.is_alphanumeric() || c == '.' || c == '_') => {
                f.write_str(text)
            }
            Self::Number(_, text) => write!(f, "{}", Quoted(text)),
            Self::Now(_) => f.write_str("now()"),
            Self::Field(field) => write_field(field, f),
            Self::Minus(part) => {
                f.write_str("-")?;
                inside(f, part, 0)
            }
            Self::Binary(operator, left, right) => {
                inside(f, left, operator.binding())?;
                let sign = OPERATORS.get(operator.0).map_or("", |(sign, ..)| *sign);
                write!(f, " {sign} ")?;
                inside(f, right, operator.binding() - 1)
            }
            Self::Call(function, arguments) => {
                write!(f, "{}(", FUNCTIONS.get(function.0).map_or("", |(name, ..)| *name))?;
                for (at, argument) in arguments.iter().enumerate() {
                    write!(f, "{}{argument}", if at == 0 { "" } else { ", " })?;
                }
                f.write_str(")")
            }
        }
    }
}
