//! `pack_logfmt fields (a, b*) as field`: fields as one logfmt text, sorted by name; all fields if none are listed.

use super::Pipe;
use super::pack::{self, Form, Pairs};
use crate::Error;
use crate::lexer::Lexer;

pub(super) fn parse(lex: &mut Lexer<'_>) -> Result<Pipe, Error> {
    pack::parse(lex, Form::Logfmt)
}

/// Appends the pairs.
pub(super) fn write(pairs: Pairs<'_>, out: &mut Vec<u8>) {
    let before = out.len();
    pairs(&mut |name, value| {
        if out.len() > before {
            out.push(b' ');
        }
        super::logfmt::write_pair(name, value, out);
    });
}

#[cfg(test)]
mod tests {
    use crate::pipe::tests::{before, prints, turns};

    #[test]
    fn fields_as_a_text() {
        let (names, rows): (&[&str], &[&[&str]]) = (&["b", "a.x"], &[&["1", "q \""], &["", ""]]);
        let wanted: &[&[&str]] = &[&["1", "q \"", r#"a.x="q \"" b=1"#], &["", "", ""]];
        turns("pack_logfmt", names, rows, &["b", "a.x", "_msg"], wanted);
        turns("pack_logfmt fields (b) as x", names, &rows[..1], &["b", "a.x", "x"], &[&["1", "q \"", "b=1"]]);
    }

    #[test]
    fn needs_and_text() {
        prints("pack_logfmt fields (a,b*) as x", "pack_logfmt fields (a, b*) as x");
        before("pack_logfmt fields (a) as x", "x y", "a y");
    }
}
