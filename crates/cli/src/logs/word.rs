//! What the server says on a tail over HTTP: a line, how things stand, a sign of life, the end.

use serde::Deserialize;

use super::item::Item;
use super::neutral;
use super::sse::Event;

/// Longest cursor that is believed, in bytes: what a server reads at most.
const MAX_CURSOR_BYTES: usize = 16 << 10;

/// One word of a server.
#[derive(Debug, Clone)]
pub(super) enum Word {
    /// A line, and where to go on behind it.
    Line(Box<Item>, Option<String>),
    /// How things stand.
    State(State),
    /// It is still there.
    Heartbeat(Option<String>),
    /// That was all.
    End(End),
}

/// How a tail stands.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct State {
    /// `history`, `live`, `catching-up` or `store-away`; others may come with later servers.
    #[serde(rename = "state")]
    pub(super) name: String,
    pub(super) cursor: Option<String>,
    pub(super) why: Option<String>,
}

/// Why nothing more comes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct End {
    pub(super) why: String,
    pub(super) code: Option<String>,
    pub(super) cursor: Option<String>,
}

#[derive(Deserialize)]
struct Heartbeat {
    cursor: Option<String>,
}

impl Word {
    /// Reads an event; `None` for what this program does not know.
    pub(super) fn read(event: Event) -> Option<Self> {
        let word = match event.name.as_str() {
            "" | "message" | "line" => {
                Self::Line(Box::new(Item::read(event.data)?), event.id.and_then(plausible))
            }
            "state" => {
                let state: State = serde_json::from_slice(&event.data).ok()?;
                Self::State(State {
                    cursor: state.cursor.and_then(plausible),
                    why: state.why.as_deref().map(neutral::plain),
                    ..state
                })
            }
            "heartbeat" => {
                let beat: Heartbeat = serde_json::from_slice(&event.data).ok()?;
                Self::Heartbeat(beat.cursor.and_then(plausible))
            }
            "end" => {
                let end: End = serde_json::from_slice(&event.data).ok()?;
                Self::End(End {
                    why: neutral::plain(&end.why),
                    cursor: end.cursor.and_then(plausible),
                    code: end.code,
                })
            }
            _ => return None,
        };
        Some(word)
    }

    /// Where to go on behind it.
    pub(super) fn cursor(&self) -> Option<&str> {
        match self {
            Self::Line(_, cursor) | Self::Heartbeat(cursor) => cursor.as_deref(),
            Self::State(state) => state.cursor.as_deref(),
            Self::End(end) => end.cursor.as_deref(),
        }
    }
}

/// A cursor that may stand on a command line and in a URL as it is.
fn plausible(cursor: String) -> Option<String> {
    is_cursor(&cursor).then_some(cursor)
}

/// Whether a text can be a cursor.
pub(super) fn is_cursor(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:~-".contains(&byte);
    !text.is_empty() && text.len() <= MAX_CURSOR_BYTES && text.bytes().all(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(id: Option<&str>, name: &str, data: &str) -> Option<Word> {
        let data = bytes::Bytes::copy_from_slice(data.as_bytes());
        Word::read(Event { id: id.map(str::to_owned), name: name.to_owned(), data })
    }

    #[test]
    fn words_are_read() {
        let line = r#"{"message":"x","timestamp":"2026-11-22T10:00:00Z"}"#;
        let Some(Word::Line(item, cursor)) = read(Some("7.a~1"), "", line) else { panic!("no line") };
        assert_eq!((item.message.message.as_str(), cursor.as_deref()), ("x", Some("7.a~1")));
        let word = read(None, "state", r#"{"state":"store-away","cursor":"7","why":"a\u001bb"}"#).unwrap();
        assert_eq!(word.cursor(), Some("7"));
        assert!(
            matches!(&word, Word::State(s) if s.name == "store-away" && s.why.as_deref() == Some("a\\x1bb"))
        );
        let word = read(None, "heartbeat", r#"{"time":"x","cursor":"8"}"#).unwrap();
        assert_eq!(word.cursor(), Some("8"));
        let word = read(None, "end", r#"{"why":"the token has ended","code":"LR13","cursor":"9"}"#).unwrap();
        assert!(
            word.cursor() == Some("9")
                && matches!(&word, Word::End(end) if end.code.as_deref() == Some("LR13"))
        );
    }

    #[test]
    fn what_is_not_known_is_none_and_a_strange_cursor_is_no_cursor() {
        for (name, data) in [("", "{}"), ("state", "[]"), ("end", "{}"), ("heartbeat", "x"), ("future", "{}")]
        {
            assert!(read(None, name, data).is_none(), "{name} {data}");
        }
        for bad in ["", "a b", "a\u{1b}", "é", &"x".repeat(20_000)] {
            assert!(!is_cursor(bad));
            let word = read(None, "heartbeat", &serde_json::json!({ "cursor": bad }).to_string()).unwrap();
            assert_eq!(word.cursor(), None);
        }
    }
}
