//! `pack_json fields (a, b*) as field`: fields as one JSON object, sorted by name; all fields if none are listed.

use super::Pipe;
use super::pack::{self, Form, Pairs};
use crate::Error;
use crate::lexer::Lexer;

pub(super) fn parse(lex: &mut Lexer<'_>) -> Result<Pipe, Error> {
    pack::parse(lex, Form::Json)
}

/// Appends the object.
pub(super) fn write(pairs: Pairs<'_>, out: &mut Vec<u8>) {
    out.push(b'{');
    let before = out.len();
    pairs(&mut |name, value| {
        if out.len() > before {
            out.push(b',');
        }
        crate::block::write_value(name.as_bytes(), out);
        out.push(b':');
        crate::block::write_value(value, out);
    });
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use crate::pipe::tests::{before, prints, turns};

    #[test]
    fn fields_as_an_object() {
        let (names, rows): (&[&str], &[&[&str]]) = (&["b", "a.x"], &[&["1", "q\""], &["", ""]]);
        let wanted: &[&[&str]] = &[&["1", "q\"", r#"{"a.x":"q\"","b":"1"}"#], &["", "", "{}"]];
        turns("pack_json", names, rows, &["b", "a.x", "_msg"], wanted);
        let wanted: &[&[&str]] = &[&["1", "q\"", r#"{"b":"1"}"#]];
        turns("pack_json fields (b, gone) as x", names, &rows[..1], &["b", "a.x", "x"], wanted);
        turns(
            "pack_json fields (fly.app.name) as x",
            &["app"],
            &[&["w"]],
            &["app", "x"],
            &[&["w", r#"{"fly.app.name":"w"}"#]],
        );
    }

    #[test]
    fn needs_and_text() {
        prints("pack_json fields (a,b*) as x", "pack_json fields (a, b*) as x");
        prints("pack_json fields (*)", "pack_json");
        before("pack_json fields (a, b*) as x", "x y", "a b* y");
        before("pack_json as x", "y", "y");
    }
}
