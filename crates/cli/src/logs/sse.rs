//! Server-sent events: lines to events. Comments and fields that nobody needs are passed over.

use bytes::Bytes;

/// Most bytes of an event's data: a line has at most 2 MiB, and escapes can make it longer.
const MAX_DATA_BYTES: usize = 16 << 20;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Event {
    /// Its id, if it has one of its own.
    pub(super) id: Option<String>,
    /// Its name; empty for a usual one.
    pub(super) name: String,
    /// Its data, lines joined by line breaks.
    pub(super) data: Bytes,
}

/// Puts events together.
#[derive(Debug, Default)]
pub(super) struct Parser {
    event: Event,
    has_data: bool,
}

impl Parser {
    /// Takes a line without its end, and gives the event that it ends.
    pub(super) fn line(&mut self, line: &Bytes) -> Option<Event> {
        let line = line.strip_suffix(b"\r").map_or_else(|| line.clone(), |text| line.slice_ref(text));
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return std::mem::take(&mut self.has_data).then_some(event);
        }
        let at = memchr::memchr(b':', &line).unwrap_or(line.len());
        let value = line.slice((at + 1).min(line.len())..);
        let value = if value.starts_with(b" ") { value.slice(1..) } else { value };
        match &line[..at] {
            b"data" => self.data(value),
            b"id" if !value.contains(&0) => self.event.id = Some(text(&value)),
            b"event" => self.event.name = text(&value),
            _ => {}
        }
        None
    }

    fn data(&mut self, value: Bytes) {
        if !self.has_data {
            (self.event.data, self.has_data) = (value, true);
        } else if self.event.data.len() + value.len() < MAX_DATA_BYTES {
            self.event.data = [&self.event.data[..], b"\n", &value].concat().into();
        }
    }
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn events(text: &str) -> Vec<(Option<String>, String, String)> {
        let mut parser = Parser::default();
        let lines = text.split_terminator('\n').map(|line| Bytes::copy_from_slice(line.as_bytes()));
        let events = lines.filter_map(|line| parser.line(&line));
        events.map(|event| (event.id, event.name, self::text(&event.data))).collect()
    }

    #[test]
    fn lines_become_events() {
        for (text, wanted) in [
            ("data: x\n\n", &[(None, "", "x")][..]),
            ("id: 7\ndata:x\r\n\r\n", &[(Some("7"), "", "x")]),
            ("event: end\ndata: a: b\ndata\ndata:  c\n\n", &[(None, "end", "a: b\n\n c")]),
            // An id belongs to its event alone: a cursor must not be taken for that of a later line.
            ("id: 7\ndata: x\n\ndata: y\n\n", &[(Some("7"), "", "x"), (None, "", "y")]),
            (": comment\nretry: 5\nid: 1\n\ndata: x\n\n", &[(None, "", "x")]),
            // What is not ended is no event.
            ("data: x\n", &[]),
            ("", &[]),
        ] {
            let wanted: Vec<_> = wanted
                .iter()
                .map(|(id, name, data)| (id.map(str::to_owned), (*name).to_owned(), (*data).to_owned()))
                .collect();
            assert_eq!(events(text), wanted, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(all in prop::collection::vec(("[a-z]{0,3}", "[ -~é]{0,20}", "[0-9.~]{1,9}"), 0..9)) {
            let text: String =
                all.iter().map(|(name, data, id)| format!("event: {name}\nid: {id}\ndata: {data}\n\n")).collect();
            let wanted: Vec<_> =
                all.into_iter().map(|(name, data, id)| (Some(id), name, data)).collect();
            prop_assert_eq!(events(&text), wanted);
        }

        #[test]
        fn any_bytes_are_taken(lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..30), 0..30)) {
            let mut parser = Parser::default();
            for line in lines {
                parser.line(&Bytes::from(line));
            }
        }
    }
}
