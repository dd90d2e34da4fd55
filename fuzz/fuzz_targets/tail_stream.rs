//! Server to `logway logs`: any bytes as the events of a tail. What is said of them is harmless, cursors are ones, and an event that is
//! whole is read as what it says, whatever came before it.
#![no_main]
// The modules of the command line hold more than bytes are thrown at here.
#![allow(dead_code, unused_imports)]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/cli/src/logs"]
mod logs {
    mod item;
    mod neutral;
    mod ranges;
    mod sse;
    mod stitch;
    mod word;

    use bytes::Bytes;

    use self::sse::Parser;
    use self::word::{Word, is_cursor};

    /// What is said in a stream of events.
    fn said(stream: &[u8]) -> Vec<Word> {
        let mut parser = Parser::default();
        let lines = stream.split(|&byte| byte == b'\n').map(Bytes::copy_from_slice);
        lines.filter_map(|line| parser.line(&line).and_then(Word::read)).collect()
    }

    pub(super) fn check_all(stream: &[u8]) {
        said(stream).iter().for_each(check);
    }

    fn check(word: &Word) {
        assert!(word.cursor().is_none_or(is_cursor));
        let why = match word {
            Word::Line(item, _) => {
                let _ = item.source();
                return assert!(item.raw.len() >= item.message.message.len() / 3);
            }
            Word::State(state) => state.why.as_deref(),
            Word::End(end) => Some(end.why.as_str()),
            Word::Heartbeat(_) => None,
        };
        assert!(why.is_none_or(|why| !why.contains(|char: char| char.is_control() && char != '\t')));
    }

    /// Reads an event with this text behind `before`, and compares.
    pub(super) fn compare(before: &[u8], text: &str) {
        let line = serde_json::json!({ "message": text, "timestamp": "2026-11-22T10:00:00Z" });
        let stream = [before, b"\n\nid: c.1\ndata: ", line.to_string().as_bytes(), b"\n\n"].concat();
        let all = said(&stream);
        let Some(Word::Line(item, cursor)) = all.last() else { panic!("no line") };
        assert_eq!((item.message.message.as_str(), cursor.as_deref()), (text, Some("c.1")));
    }
}

fuzz_target!(|bytes: &[u8]| {
    logs::check_all(bytes);
    let (before, text) = bytes.split_at(bytes.len() / 2);
    logs::compare(before, &String::from_utf8_lossy(text));
});
