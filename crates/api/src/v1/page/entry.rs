//! Lines as fly-go reads them: which names, which types, and what must not be there.
//!
//! Go's decoder gives up the whole page for one value of a wrong type, and flyctl the whole tail for one time that it cannot parse. So
//! numbers are numbers that a Go `int` of 32 bits holds or not there at all, and levels are the four that flyctl knows.

use line::Level;
use line::time::rfc3339;
use query::Block;

use crate::select::json::write_value;

/// What is read of each row.
pub(super) const FIELDS: [&str; 17] = [
    "_time",
    "_msg",
    "level",
    "provider",
    "instance",
    "region",
    "boot",
    "seq",
    "pos",
    "code",
    "error.code",
    "error.message",
    "http.request.id",
    "http.request.method",
    "http.request.version",
    "http.response.status_code",
    "url.full",
];

/// Appends `row` as one entry of a page's `data`.
pub(super) fn write(block: &Block, row: usize, out: &mut Vec<u8>) {
    let mut scratch = Vec::new();
    let mut entry = Entry { block, row, scratch: &mut scratch, out };
    // An instance's boot and number are a line's identity, wherever it is read.
    entry.raw("{\"id\":\"");
    for (at, field) in ["instance", "boot", "seq"].into_iter().enumerate() {
        entry.raw(if at == 0 { "" } else { ":" });
        entry.plain(field);
    }
    entry.raw("\",\"type\":\"log\",\"attributes\":{\"timestamp\":");
    entry.value("_time");
    entry.raw(",\"message\":");
    entry.value("_msg");
    entry.raw(",\"level\":\"");
    entry.level();
    entry.raw("\",\"instance\":");
    entry.value("instance");
    entry.raw(",\"region\":");
    entry.value("region");
    entry.raw(",\"meta\":");
    entry.meta();
    entry.raw("}}");
}

/// An entry that says something about the page: that lines are missing in it.
pub(super) fn write_notice(message: &str, now: i64, out: &mut Vec<u8>) {
    let time = rfc3339(now);
    out.extend_from_slice(b"{\"id\":\"notice:");
    out.extend_from_slice(now.to_string().as_bytes());
    out.extend_from_slice(b"\",\"type\":\"log\",\"attributes\":{\"timestamp\":");
    write_value(time.as_bytes(), out);
    out.extend_from_slice(b",\"message\":");
    write_value(message.as_bytes(), out);
    out.extend_from_slice(
        b",\"level\":\"warn\",\"instance\":\"\",\"region\":\"\",\
          \"meta\":{\"instance\":\"\",\"region\":\"\",\"event\":{\"provider\":\"runner\"}}}}",
    );
}

/// One entry on its way into a page.
struct Entry<'a> {
    block: &'a Block,
    row: usize,
    scratch: &'a mut Vec<u8>,
    out: &'a mut Vec<u8>,
}

impl Entry<'_> {
    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn of(&mut self, field: &str) -> &[u8] {
        self.scratch.clear();
        self.block.value(field, self.row, self.scratch)
    }

    fn has(&mut self, field: &str) -> bool {
        !self.of(field).is_empty()
    }

    /// A field whose value needs no escapes: of others what does.
    fn plain(&mut self, field: &str) {
        let value: Vec<u8> = self
            .of(field)
            .iter()
            .copied()
            .filter(|byte| !matches!(byte, b'"' | b'\\' | ..b' ' | 127..))
            .collect();
        self.out.extend_from_slice(&value);
    }

    fn value(&mut self, field: &str) {
        self.scratch.clear();
        let value = self.block.value(field, self.row, self.scratch);
        write_value(value, self.out);
    }

    fn level(&mut self) {
        let level = known_level(self.of("level"));
        self.raw(level);
    }

    /// `"name":value` for those of `fields` that have one; names by pairs of field and name.
    fn texts(&mut self, fields: &[(&str, &str)]) {
        let mut is_first = true;
        for (field, name) in fields {
            if self.has(field) {
                self.raw(if is_first { "\"" } else { ",\"" });
                self.raw(name);
                self.raw("\":");
                self.value(field);
                is_first = false;
            }
        }
    }

    fn meta(&mut self) {
        self.raw("{\"instance\":");
        self.value("instance");
        self.raw(",\"region\":");
        self.value("region");
        self.raw(",\"event\":{\"provider\":");
        self.value("provider");
        self.raw("}");
        self.http();
        self.error();
        if self.has("url.full") {
            self.raw(",\"url\":{\"full\":");
            self.value("url.full");
            self.raw("}");
        }
        // Codes of platforms are words: in `error.code` they would cost the page.
        if self.has("code") {
            self.raw(",\"code\":");
            self.value("code");
        }
        self.raw("}");
    }

    fn http(&mut self) {
        const REQUEST: [(&str, &str); 3] = [
            ("http.request.id", "id"),
            ("http.request.method", "method"),
            ("http.request.version", "version"),
        ];
        let has_request = REQUEST.iter().any(|(field, _)| self.has(field));
        let status = number(self.of("http.response.status_code"));
        if !has_request && status.is_none() {
            return;
        }
        self.raw(",\"http\":{");
        if has_request {
            self.raw("\"request\":{");
            self.texts(&REQUEST);
            self.raw("}");
        }
        if let Some(status) = status {
            self.raw(if has_request { "," } else { "" });
            self.raw(&format!("\"response\":{{\"status_code\":{status}}}"));
        }
        self.raw("}");
    }

    fn error(&mut self) {
        let code = number(self.of("error.code"));
        // flyctl shows it in place of the message, so an app that writes both would lose what it said.
        let has_message = self.of("provider") == b"proxy" && self.has("error.message");
        if code.is_none() && !has_message {
            return;
        }
        self.raw(",\"error\":{");
        if let Some(code) = code {
            self.raw(&format!("\"code\":{code}"));
        }
        if has_message {
            self.raw(if code.is_some() { "," } else { "" });
            self.texts(&[("error.message", "message")]);
        }
        self.raw("}");
    }
}

/// A level by the name that flyctl knows; anything else is `info`, which it would show as an error.
fn known_level(value: &[u8]) -> &'static str {
    let level = std::str::from_utf8(value).ok().and_then(Level::from_word);
    level.unwrap_or(Level::Info).as_str()
}

/// A number that a Go `int` holds on every machine, as apps write it.
fn number(value: &[u8]) -> Option<i32> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use query::Column;
    use serde_json::{Value, json};

    fn block(fields: &[(&str, &str)]) -> Block {
        fields.iter().fold(Block::new(1), |block, (name, value)| block.with(*name, Column::of(value)))
    }

    fn entry(block: &Block) -> Value {
        let mut out = Vec::new();
        write(block, 0, &mut out);
        serde_json::from_slice(&out)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&out)))
    }

    const LINE: [(&str, &str); 8] = [
        ("_time", "2026-11-22T10:00:00.123456789Z"),
        ("_msg", "hello \"you\"\u{1b}[0m"),
        ("level", "info"),
        ("provider", "app"),
        ("instance", "148e"),
        ("region", "lhr"),
        ("boot", "019a0c3f2b7c0001"),
        ("seq", "42"),
    ];

    #[test]
    fn a_line() {
        assert_eq!(
            entry(&block(&LINE)),
            json!({
                "id": "148e:019a0c3f2b7c0001:42",
                "type": "log",
                "attributes": {
                    "timestamp": "2026-11-22T10:00:00.123456789Z",
                    "message": "hello \"you\"\u{1b}[0m",
                    "level": "info",
                    "instance": "148e",
                    "region": "lhr",
                    "meta": {"instance": "148e", "region": "lhr", "event": {"provider": "app"}},
                },
            })
        );
    }

    #[test]
    fn what_an_app_says_of_requests() {
        for (more, wanted) in [
            (vec![("http.request.method", "GET")], json!({"http": {"request": {"method": "GET"}}})),
            (
                vec![
                    ("http.request.id", "r1"),
                    ("http.request.version", "2"),
                    ("http.response.status_code", "502"),
                    ("url.full", "https://x/"),
                ],
                json!({
                    "http": {"request": {"id": "r1", "version": "2"}, "response": {"status_code": 502}},
                    "url": {"full": "https://x/"},
                }),
            ),
            (vec![("http.response.status_code", "200")], json!({"http": {"response": {"status_code": 200}}})),
            // Words and numbers that Go does not take as an int are not there.
            (vec![("http.response.status_code", "teapot"), ("error.code", "PU02")], json!({})),
            (vec![("http.response.status_code", "200.5"), ("error.code", "4294967296")], json!({})),
            (vec![("error.code", "-2")], json!({"error": {"code": -2}})),
            (vec![("code", "PU02"), ("error.code", "7")], json!({"code": "PU02", "error": {"code": 7}})),
            // flyctl would show it in place of the message.
            (vec![("error.message", "boom")], json!({})),
            (
                vec![("provider", "proxy"), ("error.message", "boom"), ("error.code", "1")],
                json!({"error": {"code": 1, "message": "boom"}, "event": {"provider": "proxy"}}),
            ),
        ] {
            let fields = [&LINE[..], &more].concat();
            let mut meta = json!({"instance": "148e", "region": "lhr", "event": {"provider": "app"}});
            meta.as_object_mut().unwrap().extend(wanted.as_object().unwrap().clone());
            assert_eq!(entry(&block(&fields))["attributes"]["meta"], meta, "{more:?}");
        }
    }

    #[test]
    fn levels_are_those_that_flyctl_knows() {
        for (level, wanted) in [
            ("debug", "debug"),
            ("trace", "debug"),
            ("info", "info"),
            ("notice", "info"),
            ("warning", "warn"),
            ("fatal", "error"),
            ("purple", "info"),
            ("", "info"),
        ] {
            assert_eq!(known_level(level.as_bytes()), wanted, "{level}");
        }
    }

    #[test]
    fn a_notice() {
        let mut out = Vec::new();
        write_notice("lines are \"missing\"", 1_795_341_600_000_000_000, &mut out);
        let said: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(said["attributes"]["timestamp"], "2026-11-22T10:00:00.000000000Z");
        assert_eq!(
            (&said["attributes"]["level"], &said["attributes"]["message"]),
            (&json!("warn"), &json!("lines are \"missing\""))
        );
    }

    proptest! {
        #[test]
        fn any_bytes_make_an_entry(values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..12), FIELDS.len())) {
            let block = FIELDS.iter().zip(&values).fold(Block::new(1), |block, (name, value)| block.with(*name, Column::of(value)));
            let said = entry(&block);
            prop_assert!(said["id"].is_string() && said["attributes"]["message"].is_string());
            let meta = &said["attributes"]["meta"];
            let is_int = |value: Option<&Value>| value.is_none_or(Value::is_i64);
            prop_assert!(is_int(meta.pointer("/error/code")) && is_int(meta.pointer("/http/response/status_code")));
        }
    }
}
