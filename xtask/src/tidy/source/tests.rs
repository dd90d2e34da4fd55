use super::*;

const SAMPLE: &str = r##"//! About the file.
use std::{fs, net::{TcpStream, UdpSocket as U}};
/// Documented.
pub struct A {
    /// Documented too.
    pub a: u8,
    pub b: u8,
    c: u8,
}
pub enum E {
    /// One.
    One,
    Two,
}
pub(crate) struct Inner;
impl A {
    /// Documented.
    pub fn short(&self) -> &'static str { "unsafe { libc::x } // dbg!" }

    #[inline]
    pub fn long<'a>(
        &'a self,
    ) -> char {
        // unsafe
        '"'
    }
}
fn main() {
    let x = r#"unsafe "# != dbg!(libc::getpid());
}
#[cfg(test)]
mod tests {
    #[test]
    fn inside() { std::time::Instant::now(); }
}
"##;

fn sample() -> Source {
    Source::parse("crates/a/src/lib.rs", SAMPLE).unwrap()
}

#[test]
fn functions_from_signature_to_brace() {
    let found: Vec<_> =
        sample().functions.iter().map(|found| (found.name.clone(), found.line, found.lines)).collect();
    let wanted = [("short", 18, 1), ("long", 21, 6), ("main", 28, 3), ("inside", 34, 1)];
    assert_eq!(found, wanted.map(|(name, line, lines)| (name.to_owned(), line, lines)));
}

#[test]
fn public_items() {
    let source = sample();
    let names = |documented| -> Vec<_> {
        let of_kind = source.public.iter().filter(|item| item.documented == documented);
        of_kind.map(|item| item.name.as_str()).collect()
    };
    assert_eq!(names(true), ["A", "a", "E::One", "short"]);
    assert_eq!(names(false), ["b", "E", "E::Two", "long"]);
}

#[test]
fn names_leave_out_strings_and_comments() {
    let source = sample();
    let line_of = |wanted: &[&str]| {
        let found = source.names.iter().filter(|named| named.path == wanted);
        found.map(|named| named.line).collect::<Vec<_>>()
    };
    assert_eq!(line_of(&["libc", "getpid"]), [29]);
    assert_eq!(line_of(&["std", "net", "TcpStream"]), [2]);
    assert_eq!(line_of(&["std", "net", "UdpSocket"]), [2]);
    assert!(line_of(&["unsafe"]).is_empty());
    let macros: Vec<_> = source.names.iter().filter(|named| named.is_macro).collect();
    assert_eq!((macros.len(), macros[0].line), (1, 29));
}

#[test]
fn literals_leave_out_documentation() {
    let source = sample();
    let texts: Vec<_> = source.literals.iter().map(|(text, line)| (text.as_str(), *line)).collect();
    assert_eq!(texts, [("\"unsafe { libc::x } // dbg!\"", 18), ("'\"'", 25), ("r#\"unsafe \"#", 29)]);
}

#[test]
fn tests_and_attributes() {
    let source = sample();
    assert!(!source.is_test(29));
    assert!(source.is_test(34));
    assert!(Source::parse("crates/a/src/foo/tests.rs", "").unwrap().is_test(1));
    assert!(source.attributes.contains(&("inline".to_owned(), 20)));
    assert!(Source::parse("a.rs", "fn (").is_err());
}
