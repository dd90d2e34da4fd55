//! Just what apps wrote: the bytes of their lines. Pieces of a long line become one again.

use line::json::Message;
use line::{Body, Stream};

use super::render::Style;

/// Who wrote a piece.
type Writer = (String, Option<line::Boot>, Stream);

/// Writes raw lines.
#[derive(Debug, Default)]
pub(super) struct Raw {
    /// Whose line has not come to its end.
    open: Option<Writer>,
}

impl Raw {
    /// Appends a line; `None` for what is none of an app's.
    pub(super) fn write(&mut self, style: Style, message: &Message, out: &mut Vec<u8>) -> Option<()> {
        let Body::Line(text) = &message.entry.body else { return None };
        let writer = (message.instance.clone(), message.boot, message.entry.stream);
        if self.open.as_ref().is_some_and(|open| *open != writer || text.part == 0) {
            out.push(b'\n');
        }
        if style.is_careful() {
            let mut shown = String::new();
            super::neutral::write(&message.message, style.has_colour, &mut shown);
            out.extend_from_slice(shown.as_bytes());
        } else {
            out.extend_from_slice(message.message.as_bytes());
        }
        self.open = text.more.then_some(writer);
        if self.open.is_none() {
            out.push(b'\n');
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(instance: &str, text: &str, more: &str) -> Message {
        let json = format!(
            r#"{{"event":{{"provider":"app"}},"fly":{{"app":{{"instance":"{instance}","name":"web"}},"region":"lhr"}},
            "message":"{text}","timestamp":"2026-11-22T10:00:00Z","logway":{{"boot":"019a0c3f2b7c0001","seq":7{more}}}}}"#
        );
        line::json::decode(json.as_bytes()).unwrap()
    }

    fn written(style: Style, messages: &[Message]) -> String {
        let (mut raw, mut out) = (Raw::default(), Vec::new());
        for message in messages {
            let _ = raw.write(style, message, &mut out);
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lines_are_what_was_written() {
        let pipe = Style { has_colour: false, for_terminal: false, with_app: true };
        let first = message("a", "x\\u001b[2J", ",\"more\":true,\"stream\":\"stdout\"");
        let second = message("a", "y", ",\"part\":1,\"stream\":\"stdout\"");
        let other = message("b", "z", ",\"stream\":\"stdout\"");
        let event = message("a", "exited", ",\"stream\":\"init\",\"event\":{\"kind\":\"exited\"}");
        for (messages, wanted) in [
            (vec![&first, &second, &other], "x\u{1b}[2Jy\nz\n"),
            (vec![&first, &other, &second], "x\u{1b}[2J\nz\ny\n"),
            (vec![&event, &other], "z\n"),
        ] {
            let messages: Vec<Message> = messages.into_iter().cloned().collect();
            assert_eq!(written(pipe, &messages), wanted);
        }
        let terminal = Style { for_terminal: true, ..pipe };
        assert_eq!(written(terminal, &[first]), "x\\x1b[2J");
    }
}
